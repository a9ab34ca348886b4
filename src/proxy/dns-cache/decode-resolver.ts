// Decodes how names are resolved: the resolvers that Envoy knows, and the older fields that set one up.
import type { Address as AddressPb, DnsResolverOptions, TypedExtensionConfig } from '../../proto/generated/types.d.ts';
import type { Address } from '../../base/byte-stream.ts';
import { DEFAULT_RESOLVER, type ResolverSettings } from '../../net/resolver/resolver.ts';
import { decodeAddress } from '../config/address.ts';
import type { ConfigDecoder } from '../config-decoder.ts';

const CARES = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';
const GETADDRINFO = 'envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig';

export const RESOLVER_FIELDS = {
  'envoy.config.core.v3.DnsResolutionConfig': 'resolvers dns_resolver_options',
  'envoy.config.core.v3.DnsResolverOptions': 'use_tcp_for_dns_lookups no_default_search_domain',
  'envoy.config.core.v3.TypedExtensionConfig': 'name typed_config',
  [CARES]: `resolvers dns_resolver_options use_resolvers_as_fallback filter_unroutable_families
    query_timeout_seconds query_tries rotate_nameservers edns0_max_payload_size`,
  [GETADDRINFO]: 'num_retries',
} as const;

export type CaresFields = {
  readonly resolvers?: AddressPb[];
  readonly dns_resolver_options?: DnsResolverOptions;
  readonly use_resolvers_as_fallback?: boolean;
  readonly filter_unroutable_families?: boolean;
  readonly query_timeout_seconds?: number | bigint;
  readonly query_tries?: number;
  readonly rotate_nameservers?: boolean;
  readonly edns0_max_payload_size?: number;
};

export function decodeTypedResolver(typed: TypedExtensionConfig, d: ConfigDecoder): ResolverSettings {
  const dt = d.at('typed_config');
  const unpacked = d.environment.unpack(typed.typed_config, dt);
  if (unpacked === null) return DEFAULT_RESOLVER;
  if (unpacked.type === CARES) return makeCares(unpacked.message as CaresFields, dt, 'resolvers');
  if (unpacked.type === GETADDRINFO) {
    const { num_retries: retries } = unpacked.message as { num_retries?: number };
    // Time-outs and servers are the system's; without num_retries it is tried for ever.
    const forever = Number.MAX_SAFE_INTEGER;
    return Object.freeze({
      ...DEFAULT_RESOLVER,
      kind: 'getaddrinfo',
      timeoutMs: 0,
      tries: 0,
      retries: retries ?? forever,
    });
  }
  dt.reject('', `${unpacked.type} is not supported`);
  return DEFAULT_RESOLVER;
}

/** `where` is the field with the servers, below `d`. */
export function makeCares(fields: CaresFields, d: ConfigDecoder, where: string): ResolverSettings {
  const servers: Address[] = [];
  for (const [i, resolver] of (fields.resolvers ?? []).entries()) {
    const dr = d.at(where, i);
    if (resolver.pipe !== undefined) {
      dr.reject('', `DNS resolver '${resolver.pipe.path ?? ''}' is not an IP address`);
      continue;
    }
    // Whether a server is asked by UDP or TCP is no matter of its address.
    const { protocol: _protocol, ...socket } = resolver.socket_address ?? {};
    const address = decodeAddress({ socket_address: socket }, dr);
    if (address !== null) servers.push(Object.freeze(address));
  }
  const options = fields.dns_resolver_options;
  const timeoutS = fields.query_timeout_seconds;
  return Object.freeze({
    ...DEFAULT_RESOLVER,
    servers: Object.freeze(servers),
    serversAreFallback: fields.use_resolvers_as_fallback ?? false,
    useTcp: options?.use_tcp_for_dns_lookups ?? false,
    noSearch: options?.no_default_search_domain ?? false,
    rotate: fields.rotate_nameservers ?? false,
    filterUnroutable: fields.filter_unroutable_families ?? false,
    timeoutMs: timeoutS === undefined ? DEFAULT_RESOLVER.timeoutMs : Number(timeoutS) * 1000,
    tries: fields.query_tries ?? DEFAULT_RESOLVER.tries,
    udpPayloadBytes: fields.edns0_max_payload_size ?? 0,
  });
}
