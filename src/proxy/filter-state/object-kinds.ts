// The kinds of filter state that a configuration can make from text, by the names of Envoy's object factories.
import type { Address } from '../../base/byte-stream.ts';
import { formatIp, parseIp } from '../../base/ip.ts';
import type { FilterStateObject } from '../stream-info.ts';

type Made = Omit<FilterStateObject, 'isReadOnly' | 'lifeSpan' | 'sharing'>;

/** Makes an object from bytes (one per char code); null when they are none of that kind. */
export type ObjectKind = (bytes: string) => Made | null;

const MAX_UINT32 = 0xffff_ffffn;
const MAX_UINT64 = 0xffff_ffff_ffff_ffffn;
const MAX_PORT = 65535;
const TRUE_WORDS = new Set(['true', 't', 'yes', 'y', '1']);
const FALSE_WORDS = new Set(['false', 'f', 'no', 'n', '0']);

/** Source: what Envoy 1.40 makes and prints of each. */
export const OBJECT_KINDS: ReadonlyMap<string, ObjectKind> = new Map<string, ObjectKind>([
  ['envoy.string', (bytes) => ({ value: bytes, typed: bytes })],
  ['envoy.hashable_string', (bytes) => ({ value: bytes, typed: bytes, isHashable: true })],
  // Of Istio's proxy: principals, and where a CONNECT request goes.
  ['istio.hashable_string', (bytes) => ({ value: bytes, typed: bytes, isHashable: true })],
  ['envoy.bool', makeBool],
  ['envoy.tcp_proxy.cluster', untyped],
  ['envoy.tcp_proxy.disable_tunneling', (bytes) => ({ value: String(bytes === 'true'), typed: bytes === 'true' })],
  ['envoy.tcp_proxy.per_connection_idle_timeout_ms', (bytes) => makeNumber(bytes, MAX_UINT64)],
  ['envoy.ratelimit.hits_addend', (bytes) => makeNumber(bytes, MAX_UINT32)],
  ['envoy.upstream.dynamic_host', (bytes) => ({ value: bytes, typed: bytes })],
  ['envoy.upstream.dynamic_port', (bytes) => makeNumber(bytes, MAX_UINT32)],
  ['envoy.network.upstream_server_name', untyped],
  ['envoy.network.upstream_subject_alt_names', untyped],
  ['envoy.network.application_protocols', (bytes) => ({ value: bytes, typed: null, isOpaque: true })],
  ['envoy.network.ip', makeIp],
  ['envoy.network.transport_socket.original_dst_address', makeAddress],
  ['envoy.filters.listener.original_dst.local_ip', makeAddress],
  ['envoy.filters.listener.original_dst.remote_ip', makeAddress],
]);

function untyped(bytes: string): Made {
  return { value: bytes, typed: null };
}

function makeBool(bytes: string): Made | null {
  const word = bytes.trim().toLowerCase();
  if (TRUE_WORDS.has(word)) return { value: 'true', typed: true };
  return FALSE_WORDS.has(word) ? { value: 'false', typed: false } : null;
}

/** JSON has no 64-bit numbers: such a kind is a string there. */
function makeNumber(bytes: string, max: bigint): Made | null {
  const digits = bytes.trim();
  if (!/^\+?\d{1,20}$/.test(digits)) return null;
  const number = BigInt(digits.replace('+', ''));
  if (number > max) return null;
  if (max === MAX_UINT64) return { value: String(number), typed: String(number), isUint64: true };
  return { value: String(number), typed: Number(number) };
}

/** An address without a port: Envoy prints port 0. */
function makeIp(bytes: string): Made | null {
  const address = addressOf(bytes, 0);
  return address === null ? null : { value: textOf(address), typed: null, address };
}

/** "1.2.3.4:80" or "[::1]:80". */
function makeAddress(bytes: string): Made | null {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(bytes);
  if (match === null) return null;
  const port = Number(match[3]);
  const address = port > MAX_PORT ? null : addressOf(match[1] ?? match[2] ?? '', port);
  if (address === null || (address.family === 'ipv6') !== (match[1] !== undefined)) return null;
  return { value: textOf(address), typed: null, address, fields: { ip: address.address, port }, isHashable: true };
}

function addressOf(text: string, port: number): Address | null {
  const ip = parseIp(text);
  return ip === null ? null : { family: text.includes(':') ? 'ipv6' : 'ipv4', address: formatIp(ip), port };
}

function textOf({ family, address, port }: Address): string {
  return family === 'ipv6' ? `[${address}]:${port}` : `${address}:${port}`;
}
