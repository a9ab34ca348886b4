// JSON with the names of protobuf's fields → the same with the names of protobuf's JSON, as istioctl prints messages.
import type { Field, MessageType } from '../../proto/message-type.ts';
import { registry } from '../../proto/registry.ts';
import { typeUrlName } from '../../proto/type-url.ts';

type Json = { [key: string]: unknown };

/** What is of no known type stays as it is. */
export function withJsonNames(typeName: string, value: unknown): unknown {
  const type = registry.find(typeName) as MessageType | undefined;
  return type === undefined ? value : renamed(type, value);
}

function renamed(type: MessageType, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  if (type.wellKnown === 'any') {
    const { '@type': url, ...rest } = value as Json;
    const inner = typeof url === 'string' ? (registry.find(typeUrlName(url)) as MessageType | undefined) : undefined;
    return inner === undefined ? value : { '@type': url, ...(renamed(inner, rest) as Json) };
  }
  // Struct, Value and the like are JSON of their own.
  if (type.wellKnown !== 'none') return value;
  return Object.fromEntries(
    Object.entries(value as Json).map(([key, inner]) => {
      const field = type.fieldByName(key);
      return field === undefined ? [key, inner] : [field.jsonName, fieldValue(field, inner)];
    }),
  );
}

function fieldValue(field: Field, value: unknown): unknown {
  if (field.map !== null) {
    const { value: of } = field.map;
    return Object.fromEntries(Object.entries(value as Json).map(([key, inner]) => [key, fieldValue(of, inner)]));
  }
  if (field.kind !== 'message') return value;
  return Array.isArray(value) ? value.map((one) => renamed(field.message, one)) : renamed(field.message, value);
}
