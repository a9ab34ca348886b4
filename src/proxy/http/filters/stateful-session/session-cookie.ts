// What a session cookie carries: the address of a host and, perhaps, until when (Envoy's message envoy.Cookie).
import { isUtf8 } from 'node:buffer';

/** Seconds of the machine's monotonic clock; 0: for ever. */
export type SessionCookie = { readonly address: string; readonly expires: number };

const ADDRESS = 1;
const EXPIRES = 2;

/** The message's bytes in base64. `address`: bytes, one per char code. */
export function encodeSessionCookie({ address, expires }: SessionCookie): string {
  const bytes: number[] = [];
  if (address !== '') {
    bytes.push((ADDRESS << 3) | 2);
    pushVarint(bytes, address.length);
    for (let i = 0; i < address.length; i++) bytes.push(address.charCodeAt(i));
  }
  if (expires !== 0) {
    bytes.push(EXPIRES << 3);
    pushVarint(bytes, expires);
  }
  return Buffer.from(bytes).toString('base64');
}

function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
}

/** Null when the bytes are no such message. Fields that are not known are passed over. */
export function decodeSessionCookie(bytes: Buffer): SessionCookie | null {
  let address = '';
  let expires = 0;
  const reader = { bytes, at: 0 };
  while (reader.at < bytes.length) {
    const tag = readVarint(reader);
    if (tag === null || tag < 8 || tag > 0xffff_ffff) return null;
    const field = Math.floor(tag / 8);
    const wire = tag % 8;
    if (wire === 0) {
      const value = readVarint(reader);
      if (value === null) return null;
      if (field === EXPIRES) expires = value;
      continue;
    }
    const length = wire === 2 ? readVarint(reader) : wire === 1 ? 8 : wire === 5 ? 4 : null;
    if (length === null || length > bytes.length - reader.at) return null;
    if (wire === 2 && field === ADDRESS) {
      const value = bytes.subarray(reader.at, reader.at + length);
      if (!isUtf8(value)) return null;
      address = value.toString('latin1');
    }
    reader.at += length;
  }
  return { address, expires };
}

/** Numbers beyond 2^53 lose their last digits, which no clock reaches. */
function readVarint(reader: { readonly bytes: Buffer; at: number }): number | null {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = reader.bytes[reader.at++];
    if (byte === undefined) return null;
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return value;
  }
  return null;
}
