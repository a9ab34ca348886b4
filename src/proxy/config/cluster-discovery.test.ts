// Tests the decoding of cluster types: DNS in its old and new form, resolvers, original destinations, and refusals.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, decodedCluster } from '../../../test/support/cluster-decoding.ts';
import { DEFAULT_RESOLVER } from '../../net/resolver/resolver.ts';
import type { DnsDiscoveryConfig } from '../cluster/cluster-config.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';

function at(address: string, change: object = {}): object {
  return { endpoint: { address: { socket_address: { address, port_value: 80 } }, ...change } };
}

function assignment(...endpoints: readonly object[]): object {
  return { load_assignment: { cluster_name: 'up', endpoints: [{ lb_endpoints: endpoints }] } };
}

function dns(json: object): DnsDiscoveryConfig {
  const { discovery } = decodedCluster({ ...assignment(at('a.test')), ...json });
  assert.equal(discovery.kind, 'DNS');
  return discovery as DnsDiscoveryConfig;
}

function cares(fields: object = {}): object {
  return {
    name: 'envoy.network.dns_resolver.cares',
    typed_config: { '@type': `${TYPE}.network.dns_resolver.cares.v3.CaresDnsResolverConfig`, ...fields },
  };
}

function dnsCluster(fields: object = {}): object {
  return {
    cluster_type: {
      name: 'envoy.cluster.dns',
      typed_config: { '@type': `${TYPE}.clusters.dns.v3.DnsCluster`, ...fields },
    },
  };
}

const SERVER = { socket_address: { address: '127.0.0.1', port_value: 5353 } };

test('a DNS cluster has Envoy’s defaults', () => {
  const { names, ...rest } = dns({ type: 'STRICT_DNS' });
  assert.deepEqual(rest, {
    kind: 'DNS',
    isLogical: false,
    family: 'AUTO',
    refreshMs: 5000,
    failureBaseMs: 0,
    failureMaxMs: 0,
    respectTtl: false,
    minRefreshMs: 0,
    jitterMs: 0,
    waitsForFirst: true,
    resolver: DEFAULT_RESOLVER,
  });
  assert.equal(names[0]?.name, 'a.test');
  assert.equal(names[0]?.port, 80);
  assert.equal(names[0]?.endpoint.hostname, 'a.test');
  assert.deepEqual(decodedCluster({ type: 'STRICT_DNS' }).endpoints.endpoints, []);
});

test('the older fields and DnsCluster say the same', () => {
  const fields = {
    dns_lookup_family: 'V4_PREFERRED',
    dns_refresh_rate: '2s',
    dns_failure_refresh_rate: { base_interval: '1s' },
    respect_dns_ttl: true,
    dns_jitter: '0.5s',
    typed_dns_resolver_config: cares(),
  };
  const older = dns({ type: 'LOGICAL_DNS', wait_for_warm_on_init: false, ...fields });
  assert.equal(older.family, 'V4_PREFERRED');
  assert.equal(older.failureMaxMs, 10_000);
  assert.equal(older.waitsForFirst, false);
  const typed = dns({
    ...dnsCluster({ ...fields, all_addresses_in_single_endpoint: true }),
    wait_for_warm_on_init: false,
  });
  assert.deepEqual(typed, older);
  assert.equal(dns(dnsCluster({ dns_min_refresh_rate: '3s' })).minRefreshMs, 3000);
});

test('types may be named by cluster_type', () => {
  assert.equal(dns({ cluster_type: { name: 'envoy.cluster.logical_dns' } }).isLogical, true);
  assert.equal(decodedCluster({ cluster_type: { name: 'envoy.cluster.static' } }).discovery.kind, 'STATIC');
  assertRefused({ cluster_type: { name: 'envoy.clusters.aggregate' } }, /^cluster_type\.name: .* not supported yet/);
});

test('endpoints keep what is not their address', () => {
  const { names } = dns({
    type: 'STRICT_DNS',
    load_assignment: {
      cluster_name: 'up',
      endpoints: [
        {
          locality: { zone: 'z' },
          priority: 1,
          load_balancing_weight: 7,
          lb_endpoints: [
            { ...at('b.test', { hostname: 'host' }), load_balancing_weight: 5, health_status: 'DEGRADED' },
          ],
        },
      ],
    },
  });
  const { endpoint } = names[0] as (typeof names)[0];
  assert.equal(endpoint.hostname, 'host');
  assert.equal(endpoint.weight, 5);
  assert.equal(endpoint.health, 'DEGRADED');
  assert.equal(endpoint.locality.zone, 'z');
  assert.deepEqual([endpoint.localityWeight, endpoint.priority], [7, 1]);
});

