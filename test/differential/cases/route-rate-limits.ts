// Differential cases: rate limits of routes and virtual hosts, as the local rate limit counts them.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, filter, http, match } from '../config.ts';
import { get } from '../messages.ts';

const TYPE = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const FULL: Fields = { default_value: { numerator: 100, denominator: 'HUNDRED' } };

/** A descriptor whose bucket lets nothing through: what is found under it is refused. */
function closed(...entries: readonly (readonly [string, string])[]): Fields {
  return {
    entries: entries.map(([key, value]) => ({ key, value })),
    token_bucket: { max_tokens: 1, tokens_per_fill: 1, fill_interval: '600s' },
  };
}

const key = (value: string, more: Fields = {}): Fields => ({ generic_key: { descriptor_value: value, ...more } });
const limit = (...actions: readonly Fields[]): Fields => ({ actions });

type Limited = {
  readonly route?: readonly Fields[];
  readonly host?: readonly Fields[];
  readonly action?: Fields;
  readonly filter?: Fields;
  readonly around?: Fields;
  readonly descriptors?: readonly Fields[];
  readonly send?: readonly string[];
};

const R = closed(['generic_key', 'r']);
const H = closed(['generic_key', 'h']);
const onRoute = [limit(key('r'))];
const onHost = [limit(key('h'))];

const tables: Readonly<Record<string, Limited>> = {
  route: { route: onRoute, descriptors: [R] },
  'route-other': { route: [limit(key('x'))], descriptors: [R] },
  host: { host: onHost, descriptors: [H] },
  'host-overridden': { route: onRoute, host: onHost, descriptors: [H] },
  'host-included-by-filter': { route: onRoute, host: onHost, descriptors: [H], filter: { vh_rate_limits: 'INCLUDE' } },
  'host-included-by-route': {
    route: onRoute,
    host: onHost,
    descriptors: [H],
    action: { include_vh_rate_limits: true },
  },
  'host-ignored': { host: onHost, descriptors: [H], filter: { vh_rate_limits: 'IGNORE' } },
  'host-ignored-but-included': {
    host: onHost,
    descriptors: [H],
    filter: { vh_rate_limits: 'IGNORE' },
    action: { include_vh_rate_limits: true },
  },
  'stage-1': { route: [{ ...limit(key('r')), stage: 1 }], descriptors: [R] },
  'stage-both': { route: [{ ...limit(key('r')), stage: 1 }], descriptors: [R], filter: { stage: 1 } },
  'stage-override': { route: [{ ...limit(key('r')), stage: 1 }], host: onHost, descriptors: [H] },
  'disable-key': { route: [{ ...limit(key('r')), disable_key: 'closed' }], descriptors: [R] },
  'disable-key-unset': { route: [{ ...limit(key('r')), disable_key: 'unset' }], descriptors: [R] },
  'disable-key-on': { route: [{ ...limit(key('r')), disable_key: 'open' }], descriptors: [R] },
  'filter-limits': { route: onRoute, descriptors: [R], filter: { rate_limits: [limit(key('f'))] } },
  'filter-limits-match': {
    route: onRoute,
    descriptors: [closed(['generic_key', 'f'])],
    filter: { rate_limits: [limit(key('f'))] },
  },
  'own-done': {
    route: [limit(key('r'))],
    descriptors: [closed(['generic_key', 'f'])],
    filter: { rate_limits: [{ ...limit(key('f')), apply_on_stream_done: true }] },
  },
  done: { route: [{ ...limit(key('r')), apply_on_stream_done: true }], descriptors: [R] },
  override: {
    route: [{ ...limit(key('r')), limit: { dynamic_metadata: { metadata_key: { key: 'a', path: [{ key: 'b' }] } } } }],
    descriptors: [R],
  },
  source: { route: [limit({ source_cluster: {} })], descriptors: [closed(['source_cluster', 'differential'])] },
  destination: { route: [limit({ destination_cluster: {} })], descriptors: [closed(['destination_cluster', 'a'])] },
  both: {
    route: [limit({ source_cluster: {} }, { destination_cluster: {} })],
    descriptors: [closed(['source_cluster', 'differential'], ['destination_cluster', 'a'])],
  },
  'header-cluster': {
    route: [limit({ destination_cluster: {} })],
    descriptors: [closed(['destination_cluster', 'a'])],
    action: { cluster_header: 'x-to' },
    send: ['x-to: a'],
  },
  'generic-default': {
    route: [limit({ generic_key: { descriptor_key: 'k', descriptor_value: '%REQ(X-NONE)%', default_value: 'd' } })],
    descriptors: [closed(['k', 'd'])],
  },
  'generic-format': {
    route: [limit({ generic_key: { descriptor_key: 'k', descriptor_value: '%REQ(X-SENT)%', default_value: 'd' } })],
    descriptors: [closed(['k', 'v'])],
    send: ['x-sent: v'],
  },
  'generic-empty': {
    route: [limit({ generic_key: { descriptor_key: 'k', descriptor_value: '%REQ(X-NONE)%' } }, key('r'))],
    descriptors: [R, closed(['k', ''], ['generic_key', 'r'])],
  },
  'header-default': {
    route: [
      limit({
        header_value_match: {
          descriptor_value: '%REQ(X-NONE)%',
          default_value: 'd',
          headers: [{ name: 'x-sent', present_match: true }],
        },
      }),
    ],
    descriptors: [closed(['header_match', 'd'])],
    send: ['x-sent: v'],
  },
  'header-format': {
    route: [
      limit({
        header_value_match: { descriptor_value: '%REQ(X-SENT)%', headers: [{ name: 'x-sent', present_match: true }] },
      }),
    ],
    descriptors: [closed(['header_match', 'v'])],
    send: ['x-sent: v'],
  },
  'query-default': {
    route: [
      limit({
        query_parameter_value_match: {
          descriptor_value: '%REQ(X-NONE)%',
          default_value: 'd',
          query_parameters: [{ name: 'q', present_match: true }],
        },
      }),
    ],
    descriptors: [closed(['query_match', 'd'])],
  },
  hits: {
    route: [{ ...limit(key('r')), hits_addend: { number: 2 } }],
    descriptors: [{ ...R, token_bucket: { max_tokens: 3, tokens_per_fill: 1, fill_interval: '600s' } }],
  },
  'hits-format': {
    route: [{ ...limit(key('r')), hits_addend: { format: '%REQ(X-HITS)%' } }],
    descriptors: [{ ...R, token_bucket: { max_tokens: 3, tokens_per_fill: 1, fill_interval: '600s' } }],
    send: ['x-hits: 2'],
  },
  'hits-format-missing': {
    route: [{ ...limit(key('r')), hits_addend: { format: '%REQ(X-HITS)%' } }],
    descriptors: [R],
  },
  'hits-format-bad': {
    route: [{ ...limit(key('r')), hits_addend: { format: '%REQ(X-HITS)%' } }],
    descriptors: [R],
    send: ['x-hits: many'],
  },
  'route-metadata': {
    route: [
      limit({
        metadata: { descriptor_key: 'k', metadata_key: { key: 'a', path: [{ key: 'b' }] }, source: 'ROUTE_ENTRY' },
      }),
    ],
    around: { metadata: { filter_metadata: { a: { b: 'm' } } } },
    descriptors: [closed(['k', 'm'])],
  },
  'headers-off': { route: [{ ...limit(key('r')), x_ratelimit_option: 'OFF' }], descriptors: [R] },
  refill: { route: [{ ...limit(key('r')), hits_addend: { number: 1, is_negative_hits: true } }], descriptors: [R] },
  'filter-hits-format': {
    descriptors: [{ ...R, token_bucket: { max_tokens: 3, tokens_per_fill: 1, fill_interval: '600s' } }],
    filter: { rate_limits: [{ ...limit(key('r')), hits_addend: { format: '%REQ(X-HITS)%' } }] },
    send: ['x-hits: 2'],
  },
  'filter-hits-format-bad': {
    descriptors: [R],
    filter: { rate_limits: [{ ...limit(key('r')), hits_addend: { format: '%REQ(X-HITS)%' } }] },
    send: ['x-hits: x'],
  },
  'filter-hits-format-missing': {
    descriptors: [R],
    filter: { rate_limits: [{ ...limit(key('r')), hits_addend: { format: '%REQ(X-HITS)%' } }] },
  },
  'filter-hits': {
    descriptors: [{ ...R, token_bucket: { max_tokens: 3, tokens_per_fill: 1, fill_interval: '600s' } }],
    filter: { rate_limits: [{ ...limit(key('r')), hits_addend: { number: 2 } }] },
  },
  several: { route: [limit(key('x')), limit(key('r'))], descriptors: [R] },
  'per-route': {
    route: onRoute,
    descriptors: [],
    around: {
      typed_per_filter_config: {
        'envoy.filters.http.local_ratelimit': any(TYPE, {
          stat_prefix: 'own',
          filter_enabled: FULL,
          filter_enforced: FULL,
          token_bucket: { max_tokens: 100, fill_interval: '1s' },
          descriptors: [R],
        }),
      },
    },
  },
};

