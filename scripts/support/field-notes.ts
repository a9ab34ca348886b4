// What docs/supported-fields.md says beyond the tables of the code: groups, limits of values, fields without effect.

type Group = { readonly title: string; readonly messages: RegExp };

/** Stands for the groups of the single filters and transport sockets. */
export const EXTENSION_GROUP = 'Extensions of one kind';

/** Messages that no extension has to itself: the first that matches the full name has it, the last what is left. */
export const GROUPS: readonly Group[] = [
  { title: 'Bootstrap', messages: /^envoy\.config\.(bootstrap|metrics)\.|\.core\.v3\.(Node|Locality|BuildVersion)$/ },
  {
    title: 'Listeners and addresses',
    messages: /^envoy\.config\.listener\.|udp_packet_writer|\.core\.v3\.(\w*Address|Pipe|UdpSocketConfig|SocketOption)/,
  },
  {
    title: 'HTTP connection manager',
    messages: /\.http_connection_manager\.v3\.|request_id|header_formatters|SchemeHeader|\.core\.v3\.Http1?Protocol/,
  },
  { title: 'Routes', messages: /^envoy\.config\.route\.v3\.(?!RateLimit|HeaderMatcher|Query|Cookie)|retry\.host/ },
  {
    title: 'Clusters and endpoints',
    messages: new RegExp(
      String.raw`^envoy\.config\.(cluster|endpoint|upstream)\.|load_balancing|\.upstreams\.|\.clusters\.|` +
        String.raw`dns_resolver|metadata\.v3|` +
        String.raw`\.core\.v3\.(TcpKeepalive|BindConfig|ExtraSource|DnsResol|BackoffStrategy|UpstreamHttp)`,
    ),
  },
  {
    title: 'Access logs and formats',
    messages: /access_?log|\.formatter\.|\.core\.v3\.(SubstitutionFormatString|JsonFormatOptions)/,
  },
  { title: 'Rules of the rbac filters', messages: /^envoy\.config\.rbac\.|rbac\.principals/ },
  { title: 'Matcher trees', messages: /^xds\.|\.common_inputs\.|HttpRequestHeaderMatchInput/ },
  {
    title: EXTENSION_GROUP,
    messages:
      /^envoy\.extensions\.|^envoy\.config\.common\.|route\.v3\.RateLimit|KeyValue|TokenBucket|ConfigSource|WatchedDir/,
  },
  { title: 'Matchers and small messages', messages: /^/ },
];

/** What may stand in a typed_config beside the extensions that are listed in code and what is envoy.extensions.*. */
export const OTHER_EXTENSIONS: readonly (readonly [kind: string, type: string])[] = [
  ['Actions of matcher trees', 'envoy.config.rbac.v3.Action'],
  ['Actions of matcher trees', 'google.protobuf.StringValue'],
  ['Actions of matcher trees', 'envoy.extensions.filters.udp.udp_proxy.v3.Route'],
  ['Inputs of matcher trees', 'envoy.type.matcher.v3.HttpRequestHeaderMatchInput'],
  ['Matchers of matcher trees', 'xds.type.matcher.v3.IPMatcher'],
  ['Matchers of matcher trees', 'xds.type.matcher.v3.ServerNameMatcher'],
  ['Local address selectors', 'envoy.config.upstream.local_address_selector.v3.DefaultLocalAddressSelector'],
  ['Certificate validators', 'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig'],
];

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const SCOPED_ROUTES = 'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes';
const CLUSTER = 'envoy.config.cluster.v3.Cluster';
const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';
const UPSTREAM_HTTP = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const NO_METADATA = 'refused: METADATA frames are not supported';
const NO_TYPED_RETRIES = 'refused: Envoy 1.40 takes whatever stands there and does nothing with it; use `retry_policy`';
const KEEP_MATCHING =
  'refused: so it is in Envoy but for custom responses, where Envoy asks nothing more, and for filter chains and ' +
  'clusters, where it crashes';
const NO_HTTP3 = 'refused: HTTP/3 to upstreams is not supported';

