// The documents that commands are given: of files, directories and the standard input, each an object that is right.
import { existsSync, readFileSync } from 'node:fs';
import { dump } from 'js-yaml';
import { objectDigest } from '../../control/source/digest.ts';
import { formatFinding, formatPath, type Problem } from '../../control/source/finding.ts';
import { findKind, splitApiVersion } from '../../control/source/kinds.ts';
import { type ConfigObject, objectKeyOf } from '../../control/source/object.ts';
import { makeObject } from '../../control/source/make-object.ts';
import { isMap, type Json, readChunk, splitChunks } from '../../control/source/read-documents.ts';
import { locate, type Place } from '../../control/source/yaml.ts';
import { UsageError } from '../command/parse.ts';
import { filesOf } from '../object-names.ts';
import { titleOf } from './kinds.ts';

export type GivenObject = {
  readonly key: string;
  /** 'virtualservice.networking.istio.io/reviews' */
  readonly title: string;
  readonly object: ConfigObject;
  readonly digest: string;
  /** As it is kept: with the comments of its file where it stood alone. */
  readonly text: string;
  /** 'reviews.yaml:12' */
  readonly place: string;
};

export type GivenObjects = {
  readonly objects: readonly GivenObject[];
  /** What is wrong, ready to be told; then nothing is to be done with any. */
  readonly refusals: readonly string[];
  readonly notes: readonly string[];
};

/** Throws where a file cannot be read. `namespace`: of objects that say none. */
export function readGiven(paths: readonly string[], namespace: string | undefined): GivenObjects {
  const objects = new Map<string, GivenObject>();
  const refusals: string[] = [];
  const notes: string[] = [];
  for (const [file, text] of paths.flatMap(textsOf)) {
    const read = readFile(text, file, namespace);
    notes.push(...read.notes);
    refusals.push(...read.refusals);
    for (const one of read.objects) {
      const other = objects.get(one.key);
      if (other === undefined) objects.set(one.key, one);
      else refusals.push(`${one.place}: ${one.key} was given already, in ${other.place}; leave one of them out`);
    }
  }
  return { objects: [...objects.values()], refusals, notes };
}

function textsOf(path: string): (readonly [string, string])[] {
  if (path === '-') return [['standard input', readFileSync(0, 'utf8')]];
  if (!existsSync(path)) throw new UsageError(`-f ${path}: there is no such file or directory`);
  return filesOf(path).map((file) => [file, readFileSync(file, 'utf8')]);
}

function readFile(text: string, file: string, namespace: string | undefined): GivenObjects {
  const refusals: string[] = [];
  const notes: string[] = [];
  const objects: GivenObject[] = [];
  for (const { text: part, linesBefore } of splitChunks(text)) {
    const say = (key: string, place: Place, { severity, path, message, remedy }: Problem): void => {
      const at = { line: linesBefore + place.line, column: place.column };
      const line = formatFinding({ severity, key, file, ...at, path: formatPath(path), message, remedy });
      if (severity === 'error') refusals.push(line);
      else notes.push(`${severity}: ${line}`);
    };
    const content = readChunk(part, file);
    if (content.syntaxError !== null) {
      const { error, place } = content.syntaxError;
      const message = `the document is no YAML: ${error}`;
      say('', place, { severity: 'error', path: [], message, remedy: 'fix the syntax there' });
    }
    for (const { index, prefix, ...problem } of content.unread)
      say('', locate(part, index, prefix), { ...problem, path: [] });
    const isAlone = content.documents.length === 1 && content.documents[0]?.prefix.length === 0;
    for (const { value, index, prefix, isBareSpec } of content.documents) {
      const named = inNamespace(value, namespace);
      const { key, object, problems } = makeObject(structuredClone(named) as Json, () => null);
      for (const problem of problems) {
        const inside = isBareSpec === true && problem.path[0] === 'spec' ? problem.path.slice(1) : problem.path;
        say(key, locate(part, index, [...prefix, ...inside]), problem);
      }
      // A ConfigMap with settings of the mesh stays what it is.
      if (object === null || (isBareSpec === true && prefix.length > 0)) continue;
      const kept = isAlone && named === value && isBareSpec !== true ? plainText(part) : yamlOf(named);
      const place = `${file}:${linesBefore + locate(part, index, prefix).line}`;
      objects.push({ key, title: titleOf(object), object, digest: objectDigest(object), text: kept, place });
    }
  }
  return { objects, refusals, notes };
}

/** The key of an object as it was written. */
export function keyOfRaw(value: Json): string {
  const { group } = splitApiVersion(String(value['apiVersion']));
  const kind = String(value['kind']);
  const metadata = isMap(value['metadata']) ? value['metadata'] : {};
  const isNamespaced = findKind(group, kind)?.isNamespaced ?? true;
  const namespace = isNamespaced ? String(metadata['namespace'] ?? '') || 'default' : '';
  return objectKeyOf(group, kind, namespace, String(metadata['name'] ?? ''));
}

function inNamespace(value: Json, namespace: string | undefined): Json {
  const metadata = isMap(value['metadata']) ? value['metadata'] : {};
  const { group } = splitApiVersion(String(value['apiVersion']));
  const isNamespaced = findKind(group, String(value['kind']))?.isNamespaced === true;
  if (namespace === undefined || !isNamespaced || (metadata['namespace'] ?? '') !== '') return value;
  const { name, ...more } = metadata;
  return { ...value, metadata: { name, namespace, ...more } };
}

function plainText(text: string): string {
  return `${text.replace(/^---[^\S\n]*\n?/, '').trimEnd()}\n`;
}

/** As kubectl writes it. */
export function yamlOf(value: unknown): string {
  return dump(value, { noRefs: true, lineWidth: -1, seqNoIndent: true });
}
