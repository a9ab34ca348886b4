// The protobuf type google.protobuf.Any: packing, and unpacking through both kinds of TypedStruct.
import { decodeBinary } from './binary-decode.ts';
import { encodeBinary } from './binary-encode.ts';
import { fromJson } from './json-decode.ts';
import type { Message, MessageType } from './message-type.ts';
import { registry } from './registry.ts';
import { joinPath, Report } from './report.ts';
import { typeUrlName, typeUrlOf } from './type-url.ts';

/** An Any: from JSON it carries `message`, from binary `value`; `unpackAny` adds `message` to the latter. */
export interface Any {
  type_url: string;
  value?: Uint8Array;
  message?: unknown;
}

export interface Unpacked {
  readonly type: MessageType;
  readonly message: Message;
  /** Path of the message below that of the Any: '' or, inside a TypedStruct, 'value'. */
  readonly subPath: string;
}

const TYPED_STRUCTS = new Set(['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct']);
/** TypedStructs inside TypedStructs that are followed. */
const MAX_TYPED_STRUCTS = 4;

/** What was found in an Any, with the problems found then; kept on it so that it is decoded once. */
const CONTENT: unique symbol = Symbol('content');
const UNPACKED: unique symbol = Symbol('unpacked');

interface Content {
  readonly type: MessageType;
  readonly message: unknown;
}

interface Cached<T> {
  readonly found: T | undefined;
  readonly problems: Report;
}

type Holder = Any & { [CONTENT]?: Cached<Content>; [UNPACKED]?: Cached<Unpacked> };

/**
 * Decodes what is in `any`, once: later calls return the same object and report the same problems.
 * A TypedStruct gives the message that it describes. Paths in the report begin with `path`, the path of the Any.
 * Fails: undefined when the type is unknown or the bytes are malformed (reported).
 */
export function unpackAny(any: Any, report?: Report, path = ''): Unpacked | undefined {
  const holder = any as Holder;
  let cached = holder[UNPACKED];
  if (cached === undefined) {
    const problems = new Report();
    cached = { found: unpack(any, problems), problems };
    Object.defineProperty(holder, UNPACKED, { value: cached });
  }
  if (report !== undefined) replay(cached.problems, report, path);
  return cached.found;
}

/** As `unpackAny`, but a TypedStruct stays what it is. */
export function unpackAnyContent(any: Any, report?: Report, path = ''): Content | undefined {
  const holder = any as Holder;
  let cached = holder[CONTENT];
  if (cached === undefined) {
    const problems = new Report();
    cached = { found: decodeContent(any, problems), problems };
    Object.defineProperty(holder, CONTENT, { value: cached });
  }
  if (report !== undefined) replay(cached.problems, report, path);
  return cached.found;
}

function replay(problems: Report, report: Report, path: string): void {
  for (const { path: below, kind, reason } of problems.problems) {
    report.add(path === '' ? below : below === '' ? path : joinPath(path, below), kind, reason);
  }
  report.dropped += problems.dropped;
}

function decodeContent(any: Any, problems: Report): Content | undefined {
  const type = registry.find(typeUrlName(any.type_url));
  if (type === undefined) {
    const reason = any.type_url === '' ? 'an Any without a type' : `unknown message type '${any.type_url}'`;
    problems.add('', 'unknown-type', reason);
    return undefined;
  }
  if (any.message === undefined) any.message = decodeBinary(type, any.value ?? new Uint8Array(0), problems);
  return any.message === undefined ? undefined : { type, message: any.message };
}

function unpack(any: Any, problems: Report): Unpacked | undefined {
  const content = unpackAnyContent(any, problems);
  if (content === undefined) return undefined;
  const { type, message } = content;
  if (!TYPED_STRUCTS.has(type.fullName)) return { type, message: message as Message, subPath: '' };
  return unpackTypedStruct(message as Message, problems, 'value', 1);
}

function unpackTypedStruct(struct: Message, problems: Report, path: string, level: number): Unpacked | undefined {
  const typeUrl = (struct['type_url'] as string | undefined) ?? '';
  const type = registry.find(typeUrlName(typeUrl));
  if (type === undefined) {
    problems.add('type_url', 'unknown-type', typeUrl === '' ? 'is missing' : `unknown message type '${typeUrl}'`);
    return undefined;
  }
  const content = type.wellKnown === 'none' || type.wellKnown === 'empty' || type.wellKnown === 'struct';
  const json = (struct['value'] as Message | undefined) ?? {};
  const message = fromJson(type, content ? json : json['value'], problems, path);
  if (!TYPED_STRUCTS.has(type.fullName)) return { type, message, subPath: path };
  if (level >= MAX_TYPED_STRUCTS) {
    problems.add(path, 'limit', `more than ${MAX_TYPED_STRUCTS} TypedStructs inside each other`);
    return undefined;
  }
  return unpackTypedStruct(message, problems, `${path}.value`, level + 1);
}

/** Wraps `message`, which stays the caller's; it is encoded when the Any is. */
export function packAny<T>(type: MessageType<T>, message: T): Any {
  return { type_url: typeUrlOf(type.fullName), message };
}

/** Wraps the bytes of `message`: cheaper than `packAny` when the same Any is encoded often. */
export function packAnyBytes<T>(type: MessageType<T>, message: T): Any {
  return { type_url: typeUrlOf(type.fullName), value: encodeBinary(type, message) };
}