/** Messages that the tables know only so that they can be refused with a better reason than a missing field. */
export const REFUSED_WHOLE: ReadonlySet<string> = new Set(['envoy.config.core.v3.Http3ProtocolOptions']);

/** Message and field → which values are taken; 'refused: ' starts what decoding refuses whatever the value. */
export const LIMITS: ReadonlyMap<string, string> = new Map([
  [
    'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig.common_config',
    'as in Envoy 1.40 its `filter_state_objects_to_log` and `custom_tags` change nothing: they belong beside it',
  ],
  ['envoy.config.core.v3.SocketAddress.address', 'an IP address; endpoints of DNS clusters have names'],
  ['envoy.config.listener.v3.Listener.udp_listener_config', 'only where the address is UDP'],
  ['envoy.config.listener.v3.FilterChain.filters', 'the last one ends the chain, and no other does'],
  [`${UPSTREAM_HTTP}.hash_policy`, 'refused: chooses hosts by consistent hashing, which is not built'],
  [
    `${UPSTREAM_HTTP}.retry_policy`,
    'as in Envoy 1.40 its `per_try_timeout` and `per_try_idle_timeout` change nothing: those of the route count',
  ],
  [`${UPSTREAM_HTTP}.header_validation_config`, 'refused: no validator is built in, as in Envoy’s own binary'],
  [`${HCM}.codec_type`, 'AUTO, HTTP1 or HTTP2'],
  [`${HCM}.typed_header_validation_config`, 'refused: no validator is built in, as in Envoy’s own binary'],
  [`${HCM}.path_normalization_options`, 'refused: Envoy takes it and does nothing; use `normalize_path`'],
  [`${HCM}.add_proxy_protocol_connection_state`, 'only true, the default'],
  [`${HCM}.route_config`, 'is required'],
  ['envoy.config.route.v3.RouteConfiguration.vhds', 'over delta; not in routes that stand in a scope'],
  ['envoy.config.route.v3.ScopedRouteConfiguration.on_demand', 'of scopes that come by themselves'],
  ['envoy.config.route.v3.ScopedRouteConfiguration.route_configuration_name', 'of scopes that come by themselves'],
  [`${SCOPED_ROUTES}.rds_config_source`, 'with scoped_rds, which needs it'],
  [`${CLUSTER}.type`, 'STATIC, STRICT_DNS, LOGICAL_DNS or ORIGINAL_DST'],
  [`${CLUSTER}.cluster_type`, 'the same by their names, or a DnsCluster'],
  [`${CLUSTER}.lb_policy`, 'ROUND_ROBIN, LEAST_REQUEST or RANDOM; CLUSTER_PROVIDED for ORIGINAL_DST'],
  [`${CLUSTER}.dns_lookup_family`, 'of DNS clusters; others resolve no names, in Envoy too'],
  [`${CLUSTER}.preconnect_policy`, 'for HTTP; TCP connections are dialled when they are asked for'],
  ['envoy.config.cluster.v3.CircuitBreakers.per_host_thresholds', 'only max_connections, as in Envoy'],
  [`${UPSTREAM_HTTP}.auto_config`, 'needs a TLS transport socket, as in Envoy'],
  [`${UPSTREAM_HTTP}.ExplicitHttpConfig.http3_protocol_options`, NO_HTTP3],
  [`${UPSTREAM_HTTP}.AutoHttpConfig.http3_protocol_options`, NO_HTTP3],
  ['envoy.config.core.v3.Http2ProtocolOptions.allow_metadata', NO_METADATA],
  ['envoy.config.core.v3.Http2ProtocolOptions.max_metadata_size', NO_METADATA],
  ['envoy.config.core.v3.Http2ProtocolOptions.use_oghttp2_codec', 'only false'],
  [`${UPSTREAM_HTTP}.UseDownstreamHttpConfig.http3_protocol_options`, NO_HTTP3],
  [
    'envoy.config.core.v3.Http1ProtocolOptions.use_balsa_parser',
    'false is refused: Envoy’s present parser is imitated',
  ],
  [
    'envoy.extensions.filters.listener.original_src.v3.OriginalSrc.bind_port',
    'only false: the system chooses the port',
  ],
  ['envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext.allow_renegotiation', 'only false'],
  [
    'envoy.extensions.formatter.generic_secret.v3.GenericSecret.secret_configs',
    'secrets of static_resources, no `sds_config`',
  ],
  ['envoy.config.route.v3.RouteAction.retry_policy_typed_config', NO_TYPED_RETRIES],
  ['envoy.config.route.v3.VirtualHost.retry_policy_typed_config', NO_TYPED_RETRIES],
  [`${TCP_PROXY}.downstream_idle_timeout`, 'refused: Envoy 1.40 takes it and does nothing; use `idle_timeout`'],
  [`${TCP_PROXY}.upstream_idle_timeout`, 'refused: Envoy 1.40 takes it and does nothing; use `idle_timeout`'],
  [
    'envoy.config.rbac.v3.RBAC.audit_logging_options',
    'refused: Envoy 1.40 takes it and writes nothing, for it has no audit logger; use an access log',
  ],
  ['xds.type.matcher.v3.Matcher.OnMatch.keep_matching', KEEP_MATCHING],
  ['envoy.config.common.matcher.v3.Matcher.OnMatch.keep_matching', KEEP_MATCHING],
  ['envoy.config.route.v3.RateLimit.apply_on_stream_done', 'of the filter’s own; on routes Envoy does not look at it'],
]);

