// Decodes udp_proxy: where sessions go, how long they last, what is logged of them.
import type { Address } from '../../base/byte-stream.ts';
import type { Matcher, UdpProxyConfig as UdpProxyPb } from '../../proto/generated/types.d.ts';
import type { AccessLog } from '../access-log/access-log.ts';
import { decodeAccessLogs } from '../access-log/decode.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeMatcher, MATCHER_TREE_FIELDS, type MatcherContext, type MatcherPb } from '../matcher/matcher.ts';
import { type NetworkFacts, networkInput } from '../matcher/network-inputs.ts';
import { NO_MATCH } from '../matcher/step.ts';
import { receiveLimit } from './receive-limit.ts';
import { xxHash64 } from '../route/xxhash64.ts';

export const UDP_PROXY = 'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig';
const ROUTE = 'envoy.extensions.filters.udp.udp_proxy.v3.Route';
const NETWORK_INPUT = 'envoy.extensions.matching.common_inputs.network.v3';
/** What a datagram says of its ends. */
const INPUTS = [
  'SourceIPInput',
  'SourcePortInput',
  'DestinationIPInput',
  'DestinationPortInput',
  'NetworkNamespaceInput',
].map((name) => `${NETWORK_INPUT}.${name}`);

/** Source: udp_proxy.proto, idle_timeout. */
const IDLE_TIMEOUT_MS = 60_000;

export const UDP_PROXY_FIELDS: Readonly<Record<string, string>> = {
  [UDP_PROXY]: `
    stat_prefix cluster matcher idle_timeout use_original_src_ip hash_policies upstream_socket_config
    use_per_packet_load_balancing access_log proxy_access_log access_log_options`,
  [`${UDP_PROXY}.HashPolicy`]: 'source_ip key',
  [`${UDP_PROXY}.UdpAccessLogOptions`]: 'access_log_flush_interval',
  [ROUTE]: 'cluster',
  ...MATCHER_TREE_FIELDS,
  ...Object.fromEntries(INPUTS.map((input) => [input, ''])),
};

export type UdpRoute = {
  /** Every cluster that it may name. */
  readonly clusterNames: readonly string[];
  clusterFor(from: Address, to: Address): string | null;
};

export type UdpProxyConfig = {
  readonly statPrefix: string;
  readonly route: UdpRoute;
  readonly idleTimeoutMs: number;
  readonly maxUpstreamDatagramBytes: number;
  /** Every datagram chooses its host, and a client has a session with each. */
  readonly isPerPacket: boolean;
  /** Hosts see the client's address, with a port of our own. */
  readonly usesClientIp: boolean;
  readonly hash: (from: Address) => number | null;
  readonly accessLogs: readonly AccessLog[];
  readonly proxyAccessLogs: readonly AccessLog[];
  /** 0: sessions are logged at their end only. */
  readonly logIntervalMs: number;
};

/** Null after rejecting. */
export function decodeUdpProxy(message: UdpProxyPb, d: ConfigDecoder): UdpProxyConfig | null {
  const route = decodeRoute(message, d);
  const accessLogs = decodeAccessLogs(message.access_log ?? [], d.at('access_log'));
  const proxyAccessLogs = decodeAccessLogs(message.proxy_access_log ?? [], d.at('proxy_access_log'));
  if (route === null) return null;
  return Object.freeze({
    statPrefix: message.stat_prefix ?? '',
    route,
    idleTimeoutMs: Math.trunc(d.durationMs(message.idle_timeout, IDLE_TIMEOUT_MS)),
    maxUpstreamDatagramBytes: receiveLimit(message.upstream_socket_config, true),
    isPerPacket: message.use_per_packet_load_balancing ?? false,
    usesClientIp: message.use_original_src_ip ?? false,
    hash: decodeHash(message),
    accessLogs,
    proxyAccessLogs,
    logIntervalMs: Math.trunc(d.durationMs(message.access_log_options?.access_log_flush_interval, 0)),
  });
}

/** The upper 53 bits, as those of a route's hash. */
function hashOf(text: string): number {
  return Number(xxHash64(text) >> 11n);
}

/** The rules of the message allow one policy. Source: Envoy UdpProxy HashPolicyImpl. */
function decodeHash(message: UdpProxyPb): UdpProxyConfig['hash'] {
  const policy = message.hash_policies?.[0];
  if (policy === undefined) return () => null;
  if (policy.source_ip === true) return (from) => hashOf(from.address);
  const hash = hashOf(policy.key ?? '');
  return () => hash;
}

function decodeRoute(message: UdpProxyPb, d: ConfigDecoder): UdpRoute | null {
  if (message.matcher !== undefined) return decodeTree(message.matcher, d.at('matcher'));
  const name = message.cluster ?? '';
  return { clusterNames: [name], clusterFor: () => name };
}

/** What a tree looks at: a client's address and the listener's. */
type Ends = { readonly from: Address; readonly to: Address };

const FACTS: NetworkFacts<Ends> = {
  destination: ({ to }) => to,
  source: ({ from }) => from,
  directSource: ({ from }) => from,
  serverName: () => '',
  filterState: () => undefined,
};

function decodeTree(message: Matcher, d: ConfigDecoder): UdpRoute | null {
  const before = d.reasons.length;
  const clusterNames: string[] = [];
  const context: MatcherContext<Ends, undefined> = {
    // Others have nothing to say of a datagram, and Envoy refuses them here.
    input: (type, input) => (INPUTS.includes(type) ? networkInput(FACTS, type, input) : undefined),
    action(type, action, at) {
      if (type === ROUTE) return clusterNames.push((action as { cluster?: string }).cluster ?? '') - 1;
      at.reject('', `no UDP proxy action of type ${type}`);
      return NO_MATCH;
    },
  };
  const step = decodeMatcher(message as MatcherPb, context, d);
  if (d.reasons.length > before) return null;
  return {
    clusterNames,
    clusterFor: (from, to) => clusterNames[step({ from, to }, undefined)] ?? null,
  };
}
