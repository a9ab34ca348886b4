// Mesh configuration against its protobuf message: a document of its own kind, with the rules of proto3 JSON.
import { fromStrictJson } from '../../proto/json-decode.ts';
import { toJson } from '../../proto/json-encode.ts';
import { type MessageType, TYPE } from '../../proto/message-type.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { type PathPart, parsePath } from '../source/finding.ts';
import { nearest, type Problems } from './problem.ts';

const PACKAGE = 'istio.mesh.v1alpha1';

/**
 * Returns the spec with the names that Istio's documents use, and without what is unknown: a field of a newer Istio
 * must not take the whole configuration of the mesh away. Null where a value is wrong.
 */
export function readMesh(kind: string, spec: unknown, problems: Problems): Record<string, unknown> | null {
  const type = registry.message(`${PACKAGE}.${kind}`);
  const report = new Report();
  const message: unknown = fromStrictJson(type, spec, report);
  for (const { path, reason, kind: what } of report.problems) {
    const place = ['spec', ...asWritten(path, spec)];
    if (what !== 'unknown-field') {
      problems.error(place, reason, 'write it as the documentation of the field says');
      continue;
    }
    const name = String(place.at(-1));
    const meant = nearest(name, knownBeside(kind, place.slice(1, -1)));
    const remedy = meant === null ? 'remove it, it has no effect' : `write ${meant}; it has no effect as it is`;
    problems.warn(place, `unknown field ${JSON.stringify(name)}`, remedy);
  }
  if (problems.hasErrors) return null;
  const read = toJson(type, message) as Fields;
  restoreZeros(type, isFields(spec) ? spec : {}, read);
  return read;
}

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

/**
 * Puts back what protobuf leaves out because it is the zero of its type: the mesh has other defaults. REGISTRY_ONLY is
 * such a zero, and so is `enableTracing: false`.
 */
function restoreZeros(type: MessageType, written: Fields, read: Fields): void {
  for (const field of type.fields) {
    const value = written[field.jsonName] ?? written[field.name];
    const kept = read[field.jsonName];
    if (value === undefined || value === null || field.repeated || field.map !== null) continue;
    if (field.type === TYPE.message) {
      if (field.message.wellKnown === 'none' && isFields(value) && isFields(kept)) {
        restoreZeros(field.message, value, kept);
      }
    } else if (kept === undefined) {
      if (field.type === TYPE.bool) read[field.jsonName] = false;
      else if (field.type === TYPE.enum) read[field.jsonName] = field.enum.name(field.enum.defaultNumber);
    }
  }
}

const camelCase = (name: string): string => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Reports name fields as protobuf does; documents mostly do not. */
function asWritten(path: string, spec: unknown): PathPart[] {
  let at: unknown = spec;
  return parsePath(path).map((part) => {
    const inner = typeof at === 'object' && at !== null ? (at as Record<PathPart, unknown>) : {};
    const name = typeof part === 'number' || Object.hasOwn(inner, part) ? part : camelCase(part);
    at = inner[name];
    return name;
  });
}

/** Names of the fields of the message that a path leads to. */
function knownBeside(kind: string, path: readonly PathPart[]): string[] {
  let name = `${PACKAGE}.${kind}`;
  for (const part of path) {
    if (typeof part === 'number') continue;
    const field = registry.find(name)?.fields.find((one) => one.jsonName === part || one.name === part);
    if (field?.typeName === undefined) return [];
    name = field.typeName;
  }
  return (registry.find(name)?.fields ?? []).map(({ jsonName }) => jsonName);
}
