// Objects as people name them: files, and KIND/NAME with a namespace.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MemorySource } from '../control/source/config-source.ts';
import { formatFinding } from '../control/source/finding.ts';
import { objectDigest } from '../control/source/digest.ts';
import { objectKeyOf } from '../control/source/object.ts';
import { UsageError } from './command/parse.ts';
import { kindsNamed } from './objects/kinds.ts';

/** `digest`: what the object of a file says; null for one that was only named. */
export type NamedObject = { readonly key: string; readonly digest: string | null };

/** Objects of files, and those that are named; throws a sentence for the operator. */
export function namedObjects(words: readonly string[], namespace: string): NamedObject[] {
  return words.flatMap((word) => (existsSync(word) ? objectsOfFile(word) : [objectOfName(word, namespace)]));
}

/** Of a file, or of all files of a directory and below it. */
function objectsOfFile(path: string): NamedObject[] {
  const source = new MemorySource(Object.fromEntries(filesOf(path).map((file) => [file, readFileSync(file, 'utf8')])));
  source.start();
  const broken = source.findings().find(({ severity }) => severity === 'error');
  if (broken !== undefined) throw new Error(formatFinding(broken));
  return [...source.objects()].map(([key, object]) => ({ key, digest: objectDigest(object) }));
}

export function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();
  return names.filter((name) => /(^|\/)[^./][^/]*\.(ya?ml|json)$/.test(name)).map((name) => join(path, name));
}

/** 'VirtualService/reviews', 'vs/bookinfo/reviews'; the kind as kubectl takes it. */
function objectOfName(word: string, namespace: string): NamedObject {
  const [kind = '', ...rest] = word.split('/');
  const [found] = kindsNamed(kind);
  const [first = '', second] = rest;
  if (found === undefined || first === '' || rest.length > 2) {
    throw new UsageError(`${word} is no file, and no KIND/NAME or KIND/NAMESPACE/NAME of a kind that is read`);
  }
  const owner = found.isNamespaced ? (second === undefined ? namespace : first) : '';
  return { key: objectKeyOf(found.group, found.kind, owner, second ?? first), digest: null };
}
