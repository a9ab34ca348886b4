// What docs/supported-fields.md says beyond the tables of the code: groups, limits of values, fields without effect.

type Group = { readonly title: string; readonly messages: RegExp };

/** Stands for the groups of the single filters. */
export const HTTP_FILTER_GROUP = 'HTTP filters';

/** The first that matches the full name has the message; the last takes what is left. */
export const GROUPS: readonly Group[] = [
  { title: 'Bootstrap', messages: /^envoy\.config\.(bootstrap|metrics)\.|\.core\.v3\.(Node|Locality|BuildVersion)$/ },
  { title: 'Listeners and addresses', messages: /^envoy\.config\.listener\.|\.core\.v3\.(\w*Address|Pipe)$/ },
  {
    title: 'HTTP connection manager',
    messages: /\.http_connection_manager\.v3\.|request_id|header_formatters|SchemeHeader|\.core\.v3\.Http1?Protocol/,
  },
  { title: 'Routes', messages: /^envoy\.config\.route\.v3\.(?!RateLimit|HeaderMatcher|Query|Cookie)|retry\.host/ },
  {
    title: 'Clusters and endpoints',
    messages: new RegExp(
      String.raw`^envoy\.config\.(cluster|endpoint)\.|load_balancing|\.upstreams\.|transport_sockets|` +
        String.raw`\.core\.v3\.(TransportSocket|TcpKeepalive|BindConfig)`,
    ),
  },
  {
    title: 'Access logs and formats',
    messages: /access_?log|\.formatter\.|\.core\.v3\.(SubstitutionFormatString|JsonFormatOptions)/,
  },
  {
    title: HTTP_FILTER_GROUP,
    messages: /^envoy\.extensions\.|^envoy\.config\.(rbac|common)\.|route\.v3\.RateLimit|KeyValue|^xds\.|TokenBucket/,
  },
  { title: 'Matchers and small messages', messages: /^/ },
];

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const UPSTREAM_HTTP = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const NO_HTTP2 = 'refused: HTTP/2 to upstreams is not supported yet';
const NO_HTTP3 = 'refused: HTTP/3 to upstreams is not supported';

/** Messages that the tables know only so that they can be refused with a better reason than a missing field. */
export const REFUSED_WHOLE: ReadonlySet<string> = new Set([
  `${UPSTREAM_HTTP}.AutoHttpConfig`,
  'envoy.config.core.v3.Http2ProtocolOptions',
  'envoy.config.core.v3.Http3ProtocolOptions',
]);

/** Message and field → which values are taken; 'refused: ' starts what decoding refuses whatever the value. */
export const LIMITS: ReadonlyMap<string, string> = new Map([
  ['envoy.config.core.v3.SocketAddress.protocol', 'only TCP'],
  ['envoy.config.core.v3.SocketAddress.address', 'an IP address: names are not resolved yet'],
  ['envoy.config.listener.v3.Listener.filter_chains', 'one chain; several are not supported yet'],
  ['envoy.config.listener.v3.Listener.default_filter_chain', 'only instead of filter_chains'],
  ['envoy.config.listener.v3.FilterChain.filters', 'one network filter: the HTTP connection manager'],
  [`${HCM}.codec_type`, 'HTTP1 or AUTO'],
  [`${HCM}.route_config`, 'is required'],
  [`${CLUSTER}.type`, 'only STATIC'],
  [`${CLUSTER}.lb_policy`, 'ROUND_ROBIN, LEAST_REQUEST or RANDOM'],
  [`${CLUSTER}.http2_protocol_options`, NO_HTTP2],
  [`${CLUSTER}.transport_socket`, 'only raw_buffer'],
  ['envoy.config.cluster.v3.CircuitBreakers.per_host_thresholds', 'only max_connections, as in Envoy'],
  ['envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest.selection_method', 'N_CHOICES'],
  [`${UPSTREAM_HTTP}.auto_config`, NO_HTTP2],
  [`${UPSTREAM_HTTP}.ExplicitHttpConfig.http2_protocol_options`, NO_HTTP2],
  [`${UPSTREAM_HTTP}.ExplicitHttpConfig.http3_protocol_options`, NO_HTTP3],
  [`${UPSTREAM_HTTP}.UseDownstreamHttpConfig.http2_protocol_options`, NO_HTTP2],
  [`${UPSTREAM_HTTP}.UseDownstreamHttpConfig.http3_protocol_options`, NO_HTTP3],
  [
    'envoy.config.core.v3.Http1ProtocolOptions.use_balsa_parser',
    'false is refused: Envoy’s present parser is imitated',
  ],
  ['envoy.config.rbac.v3.Principal.authenticated', 'matches nobody until TLS is built'],
  [
    'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit.descriptors',
    'only with rate_limits in the same message: rate limits of routes are not read yet',
  ],
]);

const ZONES = 'needs the name of the local cluster in cluster_manager, which is refused: Envoy ignores it then too';
const NO_HEALTH_CHECKS = 'there are no active health checks yet';

/** Message and field → why a field that the tables accept changes nothing. */
export const NO_EFFECT: ReadonlyMap<string, string> = new Map([
  [`${HCM}.request_id_extension`, 'only the UUID extension is accepted, and without it UUIDs are made too'],
  ['envoy.config.core.v3.SubstitutionFormatString.json_format_options', 'keys are always sorted'],
  ['envoy.config.route.v3.WeightedCluster.total_weight', 'deprecated: Envoy uses the sum of the weights too'],
  [`${CLUSTER}.CommonLbConfig.ZoneAwareLbConfig.routing_enabled`, ZONES],
  [`${CLUSTER}.CommonLbConfig.ZoneAwareLbConfig.min_cluster_size`, ZONES],
  ['envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.routing_enabled', ZONES],
  ['envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.min_cluster_size', ZONES],
  ['envoy.config.endpoint.v3.Endpoint.HealthCheckConfig.port_value', NO_HEALTH_CHECKS],
  ['envoy.config.endpoint.v3.Endpoint.HealthCheckConfig.hostname', NO_HEALTH_CHECKS],
  ['envoy.config.endpoint.v3.Endpoint.HealthCheckConfig.address', NO_HEALTH_CHECKS],
  ['envoy.config.endpoint.v3.Endpoint.HealthCheckConfig.disable_active_health_check', NO_HEALTH_CHECKS],
  [
    'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit.stage',
    'chooses among rate limits of routes, which are not read yet',
  ],
  [
    'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit.vh_rate_limits',
    'chooses among rate limits of routes, which are not read yet',
  ],
]);
