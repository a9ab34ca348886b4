// Builders of dynamic forward proxies: their DNS caches, clusters and filters.
import { any, type Fields, filter, http, route, routerFilter, STANDARD_LOG, textLog } from '../config.ts';

const CARES = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';
const CLUSTER = 'envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig';
const FILTER = 'envoy.extensions.filters.http.dynamic_forward_proxy.v3';

export const HERE = '127.0.0.1';
/** Nobody listens there: the log tells that a request went there. */
export const THERE = '127.0.0.2';

/** A resolver that asks the group's DNS server, once. */
export function cares(fields: Fields = {}): Fields {
  return {
    name: 'envoy.network.dns_resolver.cares',
    typed_config: any(CARES, {
      resolvers: [{ socket_address: { address: HERE, port_value: '{{dns.main}}' } }],
      dns_resolver_options: { no_default_search_domain: true },
      query_timeout_seconds: 1,
      query_tries: 1,
      ...fields,
    }),
  };
}

export function dnsCache(name: string, fields: Fields = {}): Fields {
  return { name, dns_lookup_family: 'V4_ONLY', typed_dns_resolver_config: cares(), ...fields };
}

export function forwardCluster(name: string, cache: Fields, around: Fields = {}, own: Fields = {}): Fields {
  return {
    name,
    connect_timeout: '1s',
    lb_policy: 'CLUSTER_PROVIDED',
    cluster_type: {
      name: 'envoy.clusters.dynamic_forward_proxy',
      typed_config: any(CLUSTER, { dns_cache_config: cache, ...own }),
    },
    ...around,
  };
}

export function forwardFilter(cache: Fields, fields: Fields = {}): Fields {
  return filter('envoy.filters.http.dynamic_forward_proxy', `${FILTER}.FilterConfig`, {
    dns_cache_config: cache,
    ...fields,
  });
}

/** On a route or above. */
export function perRoute(fields: Fields): Fields {
  return {
    typed_per_filter_config: {
      'envoy.filters.http.dynamic_forward_proxy': any(`${FILTER}.PerRouteConfig`, fields),
    },
  };
}

export type Forward = {
  readonly name: string;
  readonly cache?: Fields;
  readonly filterCache?: Fields;
  readonly cluster?: Fields;
  readonly own?: Fields;
  readonly filter?: Fields;
  readonly routes?: readonly Fields[];
  readonly before?: readonly Fields[];
  readonly after?: readonly Fields[];
  readonly hcm?: Fields;
  readonly log?: string;
  /** Without the filter the cluster looks names up itself. */
  readonly hasFilter?: boolean;
};

/** A listener and its cluster, of one name; the cache is called so, too. */
export function forwardProxy(one: Forward): { readonly listener: Fields; readonly cluster: Fields } {
  const { name, cache = {}, hasFilter = true } = one;
  const settings = dnsCache(name, cache);
  return {
    listener: http({
      name,
      routes: one.routes ?? [route('/', name)],
      filters: [
        ...(one.before ?? []),
        ...(hasFilter ? [forwardFilter(one.filterCache ?? settings, one.filter)] : []),
        ...(one.after ?? []),
      ],
      log: [textLog(one.log ?? STANDARD_LOG)],
      hcm: one.hcm ?? {},
    }),
    cluster: forwardCluster(name, settings, one.cluster, one.own),
  };
}

export { routerFilter };

/** What is compared of a cache and its cluster. */
export function cacheStats(name: string): string[] {
  return [
    `^dns_cache\\.${name}\\.`,
    `^cluster\\.${name}\\.(membership_(change|total|healthy)|upstream_(cx_total|cx_none_healthy|rq_total|` +
      'rq_completed|rq_[1-5]xx|rq_pending_overflow|rq_retry))$',
  ];
}
