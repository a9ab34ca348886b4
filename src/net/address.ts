// Addresses of sockets: the form in which Envoy prints them, and what the system says turned into our own type.
import { isIPv6 } from 'node:net';
import { formatIp, hasIp, parseIp } from '../base/ip.ts';
import type { Address } from '../base/byte-stream.ts';

/** What stands where the system could not say (a closed socket). */
export const UNKNOWN_ADDRESS: Address = Object.freeze({ family: 'ipv4', address: '0.0.0.0', port: 0 });

/** Linux: sun_path has 108 bytes; one is the terminator or the zero of an abstract name. */
export const MAX_UNIX_PATH_BYTES = 107;

const MAPPED_PREFIX = '::ffff:';

/** "1.2.3.4:80", "[::1]:80", "/run/x.sock" or "@abstract". */
export function addressText(address: Address): string {
  if (!hasIp(address)) return address.address;
  return address.family === 'ipv6' ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}

export function isSameAddress(a: Address, b: Address): boolean {
  return a.port === b.port && a.address === b.address && a.family === b.family;
}

/** An address from an IP literal and a port. An IPv4-mapped IPv6 address becomes IPv4, as in Envoy. */
export function ipAddress(address: string, port: number): Address {
  if (address.startsWith(MAPPED_PREFIX) && address.includes('.')) {
    return { family: 'ipv4', address: address.slice(MAPPED_PREFIX.length), port };
  }
  return { family: isIPv6(address) ? 'ipv6' : 'ipv4', address, port };
}

export function unixAddress(path: string): Address {
  return { family: 'unix', address: path, port: 0 };
}

/** Of the listener `name` in this process; `endpointId` tells apart endpoints behind the same listener. */
export function internalAddress(name: string, endpointId = ''): Address {
  return { family: 'internal', address: `envoy://${name}/${endpointId}`, port: 0, listenerName: name, endpointId };
}

/** 'ip:port' or '[ip]:port'; null for anything else. */
export function parseAddress(text: string): Address | null {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const ip = parseIp(match[1] ?? match[2] ?? '');
  const port = Number(match[3]);
  if (ip === null || port > 65_535 || (ip.family === 'ipv6') !== (match[1] !== undefined)) return null;
  return { family: ip.family, address: formatIp(ip), port };
}

/** The path as the system wants it: an abstract name '@x' starts with a zero byte. */
export function systemPath(address: Address): string {
  return address.address.startsWith('@') ? `\0${address.address.slice(1)}` : address.address;
}

/** Null when the path fits, else the name of the error. */
export function unixPathError(address: Address): string | null {
  const length = Buffer.byteLength(address.address);
  if (length === 0) return 'EINVAL';
  return length > MAX_UNIX_PATH_BYTES ? 'ENAMETOOLONG' : null;
}