function listener(name: string, table: Limited): Fields {
  const entry = match(
    { prefix: '/' },
    'a',
    { rate_limits: table.route ?? [], ...table.action },
    { name, ...table.around },
  );
  const action = entry['route'] as Record<string, unknown>;
  if ('cluster_header' in action) delete action['cluster'];
  return http({
    name,
    virtualHosts: [{ name, domains: ['*'], rate_limits: table.host ?? [], routes: [entry] }],
    filters: [
      filter('envoy.filters.http.local_ratelimit', TYPE, {
        stat_prefix: 'limit',
        filter_enabled: FULL,
        filter_enforced: FULL,
        token_bucket: { max_tokens: 1000, tokens_per_fill: 1, fill_interval: '600s' },
        descriptors: table.descriptors ?? [],
        enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
        ...table.filter,
      }),
    ],
  });
}

const cases = Object.entries(tables).map(([name, { send = [] }]): Case => {
  const request = get('/?q=1', ...send);
  return { name, to: name, send: [request, { read: 1 }, request, { read: 2 }], stats: ['http_local_rate_limit'] };
});

export const routeRateLimitGroups: readonly Group[] = [
  {
    name: 'route rate limits',
    config: bootstrap({
      listeners: Object.entries(tables).map(([name, table]) => listener(name, table)),
      clusters: [cluster('a')],
      around: {
        layered_runtime: {
          layers: [
            {
              name: 'static',
              static_layer: { ratelimit: { closed: { http_filter_enabled: 0 }, open: { http_filter_enabled: 100 } } },
            },
          ],
        },
      },
    }),
    cases,
  },
];
