// Virtual hosts and tables of them put together from encoded pieces, so that what did not change is only copied.
import { encodeBinary } from '../../../proto/binary-encode.ts';
import type { MessageTypes } from '../../../proto/generated/types.d.ts';
import { registry } from '../../../proto/registry.ts';
import type { Route } from './routes.ts';

type RouteConfiguration = MessageTypes['envoy.config.route.v3.RouteConfiguration'];
type VirtualHost = MessageTypes['envoy.config.route.v3.VirtualHost'];

/** Length-delimited fields 1 (VirtualHost.name) and 2 (VirtualHost.domains, RouteConfiguration.virtual_hosts). */
const NAME_TAG = (1 << 3) | 2;
const SECOND_TAG = (2 << 3) | 2;

/** What follows name and domains in a virtual host: its routes and switches. */
export type HostBody = Uint8Array;

export function encodeHostBody(routes: readonly Route[], others: Omit<VirtualHost, 'routes'>): HostBody {
  return encodeBinary(registry.message('envoy.config.route.v3.VirtualHost'), { ...others, routes: [...routes] });
}

/** A whole virtual host. */
export function joinHost(name: string, domains: readonly string[], body: HostBody): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(headLength(name, domains) + body.length);
  writeHost(bytes, 0, name, domains, body);
  return bytes;
}

export type HostPieces = { readonly name: string; readonly domains: readonly string[]; readonly body: HostBody };

/** A table: `header` says all but the virtual hosts `hosts` and `last`, which stand in this order. */
export function joinTable(
  header: Omit<RouteConfiguration, 'virtual_hosts'>,
  hosts: readonly HostPieces[],
  last: VirtualHost | null,
): Uint8Array {
  const type = registry.message('envoy.config.route.v3.RouteConfiguration');
  const { name, ...rest } = header;
  const front = encodeBinary(type, { name });
  const back = encodeBinary(type, { ...(last !== null && { virtual_hosts: [last] }), ...rest });
  const lengths = hosts.map((host) => headLength(host.name, host.domains) + host.body.length);
  const total = lengths.reduce((sum, length) => sum + 1 + varintLength(length) + length, front.length + back.length);
  const bytes = Buffer.allocUnsafeSlow(total);
  bytes.set(front, 0);
  let at = front.length;
  hosts.forEach((host, index) => {
    bytes[at] = SECOND_TAG;
    at = writeVarint(bytes, at + 1, lengths[index]!);
    at = writeHost(bytes, at, host.name, host.domains, host.body);
  });
  bytes.set(back, at);
  return bytes;
}

function headLength(name: string, domains: readonly string[]): number {
  return domains.reduce((sum, domain) => sum + textLength(domain), textLength(name));
}

function textLength(text: string): number {
  const length = Buffer.byteLength(text);
  return 1 + varintLength(length) + length;
}

function writeHost(bytes: Buffer, at: number, name: string, domains: readonly string[], body: HostBody): number {
  at = writeText(bytes, at, NAME_TAG, name);
  for (const domain of domains) at = writeText(bytes, at, SECOND_TAG, domain);
  bytes.set(body, at);
  return at + body.length;
}

function writeText(bytes: Buffer, at: number, tag: number, text: string): number {
  const length = Buffer.byteLength(text);
  bytes[at] = tag;
  at = writeVarint(bytes, at + 1, length);
  return at + bytes.write(text, at);
}

function varintLength(value: number): number {
  let length = 1;
  while (value > 127) {
    value >>>= 7;
    length += 1;
  }
  return length;
}

function writeVarint(bytes: Buffer, at: number, value: number): number {
  while (value > 127) {
    bytes[at++] = (value & 127) | 128;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}
