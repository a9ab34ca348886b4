// Fields that arrived in binary form and are in no descriptor: kept with the message under a symbol, and written back.

/** Key under which a message object holds its unknown fields. */
export const UNKNOWN_FIELDS: unique symbol = Symbol('unknown fields');

/** One unknown field: `bytes` is the whole field, tag included. */
export interface UnknownField {
  readonly number: number;
  readonly wireType: number;
  readonly bytes: Uint8Array;
}

/** The unknown fields of `message`, in the order of arrival. */
export function unknownFields(message: object): readonly UnknownField[] {
  return (message as { [UNKNOWN_FIELDS]?: UnknownField[] })[UNKNOWN_FIELDS] ?? [];
}

export function addUnknownField(message: object, field: UnknownField): void {
  const holder = message as { [UNKNOWN_FIELDS]?: UnknownField[] };
  holder[UNKNOWN_FIELDS] ??= [];
  holder[UNKNOWN_FIELDS].push(field);
}
