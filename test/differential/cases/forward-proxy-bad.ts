// Dynamic forward proxies that both proxies must refuse, or accept.
import { address, any, bootstrap, cluster, type Fields, filter, http, route } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';
import { dnsCache, forwardCluster, forwardFilter } from './forward-proxy-config.ts';

const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const SNI = 'envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig';
const FILTER = 'envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig';

/** Without a server of its own: nothing is looked up. */
const cache = (fields: Fields = {}): Fields => ({ name: 'c', ...fields });

function withCluster(own: Fields): Fields {
  return bootstrap({ listeners: [http({ name: 'main', routes: [route('/', 'dfp')] })], clusters: [own] });
}

const withCache = (fields: Fields): Fields => withCluster(forwardCluster('dfp', cache(fields)));

function withFilter(settings: Fields, fields: Fields = {}, clusterCache: Fields = cache()): Fields {
  const listener = http({ name: 'main', routes: [route('/', 'dfp')], filters: [forwardFilter(settings, fields)] });
  return bootstrap({ listeners: [listener], clusters: [forwardCluster('dfp', clusterCache)] });
}

const options = (upstream: Fields): Fields => ({
  typed_extension_protocol_options: {
    [OPTIONS]: any(OPTIONS, {
      upstream_http_protocol_options: upstream,
      explicit_http_config: { http_protocol_options: {} },
    }),
  },
});

const DIFFERENT = "config specified DNS cache 'c' with different settings";
const INSECURE = 'must have auto_sni and auto_san_validation true unless allow_insecure_cluster_options is set';

export const forwardProxyConfigCases: readonly ConfigCase[] = [
  { name: 'forward proxy: a plain one', config: withFilter(cache()), isGood: true },
  {
    name: 'forward proxy: no load balancer of its own',
    config: withCluster({ ...forwardCluster('dfp', cache()), lb_policy: 'ROUND_ROBIN' }),
    mentions: ['cluster "dfp"', 'lb_policy', "Only 'CLUSTER_PROVIDED' is allowed"],
  },
  {
    name: 'forward proxy: a cache without a name',
    config: withCache({ name: '' }),
    mentions: ['dns_cache_config.name'],
  },
  {
    name: 'forward proxy: neither cache nor sub clusters',
    config: withCluster(forwardCluster('dfp', cache(), {}, { dns_cache_config: undefined })),
    mentions: ['cluster "dfp"'],
    isGood: true,
  },
  {
    name: 'forward proxy: options without auto_sni',
    config: withCluster(forwardCluster('dfp', cache(), options({ auto_san_validation: true }))),
    mentions: ['cluster "dfp"', INSECURE],
  },
  {
    name: 'forward proxy: options without auto_san_validation',
    config: withCluster(forwardCluster('dfp', cache(), options({ auto_sni: true }))),
    mentions: ['cluster "dfp"', INSECURE],
  },
  {
    name: 'forward proxy: options without both, allowed',
    config: withCluster(forwardCluster('dfp', cache(), options({}), { allow_insecure_cluster_options: true })),
    isGood: true,
  },
  {
    name: 'forward proxy: options with both',
    config: withCluster(forwardCluster('dfp', cache(), options({ auto_sni: true, auto_san_validation: true }))),
    isGood: true,
  },
  {
    name: 'forward proxy: a refresh rate of nothing',
    config: withCache({ dns_refresh_rate: '0s' }),
    mentions: ['dns_refresh_rate'],
  },
  {
    name: 'forward proxy: a shortest refresh rate below a second',
    config: withCache({ dns_min_refresh_rate: '0.5s' }),
    mentions: ['dns_min_refresh_rate'],
  },
  { name: 'forward proxy: hosts that live for nothing', config: withCache({ host_ttl: '0s' }), mentions: ['host_ttl'] },
  { name: 'forward proxy: no hosts', config: withCache({ max_hosts: 0 }), mentions: ['max_hosts'] },
  {
    name: 'forward proxy: failures that back off backwards',
    config: withCache({ dns_failure_refresh_rate: { base_interval: '2s', max_interval: '1s' } }),
    mentions: ['dns_failure_refresh_rate'],
    stricter: 'Envoy finds out with the first name that is looked up',
  },
  {
    name: 'forward proxy: two caches of a name',
    config: withFilter(cache({ max_hosts: 7 })),
    mentions: ['listener "main"', DIFFERENT],
  },
  {
    name: 'forward proxy: two clusters, two caches of a name',
    config: bootstrap({
      listeners: [http({ name: 'main', routes: [route('/', 'dfp')] })],
      clusters: [forwardCluster('dfp', cache()), forwardCluster('two', cache({ max_hosts: 7 }))],
    }),
    mentions: ['cluster "two"', DIFFERENT],
  },
  {
    name: 'forward proxy: two clusters of one cache',
    config: bootstrap({
      listeners: [http({ name: 'main', routes: [route('/', 'dfp')] })],
      clusters: [forwardCluster('dfp', cache()), forwardCluster('two', cache())],
    }),
    isGood: true,
  },
  {
    name: 'forward proxy: a filter without anything',
    config: bootstrap({
      listeners: [http({ name: 'main', routes: [route('/', 'a')], filters: [filter('dfp', FILTER)] })],
      clusters: [cluster('a')],
    }),
    isGood: true,
  },
  {
    name: 'forward proxy: a range that is none',
    config: withCache({ resolved_address_filter: { ranges: [{ address_prefix: 'x', prefix_len: 8 }] } }),
    mentions: ['resolved_address_filter'],
  },
  {
    name: 'forward proxy: endpoints',
    config: withCluster({ ...forwardCluster('dfp', cache()), load_assignment: { cluster_name: 'dfp' } }),
    stricter: 'they take no effect',
  },
  {
    name: 'forward proxy: a store of addresses',
    config: withCache({ key_value_config: { config: { name: 'x', typed_config: any('google.protobuf.Struct') } } }),
    mentions: ['key_value_config'],
  },
  {
    name: 'forward proxy: connections that serve several names',
    config: withCluster(forwardCluster('dfp', cache(), {}, { allow_coalesced_connections: true })),
    stricter: 'it is not built',
  },
  {
    name: 'forward proxy: sni filter with port 0',
    config: bootstrap({ listeners: [sni({ port_value: 0 })], clusters: [forwardCluster('dfp', cache())] }),
    mentions: ['port_value'],
  },
  {
    name: 'forward proxy: sni filter',
    config: bootstrap({ listeners: [sni({ port_value: 443 })], clusters: [forwardCluster('dfp', cache())] }),
    isGood: true,
  },
  {
    name: 'forward proxy: sni filter without a cache',
    config: bootstrap({
      listeners: [sni({ dns_cache_config: undefined })],
      clusters: [forwardCluster('dfp', cache())],
    }),
    mentions: ['dns_cache_config'],
  },
  {
    name: 'forward proxy: sni filter with another cache',
    config: bootstrap({
      listeners: [sni({ dns_cache_config: dnsCache('c', { typed_dns_resolver_config: undefined }) })],
      clusters: [forwardCluster('dfp', cache())],
    }),
    mentions: [DIFFERENT],
  },
];

function sni(fields: Fields): Fields {
  return {
    name: 'main',
    address: address('listen.main'),
    filter_chains: [
      {
        filters: [
          filter('sni', SNI, { dns_cache_config: cache(), ...fields }),
          filter('tcp', 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: 't', cluster: 'dfp' }),
        ],
      },
    ],
  };
}
