// HTTP filters behind the router that are refused, and why; and some that both proxies take.
import { any, bootstrap, cluster, type Fields, filter, http } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';

const FILTERS = 'envoy.extensions.filters.http';
const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const UPSTREAM_CODEC = `${FILTERS}.upstream_codec.v3.UpstreamCodec`;
const DELEGATE = 'envoy.extensions.common.matching.v3.ExtensionWithMatcher';

const codec = filter('codec', UPSTREAM_CODEC);
const mutation = filter('mutation', `${FILTERS}.header_mutation.v3.HeaderMutation`);
const rbac = filter('rbac', `${FILTERS}.rbac.v3.RBAC`);
const router = filter('router', `${FILTERS}.router.v3.Router`);
const cors = filter('cors', `${FILTERS}.cors.v3.Cors`);
const off: Fields = { disabled: true };
const optional: Fields = { is_optional: true };
const delegate = (inner: Fields): Fields =>
  filter('delegate', DELEGATE, {
    extension_config: inner,
    xds_matcher: {
      on_no_match: {
        action: { name: 'a', typed_config: any('envoy.extensions.filters.common.matcher.action.v3.SkipFilter') },
      },
    },
  });
const composite = (inner: Fields): Fields =>
  filter('composite', DELEGATE, {
    extension_config: { name: 'composite', typed_config: any(`${FILTERS}.composite.v3.Composite`) },
    xds_matcher: {
      on_no_match: {
        action: {
          name: 'a',
          typed_config: any(`${FILTERS}.composite.v3.ExecuteFilterAction`, { typed_config: inner }),
        },
      },
    },
  });

const ofCluster = (...http_filters: Fields[]): Fields =>
  bootstrap({
    listeners: [http({ name: 'main' })],
    clusters: [
      cluster('a', ['free.a'], {
        typed_extension_protocol_options: {
          [OPTIONS]: any(OPTIONS, { explicit_http_config: { http_protocol_options: {} }, http_filters }),
        },
      }),
    ],
  });
const ofPolicies = (options: Fields): Fields =>
  bootstrap({
    listeners: [http({ name: 'main' })],
    clusters: [
      cluster('a', ['free.a'], {
        typed_extension_protocol_options: {
          [OPTIONS]: any(OPTIONS, { explicit_http_config: { http_protocol_options: {} }, ...options }),
        },
      }),
    ],
  });
const ofRouter = (...upstream_http_filters: Fields[]): Fields =>
  bootstrap({
    listeners: [http({ name: 'main', router: { upstream_http_filters } })],
    clusters: [cluster('a', ['free.a'])],
  });
const withFilters = (...filters: Fields[]): Fields =>
  bootstrap({ listeners: [http({ name: 'main', filters })], clusters: [cluster('a', ['free.a'])] });

/** The same of clusters and of routers. */
function both(name: string, filters: readonly Fields[], ...mentions: readonly string[]): ConfigCase[] {
  return [
    { name: `cluster: ${name}`, config: ofCluster(...filters), mentions: ['.http_filters', ...mentions] },
    { name: `router: ${name}`, config: ofRouter(...filters), mentions: ['upstream_http_filters', ...mentions] },
  ];
}

export const upstreamFilterConfigCases: readonly ConfigCase[] = [
  {
    name: 'upstream filters that may be there',
    config: ofCluster(
      mutation,
      mutation,
      rbac,
      { ...mutation, ...off },
      { ...cors, ...optional },
      delegate(mutation),
      composite(mutation),
      { ...codec, ...optional },
    ),
    isGood: true,
  },
  { name: 'upstream filters of the router', config: ofRouter(mutation, rbac, codec), isGood: true },
  ...both('no codec', [mutation], 'UpstreamCodec'),
  ...both('two codecs', [codec, codec], 'terminal filter named codec', 'must be the last filter'),
  ...both('a codec that is off', [mutation, { ...codec, ...off }], 'cannot be disabled'),
  ...both('the router', [router], 'Router'),
  ...both('cors', [cors, codec], 'Cors is no upstream filter'),
  {
    name: 'cluster: no configuration',
    config: ofCluster({ name: 'x' }, codec),
    mentions: ['typed_config', 'required'],
  },
  {
    name: 'cluster: match_delegate around one that cannot be there',
    config: ofCluster(delegate(cors), codec),
    mentions: ['Cors'],
  },
  {
    name: 'cluster: composite with one that cannot be there',
    config: ofCluster(composite(cors), codec),
    mentions: ['Cors'],
  },
  {
    name: 'policies of a cluster: a copy to two places',
    config: ofPolicies({ request_mirror_policies: [{ cluster: 'b', cluster_header: 'b' }] }),
    mentions: ['request_mirror_policies[0]', 'Only one of cluster'],
  },
  {
    name: 'policies of a cluster: intervals of retries the wrong way round',
    config: ofPolicies({
      retry_policy: { retry_on: '5xx', retry_back_off: { base_interval: '2s', max_interval: '1s' } },
    }),
    mentions: ['retry_policy', 'max_interval'],
  },
  {
    name: 'policies of a cluster: a header validator',
    config: ofPolicies({
      header_validation_config: {
        name: 'x',
        typed_config: any('envoy.extensions.http.header_validators.envoy_default.v3.HeaderValidatorConfig'),
      },
    }),
    mentions: ['header_validation_config', 'does not support header validator'],
  },
  {
    name: 'policies of a cluster: hashes',
    config: ofPolicies({ hash_policy: [{ header: { header_name: 'x' } }] }),
    mentions: ['hash_policy', 'consistent hashing'],
    stricter: 'no load balancer hashes',
  },
  { name: 'the codec ends a listener’s chain', config: withFilters(codec), mentions: ['UpstreamCodec'] },
  {
    name: 'a route configures the codec',
    config: bootstrap({
      listeners: [http({ name: 'main', routeConfig: { typed_per_filter_config: { codec: any(UPSTREAM_CODEC) } } })],
      clusters: [cluster('a', ['free.a'])],
    }),
    mentions: ['typed_per_filter_config', 'UpstreamCodec'],
  },
];
