// Visits every message below a message, those inside Anys too: checks that look at all fields are written on top of it.
import { unpackAny } from './any.ts';
import type { Any } from './any.ts';
import { MAX_DEPTH } from './binary-decode.ts';
import { TYPE } from './message-type.ts';
import type { Field, Message, MessageType } from './message-type.ts';
import { joinPath, keyPath, type Report } from './report.ts';

/** Called before the fields of `message` are looked at; returning `false` leaves them out. */
export type Visit = (type: MessageType, message: Message, path: string) => unknown;

/**
 * Visits `message` and the messages in it, parents first. Messages with a representation of their own (Duration,
 * wrappers, Struct, …) are values and not visited; an Any is not visited but its content is, through TypedStructs.
 * Anys that cannot be unpacked and too deep nesting are reported and passed over.
 */
export function walk<T>(type: MessageType<T>, message: T, visit: Visit, report?: Report, path = ''): void {
  walkMessage(type as MessageType, message, path, 0, { visit, report });
}

interface Walk {
  readonly visit: Visit;
  readonly report: Report | undefined;
}

function walkMessage(type: MessageType, value: unknown, path: string, depth: number, context: Walk): void {
  if (depth > MAX_DEPTH) {
    context.report?.add(path, 'limit', `nested deeper than ${MAX_DEPTH} messages`);
    return;
  }
  if (type.wellKnown === 'any') {
    const any = value as Any;
    if (any.type_url === '' && any.message === undefined) return;
    const unpacked = unpackAny(any, context.report, path);
    if (unpacked === undefined) return;
    const inner = unpacked.subPath === '' ? path : joinPath(path, unpacked.subPath);
    walkMessage(unpacked.type, unpacked.message, inner, depth + 1, context);
    return;
  }
  if (type.wellKnown !== 'none') return;
  const message = value as Message;
  if (context.visit(type, message, path) === false) return;
  for (const field of type.fields) {
    const set = message[field.name];
    if (set !== undefined) walkField(field, set, joinPath(path, field.name), depth + 1, context);
  }
}

function walkField(field: Field, value: unknown, path: string, depth: number, context: Walk): void {
  if (field.map !== null) {
    if (field.map.value.type !== TYPE.message) return;
    const entries = value as Message;
    const type = field.map.value.message;
    for (const key of Object.keys(entries)) walkMessage(type, entries[key], keyPath(path, key), depth, context);
  } else if (field.type === TYPE.message) {
    const type = field.message;
    if (!field.repeated) walkMessage(type, value, path, depth, context);
    else
      for (const [i, element] of (value as unknown[]).entries())
        walkMessage(type, element, `${path}[${i}]`, depth, context);
  }
}
