// Decodes DnsCacheConfig; everything that names a cache must say the same of it.
import { makeCidr, type Cidr } from '../../base/ip.ts';
import { DEFAULT_RESOLVER, type LookupFamily, type ResolverSettings } from '../../net/resolver/resolver.ts';
import type {
  CidrRange,
  Cluster_RefreshRate,
  DnsResolutionConfig,
  SocketAddress,
  TypedExtensionConfig,
} from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { type CaresFields, decodeTypedResolver, makeCares, RESOLVER_FIELDS } from './decode-resolver.ts';
import { DNS_CACHE_DEFAULTS as DEFAULTS, type DnsCacheConfig } from './dns-cache-config.ts';

const ROOM = 'envoy.extensions.common.dynamic_forward_proxy.v3';

export const DNS_CACHE_FIELDS = {
  [`${ROOM}.DnsCacheConfig`]: `name dns_lookup_family dns_refresh_rate host_ttl max_hosts dns_failure_refresh_rate
    dns_cache_circuit_breaker use_tcp_for_dns_lookups dns_resolution_config preresolve_hostnames dns_query_timeout
    typed_dns_resolver_config dns_min_refresh_rate disable_dns_refresh_on_failure resolved_address_filter`,
  [`${ROOM}.DnsCacheCircuitBreakers`]: 'max_pending_requests',
  'envoy.config.cluster.v3.Cluster.RefreshRate': 'base_interval max_interval',
  'envoy.config.core.v3.SocketAddress': 'address port_value protocol',
  'envoy.type.matcher.v3.AddressMatcher': 'ranges invert_match',
  'envoy.config.core.v3.CidrRange': 'address_prefix prefix_len',
  ...RESOLVER_FIELDS,
} as const;

type Duration = Cluster_RefreshRate['base_interval'];

export type DnsCachePb = {
  readonly name?: string;
  readonly dns_lookup_family?: string | number;
  readonly dns_refresh_rate?: Duration;
  readonly host_ttl?: Duration;
  readonly max_hosts?: number;
  readonly dns_failure_refresh_rate?: Cluster_RefreshRate;
  readonly dns_cache_circuit_breaker?: { readonly max_pending_requests?: number };
  readonly use_tcp_for_dns_lookups?: boolean;
  readonly dns_resolution_config?: DnsResolutionConfig;
  readonly preresolve_hostnames?: readonly SocketAddress[];
  readonly dns_query_timeout?: Duration;
  readonly typed_dns_resolver_config?: TypedExtensionConfig;
  readonly dns_min_refresh_rate?: Duration;
  readonly disable_dns_refresh_on_failure?: boolean;
  readonly resolved_address_filter?: { readonly ranges?: readonly CidrRange[]; readonly invert_match?: boolean };
};

/** Source: Envoy Cluster.RefreshRate.max_interval, in base intervals. */
const MAX_FAILURE_INTERVALS = 10;

export function decodeDnsCache(message: DnsCachePb, d: ConfigDecoder): DnsCacheConfig {
  const name = message.name ?? '';
  const failure = message.dns_failure_refresh_rate;
  const failureBaseMs = d.durationMs(failure?.base_interval, 0);
  const failureMaxMs = d.durationMs(failure?.max_interval, failureBaseMs * MAX_FAILURE_INTERVALS);
  if (failureMaxMs < failureBaseMs) {
    const text = 'dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval';
    d.reject('dns_failure_refresh_rate', text);
  }
  const settings = {
    name,
    family: (message.dns_lookup_family ?? 'AUTO') as LookupFamily,
    refreshMs: d.durationMs(message.dns_refresh_rate, DEFAULTS.refreshMs),
    minRefreshMs: d.durationMs(message.dns_min_refresh_rate, DEFAULTS.minRefreshMs),
    hostTtlMs: d.durationMs(message.host_ttl, DEFAULTS.hostTtlMs),
    maxHosts: message.max_hosts ?? DEFAULTS.maxHosts,
    failureBaseMs,
    failureMaxMs,
    refreshesFailures: message.disable_dns_refresh_on_failure !== true,
    maxPending: message.dns_cache_circuit_breaker?.max_pending_requests ?? DEFAULTS.maxPending,
    timeoutMs: d.durationMs(message.dns_query_timeout, DEFAULTS.timeoutMs),
    preresolved: (message.preresolve_hostnames ?? []).map(({ address = '', port_value: port = 0 }) => ({
      host: address,
      port,
    })),
    denied: decodeFilter(message.resolved_address_filter, d.at('resolved_address_filter')),
    resolver: decodeResolver(message, d),
  };
  const fingerprint = JSON.stringify(settings);
  const { dnsCaches, version = '' } = d.environment;
  // The number of the update stands last.
  if (dnsCaches?.claim(name, fingerprint, version.slice(version.lastIndexOf(' ') + 1)) === false) {
    d.reject('', `config specified DNS cache '${name}' with different settings`);
  }
  return Object.freeze({ ...settings, fingerprint });
}

function decodeFilter(message: DnsCachePb['resolved_address_filter'], d: ConfigDecoder): DnsCacheConfig['denied'] {
  if (message === undefined) return null;
  const ranges: Cidr[] = [];
  for (const [i, { address_prefix: prefix = '', prefix_len: length = 0 }] of (message.ranges ?? []).entries()) {
    const cidr = makeCidr(prefix, length);
    if (cidr === null) d.at('ranges', i).reject('', `malformed IP address: ${prefix}`);
    else ranges.push(cidr);
  }
  return Object.freeze({ ranges: Object.freeze(ranges), isInverted: message.invert_match ?? false });
}

function decodeResolver(message: DnsCachePb, d: ConfigDecoder): ResolverSettings {
  const { typed_dns_resolver_config: typed, dns_resolution_config: older, use_tcp_for_dns_lookups: useTcp } = message;
  if (typed !== undefined) {
    for (const field of ['dns_resolution_config', 'use_tcp_for_dns_lookups'] as const) {
      if (message[field] !== undefined && message[field] !== false) {
        d.reject(field, 'takes no effect beside typed_dns_resolver_config');
      }
    }
    return decodeTypedResolver(typed, d.at('typed_dns_resolver_config'));
  }
  if (older !== undefined) {
    if (useTcp === true) d.reject('use_tcp_for_dns_lookups', 'takes no effect beside dns_resolution_config');
    return makeCares(older as CaresFields, d.at('dns_resolution_config'), 'resolvers');
  }
  return useTcp === true ? Object.freeze({ ...DEFAULT_RESOLVER, useTcp }) : DEFAULT_RESOLVER;
}