test('resolvers, typed and older', () => {
  const resolver = (json: object): object => dns({ type: 'STRICT_DNS', ...json }).resolver;
  const server = { family: 'ipv4', address: '127.0.0.1', port: 5353 };
  const typed = {
    resolvers: [{ socket_address: { ...SERVER.socket_address, protocol: 'UDP' } }],
    dns_resolver_options: { use_tcp_for_dns_lookups: true, no_default_search_domain: true },
    use_resolvers_as_fallback: true,
    filter_unroutable_families: true,
    udp_max_queries: 100,
    query_timeout_seconds: 2,
    query_tries: 3,
    rotate_nameservers: true,
    edns0_max_payload_size: 1232,
  };
  assert.deepEqual(resolver({ typed_dns_resolver_config: cares(typed) }), {
    kind: 'cares',
    servers: [server],
    serversAreFallback: true,
    useTcp: true,
    noSearch: true,
    rotate: true,
    filterUnroutable: true,
    timeoutMs: 2000,
    tries: 3,
    udpPayloadBytes: 1232,
    retries: 0,
  });
  const options = { use_tcp_for_dns_lookups: true };
  const middle = resolver({ dns_resolution_config: { resolvers: [SERVER], dns_resolver_options: options } });
  assert.deepEqual(middle, { ...DEFAULT_RESOLVER, servers: [server], useTcp: true });
  assert.deepEqual(resolver({ dns_resolvers: [SERVER], use_tcp_for_dns_lookups: true }), middle);
  const system = {
    name: 'getaddrinfo',
    typed_config: {
      '@type': `${TYPE}.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig`,
      num_retries: 2,
    },
  };
  const { kind, retries, timeoutMs } = dns({ type: 'STRICT_DNS', typed_dns_resolver_config: system }).resolver;
  assert.deepEqual([kind, retries, timeoutMs], ['getaddrinfo', 2, 0]);
});

test('an ORIGINAL_DST cluster takes its destination from header, metadata and port', () => {
  const base = { type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' };
  assert.deepEqual(decodedCluster(base).discovery, {
    kind: 'ORIGINAL_DST',
    headerName: '',
    metadataKey: null,
    portOverride: 0,
    cleanupIntervalMs: 5000,
  });
  const full = decodedCluster({
    ...base,
    cleanup_interval: '1s',
    original_dst_lb_config: {
      use_http_header: true,
      http_header_name: 'X-Dst',
      upstream_port_override: 443,
      metadata_key: { key: 'n', path: [{ key: 'a' }, { key: 'b' }] },
    },
  });
  assert.deepEqual(full.discovery, {
    kind: 'ORIGINAL_DST',
    headerName: 'x-dst',
    metadataKey: { namespace: 'n', path: ['a', 'b'] },
    portOverride: 443,
    cleanupIntervalMs: 1000,
  });
  const usual = decodedCluster({ ...base, original_dst_lb_config: { use_http_header: true } });
  assert.equal((usual.discovery as { headerName: string }).headerName, 'x-envoy-original-dst-host');
});

test('what cannot be is refused with Envoy’s words', () => {
  const strict = { type: 'STRICT_DNS', ...assignment(at('a.test')) };
  const logical = { type: 'LOGICAL_DNS' };
  const original = { type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' };
  const pipe = { pipe: { path: '/x' } };
  const apple = {
    typed_config: { '@type': `${TYPE}.network.dns_resolver.apple.v3.AppleDnsResolverConfig` },
    name: 'apple',
  };
  const cases: readonly [object, RegExp][] = [
    [logical, /^load_assignment: LOGICAL_DNS clusters must have a single host$/],
    [
      { ...logical, ...assignment(at('a'), at('b')) },
      /: LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint$/,
    ],
    [
      { ...strict, ...assignment({ endpoint: { address: pipe } }) },
      /address: a STRICT_DNS cluster needs a socket_addr/,
    ],
    [{ ...strict, ...assignment(at('a', { additional_addresses: [{ address: SERVER }] })) }, /all addresses from DNS$/],
    [
      { ...strict, dns_failure_refresh_rate: { base_interval: '2s', max_interval: '1s' } },
      /must have max_interval greater than or equal to the base_interval$/,
    ],
    [{ ...strict, cleanup_interval: '1s' }, /^cleanup_interval: takes no effect/],
    [{ type: 'STATIC', respect_dns_ttl: true }, /^respect_dns_ttl: takes no effect: only DNS clusters/],
    [{ ...strict, ...dnsCluster(), type: undefined, dns_jitter: '1s' }, /^dns_jitter: takes no effect beside/],
    [
      { ...strict, typed_dns_resolver_config: cares(), dns_resolvers: [SERVER] },
      /^dns_resolvers: takes no effect beside/,
    ],
    [
      { ...strict, typed_dns_resolver_config: cares({ resolvers: [pipe] }) },
      /: DNS resolver '\/x' is not an IP address$/,
    ],
    [
      { ...strict, dns_resolvers: [{ socket_address: { address: 'dns.test', port_value: 53 } }] },
      /: malformed IP address: dns.test$/,
    ],
    [{ ...strict, typed_dns_resolver_config: apple }, /AppleDnsResolverConfig is not supported/],
    [{ ...strict, typed_dns_resolver_config: cares({ qcache_max_ttl: 5 }) }, /qcache_max_ttl: is not supported yet/],
    [{ ...original, ...assignment(at('10.0.0.1')) }, /ORIGINAL_DST clusters must have no load assignment configured$/],
    [{ type: 'ORIGINAL_DST' }, /LB policy ROUND_ROBIN is not valid for Cluster type ORIGINAL_DST\. Only 'CLUSTER_PROV/],
    [
      { ...original, original_dst_lb_config: { http_header_name: 'x' } },
      /invalid config http_header_name=x and use_http/,
    ],
    [
      { ...strict, lb_policy: 'CLUSTER_PROVIDED' },
      /cluster provided LB specified but cluster 'up' did not provide one/,
    ],
  ];
  for (const [json, pattern] of cases) assertRefused(json, pattern);
});
