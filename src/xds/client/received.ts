// Responses of xDS servers, cut into resources: of a resource nothing is read but its name.
import { decodeBinary } from '../../proto/binary-decode.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import type {
  Any,
  DeltaDiscoveryResponse,
  DiscoveryResponse,
  Duration,
  Resource,
} from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';
import { TYPE } from '../../proto/message-type.ts';
import { typeUrlName } from '../../proto/type-url.ts';
import { COMPLETE_TYPES } from './services.ts';
import type { XdsRefusal, XdsResource } from './types.ts';

/** `ttlMs` 0: it does not expire. */
export type CutResource = XdsResource & { readonly ttlMs: number };

/** The server says only that this is still so. */
export type Heartbeat = { readonly name: string; readonly version: string; readonly ttlMs: number };

export type Received = {
  readonly type: string;
  readonly version: string;
  readonly nonce: string;
  readonly resources: readonly CutResource[];
  readonly heartbeats: readonly Heartbeat[];
  readonly removed: readonly string[];
  /** What cannot be a resource of the type, whoever wants it. */
  readonly broken: readonly XdsRefusal[];
  readonly isComplete: boolean;
  /** Of all resources. */
  readonly bytes: number;
};

const RESOURCE_TYPE = 'envoy.service.discovery.v3.Resource';
const NOTHING = new Uint8Array(0);
/** Takes any bytes: no Buffer need be made of them first. */
const { utf8Slice } = Buffer.prototype as { utf8Slice(this: Uint8Array, start: number, end: number): string };

/** The name of a resource from its bytes; null when they are no message. Types without a name have ''. */
export function nameReader(type: string): (bytes: Uint8Array) => string | null {
  const first = registry.find(type)?.fieldByNumber(1);
  const isNamed = first !== undefined && first.type === TYPE.string && !first.repeated && /(^|_)name$/.test(first.name);
  return (bytes) => readName(bytes, isNamed);
}

/** The last field 1 of a message, as far as the message is one. Source: protobuf encoding, "Last One Wins". */
function readName(bytes: Uint8Array, isNamed: boolean): string | null {
  const end = bytes.length;
  let name = '';
  let pos = 0;
  while (pos < end) {
    let tag = 0;
    let shift = 0;
    for (;;) {
      if (pos >= end || shift > 28) return null;
      const byte = bytes[pos++] as number;
      tag |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
      shift += 7;
    }
    const wireType = tag & 7;
    if (tag >>> 3 === 0) return null;
    if (wireType === 0) {
      let length = 1;
      while (pos < end && (bytes[pos] as number) >= 0x80 && length < 10) {
        pos++;
        length++;
      }
      pos++;
    } else if (wireType === 1) pos += 8;
    else if (wireType === 5) pos += 4;
    else if (wireType === 2) {
      let length = 0;
      let factor = 1;
      for (;;) {
        if (pos >= end || factor > 0x1000_0000) return null;
        const byte = bytes[pos++] as number;
        length += (byte & 0x7f) * factor;
        if (byte < 0x80) break;
        factor *= 128;
      }
      if (isNamed && tag >>> 3 === 1 && pos + length <= end) {
        name = utf8Slice.call(bytes, pos, pos + length);
      }
      pos += length;
    } else return null;
    if (pos > end) return null;
  }
  return name;
}

/** State of the world. `known`: the version that was taken on last, which a resource without a body confirms. */
export function readSotw(message: DiscoveryResponse, type: string, known: string): Received {
  const nameOf = nameReader(type);
  const version = message.version_info ?? '';
  const cut = new Cutter(type, 'DiscoveryResponse');
  for (const any of message.resources ?? []) {
    if (typeUrlName(any.type_url) !== RESOURCE_TYPE) {
      cut.take('', version, any, nameOf, [], 0);
      continue;
    }
    const wrapper =
      (any.message as Resource | undefined) ?? decodeBinary(registry.message(RESOURCE_TYPE), any.value ?? NOTHING);
    if (wrapper === undefined) {
      cut.refuse('', `Unable to unpack as ${RESOURCE_TYPE}`);
      continue;
    }
    const { name = '', resource, aliases = [], ttl } = wrapper;
    const own = wrapper.version ?? '';
    const ttlMs = durationMs(ttl);
    if (resource === undefined && own === known) cut.heartbeats.push({ name, version: own, ttlMs });
    else cut.take(name, version, resource, nameOf, aliases, ttlMs);
  }
  // Where something cannot be read, or is only said to be still there, what is absent may not be gone.
  const isComplete = COMPLETE_TYPES.has(type) && cut.isWhole && cut.heartbeats.length === 0;
  return cut.received(version, message.nonce ?? '', [], isComplete);
}

