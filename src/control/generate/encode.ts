// Messages as they go on the wire: encoded once, deterministically, with the hash of the bytes as version.
import { hash } from 'node:crypto';
import { encodeBinary } from '../../proto/binary-encode.ts';
import type { MessageTypes } from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';
import type { EncodedResource } from '../../xds/server/resource.ts';

/** Encodes a resource of that type. Equal messages give equal bytes and so equal versions, on every replica. */
export function encodeResource<K extends keyof MessageTypes>(
  type: K,
  name: string,
  message: MessageTypes[K],
): EncodedResource {
  return encodedResource(type, name, encodeBinary(registry.message(type), message));
}

/** A resource whose bytes exist already. */
export function encodedResource(type: string, name: string, body: Uint8Array): EncodedResource {
  return { name, typeUrl: `type.googleapis.com/${type}`, version: hash('sha1', body, 'hex').slice(0, 16), body };
}
