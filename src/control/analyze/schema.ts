// What the source says of objects that are not valid, or probably not meant so, as messages.
import { type Finding, formatPath } from '../source/finding.ts';
import type { ConfigObject } from '../source/object.ts';
import { checkReferences } from '../source/references.ts';
import { levelOf, type Message } from './message.ts';
import { fillTemplate } from './template.ts';
import { entryOf } from './codes.ts';

/** What a source finds besides references, which are looked at elsewhere and with all objects there are. */
export function withoutReferences(
  findings: readonly Finding[],
  objects: ReadonlyMap<string, ConfigObject>,
  clusterDomain: string,
): Finding[] {
  const idOf = (key: string, path: string, message: string): string => `${key} ${path} ${message}`;
  const known = new Set<string>();
  for (const [key, problems] of checkReferences(objects, clusterDomain)) {
    for (const { path, message } of problems) known.add(idOf(key, formatPath(path), message));
  }
  return findings.filter(({ key, path, message }) => !known.has(idOf(key, path, message)));
}

/** Of objects; key '' stands for documents that are none. */
export function schemaMessages(findings: readonly Finding[], objects: ReadonlyMap<string, ConfigObject>): Message[] {
  return findings.flatMap((finding): Message[] => {
    const { severity, key, file, line, column } = finding;
    if (key === '' || severity === 'information') return [];
    const code = severity === 'error' ? 'IST0106' : 'IST0133';
    const text = fillTemplate(entryOf(code).template, [sentenceOf(finding)]);
    return [{ code, level: levelOf(code), text, object: objectOf(key, objects), place: { file, line, column } }];
  });
}

function sentenceOf({ path, message, remedy }: Finding): string {
  const text = path === '' ? message : `${path}: ${message}`;
  return remedy === '' ? text : `${text}; ${remedy}`;
}

/** One that is refused is no object; its key has what is needed. */
function objectOf(key: string, objects: ReadonlyMap<string, ConfigObject>): Message['object'] {
  const known = objects.get(key);
  if (known !== undefined) return known;
  const [kind = '', namespace = '', ...name] = key.slice(key.indexOf(':') + 1).split('/');
  return { kind, namespace, name: name.join('/'), annotations: {} };
}
