// Puts messages together from parts that are encoded already, so that an entry is encoded once.

/** A length-delimited field: `number` below 16, and its bytes in pieces. */
export type Part = { readonly number: number; readonly bytes: readonly Uint8Array[] };

/** The fields one behind the other. */
export function joinParts(parts: readonly Part[]): Buffer {
  const chunks: Uint8Array[] = [];
  for (const { number, bytes } of parts) {
    let length = 0;
    for (const piece of bytes) length += piece.length;
    chunks.push(fieldHead(number, length), ...bytes);
  }
  return Buffer.concat(chunks);
}

/** A repeated field of messages. */
export function repeated(number: number, messages: readonly Uint8Array[]): Uint8Array[] {
  return messages.flatMap((message) => [fieldHead(number, message.length), message]);
}

/** Tag and length. Source: Protocol Buffers, "Encoding". */
function fieldHead(number: number, length: number): Uint8Array {
  const bytes = [(number << 3) | 2];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
