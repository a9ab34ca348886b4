// Writes a PROXY protocol header, version 1 or 2.
import type { Address } from '../base/byte-stream.ts';
import { formatIp, hasIp, type Ip, parseIp } from '../base/ip.ts';

const SIGNATURE_VERSION_AND_PROXY = Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21', 'latin1');
const SIGNATURE_VERSION_AND_LOCAL = Buffer.from('\r\n\r\n\0\r\nQUIT\n\x20', 'latin1');
const TCP4 = 0x11;
const TCP6 = 0x21;
/** The list's length has 16 bits. */
const MAX_REST_BYTES = 65_535;

/**
 * Entries are [type, value]; those that have no room are left out. Addresses that are not both IP make a LOCAL
 * header, of which the reader uses the connection's own; one IPv6 address makes both IPv6.
 */
export function writeProxyHeader(
  source: Address,
  destination: Address,
  tlvs: readonly (readonly [number, Uint8Array])[] = [],
): Buffer {
  const from = hasIp(source) ? parseIp(source.address) : null;
  const to = hasIp(destination) ? parseIp(destination.address) : null;
  if (from === null || to === null) return Buffer.concat([SIGNATURE_VERSION_AND_LOCAL, Buffer.alloc(3)]);
  const isV6 = from.family === 'ipv6' || to.family === 'ipv6';
  const addresses = Buffer.concat([ipBytes(from, isV6), ipBytes(to, isV6), u16(source.port), u16(destination.port)]);
  const parts: Uint8Array[] = [];
  let restBytes = addresses.length;
  for (const [type, value] of tlvs) {
    if (restBytes + 3 + value.length > MAX_REST_BYTES) continue;
    parts.push(Buffer.from([type]), u16(value.length), value);
    restBytes += 3 + value.length;
  }
  const family = Buffer.from([isV6 ? TCP6 : TCP4]);
  return Buffer.concat([SIGNATURE_VERSION_AND_PROXY, family, u16(restBytes), addresses, ...parts]);
}

/** The line of version 1; one IPv6 address makes both IPv6. */
export function writeProxyHeaderV1(source: Address, destination: Address): Buffer {
  const from = hasIp(source) ? parseIp(source.address) : null;
  const to = hasIp(destination) ? parseIp(destination.address) : null;
  if (from === null || to === null) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
  const family = from.family === 'ipv6' || to.family === 'ipv6' ? 'TCP6' : 'TCP4';
  const line = `PROXY ${family} ${formatIp(from)} ${formatIp(to)} ${source.port} ${destination.port}\r\n`;
  return Buffer.from(line, 'latin1');
}

function ipBytes(ip: Ip, isV6: boolean): Buffer {
  // An IPv4 address beside an IPv6 one is written as a mapped one.
  const mapped = ip.family === 'ipv4' ? [0, 0, 0xffff, ip.w3] : [ip.w0, ip.w1, ip.w2, ip.w3];
  const bytes = Buffer.alloc(16);
  mapped.forEach((word, i) => bytes.writeUInt32BE(word, 4 * i));
  return isV6 ? bytes : bytes.subarray(12);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
