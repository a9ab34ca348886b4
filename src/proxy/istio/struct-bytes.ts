// Structs of protobuf as bytes, with sorted keys: what a workload says of itself is always the same text.
import { type Any, packAnyBytes, unpackAnyContent } from '../../proto/any.ts';
import { decodeBinary } from '../../proto/binary-decode.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import type { MessageType } from '../../proto/message-type.ts';
import { registry } from '../../proto/registry.ts';
import type { JsonObject } from './node.ts';

const STRUCT = 'google.protobuf.Struct';

function structType(): MessageType<JsonObject> {
  return registry.message(STRUCT as string) as unknown as MessageType<JsonObject>;
}

export function encodeStruct(struct: JsonObject): Buffer {
  const bytes = encodeBinary(structType(), struct);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Null when the bytes are none. */
export function decodeStruct(bytes: Uint8Array): JsonObject | null {
  return decodeBinary(structType(), bytes) ?? null;
}

/** A Struct in an Any. */
export function encodeStructAny(struct: JsonObject): Buffer {
  const any = packAnyBytes(structType(), struct);
  const bytes = encodeBinary(anyType(), any);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Null when the bytes are no Any; an Any of something else is an empty Struct, as Envoy's anyConvert makes of it. */
export function decodeStructAny(bytes: Uint8Array): JsonObject | null {
  const any = decodeBinary(anyType(), bytes);
  if (any === undefined) return null;
  const content = any.type_url.endsWith(`/${STRUCT}`) ? unpackAnyContent(any) : undefined;
  return content === undefined ? {} : (content.message as JsonObject);
}

function anyType(): MessageType<Any> {
  return registry.message('google.protobuf.Any' as string) as unknown as MessageType<Any>;
}
