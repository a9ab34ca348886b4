// Messages as they go on the wire: encoded once, deterministically, with the hash of the bytes as version.
import { encodeBinary } from '../../proto/binary-encode.ts';
import type { MessageTypes } from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';
import { type EncodedResource, encodedResource } from '../../xds/server/resource.ts';

/** Encodes a resource of that type. Equal messages give equal bytes and so equal versions, on every replica. */
export function encodeResource<K extends keyof MessageTypes & string>(
  type: K,
  name: string,
  message: MessageTypes[K],
  aliases?: readonly string[],
): EncodedResource {
  const body = encodeBinary(registry.message(type), message);
  return encodedResource(`type.googleapis.com/${type}`, name, body, aliases);
}
