// Writes DER for tests, also such as no honest encoder would.

export type Der = Buffer;

/** Tag, length, contents. */
export function der(tag: number, ...contents: readonly (Uint8Array | string)[]): Der {
  const body = Buffer.concat(contents.map((one) => (typeof one === 'string' ? Buffer.from(one, 'latin1') : one)));
  return Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body]);
}

function lengthOf(bytes: number): Buffer {
  if (bytes < 0x80) return Buffer.from([bytes]);
  if (bytes < 0x100) return Buffer.from([0x81, bytes]);
  if (bytes < 0x1_0000) return Buffer.from([0x82, bytes >> 8, bytes & 255]);
  return Buffer.from([0x83, bytes >> 16, (bytes >> 8) & 255, bytes & 255]);
}

export function sequence(...contents: readonly Uint8Array[]): Der {
  return der(0x30, ...contents);
}
export function set(...contents: readonly Uint8Array[]): Der {
  return der(0x31, ...contents);
}
export function explicit(number: number, ...contents: readonly Uint8Array[]): Der {
  return der(0xa0 | number, ...contents);
}
export function utf8(text: string): Der {
  return der(0x0c, Buffer.from(text, 'utf8'));
}
export function octets(contents: Uint8Array): Der {
  return der(0x04, contents);
}
export function bits(contents: Uint8Array, unused = 0): Der {
  return der(0x03, Buffer.from([unused]), contents);
}
export function boolean(value: boolean): Der {
  return der(0x01, Buffer.from([value ? 0xff : 0]));
}
export const NULL: Der = der(0x05);

/** Not negative. */
export function integer(value: number | bigint | Uint8Array): Der {
  let bytes = value instanceof Uint8Array ? Buffer.from(value) : numberBytes(BigInt(value));
  if (bytes.length === 0 || (bytes[0] as number) >= 0x80) bytes = Buffer.concat([Buffer.from([0]), bytes]);
  return der(0x02, bytes);
}

function numberBytes(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

export function oid(dotted: string): Der {
  const [first = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt);
  return der(0x06, ...[first * 40n + second, ...rest].map(base128));
}

function base128(value: bigint): Buffer {
  const out = [Number(value & 127n)];
  for (let left = value >> 7n; left > 0n; left >>= 7n) out.unshift(Number(left & 127n) | 128);
  return Buffer.from(out);
}

/** UTCTime until 2049, then GeneralizedTime, as RFC 5280 has it. */
export function time(date: Date): Der {
  const digits = `${date.toISOString().replace(/\D/g, '').slice(0, 14)}Z`;
  const year = date.getUTCFullYear();
  return year >= 1950 && year < 2050 ? der(0x17, digits.slice(2)) : der(0x18, digits);
}