const ZONES = 'needs the name of the local cluster in cluster_manager, which is refused: Envoy ignores it then too';
const ONLY_COMPILED = 'tells how the expression came about; nothing is evaluated with it';
const NO_WORKLOADS = 'nobody is found: no control plane tells of workloads';
const NO_HEALTH_CHECKS = 'there are no active health checks yet';

/** What becomes of filters that something stands in for. */
export const NOT_BUILT =
  'Their fields are not looked at. Where one would guard access, it denies: HTTP requests with 403, connections by ' +
  'closing them, both with the details `unsupported_filter{NAME}`. `jwt_authn` does so when it has rules, ' +
  '`ext_authz` for what `filter_enabled` and `filter_enabled_metadata` choose, `ratelimit` with `failure_mode_deny`, ' +
  '`wasm` ' +
  'unless it fails open. Otherwise, and where a route says `disabled`, it lets everything pass.';

/** Why fields of an inert filter change nothing. */
export const INERT = 'The filters of this group only observe, and do nothing here but let every byte pass.';

/** Message and field → why a field that the tables accept changes nothing. */
export const NO_EFFECT: ReadonlyMap<string, string> = new Map([
  ['google.api.expr.v1alpha1.ParsedExpr.source_info', ONLY_COMPILED],
  ['google.api.expr.v1alpha1.CheckedExpr.reference_map', ONLY_COMPILED],
  ['google.api.expr.v1alpha1.CheckedExpr.type_map', ONLY_COMPILED],
  ['google.api.expr.v1alpha1.CheckedExpr.source_info', ONLY_COMPILED],
  ['google.api.expr.v1alpha1.CheckedExpr.expr_version', ONLY_COMPILED],
  ['cel.expr.ParsedExpr.source_info', ONLY_COMPILED],
  ['cel.expr.CheckedExpr.reference_map', ONLY_COMPILED],
  ['cel.expr.CheckedExpr.type_map', ONLY_COMPILED],
  ['cel.expr.CheckedExpr.source_info', ONLY_COMPILED],
  ['cel.expr.CheckedExpr.expr_version', ONLY_COMPILED],
  [`${HCM}.request_id_extension`, 'only the UUID extension is accepted, and without it UUIDs are made too'],
  ['envoy.config.core.v3.ConfigSource.resource_api_version', 'there is one version of resources, V3'],
  ['envoy.config.core.v3.ConfigSource.initial_fetch_timeout', 'files need no fetching; Envoy ignores it for them too'],
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
  ['io.istio.http.peer_metadata.Config.DiscoveryMethod.workload_discovery', NO_WORKLOADS],
  ['envoy.tcp.metadataexchange.config.MetadataExchange.enable_discovery', NO_WORKLOADS],
]);
