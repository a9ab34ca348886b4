// What the analysis says of an object, and in which order.
import type { Position } from '../source/object-store.ts';
import type { ConfigObject } from '../source/object.ts';
import type { PathPart } from '../source/finding.ts';
import { type Code, entryOf, type Level } from './codes.ts';

export type Message = {
  readonly code: Code;
  readonly level: Level;
  readonly text: string;
  /** Key, kind, namespace and name of the object, and what it asks not to be told. */
  readonly object: Pick<ConfigObject, 'kind' | 'namespace' | 'name' | 'annotations'>;
  /** Null where nothing is known of a place. */
  readonly place: Position | null;
};

/** How analyzers say something: `path` leads to the field that is meant, `values` fill the template. */
export type Report = (
  code: Code,
  object: ConfigObject,
  path: readonly PathPart[],
  ...values: readonly unknown[]
) => void;

const LEVELS: readonly Level[] = ['Error', 'Warning', 'Info'];

/** Whether something of this level is at least as bad as the threshold. */
export function reaches(level: Level, threshold: Level): boolean {
  return LEVELS.indexOf(level) <= LEVELS.indexOf(threshold);
}

/** 'VirtualService default/reviews', 'Namespace prod'. */
export function originOf({ object }: Message): string {
  return `${object.kind} ${object.namespace === '' ? object.name : `${object.namespace}/${object.name}`}`;
}

/** 'reviews.yaml:12:15'; '' where nothing is known. */
export function referenceOf({ place }: Message): string {
  return place === null ? '' : `${place.file}:${place.line}:${place.column}`;
}

export function documentationOf({ code }: Message): string {
  return `https://istio.io/latest/docs/reference/config/analysis/${code.toLowerCase()}/?ref=heddle-analyze`;
}

/** The worst first, then by code and object; without what is said twice. */
export function sortMessages(messages: readonly Message[]): Message[] {
  const sorted = [...messages].sort(
    (a, b) =>
      LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level) ||
      compare(a.code, b.code) ||
      compare(originOf(a), originOf(b)) ||
      compare(a.place?.file ?? '', b.place?.file ?? '') ||
      (a.place?.line ?? 0) - (b.place?.line ?? 0) ||
      (a.place?.column ?? 0) - (b.place?.column ?? 0) ||
      compare(a.text, b.text),
  );
  const idOf = (one: Message): string => `${one.code} ${originOf(one)} ${referenceOf(one)} ${one.text}`;
  return sorted.filter((one, at) => at === 0 || idOf(one) !== idOf(sorted[at - 1] as Message));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

export function levelOf(code: Code): Level {
  return entryOf(code).level;
}
