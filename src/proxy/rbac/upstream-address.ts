// RBAC by where a request will go: the address that a filter before it has found (save_upstream_address).
import { type Cidr, cidrContains, hasIp, makeCidr, parseIp } from '../../base/ip.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { findFilterState, type StreamInfo } from '../stream-info.ts';
import type { Rule } from './rules.ts';

export const UPSTREAM_ADDRESS = 'envoy.extensions.rbac.matchers.upstream_ip_port.v3.UpstreamIpPortMatcher';

export const UPSTREAM_ADDRESS_FIELDS = {
  [UPSTREAM_ADDRESS]: 'upstream_ip upstream_port_range',
  'envoy.type.v3.Int64Range': 'start end',
} as const;

/** Source: Envoy StreamInfo::UpstreamAddress. */
const ADDRESS_KEY = 'envoy.stream.upstream_address';

export type UpstreamAddressPb = {
  readonly upstream_ip?: { readonly address_prefix?: string; readonly prefix_len?: number };
  readonly upstream_port_range?: { readonly start?: number | bigint; readonly end?: number | bigint };
};

/** Null after rejecting it. */
export function decodeUpstreamAddress(message: UpstreamAddressPb, d: ConfigDecoder): Rule | null {
  const { upstream_ip: ip, upstream_port_range: ports } = message;
  if (ip === undefined && ports === undefined) {
    const what = 'Invalid UpstreamIpPortMatcher configuration - missing `upstream_ip` and/or `upstream_port_range`';
    d.reject('', what);
    return null;
  }
  const range = ip === undefined ? null : makeCidr(ip.address_prefix ?? '', ip.prefix_len ?? 0);
  if (ip !== undefined && range === null) {
    d.reject('upstream_ip', `malformed IP address: ${ip.address_prefix ?? ''}`);
    return null;
  }
  const start = ports === undefined ? 0 : Number(ports.start ?? 0);
  const end = ports === undefined ? Number.POSITIVE_INFINITY : Number(ports.end ?? 0);
  return new UpstreamAddressRule(range, start, end);
}

/** Matches nothing where nobody has found an address. */
class UpstreamAddressRule implements Rule {
  readonly #range: Cidr | null;
  readonly #start: number;
  readonly #end: number;

  constructor(range: Cidr | null, start: number, end: number) {
    this.#range = range;
    this.#start = start;
    this.#end = end;
  }

  matches(info: StreamInfo): boolean {
    const address = findFilterState(info, ADDRESS_KEY)?.address;
    if (address === undefined || !hasIp(address)) return false;
    if (address.port < this.#start || address.port > this.#end) return false;
    if (this.#range === null) return true;
    const ip = parseIp(address.address);
    return ip !== null && cidrContains(this.#range, ip);
  }
}
