// Objects with their places → what is wrong with them. Values in, values out.
import { type Finding, formatPath } from '../source/finding.ts';
import type { Position } from '../source/object-store.ts';
import { type ConfigObject, objectKey } from '../source/object.ts';
import { ANALYZERS } from './analyzers.ts';
import { type Code, entryOf } from './codes.ts';
import { levelOf, type Message, type Report, sortMessages } from './message.ts';
import { schemaMessages } from './schema.ts';
import { fillTemplate } from './template.ts';
import { type Settings, World } from './world.ts';

/** A source of objects, as far as it is asked. */
export type Analyzed = {
  readonly objects: ReadonlyMap<string, ConfigObject>;
  /** Without those on references: `withoutReferences`. */
  readonly findings: readonly Finding[];
  positionOf(key: string, fieldPath: string): Position | null;
};

export type AnalysisOptions = Settings & {
  /** Codes of analyzers that only run when they are asked for. */
  readonly also: readonly Code[];
};

/** The worst first. Never throws. */
export function analyze(source: Analyzed, options: AnalysisOptions): Message[] {
  const { objects } = source;
  const world = new World(objects, options);
  const messages = schemaMessages(source.findings, objects);
  const report: Report = (code, object, path, ...values) => {
    const text = fillTemplate(entryOf(code).template, values);
    const place = source.positionOf(objectKey(object), formatPath(path));
    messages.push({ code, level: levelOf(code), text, object, place });
  };
  for (const { run, codes, isOptional = false } of ANALYZERS) {
    if (!isOptional || codes.some((code) => options.also.includes(code))) run(world, report);
  }
  return sortMessages(messages);
}