/** Delta; a text says why the response is refused whole. `known`: versions that are here. */
export function readDelta(
  message: DeltaDiscoveryResponse,
  type: string,
  known: ReadonlyMap<string, string>,
): Received | string {
  const nameOf = nameReader(type);
  const cut = new Cutter(type, 'DeltaDiscoveryResponse');
  const seen = new Set<string>();
  for (const { name: given = '', version = '', resource, aliases = [], ttl } of message.resources ?? []) {
    const name = given !== '' || resource === undefined ? given : (nameOf(bytesOf(resource)) ?? '');
    if (seen.has(name)) return `duplicate name ${name} found among added/updated resources`;
    seen.add(name);
    const ttlMs = durationMs(ttl);
    if (resource === undefined && known.get(name) === version && version !== '') {
      cut.heartbeats.push({ name, version, ttlMs });
    } else cut.take(name, version, resource, nameOf, aliases, ttlMs);
  }
  const removed = message.removed_resources ?? [];
  for (const name of removed) {
    if (seen.has(name)) return `duplicate name ${name} found in the union of added+removed resources`;
    seen.add(name);
  }
  return cut.received(message.system_version_info ?? '', message.nonce ?? '', removed, false);
}

class Cutter {
  readonly #type: string;
  readonly #responseName: string;
  readonly #resources = new Map<string, CutResource>();
  readonly heartbeats: Heartbeat[] = [];
  readonly broken: XdsRefusal[] = [];
  /** Nothing was refused that may stand for a resource which is here. */
  isWhole = true;
  #bytes = 0;

  constructor(type: string, responseName: string) {
    this.#type = type;
    this.#responseName = responseName;
  }

  take(
    given: string,
    version: string,
    any: Any | undefined,
    nameOf: (bytes: Uint8Array) => string | null,
    aliases: readonly string[],
    ttlMs: number,
  ): void {
    const type = this.#type;
    if (any === undefined) {
      // An alias that stands for nothing. Source: xDS protocol, "Aliases".
      if (aliases.length > 0) this.#add({ name: given, version, type, bytes: NOTHING, aliases, ttlMs });
      else this.refuse(given, 'the resource is missing');
      return;
    }
    if (typeUrlName(any.type_url) !== type) {
      const wrong = `type URL ${any.type_url} embedded in an individual Any does not match the message-wide type URL`;
      this.refuse(given, `${wrong} type.googleapis.com/${type} in ${this.#responseName}`);
      return;
    }
    const bytes = bytesOf(any);
    const own = nameOf(bytes);
    if (own === null) this.refuse(given, `Unable to unpack as ${type}`);
    else this.#add({ name: given === '' ? own : given, version, type, bytes, aliases, ttlMs });
  }

  refuse(name: string, reason: string): void {
    this.isWhole = false;
    this.broken.push({ name, reason });
  }

  #add(resource: CutResource): void {
    const { name, type } = resource;
    if (this.#resources.has(name)) {
      // Source: Envoy CdsApiHelper, LdsApiImpl: the first one counts.
      const kind = type.slice(type.lastIndexOf('.') + 1).toLowerCase();
      this.broken.push({ name, reason: `duplicate ${kind} ${name} found` });
      return;
    }
    this.#resources.set(name, resource);
    this.#bytes += resource.bytes.length;
  }

  received(version: string, nonce: string, removed: readonly string[], isComplete: boolean): Received {
    const { heartbeats, broken } = this;
    const resources = [...this.#resources.values()];
    return { type: this.#type, version, nonce, resources, heartbeats, removed, broken, isComplete, bytes: this.#bytes };
  }
}

/** Of an Any from JSON, too. */
function bytesOf({ type_url, value, message }: Any): Uint8Array {
  if (value !== undefined || message === undefined) return value ?? NOTHING;
  const type = registry.find(typeUrlName(type_url));
  return type === undefined ? NOTHING : encodeBinary(type, message as never);
}

function durationMs(duration: Duration | undefined): number {
  if (duration === undefined) return 0;
  return Math.max(0, Number(duration.seconds) * 1000 + Math.ceil(duration.nanos / 1e6));
}
