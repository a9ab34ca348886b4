// Shapes of the protobuf messages that the program uses. Written by scripts/generate.ts; do not edit.
//
// One type per message and enum. Its name is the message's name without the package, nested names joined by '_':
// envoy.config.cluster.v3.Cluster.LbSubsetConfig is Cluster_LbSubsetConfig. Where two packages (of the whole descriptor
// set, whether written here or not) share a name, each gets as many words of its package in front as tell them apart:
// envoy.extensions.filters.http.rbac.v3.RBAC is HttpRbac_RBAC; but the packages listed as PREFERRED in
// scripts/generate/types-file.ts keep the short one: envoy.config.route.v3.Route is Route. MessageTypes maps full names
// to these types.
// Fields keep their proto names and are absent when unset; enums are the names of their values, or a number when the
// number has no name; 64-bit integers are bigints when they are not safe as numbers.
import type { Any } from '../any.ts';

export type { Any };

/** A google.protobuf.Duration; both parts have the same sign. */
export type Duration = { seconds: number | bigint; nanos: number };
/** A google.protobuf.Timestamp: since 1970, UTC. */
export type Timestamp = { seconds: number | bigint; nanos: number };
export type Empty = { [field: string]: never };
/** A google.protobuf.Value. */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
/** A google.protobuf.Struct; objects have no prototype. */
export type JsonObject = { [key: string]: JsonValue };

/** envoy.admin.v3.BootstrapConfigDump */
export type BootstrapConfigDump = {
  bootstrap?: Bootstrap | undefined;
  last_updated?: Timestamp | undefined;
};

/** envoy.admin.v3.Certificate */
export type Certificate = {
  ca_cert?: CertificateDetails[] | undefined;
  cert_chain?: CertificateDetails[] | undefined;
};

/** envoy.admin.v3.CertificateDetails */
export type CertificateDetails = {
  path?: string | undefined;
  serial_number?: string | undefined;
  subject_alt_names?: SubjectAlternateName[] | undefined;
  days_until_expiration?: number | bigint | undefined;
  valid_from?: Timestamp | undefined;
  expiration_time?: Timestamp | undefined;
  ocsp_details?: CertificateDetails_OcspDetails | undefined;
};

/** envoy.admin.v3.CertificateDetails.OcspDetails */
export type CertificateDetails_OcspDetails = {
  valid_from?: Timestamp | undefined;
  expiration?: Timestamp | undefined;
};

/** envoy.admin.v3.Certificates */
export type Certificates = {
  certificates?: Certificate[] | undefined;
};

/** envoy.admin.v3.ClientResourceStatus */
export type ClientResourceStatus =
  | 'UNKNOWN'
  | 'REQUESTED'
  | 'DOES_NOT_EXIST'
  | 'ACKED'
  | 'NACKED'
  | 'RECEIVED_ERROR'
  | 'TIMEOUT'
  | number;

/** envoy.admin.v3.ClusterStatus */
export type ClusterStatus = {
  name?: string | undefined;
  added_via_api?: boolean | undefined;
  success_rate_ejection_threshold?: Percent | undefined;
  host_statuses?: HostStatus[] | undefined;
  local_origin_success_rate_ejection_threshold?: Percent | undefined;
  circuit_breakers?: CircuitBreakers | undefined;
  observability_name?: string | undefined;
  eds_service_name?: string | undefined;
};

/** envoy.admin.v3.Clusters */
export type Clusters = {
  cluster_statuses?: ClusterStatus[] | undefined;
};

/** envoy.admin.v3.ClustersConfigDump */
export type ClustersConfigDump = {
  version_info?: string | undefined;
  static_clusters?: ClustersConfigDump_StaticCluster[] | undefined;
  dynamic_active_clusters?: ClustersConfigDump_DynamicCluster[] | undefined;
  dynamic_warming_clusters?: ClustersConfigDump_DynamicCluster[] | undefined;
};

/** envoy.admin.v3.ClustersConfigDump.DynamicCluster */
export type ClustersConfigDump_DynamicCluster = {
  version_info?: string | undefined;
  cluster?: Any | undefined;
  last_updated?: Timestamp | undefined;
  error_state?: UpdateFailureState | undefined;
  client_status?: ClientResourceStatus | undefined;
};

/** envoy.admin.v3.ClustersConfigDump.StaticCluster */
export type ClustersConfigDump_StaticCluster = {
  cluster?: Any | undefined;
  last_updated?: Timestamp | undefined;
};

/** envoy.admin.v3.CommandLineOptions */
export type CommandLineOptions = {
  base_id?: number | bigint | undefined;
  concurrency?: number | undefined;
  config_path?: string | undefined;
  config_yaml?: string | undefined;
  allow_unknown_static_fields?: boolean | undefined;
  admin_address_path?: string | undefined;
  local_address_ip_version?: CommandLineOptions_IpVersion | undefined;
  log_level?: string | undefined;
  component_log_level?: string | undefined;
  log_format?: string | undefined;
  log_path?: string | undefined;
  service_cluster?: string | undefined;
  service_node?: string | undefined;
  service_zone?: string | undefined;
  file_flush_interval?: Duration | undefined;
  drain_time?: Duration | undefined;
  parent_shutdown_time?: Duration | undefined;
  mode?: CommandLineOptions_Mode | undefined;
  disable_hot_restart?: boolean | undefined;
  enable_mutex_tracing?: boolean | undefined;
  restart_epoch?: number | undefined;
  cpuset_threads?: boolean | undefined;
  reject_unknown_dynamic_fields?: boolean | undefined;
  log_format_escaped?: boolean | undefined;
  disabled_extensions?: string[] | undefined;
  ignore_unknown_dynamic_fields?: boolean | undefined;
  use_dynamic_base_id?: boolean | undefined;
  base_id_path?: string | undefined;
  drain_strategy?: CommandLineOptions_DrainStrategy | undefined;
  enable_fine_grain_logging?: boolean | undefined;
  socket_path?: string | undefined;
  socket_mode?: number | undefined;
  enable_core_dump?: boolean | undefined;
  stats_tag?: string[] | undefined;
  skip_hot_restart_on_no_parent?: boolean | undefined;
  skip_hot_restart_parent_stats?: boolean | undefined;
  skip_deprecated_logs?: boolean | undefined;
  file_flush_min_size?: number | undefined;
  log_stacktrace_single_entry?: boolean | undefined;
};

/** envoy.admin.v3.CommandLineOptions.DrainStrategy */
export type CommandLineOptions_DrainStrategy =
  | 'Gradual'
  | 'Immediate'
  | number;

/** envoy.admin.v3.CommandLineOptions.IpVersion */
export type CommandLineOptions_IpVersion =
  | 'v4'
  | 'v6'
  | number;

/** envoy.admin.v3.CommandLineOptions.Mode */
export type CommandLineOptions_Mode =
  | 'Serve'
  | 'Validate'
  | 'InitOnly'
  | number;

/** envoy.admin.v3.ConfigDump */
export type ConfigDump = {
  configs?: Any[] | undefined;
};

/** envoy.admin.v3.EcdsConfigDump */
export type EcdsConfigDump = {
  ecds_filters?: EcdsConfigDump_EcdsFilterConfig[] | undefined;
};

/** envoy.admin.v3.EcdsConfigDump.EcdsFilterConfig */
export type EcdsConfigDump_EcdsFilterConfig = {
  version_info?: string | undefined;
  ecds_filter?: Any | undefined;
  last_updated?: Timestamp | undefined;
  error_state?: UpdateFailureState | undefined;
  client_status?: ClientResourceStatus | undefined;
};

/** envoy.admin.v3.EndpointsConfigDump */
export type EndpointsConfigDump = {
  static_endpoint_configs?: EndpointsConfigDump_StaticEndpointConfig[] | undefined;
  dynamic_endpoint_configs?: EndpointsConfigDump_DynamicEndpointConfig[] | undefined;
};

/** envoy.admin.v3.EndpointsConfigDump.DynamicEndpointConfig */
export type EndpointsConfigDump_DynamicEndpointConfig = {
  version_info?: string | undefined;
  endpoint_config?: Any | undefined;
  last_updated?: Timestamp | undefined;
  error_state?: UpdateFailureState | undefined;
  client_status?: ClientResourceStatus | undefined;
};

/** envoy.admin.v3.EndpointsConfigDump.StaticEndpointConfig */
export type EndpointsConfigDump_StaticEndpointConfig = {
  endpoint_config?: Any | undefined;
  last_updated?: Timestamp | undefined;
};

/** envoy.admin.v3.HostHealthStatus */
export type HostHealthStatus = {
  failed_active_health_check?: boolean | undefined;
  failed_outlier_check?: boolean | undefined;
  eds_health_status?: HealthStatus | undefined;
  failed_active_degraded_check?: boolean | undefined;
  pending_dynamic_removal?: boolean | undefined;
  pending_active_hc?: boolean | undefined;
  excluded_via_immediate_hc_fail?: boolean | undefined;
  active_hc_timeout?: boolean | undefined;
  failed_degraded_outlier_detection?: boolean | undefined;
};

/** envoy.admin.v3.HostStatus */
export type HostStatus = {
  address?: Address | undefined;
  stats?: SimpleMetric[] | undefined;
  health_status?: HostHealthStatus | undefined;
  success_rate?: Percent | undefined;
  weight?: number | undefined;
  hostname?: string | undefined;
  priority?: number | undefined;
  local_origin_success_rate?: Percent | undefined;
  locality?: Locality | undefined;
};

/** envoy.admin.v3.ListenerStatus */
export type ListenerStatus = {
  name?: string | undefined;
  local_address?: Address | undefined;
  additional_local_addresses?: Address[] | undefined;
};

/** envoy.admin.v3.Listeners */
export type Listeners = {
  listener_statuses?: ListenerStatus[] | undefined;
};

/** envoy.admin.v3.ListenersConfigDump */
export type ListenersConfigDump = {
  version_info?: string | undefined;
  static_listeners?: ListenersConfigDump_StaticListener[] | undefined;
  dynamic_listeners?: ListenersConfigDump_DynamicListener[] | undefined;
};

/** envoy.admin.v3.ListenersConfigDump.DynamicListener */
export type ListenersConfigDump_DynamicListener = {
  name?: string | undefined;
  active_state?: ListenersConfigDump_DynamicListenerState | undefined;
  warming_state?: ListenersConfigDump_DynamicListenerState | undefined;
  draining_state?: ListenersConfigDump_DynamicListenerState | undefined;
  error_state?: UpdateFailureState | undefined;
  client_status?: ClientResourceStatus | undefined;
};

/** envoy.admin.v3.ListenersConfigDump.DynamicListenerState */
export type ListenersConfigDump_DynamicListenerState = {
  version_info?: string | undefined;
  listener?: Any | undefined;
  last_updated?: Timestamp | undefined;
};

/** envoy.admin.v3.ListenersConfigDump.StaticListener */
export type ListenersConfigDump_StaticListener = {
  listener?: Any | undefined;
  last_updated?: Timestamp | undefined;
};

/** envoy.admin.v3.RoutesConfigDump */
export type RoutesConfigDump = {
  static_route_configs?: RoutesConfigDump_StaticRouteConfig[] | undefined;
  dynamic_route_configs?: RoutesConfigDump_DynamicRouteConfig[] | undefined;
};

/** envoy.admin.v3.RoutesConfigDump.DynamicRouteConfig */
export type RoutesConfigDump_DynamicRouteConfig = {
  version_info?: string | undefined;
  route_config?: Any | undefined;
  last_updated?: Timestamp | undefined;
  error_state?: UpdateFailureState | undefined;
  client_status?: ClientResourceStatus | undefined;
};

/** envoy.admin.v3.RoutesConfigDump.StaticRouteConfig */
export type RoutesConfigDump_StaticRouteConfig = {
  route_config?: Any | undefined;
  last_updated?: Timestamp | undefined;
};

/** envoy.admin.v3.ScopedRoutesConfigDump */
export type ScopedRoutesConfigDump = {
  inline_scoped_route_configs?: ScopedRoutesConfigDump_InlineScopedRouteConfigs[] | undefined;
  dynamic_scoped_route_configs?: ScopedRoutesConfigDump_DynamicScopedRouteConfigs[] | undefined;
};

/** envoy.admin.v3.ScopedRoutesConfigDump.DynamicScopedRouteConfigs */
export type ScopedRoutesConfigDump_DynamicScopedRouteConfigs = {
  name?: string | undefined;
  version_info?: string | undefined;
  scoped_route_configs?: Any[] | undefined;
  last_updated?: Timestamp | undefined;
  error_state?: UpdateFailureState | undefined;
  client_status?: ClientResourceStatus | undefined;
};

/** envoy.admin.v3.ScopedRoutesConfigDump.InlineScopedRouteConfigs */
export type ScopedRoutesConfigDump_InlineScopedRouteConfigs = {
  name?: string | undefined;
  scoped_route_configs?: Any[] | undefined;
  last_updated?: Timestamp | undefined;
};

/** envoy.admin.v3.SecretsConfigDump */
export type SecretsConfigDump = {
  static_secrets?: SecretsConfigDump_StaticSecret[] | undefined;
  dynamic_active_secrets?: SecretsConfigDump_DynamicSecret[] | undefined;
  dynamic_warming_secrets?: SecretsConfigDump_DynamicSecret[] | undefined;
};

/** envoy.admin.v3.SecretsConfigDump.DynamicSecret */
export type SecretsConfigDump_DynamicSecret = {
  name?: string | undefined;
  version_info?: string | undefined;
  last_updated?: Timestamp | undefined;
  secret?: Any | undefined;
  error_state?: UpdateFailureState | undefined;
  client_status?: ClientResourceStatus | undefined;
};

/** envoy.admin.v3.SecretsConfigDump.StaticSecret */
export type SecretsConfigDump_StaticSecret = {
  name?: string | undefined;
  last_updated?: Timestamp | undefined;
  secret?: Any | undefined;
};

/** envoy.admin.v3.ServerInfo */
export type ServerInfo = {
  version?: string | undefined;
  state?: ServerInfo_State | undefined;
  uptime_current_epoch?: Duration | undefined;
  uptime_all_epochs?: Duration | undefined;
  hot_restart_version?: string | undefined;
  command_line_options?: CommandLineOptions | undefined;
  node?: Node | undefined;
  hot_restart_initializing?: boolean | undefined;
};

/** envoy.admin.v3.ServerInfo.State */
export type ServerInfo_State =
  | 'LIVE'
  | 'DRAINING'
  | 'PRE_INITIALIZING'
  | 'INITIALIZING'
  | number;

/** envoy.admin.v3.SimpleMetric */
export type SimpleMetric = {
  type?: SimpleMetric_Type | undefined;
  value?: number | bigint | undefined;
  name?: string | undefined;
};

/** envoy.admin.v3.SimpleMetric.Type */
export type SimpleMetric_Type =
  | 'COUNTER'
  | 'GAUGE'
  | number;

/** envoy.admin.v3.SubjectAlternateName */
export type SubjectAlternateName = {
  dns?: string | undefined;
  uri?: string | undefined;
  ip_address?: string | undefined;
};

/** envoy.admin.v3.UpdateFailureState */
export type UpdateFailureState = {
  failed_configuration?: Any | undefined;
  last_update_attempt?: Timestamp | undefined;
  details?: string | undefined;
  version_info?: string | undefined;
};

/** envoy.config.accesslog.v3.AccessLog */
export type AccessLog = {
  name?: string | undefined;
  filter?: AccessLogFilter | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.accesslog.v3.AccessLogFilter */
export type AccessLogFilter = {
  status_code_filter?: StatusCodeFilter | undefined;
  duration_filter?: DurationFilter | undefined;
  not_health_check_filter?: NotHealthCheckFilter | undefined;
  traceable_filter?: TraceableFilter | undefined;
  runtime_filter?: RuntimeFilter | undefined;
  and_filter?: AndFilter | undefined;
  or_filter?: OrFilter | undefined;
  header_filter?: HeaderFilter | undefined;
  response_flag_filter?: ResponseFlagFilter | undefined;
  grpc_status_filter?: GrpcStatusFilter | undefined;
  extension_filter?: ExtensionFilter | undefined;
  metadata_filter?: MetadataFilter | undefined;
  log_type_filter?: LogTypeFilter | undefined;
};

/** envoy.config.accesslog.v3.AndFilter */
export type AndFilter = {
  filters?: AccessLogFilter[] | undefined;
};

/** envoy.config.accesslog.v3.ComparisonFilter */
export type ComparisonFilter = {
  op?: ComparisonFilter_Op | undefined;
  value?: RuntimeUInt32 | undefined;
};

/** envoy.config.accesslog.v3.ComparisonFilter.Op */
export type ComparisonFilter_Op =
  | 'EQ'
  | 'GE'
  | 'LE'
  | 'NE'
  | number;

/** envoy.config.accesslog.v3.DurationFilter */
export type DurationFilter = {
  comparison?: ComparisonFilter | undefined;
};

/** envoy.config.accesslog.v3.ExtensionFilter */
export type ExtensionFilter = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.accesslog.v3.GrpcStatusFilter */
export type GrpcStatusFilter = {
  statuses?: GrpcStatusFilter_Status[] | undefined;
  exclude?: boolean | undefined;
};

/** envoy.config.accesslog.v3.GrpcStatusFilter.Status */
export type GrpcStatusFilter_Status =
  | 'OK'
  | 'CANCELED'
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'UNIMPLEMENTED'
  | 'INTERNAL'
  | 'UNAVAILABLE'
  | 'DATA_LOSS'
  | 'UNAUTHENTICATED'
  | number;

/** envoy.config.accesslog.v3.HeaderFilter */
export type HeaderFilter = {
  header?: HeaderMatcher | undefined;
};

/** envoy.config.accesslog.v3.LogTypeFilter */
export type LogTypeFilter = {
  types?: AccessLogType[] | undefined;
  exclude?: boolean | undefined;
};

/** envoy.config.accesslog.v3.MetadataFilter */
export type MetadataFilter = {
  matcher?: MetadataMatcher | undefined;
  match_if_key_not_found?: boolean | undefined;
};

/** envoy.config.accesslog.v3.NotHealthCheckFilter */
export type NotHealthCheckFilter = { [field: string]: never };

/** envoy.config.accesslog.v3.OrFilter */
export type OrFilter = {
  filters?: AccessLogFilter[] | undefined;
};

/** envoy.config.accesslog.v3.ResponseFlagFilter */
export type ResponseFlagFilter = {
  flags?: string[] | undefined;
};

/** envoy.config.accesslog.v3.RuntimeFilter */
export type RuntimeFilter = {
  runtime_key?: string | undefined;
  percent_sampled?: FractionalPercent | undefined;
  use_independent_randomness?: boolean | undefined;
};

/** envoy.config.accesslog.v3.StatusCodeFilter */
export type StatusCodeFilter = {
  comparison?: ComparisonFilter | undefined;
};

/** envoy.config.accesslog.v3.TraceableFilter */
export type TraceableFilter = { [field: string]: never };

/** envoy.config.bootstrap.v3.Admin */
export type Admin = {
  /** @deprecated */
  access_log_path?: string | undefined;
  profile_path?: string | undefined;
  address?: Address | undefined;
  socket_options?: SocketOption[] | undefined;
  access_log?: AccessLog[] | undefined;
  ignore_global_conn_limit?: boolean | undefined;
  allow_paths?: StringMatcher[] | undefined;
};

/** envoy.config.bootstrap.v3.Bootstrap */
export type Bootstrap = {
  node?: Node | undefined;
  static_resources?: Bootstrap_StaticResources | undefined;
  dynamic_resources?: Bootstrap_DynamicResources | undefined;
  cluster_manager?: ClusterManager | undefined;
  flags_path?: string | undefined;
  stats_sinks?: StatsSink[] | undefined;
  stats_flush_interval?: Duration | undefined;
  /** @deprecated */
  watchdog?: Watchdog | undefined;
  /** @deprecated */
  tracing?: Trace_Tracing | undefined;
  admin?: Admin | undefined;
  stats_config?: StatsConfig | undefined;
  hds_config?: ApiConfigSource | undefined;
  overload_manager?: OverloadManager | undefined;
  enable_dispatcher_stats?: boolean | undefined;
  layered_runtime?: LayeredRuntime | undefined;
  header_prefix?: string | undefined;
  stats_server_version_override?: number | bigint | undefined;
  /** @deprecated */
  use_tcp_for_dns_lookups?: boolean | undefined;
  bootstrap_extensions?: TypedExtensionConfig[] | undefined;
  config_sources?: ConfigSource[] | undefined;
  default_config_source?: ConfigSource | undefined;
  default_socket_interface?: string | undefined;
  certificate_provider_instances?: { [key: string]: TypedExtensionConfig } | undefined;
  node_context_params?: string[] | undefined;
  watchdogs?: Watchdogs | undefined;
  fatal_actions?: FatalAction[] | undefined;
  stats_flush_on_admin?: boolean | undefined;
  /** @deprecated */
  dns_resolution_config?: DnsResolutionConfig | undefined;
  typed_dns_resolver_config?: TypedExtensionConfig | undefined;
  inline_headers?: CustomInlineHeader[] | undefined;
  perf_tracing_file_path?: string | undefined;
  default_regex_engine?: TypedExtensionConfig | undefined;
  xds_delegate_extension?: TypedExtensionConfig | undefined;
  xds_config_tracker_extension?: TypedExtensionConfig | undefined;
  listener_manager?: TypedExtensionConfig | undefined;
  application_log_config?: Bootstrap_ApplicationLogConfig | undefined;
  deferred_stat_options?: Bootstrap_DeferredStatOptions | undefined;
  grpc_async_client_manager_config?: Bootstrap_GrpcAsyncClientManagerConfig | undefined;
  memory_allocator_manager?: MemoryAllocatorManager | undefined;
  stats_eviction_interval?: Duration | undefined;
  enable_worker_cpu_affinity?: boolean | undefined;
};

/** envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig */
export type Bootstrap_ApplicationLogConfig = {
  log_format?: Bootstrap_ApplicationLogConfig_LogFormat | undefined;
};

/** envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig.LogFormat */
export type Bootstrap_ApplicationLogConfig_LogFormat = {
  json_format?: JsonObject | undefined;
  text_format?: string | undefined;
};

/** envoy.config.bootstrap.v3.Bootstrap.DeferredStatOptions */
export type Bootstrap_DeferredStatOptions = {
  enable_deferred_creation_stats?: boolean | undefined;
};

/** envoy.config.bootstrap.v3.Bootstrap.DynamicResources */
export type Bootstrap_DynamicResources = {
  lds_config?: ConfigSource | undefined;
  cds_config?: ConfigSource | undefined;
  ads_config?: ApiConfigSource | undefined;
  lds_resources_locator?: string | undefined;
  cds_resources_locator?: string | undefined;
};

/** envoy.config.bootstrap.v3.Bootstrap.GrpcAsyncClientManagerConfig */
export type Bootstrap_GrpcAsyncClientManagerConfig = {
  max_cached_entry_idle_duration?: Duration | undefined;
};

/** envoy.config.bootstrap.v3.Bootstrap.StaticResources */
export type Bootstrap_StaticResources = {
  listeners?: Listener[] | undefined;
  clusters?: Cluster[] | undefined;
  secrets?: Secret[] | undefined;
};

/** envoy.config.bootstrap.v3.ClusterManager */
export type ClusterManager = {
  local_cluster_name?: string | undefined;
  outlier_detection?: ClusterManager_OutlierDetection | undefined;
  upstream_bind_config?: BindConfig | undefined;
  load_stats_config?: ApiConfigSource | undefined;
  enable_deferred_cluster_creation?: boolean | undefined;
};

/** envoy.config.bootstrap.v3.ClusterManager.OutlierDetection */
export type ClusterManager_OutlierDetection = {
  event_log_path?: string | undefined;
  event_service?: EventServiceConfig | undefined;
};

/** envoy.config.bootstrap.v3.CustomInlineHeader */
export type CustomInlineHeader = {
  inline_header_name?: string | undefined;
  inline_header_type?: CustomInlineHeader_InlineHeaderType | undefined;
};

/** envoy.config.bootstrap.v3.CustomInlineHeader.InlineHeaderType */
export type CustomInlineHeader_InlineHeaderType =
  | 'REQUEST_HEADER'
  | 'REQUEST_TRAILER'
  | 'RESPONSE_HEADER'
  | 'RESPONSE_TRAILER'
  | number;

/** envoy.config.bootstrap.v3.FatalAction */
export type FatalAction = {
  config?: TypedExtensionConfig | undefined;
};

/** envoy.config.bootstrap.v3.LayeredRuntime */
export type LayeredRuntime = {
  layers?: RuntimeLayer[] | undefined;
};

/** envoy.config.bootstrap.v3.MemoryAllocatorManager */
export type MemoryAllocatorManager = {
  bytes_to_release?: number | bigint | undefined;
  memory_release_interval?: Duration | undefined;
  soft_memory_limit_bytes?: number | bigint | undefined;
  max_per_cpu_cache_size_bytes?: number | undefined;
  max_unfreed_memory_bytes?: number | bigint | undefined;
};

/** envoy.config.bootstrap.v3.RuntimeLayer */
export type RuntimeLayer = {
  name?: string | undefined;
  static_layer?: JsonObject | undefined;
  disk_layer?: RuntimeLayer_DiskLayer | undefined;
  admin_layer?: RuntimeLayer_AdminLayer | undefined;
  rtds_layer?: RuntimeLayer_RtdsLayer | undefined;
};

/** envoy.config.bootstrap.v3.RuntimeLayer.AdminLayer */
export type RuntimeLayer_AdminLayer = { [field: string]: never };

/** envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer */
export type RuntimeLayer_DiskLayer = {
  symlink_root?: string | undefined;
  append_service_cluster?: boolean | undefined;
  subdirectory?: string | undefined;
};

/** envoy.config.bootstrap.v3.RuntimeLayer.RtdsLayer */
export type RuntimeLayer_RtdsLayer = {
  name?: string | undefined;
  rtds_config?: ConfigSource | undefined;
};

/** envoy.config.bootstrap.v3.Watchdog */
export type Watchdog = {
  miss_timeout?: Duration | undefined;
  megamiss_timeout?: Duration | undefined;
  kill_timeout?: Duration | undefined;
  multikill_timeout?: Duration | undefined;
  multikill_threshold?: Percent | undefined;
  max_kill_timeout_jitter?: Duration | undefined;
  actions?: Watchdog_WatchdogAction[] | undefined;
};

/** envoy.config.bootstrap.v3.Watchdog.WatchdogAction */
export type Watchdog_WatchdogAction = {
  config?: TypedExtensionConfig | undefined;
  event?: Watchdog_WatchdogAction_WatchdogEvent | undefined;
};

/** envoy.config.bootstrap.v3.Watchdog.WatchdogAction.WatchdogEvent */
export type Watchdog_WatchdogAction_WatchdogEvent =
  | 'UNKNOWN'
  | 'KILL'
  | 'MULTIKILL'
  | 'MEGAMISS'
  | 'MISS'
  | number;

/** envoy.config.bootstrap.v3.Watchdogs */
export type Watchdogs = {
  main_thread_watchdog?: Watchdog | undefined;
  worker_watchdog?: Watchdog | undefined;
};

/** envoy.config.cluster.v3.CircuitBreakers */
export type CircuitBreakers = {
  thresholds?: CircuitBreakers_Thresholds[] | undefined;
  per_host_thresholds?: CircuitBreakers_Thresholds[] | undefined;
};

/** envoy.config.cluster.v3.CircuitBreakers.Thresholds */
export type CircuitBreakers_Thresholds = {
  priority?: RoutingPriority | undefined;
  max_connections?: number | undefined;
  max_pending_requests?: number | undefined;
  max_requests?: number | undefined;
  max_retries?: number | undefined;
  track_remaining?: boolean | undefined;
  max_connection_pools?: number | undefined;
  retry_budget?: CircuitBreakers_Thresholds_RetryBudget | undefined;
};

/** envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget */
export type CircuitBreakers_Thresholds_RetryBudget = {
  budget_percent?: Percent | undefined;
  min_retry_concurrency?: number | undefined;
  budget_interval?: Duration | undefined;
};

/** envoy.config.cluster.v3.Cluster */
export type Cluster = {
  name?: string | undefined;
  type?: Cluster_DiscoveryType | undefined;
  eds_cluster_config?: Cluster_EdsClusterConfig | undefined;
  connect_timeout?: Duration | undefined;
  per_connection_buffer_limit_bytes?: number | undefined;
  lb_policy?: Cluster_LbPolicy | undefined;
  health_checks?: HealthCheck[] | undefined;
  /** @deprecated */
  max_requests_per_connection?: number | undefined;
  circuit_breakers?: CircuitBreakers | undefined;
  /** @deprecated */
  http_protocol_options?: Http1ProtocolOptions | undefined;
  /** @deprecated */
  http2_protocol_options?: Http2ProtocolOptions | undefined;
  /** @deprecated */
  dns_refresh_rate?: Duration | undefined;
  dns_lookup_family?: Cluster_DnsLookupFamily | undefined;
  /** @deprecated */
  dns_resolvers?: Address[] | undefined;
  outlier_detection?: OutlierDetection | undefined;
  cleanup_interval?: Duration | undefined;
  upstream_bind_config?: BindConfig | undefined;
  lb_subset_config?: Cluster_LbSubsetConfig | undefined;
  ring_hash_lb_config?: Cluster_RingHashLbConfig | undefined;
  transport_socket?: TransportSocket | undefined;
  metadata?: Metadata | undefined;
  /** @deprecated */
  protocol_selection?: Cluster_ClusterProtocolSelection | undefined;
  common_lb_config?: Cluster_CommonLbConfig | undefined;
  alt_stat_name?: string | undefined;
  /** @deprecated */
  common_http_protocol_options?: HttpProtocolOptions | undefined;
  upstream_connection_options?: UpstreamConnectionOptions | undefined;
  close_connections_on_host_health_failure?: boolean | undefined;
  ignore_health_on_host_removal?: boolean | undefined;
  load_assignment?: ClusterLoadAssignment | undefined;
  original_dst_lb_config?: Cluster_OriginalDstLbConfig | undefined;
  typed_extension_protocol_options?: { [key: string]: Any } | undefined;
  least_request_lb_config?: Cluster_LeastRequestLbConfig | undefined;
  cluster_type?: Cluster_CustomClusterType | undefined;
  /** @deprecated */
  respect_dns_ttl?: boolean | undefined;
  filters?: Cluster_Filter[] | undefined;
  load_balancing_policy?: LoadBalancingPolicy | undefined;
  lrs_server?: ConfigSource | undefined;
  transport_socket_matches?: Cluster_TransportSocketMatch[] | undefined;
  /** @deprecated */
  dns_failure_refresh_rate?: Cluster_RefreshRate | undefined;
  /** @deprecated */
  use_tcp_for_dns_lookups?: boolean | undefined;
  /** @deprecated */
  upstream_http_protocol_options?: UpstreamHttpProtocolOptions | undefined;
  /** @deprecated */
  track_timeout_budgets?: boolean | undefined;
  upstream_config?: TypedExtensionConfig | undefined;
  track_cluster_stats?: TrackClusterStats | undefined;
  preconnect_policy?: Cluster_PreconnectPolicy | undefined;
  connection_pool_per_downstream_connection?: boolean | undefined;
  maglev_lb_config?: Cluster_MaglevLbConfig | undefined;
  /** @deprecated */
  dns_resolution_config?: DnsResolutionConfig | undefined;
  wait_for_warm_on_init?: boolean | undefined;
  typed_dns_resolver_config?: TypedExtensionConfig | undefined;
  round_robin_lb_config?: Cluster_RoundRobinLbConfig | undefined;
  lrs_report_endpoint_metrics?: string[] | undefined;
  /** @deprecated */
  dns_jitter?: Duration | undefined;
  transport_socket_matcher?: Matcher | undefined;
  per_connection_buffer_high_watermark_timeout?: Duration | undefined;
  stats_matcher?: StatsMatcher | undefined;
  queuing_policies?: Cluster_QueuingPolicies | undefined;
};

/** envoy.config.cluster.v3.Cluster.ClusterProtocolSelection */
export type Cluster_ClusterProtocolSelection =
  | 'USE_CONFIGURED_PROTOCOL'
  | 'USE_DOWNSTREAM_PROTOCOL'
  | number;

/** envoy.config.cluster.v3.Cluster.CommonLbConfig */
export type Cluster_CommonLbConfig = {
  healthy_panic_threshold?: Percent | undefined;
  zone_aware_lb_config?: Cluster_CommonLbConfig_ZoneAwareLbConfig | undefined;
  locality_weighted_lb_config?: Cluster_CommonLbConfig_LocalityWeightedLbConfig | undefined;
  update_merge_window?: Duration | undefined;
  ignore_new_hosts_until_first_hc?: boolean | undefined;
  close_connections_on_host_set_change?: boolean | undefined;
  consistent_hashing_lb_config?: Cluster_CommonLbConfig_ConsistentHashingLbConfig | undefined;
  override_host_status?: HealthStatusSet | undefined;
};

/** envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig */
export type Cluster_CommonLbConfig_ConsistentHashingLbConfig = {
  use_hostname_for_hashing?: boolean | undefined;
  hash_balance_factor?: number | undefined;
};

/** envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig */
export type Cluster_CommonLbConfig_LocalityWeightedLbConfig = { [field: string]: never };

/** envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig */
export type Cluster_CommonLbConfig_ZoneAwareLbConfig = {
  routing_enabled?: Percent | undefined;
  min_cluster_size?: number | bigint | undefined;
  fail_traffic_on_panic?: boolean | undefined;
};

/** envoy.config.cluster.v3.Cluster.CustomClusterType */
export type Cluster_CustomClusterType = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.cluster.v3.Cluster.DiscoveryType */
export type Cluster_DiscoveryType =
  | 'STATIC'
  | 'STRICT_DNS'
  | 'LOGICAL_DNS'
  | 'EDS'
  | 'ORIGINAL_DST'
  | number;

/** envoy.config.cluster.v3.Cluster.DnsLookupFamily */
export type Cluster_DnsLookupFamily =
  | 'AUTO'
  | 'V4_ONLY'
  | 'V6_ONLY'
  | 'V4_PREFERRED'
  | 'ALL'
  | number;

/** envoy.config.cluster.v3.Cluster.EdsClusterConfig */
export type Cluster_EdsClusterConfig = {
  eds_config?: ConfigSource | undefined;
  service_name?: string | undefined;
};

/** envoy.config.cluster.v3.Cluster.LbPolicy */
export type Cluster_LbPolicy =
  | 'ROUND_ROBIN'
  | 'LEAST_REQUEST'
  | 'RING_HASH'
  | 'RANDOM'
  | 'MAGLEV'
  | 'CLUSTER_PROVIDED'
  | 'LOAD_BALANCING_POLICY_CONFIG'
  | number;

/** envoy.config.cluster.v3.Cluster.LbSubsetConfig */
export type Cluster_LbSubsetConfig = {
  fallback_policy?: Cluster_LbSubsetConfig_LbSubsetFallbackPolicy | undefined;
  default_subset?: JsonObject | undefined;
  subset_selectors?: Cluster_LbSubsetConfig_LbSubsetSelector[] | undefined;
  locality_weight_aware?: boolean | undefined;
  scale_locality_weight?: boolean | undefined;
  panic_mode_any?: boolean | undefined;
  list_as_any?: boolean | undefined;
  metadata_fallback_policy?: Cluster_LbSubsetConfig_LbSubsetMetadataFallbackPolicy | undefined;
};

/** envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetFallbackPolicy */
export type Cluster_LbSubsetConfig_LbSubsetFallbackPolicy =
  | 'NO_FALLBACK'
  | 'ANY_ENDPOINT'
  | 'DEFAULT_SUBSET'
  | number;

/** envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetMetadataFallbackPolicy */
export type Cluster_LbSubsetConfig_LbSubsetMetadataFallbackPolicy =
  | 'METADATA_NO_FALLBACK'
  | 'FALLBACK_LIST'
  | number;

/** envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector */
export type Cluster_LbSubsetConfig_LbSubsetSelector = {
  keys?: string[] | undefined;
  fallback_policy?: Cluster_LbSubsetConfig_LbSubsetSelector_LbSubsetSelectorFallbackPolicy | undefined;
  fallback_keys_subset?: string[] | undefined;
  single_host_per_subset?: boolean | undefined;
};

/** envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector.LbSubsetSelectorFallbackPolicy */
export type Cluster_LbSubsetConfig_LbSubsetSelector_LbSubsetSelectorFallbackPolicy =
  | 'NOT_DEFINED'
  | 'NO_FALLBACK'
  | 'ANY_ENDPOINT'
  | 'DEFAULT_SUBSET'
  | 'KEYS_SUBSET'
  | number;

/** envoy.config.cluster.v3.Cluster.LeastRequestLbConfig */
export type Cluster_LeastRequestLbConfig = {
  choice_count?: number | undefined;
  active_request_bias?: RuntimeDouble | undefined;
  slow_start_config?: Cluster_SlowStartConfig | undefined;
};

/** envoy.config.cluster.v3.Cluster.MaglevLbConfig */
export type Cluster_MaglevLbConfig = {
  table_size?: number | bigint | undefined;
};

/** envoy.config.cluster.v3.Cluster.OriginalDstLbConfig */
export type Cluster_OriginalDstLbConfig = {
  use_http_header?: boolean | undefined;
  http_header_name?: string | undefined;
  upstream_port_override?: number | undefined;
  metadata_key?: MetadataKey | undefined;
};

/** envoy.config.cluster.v3.Cluster.PreconnectPolicy */
export type Cluster_PreconnectPolicy = {
  per_upstream_preconnect_ratio?: number | undefined;
  predictive_preconnect_ratio?: number | undefined;
  preconnect_enabled_metadata?: MetadataMatcher | undefined;
};

/** envoy.config.cluster.v3.Cluster.QueuingPolicies */
export type Cluster_QueuingPolicies = {
  pending_rq_policy?: TypedExtensionConfig | undefined;
};

/** envoy.config.cluster.v3.Cluster.RefreshRate */
export type Cluster_RefreshRate = {
  base_interval?: Duration | undefined;
  max_interval?: Duration | undefined;
};

/** envoy.config.cluster.v3.Cluster.RingHashLbConfig */
export type Cluster_RingHashLbConfig = {
  minimum_ring_size?: number | bigint | undefined;
  hash_function?: Cluster_RingHashLbConfig_HashFunction | undefined;
  maximum_ring_size?: number | bigint | undefined;
};

/** envoy.config.cluster.v3.Cluster.RingHashLbConfig.HashFunction */
export type Cluster_RingHashLbConfig_HashFunction =
  | 'XX_HASH'
  | 'MURMUR_HASH_2'
  | number;

/** envoy.config.cluster.v3.Cluster.RoundRobinLbConfig */
export type Cluster_RoundRobinLbConfig = {
  slow_start_config?: Cluster_SlowStartConfig | undefined;
};

/** envoy.config.cluster.v3.Cluster.SlowStartConfig */
export type Cluster_SlowStartConfig = {
  slow_start_window?: Duration | undefined;
  aggression?: RuntimeDouble | undefined;
  min_weight_percent?: Percent | undefined;
};

/** envoy.config.cluster.v3.Cluster.TransportSocketMatch */
export type Cluster_TransportSocketMatch = {
  name?: string | undefined;
  match?: JsonObject | undefined;
  transport_socket?: TransportSocket | undefined;
};

/** envoy.config.cluster.v3.Filter */
export type Cluster_Filter = {
  name?: string | undefined;
  typed_config?: Any | undefined;
  config_discovery?: ExtensionConfigSource | undefined;
};

/** envoy.config.cluster.v3.LoadBalancingPolicy */
export type LoadBalancingPolicy = {
  policies?: LoadBalancingPolicy_Policy[] | undefined;
};

/** envoy.config.cluster.v3.LoadBalancingPolicy.Policy */
export type LoadBalancingPolicy_Policy = {
  typed_extension_config?: TypedExtensionConfig | undefined;
};

/** envoy.config.cluster.v3.OutlierDetection */
export type OutlierDetection = {
  consecutive_5xx?: number | undefined;
  interval?: Duration | undefined;
  base_ejection_time?: Duration | undefined;
  max_ejection_percent?: number | undefined;
  enforcing_consecutive_5xx?: number | undefined;
  enforcing_success_rate?: number | undefined;
  success_rate_minimum_hosts?: number | undefined;
  success_rate_request_volume?: number | undefined;
  success_rate_stdev_factor?: number | undefined;
  consecutive_gateway_failure?: number | undefined;
  enforcing_consecutive_gateway_failure?: number | undefined;
  split_external_local_origin_errors?: boolean | undefined;
  consecutive_local_origin_failure?: number | undefined;
  enforcing_consecutive_local_origin_failure?: number | undefined;
  enforcing_local_origin_success_rate?: number | undefined;
  failure_percentage_threshold?: number | undefined;
  enforcing_failure_percentage?: number | undefined;
  enforcing_failure_percentage_local_origin?: number | undefined;
  failure_percentage_minimum_hosts?: number | undefined;
  failure_percentage_request_volume?: number | undefined;
  max_ejection_time?: Duration | undefined;
  max_ejection_time_jitter?: Duration | undefined;
  successful_active_health_check_uneject_host?: boolean | undefined;
  monitors?: TypedExtensionConfig[] | undefined;
  always_eject_one_host?: boolean | undefined;
  detect_degraded_hosts?: boolean | undefined;
};

/** envoy.config.cluster.v3.TrackClusterStats */
export type TrackClusterStats = {
  timeout_budgets?: boolean | undefined;
  request_response_sizes?: boolean | undefined;
  per_endpoint_stats?: boolean | undefined;
};

/** envoy.config.cluster.v3.UpstreamConnectionOptions */
export type UpstreamConnectionOptions = {
  tcp_keepalive?: TcpKeepalive | undefined;
  set_local_interface_name_on_upstream_connections?: boolean | undefined;
  happy_eyeballs_config?: UpstreamConnectionOptions_HappyEyeballsConfig | undefined;
};

/** envoy.config.cluster.v3.UpstreamConnectionOptions.FirstAddressFamilyVersion */
export type UpstreamConnectionOptions_FirstAddressFamilyVersion =
  | 'DEFAULT'
  | 'V4'
  | 'V6'
  | 'PIPE'
  | 'INTERNAL'
  | number;

/** envoy.config.cluster.v3.UpstreamConnectionOptions.HappyEyeballsConfig */
export type UpstreamConnectionOptions_HappyEyeballsConfig = {
  first_address_family_version?: UpstreamConnectionOptions_FirstAddressFamilyVersion | undefined;
  first_address_family_count?: number | undefined;
};

/** envoy.config.common.matcher.v3.HttpGenericBodyMatch */
export type Matcher_HttpGenericBodyMatch = {
  bytes_limit?: number | undefined;
  patterns?: Matcher_HttpGenericBodyMatch_GenericTextMatch[] | undefined;
};

/** envoy.config.common.matcher.v3.HttpGenericBodyMatch.GenericTextMatch */
export type Matcher_HttpGenericBodyMatch_GenericTextMatch = {
  string_match?: string | undefined;
  binary_match?: Uint8Array | undefined;
};

/** envoy.config.common.matcher.v3.HttpHeadersMatch */
export type Matcher_HttpHeadersMatch = {
  headers?: HeaderMatcher[] | undefined;
};

/** envoy.config.common.matcher.v3.MatchPredicate */
export type Matcher_MatchPredicate = {
  or_match?: Matcher_MatchPredicate_MatchSet | undefined;
  and_match?: Matcher_MatchPredicate_MatchSet | undefined;
  not_match?: Matcher_MatchPredicate | undefined;
  any_match?: boolean | undefined;
  http_request_headers_match?: Matcher_HttpHeadersMatch | undefined;
  http_request_trailers_match?: Matcher_HttpHeadersMatch | undefined;
  http_response_headers_match?: Matcher_HttpHeadersMatch | undefined;
  http_response_trailers_match?: Matcher_HttpHeadersMatch | undefined;
  http_request_generic_body_match?: Matcher_HttpGenericBodyMatch | undefined;
  http_response_generic_body_match?: Matcher_HttpGenericBodyMatch | undefined;
};

/** envoy.config.common.matcher.v3.MatchPredicate.MatchSet */
export type Matcher_MatchPredicate_MatchSet = {
  rules?: Matcher_MatchPredicate[] | undefined;
};

/** envoy.config.common.mutation_rules.v3.HeaderMutation */
export type MutationRules_HeaderMutation = {
  remove?: string | undefined;
  append?: HeaderValueOption | undefined;
  remove_on_match?: HeaderMutation_RemoveOnMatch | undefined;
};

/** envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch */
export type HeaderMutation_RemoveOnMatch = {
  key_matcher?: StringMatcher | undefined;
};

/** envoy.config.core.v3.Address */
export type Address = {
  socket_address?: SocketAddress | undefined;
  pipe?: Pipe | undefined;
  envoy_internal_address?: EnvoyInternalAddress | undefined;
};

/** envoy.config.core.v3.AggregatedConfigSource */
export type AggregatedConfigSource = { [field: string]: never };

/** envoy.config.core.v3.AlternateProtocolsCacheOptions */
export type AlternateProtocolsCacheOptions = {
  name?: string | undefined;
  max_entries?: number | undefined;
  key_value_store_config?: TypedExtensionConfig | undefined;
  prepopulated_entries?: AlternateProtocolsCacheOptions_AlternateProtocolsCacheEntry[] | undefined;
  canonical_suffixes?: string[] | undefined;
};

/** envoy.config.core.v3.AlternateProtocolsCacheOptions.AlternateProtocolsCacheEntry */
export type AlternateProtocolsCacheOptions_AlternateProtocolsCacheEntry = {
  hostname?: string | undefined;
  port?: number | undefined;
};

/** envoy.config.core.v3.ApiConfigSource */
export type ApiConfigSource = {
  api_type?: ApiConfigSource_ApiType | undefined;
  cluster_names?: string[] | undefined;
  refresh_delay?: Duration | undefined;
  grpc_services?: GrpcService[] | undefined;
  request_timeout?: Duration | undefined;
  rate_limit_settings?: RateLimitSettings | undefined;
  set_node_on_first_message_only?: boolean | undefined;
  transport_api_version?: ApiVersion | undefined;
  config_validators?: TypedExtensionConfig[] | undefined;
};

/** envoy.config.core.v3.ApiConfigSource.ApiType */
export type ApiConfigSource_ApiType =
  | 'DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE'
  | 'REST'
  | 'GRPC'
  | 'DELTA_GRPC'
  | 'AGGREGATED_GRPC'
  | 'AGGREGATED_DELTA_GRPC'
  | number;

/** envoy.config.core.v3.ApiVersion */
export type ApiVersion =
  | 'AUTO'
  | 'V2'
  | 'V3'
  | number;

/** envoy.config.core.v3.BackoffStrategy */
export type BackoffStrategy = {
  base_interval?: Duration | undefined;
  max_interval?: Duration | undefined;
};

/** envoy.config.core.v3.BindConfig */
export type BindConfig = {
  source_address?: SocketAddress | undefined;
  freebind?: boolean | undefined;
  socket_options?: SocketOption[] | undefined;
  /** @deprecated */
  additional_source_addresses?: SocketAddress[] | undefined;
  extra_source_addresses?: ExtraSourceAddress[] | undefined;
  local_address_selector?: TypedExtensionConfig | undefined;
  validate_network_namespaces?: boolean | undefined;
};

/** envoy.config.core.v3.BuildVersion */
export type BuildVersion = {
  version?: SemanticVersion | undefined;
  metadata?: JsonObject | undefined;
};

/** envoy.config.core.v3.CelExpressionConfig */
export type CelExpressionConfig = {
  enable_string_conversion?: boolean | undefined;
  enable_string_concat?: boolean | undefined;
  enable_string_functions?: boolean | undefined;
};

/** envoy.config.core.v3.CidrRange */
export type CidrRange = {
  address_prefix?: string | undefined;
  prefix_len?: number | undefined;
};

/** envoy.config.core.v3.ConfigSource */
export type ConfigSource = {
  /** @deprecated */
  path?: string | undefined;
  api_config_source?: ApiConfigSource | undefined;
  ads?: AggregatedConfigSource | undefined;
  initial_fetch_timeout?: Duration | undefined;
  self?: SelfConfigSource | undefined;
  resource_api_version?: ApiVersion | undefined;
  authorities?: Authority[] | undefined;
  path_config_source?: PathConfigSource | undefined;
};

/** envoy.config.core.v3.ControlPlane */
export type ControlPlane = {
  identifier?: string | undefined;
};

/** envoy.config.core.v3.DataSource */
export type DataSource = {
  filename?: string | undefined;
  inline_bytes?: Uint8Array | undefined;
  inline_string?: string | undefined;
  environment_variable?: string | undefined;
  watched_directory?: WatchedDirectory | undefined;
};

/** envoy.config.core.v3.DnsResolutionConfig */
export type DnsResolutionConfig = {
  resolvers?: Address[] | undefined;
  dns_resolver_options?: DnsResolverOptions | undefined;
};

/** envoy.config.core.v3.DnsResolverOptions */
export type DnsResolverOptions = {
  use_tcp_for_dns_lookups?: boolean | undefined;
  no_default_search_domain?: boolean | undefined;
};

/** envoy.config.core.v3.EnvoyInternalAddress */
export type EnvoyInternalAddress = {
  server_listener_name?: string | undefined;
  endpoint_id?: string | undefined;
};

/** envoy.config.core.v3.EventServiceConfig */
export type EventServiceConfig = {
  grpc_service?: GrpcService | undefined;
};

/** envoy.config.core.v3.Extension */
export type Extension = {
  name?: string | undefined;
  category?: string | undefined;
  /** @deprecated */
  type_descriptor?: string | undefined;
  version?: BuildVersion | undefined;
  disabled?: boolean | undefined;
  type_urls?: string[] | undefined;
};

/** envoy.config.core.v3.ExtensionConfigSource */
export type ExtensionConfigSource = {
  config_source?: ConfigSource | undefined;
  default_config?: Any | undefined;
  apply_default_config_without_warming?: boolean | undefined;
  type_urls?: string[] | undefined;
};

/** envoy.config.core.v3.ExtraSourceAddress */
export type ExtraSourceAddress = {
  address?: SocketAddress | undefined;
  socket_options?: SocketOptionsOverride | undefined;
};

/** envoy.config.core.v3.GrpcService */
export type GrpcService = {
  envoy_grpc?: GrpcService_EnvoyGrpc | undefined;
  google_grpc?: GrpcService_GoogleGrpc | undefined;
  timeout?: Duration | undefined;
  initial_metadata?: HeaderValue[] | undefined;
  retry_policy?: Core_RetryPolicy | undefined;
};

/** envoy.config.core.v3.GrpcService.EnvoyGrpc */
export type GrpcService_EnvoyGrpc = {
  cluster_name?: string | undefined;
  authority?: string | undefined;
  retry_policy?: Core_RetryPolicy | undefined;
  max_receive_message_length?: number | undefined;
  skip_envoy_headers?: boolean | undefined;
};

/** envoy.config.core.v3.GrpcService.GoogleGrpc */
export type GrpcService_GoogleGrpc = {
  target_uri?: string | undefined;
  channel_credentials?: GrpcService_GoogleGrpc_ChannelCredentials | undefined;
  call_credentials?: GrpcService_GoogleGrpc_CallCredentials[] | undefined;
  stat_prefix?: string | undefined;
  credentials_factory_name?: string | undefined;
  config?: JsonObject | undefined;
  per_stream_buffer_limit_bytes?: number | undefined;
  channel_args?: GrpcService_GoogleGrpc_ChannelArgs | undefined;
  channel_credentials_plugin?: Any[] | undefined;
  call_credentials_plugin?: Any[] | undefined;
};

/** envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials */
export type GrpcService_GoogleGrpc_CallCredentials = {
  access_token?: string | undefined;
  google_compute_engine?: Empty | undefined;
  google_refresh_token?: string | undefined;
  service_account_jwt_access?: GrpcService_GoogleGrpc_CallCredentials_ServiceAccountJWTAccessCredentials | undefined;
  google_iam?: GrpcService_GoogleGrpc_CallCredentials_GoogleIAMCredentials | undefined;
  from_plugin?: GrpcService_GoogleGrpc_CallCredentials_MetadataCredentialsFromPlugin | undefined;
  sts_service?: GrpcService_GoogleGrpc_CallCredentials_StsService | undefined;
};

/** envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.GoogleIAMCredentials */
export type GrpcService_GoogleGrpc_CallCredentials_GoogleIAMCredentials = {
  authorization_token?: string | undefined;
  authority_selector?: string | undefined;
};

/** envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.MetadataCredentialsFromPlugin */
export type GrpcService_GoogleGrpc_CallCredentials_MetadataCredentialsFromPlugin = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.ServiceAccountJWTAccessCredentials */
export type GrpcService_GoogleGrpc_CallCredentials_ServiceAccountJWTAccessCredentials = {
  json_key?: string | undefined;
  token_lifetime_seconds?: number | bigint | undefined;
};

/** envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.StsService */
export type GrpcService_GoogleGrpc_CallCredentials_StsService = {
  token_exchange_service_uri?: string | undefined;
  resource?: string | undefined;
  audience?: string | undefined;
  scope?: string | undefined;
  requested_token_type?: string | undefined;
  subject_token_path?: string | undefined;
  subject_token_type?: string | undefined;
  actor_token_path?: string | undefined;
  actor_token_type?: string | undefined;
};

/** envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelArgs */
export type GrpcService_GoogleGrpc_ChannelArgs = {
  args?: { [key: string]: GrpcService_GoogleGrpc_ChannelArgs_Value } | undefined;
};

/** envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelArgs.Value */
export type GrpcService_GoogleGrpc_ChannelArgs_Value = {
  string_value?: string | undefined;
  int_value?: number | bigint | undefined;
};

/** envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelCredentials */
export type GrpcService_GoogleGrpc_ChannelCredentials = {
  ssl_credentials?: GrpcService_GoogleGrpc_SslCredentials | undefined;
  google_default?: Empty | undefined;
  local_credentials?: GrpcService_GoogleGrpc_GoogleLocalCredentials | undefined;
};

/** envoy.config.core.v3.GrpcService.GoogleGrpc.GoogleLocalCredentials */
export type GrpcService_GoogleGrpc_GoogleLocalCredentials = { [field: string]: never };

/** envoy.config.core.v3.GrpcService.GoogleGrpc.SslCredentials */
export type GrpcService_GoogleGrpc_SslCredentials = {
  root_certs?: DataSource | undefined;
  private_key?: DataSource | undefined;
  cert_chain?: DataSource | undefined;
};

/** envoy.config.core.v3.HeaderValue */
export type HeaderValue = {
  key?: string | undefined;
  value?: string | undefined;
  raw_value?: Uint8Array | undefined;
};

/** envoy.config.core.v3.HeaderValueOption */
export type HeaderValueOption = {
  header?: HeaderValue | undefined;
  /** @deprecated */
  append?: boolean | undefined;
  append_action?: HeaderValueOption_HeaderAppendAction | undefined;
  keep_empty_value?: boolean | undefined;
};

/** envoy.config.core.v3.HeaderValueOption.HeaderAppendAction */
export type HeaderValueOption_HeaderAppendAction =
  | 'APPEND_IF_EXISTS_OR_ADD'
  | 'ADD_IF_ABSENT'
  | 'OVERWRITE_IF_EXISTS_OR_ADD'
  | 'OVERWRITE_IF_EXISTS'
  | number;

/** envoy.config.core.v3.HealthCheck */
export type HealthCheck = {
  timeout?: Duration | undefined;
  interval?: Duration | undefined;
  interval_jitter?: Duration | undefined;
  unhealthy_threshold?: number | undefined;
  healthy_threshold?: number | undefined;
  alt_port?: number | undefined;
  reuse_connection?: boolean | undefined;
  http_health_check?: HealthCheck_HttpHealthCheck | undefined;
  tcp_health_check?: HealthCheck_TcpHealthCheck | undefined;
  grpc_health_check?: HealthCheck_GrpcHealthCheck | undefined;
  no_traffic_interval?: Duration | undefined;
  custom_health_check?: HealthCheck_CustomHealthCheck | undefined;
  unhealthy_interval?: Duration | undefined;
  unhealthy_edge_interval?: Duration | undefined;
  healthy_edge_interval?: Duration | undefined;
  /** @deprecated */
  event_log_path?: string | undefined;
  interval_jitter_percent?: number | undefined;
  always_log_health_check_failures?: boolean | undefined;
  initial_jitter?: Duration | undefined;
  tls_options?: HealthCheck_TlsOptions | undefined;
  event_service?: EventServiceConfig | undefined;
  transport_socket_match_criteria?: JsonObject | undefined;
  no_traffic_healthy_interval?: Duration | undefined;
  event_logger?: TypedExtensionConfig[] | undefined;
  always_log_health_check_success?: boolean | undefined;
  name?: string | undefined;
};

/** envoy.config.core.v3.HealthCheck.CustomHealthCheck */
export type HealthCheck_CustomHealthCheck = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.core.v3.HealthCheck.GrpcHealthCheck */
export type HealthCheck_GrpcHealthCheck = {
  service_name?: string | undefined;
  authority?: string | undefined;
  initial_metadata?: HeaderValueOption[] | undefined;
};

/** envoy.config.core.v3.HealthCheck.HttpHealthCheck */
export type HealthCheck_HttpHealthCheck = {
  host?: string | undefined;
  path?: string | undefined;
  send?: HealthCheck_Payload | undefined;
  receive?: HealthCheck_Payload[] | undefined;
  request_headers_to_add?: HeaderValueOption[] | undefined;
  request_headers_to_remove?: string[] | undefined;
  expected_statuses?: Int64Range[] | undefined;
  codec_client_type?: CodecClientType | undefined;
  service_name_matcher?: StringMatcher | undefined;
  retriable_statuses?: Int64Range[] | undefined;
  method?: RequestMethod | undefined;
  response_buffer_size?: number | bigint | undefined;
  use_alpn_protocol?: boolean | undefined;
};

/** envoy.config.core.v3.HealthCheck.Payload */
export type HealthCheck_Payload = {
  text?: string | undefined;
  binary?: Uint8Array | undefined;
};

/** envoy.config.core.v3.HealthCheck.TcpHealthCheck */
export type HealthCheck_TcpHealthCheck = {
  send?: HealthCheck_Payload | undefined;
  receive?: HealthCheck_Payload[] | undefined;
  proxy_protocol_config?: ProxyProtocolConfig | undefined;
};

/** envoy.config.core.v3.HealthCheck.TlsOptions */
export type HealthCheck_TlsOptions = {
  alpn_protocols?: string[] | undefined;
};

/** envoy.config.core.v3.HealthStatus */
export type HealthStatus =
  | 'UNKNOWN'
  | 'HEALTHY'
  | 'UNHEALTHY'
  | 'DRAINING'
  | 'TIMEOUT'
  | 'DEGRADED'
  | number;

/** envoy.config.core.v3.HealthStatusSet */
export type HealthStatusSet = {
  statuses?: HealthStatus[] | undefined;
};

/** envoy.config.core.v3.Http1ProtocolOptions */
export type Http1ProtocolOptions = {
  allow_absolute_url?: boolean | undefined;
  accept_http_10?: boolean | undefined;
  default_host_for_http_10?: string | undefined;
  header_key_format?: Http1ProtocolOptions_HeaderKeyFormat | undefined;
  enable_trailers?: boolean | undefined;
  allow_chunked_length?: boolean | undefined;
  override_stream_error_on_invalid_http_message?: boolean | undefined;
  send_fully_qualified_url?: boolean | undefined;
  /** @deprecated */
  use_balsa_parser?: boolean | undefined;
  allow_custom_methods?: boolean | undefined;
  ignore_http_11_upgrade?: StringMatcher[] | undefined;
};

/** envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat */
export type Http1ProtocolOptions_HeaderKeyFormat = {
  proper_case_words?: Http1ProtocolOptions_HeaderKeyFormat_ProperCaseWords | undefined;
  stateful_formatter?: TypedExtensionConfig | undefined;
};

/** envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords */
export type Http1ProtocolOptions_HeaderKeyFormat_ProperCaseWords = { [field: string]: never };

/** envoy.config.core.v3.Http2ProtocolOptions */
export type Http2ProtocolOptions = {
  hpack_table_size?: number | undefined;
  max_concurrent_streams?: number | undefined;
  initial_stream_window_size?: number | undefined;
  initial_connection_window_size?: number | undefined;
  allow_connect?: boolean | undefined;
  allow_metadata?: boolean | undefined;
  max_outbound_frames?: number | undefined;
  max_outbound_control_frames?: number | undefined;
  max_consecutive_inbound_frames_with_empty_payload?: number | undefined;
  max_inbound_priority_frames_per_stream?: number | undefined;
  max_inbound_window_update_frames_per_data_frame_sent?: number | undefined;
  /** @deprecated */
  stream_error_on_invalid_http_messaging?: boolean | undefined;
  custom_settings_parameters?: Http2ProtocolOptions_SettingsParameter[] | undefined;
  override_stream_error_on_invalid_http_message?: boolean | undefined;
  connection_keepalive?: KeepaliveSettings | undefined;
  use_oghttp2_codec?: boolean | undefined;
  max_metadata_size?: number | bigint | undefined;
  enable_huffman_encoding?: boolean | undefined;
  max_header_field_size_kb?: number | undefined;
  disallow_obs_text?: boolean | undefined;
  stream_reset_burst?: number | bigint | undefined;
  stream_reset_rate?: number | bigint | undefined;
};

/** envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter */
export type Http2ProtocolOptions_SettingsParameter = {
  identifier?: number | undefined;
  value?: number | undefined;
};

/** envoy.config.core.v3.Http3ProtocolOptions */
export type Http3ProtocolOptions = {
  quic_protocol_options?: Core_QuicProtocolOptions | undefined;
  override_stream_error_on_invalid_http_message?: boolean | undefined;
  allow_extended_connect?: boolean | undefined;
  allow_metadata?: boolean | undefined;
  disable_qpack?: boolean | undefined;
  disable_connection_flow_control_for_streams?: boolean | undefined;
  disallow_obs_text?: boolean | undefined;
};

/** envoy.config.core.v3.HttpProtocolOptions */
export type HttpProtocolOptions = {
  idle_timeout?: Duration | undefined;
  max_headers_count?: number | undefined;
  max_connection_duration?: Duration | undefined;
  max_stream_duration?: Duration | undefined;
  headers_with_underscores_action?: HttpProtocolOptions_HeadersWithUnderscoresAction | undefined;
  max_requests_per_connection?: number | undefined;
  max_response_headers_kb?: number | undefined;
  max_connection_duration_jitter?: Percent | undefined;
};

/** envoy.config.core.v3.HttpProtocolOptions.HeadersWithUnderscoresAction */
export type HttpProtocolOptions_HeadersWithUnderscoresAction =
  | 'ALLOW'
  | 'REJECT_REQUEST'
  | 'DROP_HEADER'
  | number;

/** envoy.config.core.v3.HttpService */
export type HttpService = {
  http_uri?: HttpUri | undefined;
  request_headers_to_add?: HeaderValueOption[] | undefined;
  formatters?: TypedExtensionConfig[] | undefined;
};

/** envoy.config.core.v3.HttpUri */
export type HttpUri = {
  uri?: string | undefined;
  cluster?: string | undefined;
  timeout?: Duration | undefined;
};

/** envoy.config.core.v3.JsonFormatOptions */
export type JsonFormatOptions = {
  /** @deprecated */
  sort_properties?: boolean | undefined;
};

/** envoy.config.core.v3.KeepaliveSettings */
export type KeepaliveSettings = {
  interval?: Duration | undefined;
  timeout?: Duration | undefined;
  interval_jitter?: Percent | undefined;
  connection_idle_interval?: Duration | undefined;
};

/** envoy.config.core.v3.KeyValue */
export type KeyValue = {
  /** @deprecated */
  key?: string | undefined;
  /** @deprecated */
  value?: Uint8Array | undefined;
};

/** envoy.config.core.v3.KeyValueAppend */
export type KeyValueAppend = {
  /** @deprecated */
  entry?: KeyValue | undefined;
  action?: KeyValueAppend_KeyValueAppendAction | undefined;
  record?: KeyValuePair | undefined;
};

/** envoy.config.core.v3.KeyValueAppend.KeyValueAppendAction */
export type KeyValueAppend_KeyValueAppendAction =
  | 'APPEND_IF_EXISTS_OR_ADD'
  | 'ADD_IF_ABSENT'
  | 'OVERWRITE_IF_EXISTS_OR_ADD'
  | 'OVERWRITE_IF_EXISTS'
  | number;

/** envoy.config.core.v3.KeyValueMutation */
export type KeyValueMutation = {
  append?: KeyValueAppend | undefined;
  remove?: string | undefined;
};

/** envoy.config.core.v3.KeyValuePair */
export type KeyValuePair = {
  key?: string | undefined;
  value?: JsonValue | undefined;
};

/** envoy.config.core.v3.Locality */
export type Locality = {
  region?: string | undefined;
  zone?: string | undefined;
  sub_zone?: string | undefined;
};

/** envoy.config.core.v3.Metadata */
export type Metadata = {
  filter_metadata?: { [key: string]: JsonObject } | undefined;
  typed_filter_metadata?: { [key: string]: Any } | undefined;
};

/** envoy.config.core.v3.Node */
export type Node = {
  id?: string | undefined;
  cluster?: string | undefined;
  metadata?: JsonObject | undefined;
  locality?: Locality | undefined;
  user_agent_name?: string | undefined;
  user_agent_version?: string | undefined;
  user_agent_build_version?: BuildVersion | undefined;
  extensions?: Extension[] | undefined;
  client_features?: string[] | undefined;
  /** @deprecated */
  listening_addresses?: Address[] | undefined;
  dynamic_parameters?: { [key: string]: ContextParams } | undefined;
};

/** envoy.config.core.v3.PathConfigSource */
export type PathConfigSource = {
  path?: string | undefined;
  watched_directory?: WatchedDirectory | undefined;
  poll_interval?: Duration | undefined;
};

/** envoy.config.core.v3.Pipe */
export type Pipe = {
  path?: string | undefined;
  mode?: number | undefined;
};

/** envoy.config.core.v3.ProxyProtocolConfig */
export type ProxyProtocolConfig = {
  version?: ProxyProtocolConfig_Version | undefined;
  pass_through_tlvs?: ProxyProtocolPassThroughTLVs | undefined;
  added_tlvs?: TlvEntry[] | undefined;
};

/** envoy.config.core.v3.ProxyProtocolConfig.Version */
export type ProxyProtocolConfig_Version =
  | 'V1'
  | 'V2'
  | number;

/** envoy.config.core.v3.ProxyProtocolPassThroughTLVs */
export type ProxyProtocolPassThroughTLVs = {
  match_type?: ProxyProtocolPassThroughTLVs_PassTLVsMatchType | undefined;
  tlv_type?: number[] | undefined;
};

/** envoy.config.core.v3.ProxyProtocolPassThroughTLVs.PassTLVsMatchType */
export type ProxyProtocolPassThroughTLVs_PassTLVsMatchType =
  | 'INCLUDE_ALL'
  | 'INCLUDE'
  | number;

/** envoy.config.core.v3.QuicKeepAliveSettings */
export type QuicKeepAliveSettings = {
  max_interval?: Duration | undefined;
  initial_interval?: Duration | undefined;
};

/** envoy.config.core.v3.QuicProtocolOptions */
export type Core_QuicProtocolOptions = {
  max_concurrent_streams?: number | undefined;
  initial_stream_window_size?: number | undefined;
  initial_connection_window_size?: number | undefined;
  num_timeouts_to_trigger_port_migration?: number | undefined;
  connection_keepalive?: QuicKeepAliveSettings | undefined;
  connection_options?: string | undefined;
  client_connection_options?: string | undefined;
  idle_network_timeout?: Duration | undefined;
  max_packet_length?: number | bigint | undefined;
  client_packet_writer?: TypedExtensionConfig | undefined;
  connection_migration?: QuicProtocolOptions_ConnectionMigrationSettings | undefined;
  memory_reduction_timeout?: Duration | undefined;
  enable_scone?: boolean | undefined;
};

/** envoy.config.core.v3.QuicProtocolOptions.ConnectionMigrationSettings */
export type QuicProtocolOptions_ConnectionMigrationSettings = {
  migrate_idle_connections?: QuicProtocolOptions_ConnectionMigrationSettings_MigrateIdleConnectionSettings | undefined;
  max_time_on_non_default_network?: Duration | undefined;
};

/** envoy.config.core.v3.QuicProtocolOptions.ConnectionMigrationSettings.MigrateIdleConnectionSettings */
export type QuicProtocolOptions_ConnectionMigrationSettings_MigrateIdleConnectionSettings = {
  max_idle_time_before_migration?: Duration | undefined;
};

/** envoy.config.core.v3.RateLimitSettings */
export type RateLimitSettings = {
  max_tokens?: number | undefined;
  fill_rate?: number | undefined;
};

/** envoy.config.core.v3.RequestMethod */
export type RequestMethod =
  | 'METHOD_UNSPECIFIED'
  | 'GET'
  | 'HEAD'
  | 'POST'
  | 'PUT'
  | 'DELETE'
  | 'CONNECT'
  | 'OPTIONS'
  | 'TRACE'
  | 'PATCH'
  | number;

/** envoy.config.core.v3.RetryPolicy */
export type Core_RetryPolicy = {
  retry_back_off?: BackoffStrategy | undefined;
  num_retries?: number | undefined;
  retry_on?: string | undefined;
  retry_priority?: Core_RetryPolicy_RetryPriority | undefined;
  retry_host_predicate?: Core_RetryPolicy_RetryHostPredicate[] | undefined;
  host_selection_retry_max_attempts?: number | bigint | undefined;
};

/** envoy.config.core.v3.RetryPolicy.RetryHostPredicate */
export type Core_RetryPolicy_RetryHostPredicate = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.core.v3.RetryPolicy.RetryPriority */
export type Core_RetryPolicy_RetryPriority = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.core.v3.RoutingPriority */
export type RoutingPriority =
  | 'DEFAULT'
  | 'HIGH'
  | number;

/** envoy.config.core.v3.RuntimeDouble */
export type RuntimeDouble = {
  default_value?: number | undefined;
  runtime_key?: string | undefined;
};

/** envoy.config.core.v3.RuntimeFeatureFlag */
export type RuntimeFeatureFlag = {
  default_value?: boolean | undefined;
  runtime_key?: string | undefined;
};

/** envoy.config.core.v3.RuntimeFractionalPercent */
export type RuntimeFractionalPercent = {
  default_value?: FractionalPercent | undefined;
  runtime_key?: string | undefined;
};

/** envoy.config.core.v3.RuntimeUInt32 */
export type RuntimeUInt32 = {
  default_value?: number | undefined;
  runtime_key?: string | undefined;
};

/** envoy.config.core.v3.SchemeHeaderTransformation */
export type SchemeHeaderTransformation = {
  scheme_to_overwrite?: string | undefined;
  match_upstream?: boolean | undefined;
};

/** envoy.config.core.v3.SelfConfigSource */
export type SelfConfigSource = {
  transport_api_version?: ApiVersion | undefined;
};

/** envoy.config.core.v3.SocketAddress */
export type SocketAddress = {
  protocol?: SocketAddress_Protocol | undefined;
  address?: string | undefined;
  port_value?: number | undefined;
  named_port?: string | undefined;
  resolver_name?: string | undefined;
  ipv4_compat?: boolean | undefined;
  network_namespace_filepath?: string | undefined;
};

/** envoy.config.core.v3.SocketAddress.Protocol */
export type SocketAddress_Protocol =
  | 'TCP'
  | 'UDP'
  | number;

/** envoy.config.core.v3.SocketCmsgHeaders */
export type SocketCmsgHeaders = {
  level?: number | undefined;
  type?: number | undefined;
  expected_size?: number | undefined;
};

/** envoy.config.core.v3.SocketOption */
export type SocketOption = {
  description?: string | undefined;
  level?: number | bigint | undefined;
  name?: number | bigint | undefined;
  int_value?: number | bigint | undefined;
  buf_value?: Uint8Array | undefined;
  state?: SocketOption_SocketState | undefined;
  type?: SocketOption_SocketType | undefined;
  ip_version?: SocketOption_SocketIpVersion | undefined;
};

/** envoy.config.core.v3.SocketOption.SocketIpVersion */
export type SocketOption_SocketIpVersion =
  | 'SOCKET_IP_VERSION_UNSPECIFIED'
  | 'SOCKET_IP_VERSION_IPV4'
  | 'SOCKET_IP_VERSION_IPV6'
  | number;

/** envoy.config.core.v3.SocketOption.SocketState */
export type SocketOption_SocketState =
  | 'STATE_PREBIND'
  | 'STATE_BOUND'
  | 'STATE_LISTENING'
  | number;

/** envoy.config.core.v3.SocketOption.SocketType */
export type SocketOption_SocketType = {
  stream?: SocketOption_SocketType_Stream | undefined;
  datagram?: SocketOption_SocketType_Datagram | undefined;
};

/** envoy.config.core.v3.SocketOption.SocketType.Datagram */
export type SocketOption_SocketType_Datagram = { [field: string]: never };

/** envoy.config.core.v3.SocketOption.SocketType.Stream */
export type SocketOption_SocketType_Stream = { [field: string]: never };

/** envoy.config.core.v3.SocketOptionsOverride */
export type SocketOptionsOverride = {
  socket_options?: SocketOption[] | undefined;
};

/** envoy.config.core.v3.SubstitutionFormatString */
export type SubstitutionFormatString = {
  /** @deprecated */
  text_format?: string | undefined;
  json_format?: JsonObject | undefined;
  omit_empty_values?: boolean | undefined;
  content_type?: string | undefined;
  text_format_source?: DataSource | undefined;
  formatters?: TypedExtensionConfig[] | undefined;
  json_format_options?: JsonFormatOptions | undefined;
};

/** envoy.config.core.v3.TcpKeepalive */
export type TcpKeepalive = {
  keepalive_probes?: number | undefined;
  keepalive_time?: number | undefined;
  keepalive_interval?: number | undefined;
};

/** envoy.config.core.v3.TlvEntry */
export type TlvEntry = {
  type?: number | undefined;
  value?: Uint8Array | undefined;
  format_string?: SubstitutionFormatString | undefined;
};

/** envoy.config.core.v3.TrafficDirection */
export type TrafficDirection =
  | 'UNSPECIFIED'
  | 'INBOUND'
  | 'OUTBOUND'
  | number;

/** envoy.config.core.v3.TransportSocket */
export type TransportSocket = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.core.v3.TypedExtensionConfig */
export type TypedExtensionConfig = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.core.v3.UdpSocketConfig */
export type UdpSocketConfig = {
  max_rx_datagram_size?: number | bigint | undefined;
  prefer_gro?: boolean | undefined;
};

/** envoy.config.core.v3.UpstreamHttpProtocolOptions */
export type UpstreamHttpProtocolOptions = {
  auto_sni?: boolean | undefined;
  auto_san_validation?: boolean | undefined;
  override_auto_sni_header?: string | undefined;
};

/** envoy.config.core.v3.WatchedDirectory */
export type WatchedDirectory = {
  path?: string | undefined;
  watch_modify?: boolean | undefined;
};

/** envoy.config.endpoint.v3.ClusterLoadAssignment */
export type ClusterLoadAssignment = {
  cluster_name?: string | undefined;
  endpoints?: LocalityLbEndpoints[] | undefined;
  policy?: ClusterLoadAssignment_Policy | undefined;
  named_endpoints?: { [key: string]: Endpoint } | undefined;
};

/** envoy.config.endpoint.v3.ClusterLoadAssignment.Policy */
export type ClusterLoadAssignment_Policy = {
  drop_overloads?: ClusterLoadAssignment_Policy_DropOverload[] | undefined;
  overprovisioning_factor?: number | undefined;
  endpoint_stale_after?: Duration | undefined;
  weighted_priority_health?: boolean | undefined;
};

/** envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload */
export type ClusterLoadAssignment_Policy_DropOverload = {
  category?: string | undefined;
  drop_percentage?: FractionalPercent | undefined;
};

/** envoy.config.endpoint.v3.ClusterStats */
export type ClusterStats = {
  cluster_name?: string | undefined;
  upstream_locality_stats?: UpstreamLocalityStats[] | undefined;
  total_dropped_requests?: number | bigint | undefined;
  load_report_interval?: Duration | undefined;
  dropped_requests?: ClusterStats_DroppedRequests[] | undefined;
  cluster_service_name?: string | undefined;
};

/** envoy.config.endpoint.v3.ClusterStats.DroppedRequests */
export type ClusterStats_DroppedRequests = {
  category?: string | undefined;
  dropped_count?: number | bigint | undefined;
};

/** envoy.config.endpoint.v3.Endpoint */
export type Endpoint = {
  address?: Address | undefined;
  health_check_config?: Endpoint_HealthCheckConfig | undefined;
  hostname?: string | undefined;
  additional_addresses?: Endpoint_AdditionalAddress[] | undefined;
  observability_name?: string | undefined;
};

/** envoy.config.endpoint.v3.Endpoint.AdditionalAddress */
export type Endpoint_AdditionalAddress = {
  address?: Address | undefined;
};

/** envoy.config.endpoint.v3.Endpoint.HealthCheckConfig */
export type Endpoint_HealthCheckConfig = {
  port_value?: number | undefined;
  hostname?: string | undefined;
  address?: Address | undefined;
  disable_active_health_check?: boolean | undefined;
};

/** envoy.config.endpoint.v3.EndpointLoadMetricStats */
export type EndpointLoadMetricStats = {
  metric_name?: string | undefined;
  num_requests_finished_with_metric?: number | bigint | undefined;
  total_metric_value?: number | undefined;
};

/** envoy.config.endpoint.v3.LbEndpoint */
export type LbEndpoint = {
  endpoint?: Endpoint | undefined;
  health_status?: HealthStatus | undefined;
  metadata?: Metadata | undefined;
  load_balancing_weight?: number | undefined;
  endpoint_name?: string | undefined;
};

/** envoy.config.endpoint.v3.LedsClusterLocalityConfig */
export type LedsClusterLocalityConfig = {
  leds_config?: ConfigSource | undefined;
  leds_collection_name?: string | undefined;
};

/** envoy.config.endpoint.v3.LocalityLbEndpoints */
export type LocalityLbEndpoints = {
  locality?: Locality | undefined;
  lb_endpoints?: LbEndpoint[] | undefined;
  load_balancing_weight?: number | undefined;
  priority?: number | undefined;
  proximity?: number | undefined;
  /** @deprecated */
  load_balancer_endpoints?: LocalityLbEndpoints_LbEndpointList | undefined;
  leds_cluster_locality_config?: LedsClusterLocalityConfig | undefined;
  metadata?: Metadata | undefined;
};

/** envoy.config.endpoint.v3.LocalityLbEndpoints.LbEndpointList */
export type LocalityLbEndpoints_LbEndpointList = {
  lb_endpoints?: LbEndpoint[] | undefined;
};

/** envoy.config.endpoint.v3.UnnamedEndpointLoadMetricStats */
export type UnnamedEndpointLoadMetricStats = {
  num_requests_finished_with_metric?: number | bigint | undefined;
  total_metric_value?: number | undefined;
};

/** envoy.config.endpoint.v3.UpstreamEndpointStats */
export type UpstreamEndpointStats = {
  address?: Address | undefined;
  total_successful_requests?: number | bigint | undefined;
  total_requests_in_progress?: number | bigint | undefined;
  total_error_requests?: number | bigint | undefined;
  load_metric_stats?: EndpointLoadMetricStats[] | undefined;
  metadata?: JsonObject | undefined;
  total_issued_requests?: number | bigint | undefined;
};

/** envoy.config.endpoint.v3.UpstreamLocalityStats */
export type UpstreamLocalityStats = {
  locality?: Locality | undefined;
  total_successful_requests?: number | bigint | undefined;
  total_requests_in_progress?: number | bigint | undefined;
  total_error_requests?: number | bigint | undefined;
  load_metric_stats?: EndpointLoadMetricStats[] | undefined;
  priority?: number | undefined;
  upstream_endpoint_stats?: UpstreamEndpointStats[] | undefined;
  total_issued_requests?: number | bigint | undefined;
  total_active_connections?: number | bigint | undefined;
  total_new_connections?: number | bigint | undefined;
  total_fail_connections?: number | bigint | undefined;
  cpu_utilization?: UnnamedEndpointLoadMetricStats | undefined;
  mem_utilization?: UnnamedEndpointLoadMetricStats | undefined;
  application_utilization?: UnnamedEndpointLoadMetricStats | undefined;
};

/** envoy.config.grpc_credential.v3.FileBasedMetadataConfig */
export type FileBasedMetadataConfig = {
  secret_data?: DataSource | undefined;
  header_key?: string | undefined;
  header_prefix?: string | undefined;
};

/** envoy.config.listener.v3.AdditionalAddress */
export type AdditionalAddress = {
  address?: Address | undefined;
  socket_options?: SocketOptionsOverride | undefined;
  tcp_keepalive?: TcpKeepalive | undefined;
};

/** envoy.config.listener.v3.ApiListener */
export type ApiListener = {
  api_listener?: Any | undefined;
};

/** envoy.config.listener.v3.Filter */
export type Filter = {
  name?: string | undefined;
  typed_config?: Any | undefined;
  config_discovery?: ExtensionConfigSource | undefined;
};

/** envoy.config.listener.v3.FilterChain */
export type FilterChain = {
  filter_chain_match?: FilterChainMatch | undefined;
  filters?: Filter[] | undefined;
  /** @deprecated */
  use_proxy_proto?: boolean | undefined;
  metadata?: Metadata | undefined;
  transport_socket?: TransportSocket | undefined;
  name?: string | undefined;
  transport_socket_connect_timeout?: Duration | undefined;
};

/** envoy.config.listener.v3.FilterChainMatch */
export type FilterChainMatch = {
  prefix_ranges?: CidrRange[] | undefined;
  address_suffix?: string | undefined;
  suffix_len?: number | undefined;
  source_prefix_ranges?: CidrRange[] | undefined;
  source_ports?: number[] | undefined;
  destination_port?: number | undefined;
  transport_protocol?: string | undefined;
  application_protocols?: string[] | undefined;
  server_names?: string[] | undefined;
  source_type?: FilterChainMatch_ConnectionSourceType | undefined;
  direct_source_prefix_ranges?: CidrRange[] | undefined;
};

/** envoy.config.listener.v3.FilterChainMatch.ConnectionSourceType */
export type FilterChainMatch_ConnectionSourceType =
  | 'ANY'
  | 'SAME_IP_OR_LOOPBACK'
  | 'EXTERNAL'
  | number;

/** envoy.config.listener.v3.Listener */
export type Listener = {
  name?: string | undefined;
  address?: Address | undefined;
  filter_chains?: FilterChain[] | undefined;
  use_original_dst?: boolean | undefined;
  per_connection_buffer_limit_bytes?: number | undefined;
  metadata?: Metadata | undefined;
  /** @deprecated */
  deprecated_v1?: Listener_DeprecatedV1 | undefined;
  drain_type?: Listener_DrainType | undefined;
  listener_filters?: ListenerFilter[] | undefined;
  transparent?: boolean | undefined;
  freebind?: boolean | undefined;
  tcp_fast_open_queue_length?: number | undefined;
  socket_options?: SocketOption[] | undefined;
  listener_filters_timeout?: Duration | undefined;
  traffic_direction?: TrafficDirection | undefined;
  continue_on_listener_filters_timeout?: boolean | undefined;
  udp_listener_config?: UdpListenerConfig | undefined;
  api_listener?: ApiListener | undefined;
  connection_balance_config?: Listener_ConnectionBalanceConfig | undefined;
  /** @deprecated */
  reuse_port?: boolean | undefined;
  access_log?: AccessLog[] | undefined;
  tcp_backlog_size?: number | undefined;
  default_filter_chain?: FilterChain | undefined;
  bind_to_port?: boolean | undefined;
  internal_listener?: Listener_InternalListenerConfig | undefined;
  stat_prefix?: string | undefined;
  enable_reuse_port?: boolean | undefined;
  enable_mptcp?: boolean | undefined;
  ignore_global_conn_limit?: boolean | undefined;
  filter_chain_matcher?: Matcher | undefined;
  additional_addresses?: AdditionalAddress[] | undefined;
  max_connections_to_accept_per_socket_event?: number | undefined;
  bypass_overload_manager?: boolean | undefined;
  fcds_config?: Listener_FcdsConfig | undefined;
  tcp_keepalive?: TcpKeepalive | undefined;
  per_connection_buffer_high_watermark_timeout?: Duration | undefined;
  stats_matcher?: StatsMatcher | undefined;
};

/** envoy.config.listener.v3.Listener.ConnectionBalanceConfig */
export type Listener_ConnectionBalanceConfig = {
  exact_balance?: Listener_ConnectionBalanceConfig_ExactBalance | undefined;
  extend_balance?: TypedExtensionConfig | undefined;
  cpu_locality_balance?: Listener_ConnectionBalanceConfig_CpuLocalityBalance | undefined;
};

/** envoy.config.listener.v3.Listener.ConnectionBalanceConfig.CpuLocalityBalance */
export type Listener_ConnectionBalanceConfig_CpuLocalityBalance = { [field: string]: never };

/** envoy.config.listener.v3.Listener.ConnectionBalanceConfig.ExactBalance */
export type Listener_ConnectionBalanceConfig_ExactBalance = { [field: string]: never };

/** envoy.config.listener.v3.Listener.DeprecatedV1 */
export type Listener_DeprecatedV1 = {
  bind_to_port?: boolean | undefined;
};

/** envoy.config.listener.v3.Listener.DrainType */
export type Listener_DrainType =
  | 'DEFAULT'
  | 'MODIFY_ONLY'
  | number;

/** envoy.config.listener.v3.Listener.FcdsConfig */
export type Listener_FcdsConfig = {
  name?: string | undefined;
  config_source?: ConfigSource | undefined;
};

/** envoy.config.listener.v3.Listener.InternalListenerConfig */
export type Listener_InternalListenerConfig = { [field: string]: never };

/** envoy.config.listener.v3.ListenerFilter */
export type ListenerFilter = {
  name?: string | undefined;
  typed_config?: Any | undefined;
  filter_disabled?: ListenerFilterChainMatchPredicate | undefined;
  config_discovery?: ExtensionConfigSource | undefined;
};

/** envoy.config.listener.v3.ListenerFilterChainMatchPredicate */
export type ListenerFilterChainMatchPredicate = {
  or_match?: ListenerFilterChainMatchPredicate_MatchSet | undefined;
  and_match?: ListenerFilterChainMatchPredicate_MatchSet | undefined;
  not_match?: ListenerFilterChainMatchPredicate | undefined;
  any_match?: boolean | undefined;
  destination_port_range?: Int32Range | undefined;
};

/** envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet */
export type ListenerFilterChainMatchPredicate_MatchSet = {
  rules?: ListenerFilterChainMatchPredicate[] | undefined;
};

/** envoy.config.listener.v3.QuicProtocolOptions */
export type QuicProtocolOptions = {
  quic_protocol_options?: Core_QuicProtocolOptions | undefined;
  idle_timeout?: Duration | undefined;
  crypto_handshake_timeout?: Duration | undefined;
  enabled?: RuntimeFeatureFlag | undefined;
  packets_to_read_to_connection_count_ratio?: number | undefined;
  crypto_stream_config?: TypedExtensionConfig | undefined;
  proof_source_config?: TypedExtensionConfig | undefined;
  connection_id_generator_config?: TypedExtensionConfig | undefined;
  server_preferred_address_config?: TypedExtensionConfig | undefined;
  send_disable_active_migration?: boolean | undefined;
  connection_debug_visitor_config?: TypedExtensionConfig | undefined;
  save_cmsg_config?: SocketCmsgHeaders[] | undefined;
  reject_new_connections?: boolean | undefined;
  max_sessions_per_event_loop?: number | undefined;
};

/** envoy.config.listener.v3.UdpListenerConfig */
export type UdpListenerConfig = {
  downstream_socket_config?: UdpSocketConfig | undefined;
  quic_options?: QuicProtocolOptions | undefined;
  udp_packet_packet_writer_config?: TypedExtensionConfig | undefined;
};

/** envoy.config.metrics.v3.HistogramBucketSettings */
export type HistogramBucketSettings = {
  match?: StringMatcher | undefined;
  buckets?: number[] | undefined;
  bins?: number | undefined;
};

/** envoy.config.metrics.v3.StatsConfig */
export type StatsConfig = {
  stats_tags?: TagSpecifier[] | undefined;
  use_all_default_tags?: boolean | undefined;
  stats_matcher?: StatsMatcher | undefined;
  histogram_bucket_settings?: HistogramBucketSettings[] | undefined;
  allow_default_tag_overrides?: boolean | undefined;
};

/** envoy.config.metrics.v3.StatsMatcher */
export type StatsMatcher = {
  reject_all?: boolean | undefined;
  exclusion_list?: ListStringMatcher | undefined;
  inclusion_list?: ListStringMatcher | undefined;
};

/** envoy.config.metrics.v3.StatsSink */
export type StatsSink = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.metrics.v3.TagSpecifier */
export type TagSpecifier = {
  tag_name?: string | undefined;
  regex?: string | undefined;
  fixed_value?: string | undefined;
};

/** envoy.config.overload.v3.BufferFactoryConfig */
export type BufferFactoryConfig = {
  minimum_account_to_track_power_of_two?: number | undefined;
};

/** envoy.config.overload.v3.LoadShedPoint */
export type LoadShedPoint = {
  name?: string | undefined;
  triggers?: Trigger[] | undefined;
};

/** envoy.config.overload.v3.OverloadAction */
export type OverloadAction = {
  name?: string | undefined;
  triggers?: Trigger[] | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.overload.v3.OverloadManager */
export type OverloadManager = {
  refresh_interval?: Duration | undefined;
  resource_monitors?: ResourceMonitor[] | undefined;
  actions?: OverloadAction[] | undefined;
  buffer_factory_config?: BufferFactoryConfig | undefined;
  loadshed_points?: LoadShedPoint[] | undefined;
};

/** envoy.config.overload.v3.ResourceMonitor */
export type ResourceMonitor = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.overload.v3.ScaledTrigger */
export type ScaledTrigger = {
  scaling_threshold?: number | undefined;
  saturation_threshold?: number | undefined;
};

/** envoy.config.overload.v3.ThresholdTrigger */
export type ThresholdTrigger = {
  value?: number | undefined;
};

/** envoy.config.overload.v3.Trigger */
export type Trigger = {
  name?: string | undefined;
  threshold?: ThresholdTrigger | undefined;
  scaled?: ScaledTrigger | undefined;
};

/** envoy.config.rbac.v3.MetadataSource */
export type MetadataSource =
  | 'DYNAMIC'
  | 'ROUTE'
  | number;

/** envoy.config.rbac.v3.Permission */
export type Permission = {
  and_rules?: Permission_Set | undefined;
  or_rules?: Permission_Set | undefined;
  any?: boolean | undefined;
  header?: HeaderMatcher | undefined;
  destination_ip?: CidrRange | undefined;
  destination_port?: number | undefined;
  /** @deprecated */
  metadata?: MetadataMatcher | undefined;
  not_rule?: Permission | undefined;
  requested_server_name?: StringMatcher | undefined;
  url_path?: PathMatcher | undefined;
  destination_port_range?: Int32Range | undefined;
  matcher?: TypedExtensionConfig | undefined;
  uri_template?: TypedExtensionConfig | undefined;
  sourced_metadata?: SourcedMetadata | undefined;
};

/** envoy.config.rbac.v3.Permission.Set */
export type Permission_Set = {
  rules?: Permission[] | undefined;
};

/** envoy.config.rbac.v3.Policy */
export type Policy = {
  permissions?: Permission[] | undefined;
  principals?: Principal[] | undefined;
  condition?: Expr | undefined;
  checked_condition?: CheckedExpr | undefined;
  cel_config?: CelExpressionConfig | undefined;
};

/** envoy.config.rbac.v3.Principal */
export type Principal = {
  and_ids?: Principal_Set | undefined;
  or_ids?: Principal_Set | undefined;
  any?: boolean | undefined;
  authenticated?: Principal_Authenticated | undefined;
  /** @deprecated */
  source_ip?: CidrRange | undefined;
  header?: HeaderMatcher | undefined;
  /** @deprecated */
  metadata?: MetadataMatcher | undefined;
  not_id?: Principal | undefined;
  url_path?: PathMatcher | undefined;
  direct_remote_ip?: CidrRange | undefined;
  remote_ip?: CidrRange | undefined;
  filter_state?: FilterStateMatcher | undefined;
  sourced_metadata?: SourcedMetadata | undefined;
  custom?: TypedExtensionConfig | undefined;
};

/** envoy.config.rbac.v3.Principal.Authenticated */
export type Principal_Authenticated = {
  principal_name?: StringMatcher | undefined;
};

/** envoy.config.rbac.v3.Principal.Set */
export type Principal_Set = {
  ids?: Principal[] | undefined;
};

/** envoy.config.rbac.v3.RBAC */
export type ConfigRbac_RBAC = {
  action?: RBAC_Action | undefined;
  policies?: { [key: string]: Policy } | undefined;
  audit_logging_options?: RBAC_AuditLoggingOptions | undefined;
};

/** envoy.config.rbac.v3.RBAC.Action */
export type RBAC_Action =
  | 'ALLOW'
  | 'DENY'
  | 'LOG'
  | number;

/** envoy.config.rbac.v3.RBAC.AuditLoggingOptions */
export type RBAC_AuditLoggingOptions = {
  audit_condition?: RBAC_AuditLoggingOptions_AuditCondition | undefined;
  logger_configs?: RBAC_AuditLoggingOptions_AuditLoggerConfig[] | undefined;
};

/** envoy.config.rbac.v3.RBAC.AuditLoggingOptions.AuditCondition */
export type RBAC_AuditLoggingOptions_AuditCondition =
  | 'NONE'
  | 'ON_DENY'
  | 'ON_ALLOW'
  | 'ON_DENY_AND_ALLOW'
  | number;

/** envoy.config.rbac.v3.RBAC.AuditLoggingOptions.AuditLoggerConfig */
export type RBAC_AuditLoggingOptions_AuditLoggerConfig = {
  audit_logger?: TypedExtensionConfig | undefined;
  is_optional?: boolean | undefined;
};

/** envoy.config.rbac.v3.SourcedMetadata */
export type SourcedMetadata = {
  metadata_matcher?: MetadataMatcher | undefined;
  metadata_source?: MetadataSource | undefined;
};

/** envoy.config.route.v3.ClusterSpecifierPlugin */
export type ClusterSpecifierPlugin = {
  extension?: TypedExtensionConfig | undefined;
  is_optional?: boolean | undefined;
};

/** envoy.config.route.v3.CookieMatcher */
export type CookieMatcher = {
  name?: string | undefined;
  string_match?: StringMatcher | undefined;
  invert_match?: boolean | undefined;
};

/** envoy.config.route.v3.CorsPolicy */
export type CorsPolicy = {
  allow_methods?: string | undefined;
  allow_headers?: string | undefined;
  expose_headers?: string | undefined;
  max_age?: string | undefined;
  allow_credentials?: boolean | undefined;
  filter_enabled?: RuntimeFractionalPercent | undefined;
  shadow_enabled?: RuntimeFractionalPercent | undefined;
  allow_origin_string_match?: StringMatcher[] | undefined;
  allow_private_network_access?: boolean | undefined;
  forward_not_matching_preflights?: boolean | undefined;
};

/** envoy.config.route.v3.Decorator */
export type Decorator = {
  operation?: string | undefined;
  propagate?: boolean | undefined;
};

/** envoy.config.route.v3.DirectResponseAction */
export type DirectResponseAction = {
  status?: number | undefined;
  body?: DataSource | undefined;
  body_format?: SubstitutionFormatString | undefined;
};

/** envoy.config.route.v3.FilterAction */
export type FilterAction = {
  action?: Any | undefined;
};

/** envoy.config.route.v3.HeaderMatcher */
export type HeaderMatcher = {
  name?: string | undefined;
  /** @deprecated */
  exact_match?: string | undefined;
  range_match?: Int64Range | undefined;
  present_match?: boolean | undefined;
  invert_match?: boolean | undefined;
  /** @deprecated */
  prefix_match?: string | undefined;
  /** @deprecated */
  suffix_match?: string | undefined;
  /** @deprecated */
  safe_regex_match?: RegexMatcher | undefined;
  /** @deprecated */
  contains_match?: string | undefined;
  string_match?: StringMatcher | undefined;
  treat_missing_header_as_empty?: boolean | undefined;
};

/** envoy.config.route.v3.HedgePolicy */
export type HedgePolicy = {
  initial_requests?: number | undefined;
  additional_request_chance?: FractionalPercent | undefined;
  hedge_on_per_try_timeout?: boolean | undefined;
};

/** envoy.config.route.v3.InternalRedirectPolicy */
export type InternalRedirectPolicy = {
  max_internal_redirects?: number | undefined;
  redirect_response_codes?: number[] | undefined;
  predicates?: TypedExtensionConfig[] | undefined;
  allow_cross_scheme_redirect?: boolean | undefined;
  response_headers_to_copy?: string[] | undefined;
};

/** envoy.config.route.v3.NonForwardingAction */
export type NonForwardingAction = { [field: string]: never };

/** envoy.config.route.v3.QueryParameterMatcher */
export type QueryParameterMatcher = {
  name?: string | undefined;
  string_match?: StringMatcher | undefined;
  present_match?: boolean | undefined;
};

/** envoy.config.route.v3.RateLimit */
export type RateLimit = {
  stage?: number | undefined;
  disable_key?: string | undefined;
  actions?: RateLimit_Action[] | undefined;
  limit?: RateLimit_Override | undefined;
  hits_addend?: RateLimit_HitsAddend | undefined;
  apply_on_stream_done?: boolean | undefined;
  x_ratelimit_option?: RateLimit_XRateLimitOption | undefined;
};

/** envoy.config.route.v3.RateLimit.Action */
export type RateLimit_Action = {
  source_cluster?: RateLimit_Action_SourceCluster | undefined;
  destination_cluster?: RateLimit_Action_DestinationCluster | undefined;
  request_headers?: RateLimit_Action_RequestHeaders | undefined;
  remote_address?: RateLimit_Action_RemoteAddress | undefined;
  generic_key?: RateLimit_Action_GenericKey | undefined;
  header_value_match?: RateLimit_Action_HeaderValueMatch | undefined;
  /** @deprecated */
  dynamic_metadata?: RateLimit_Action_DynamicMetaData | undefined;
  metadata?: RateLimit_Action_MetaData | undefined;
  extension?: TypedExtensionConfig | undefined;
  masked_remote_address?: RateLimit_Action_MaskedRemoteAddress | undefined;
  query_parameter_value_match?: RateLimit_Action_QueryParameterValueMatch | undefined;
  query_parameters?: RateLimit_Action_QueryParameters | undefined;
  remote_address_match?: RateLimit_Action_RemoteAddressMatch | undefined;
};

/** envoy.config.route.v3.RateLimit.Action.DestinationCluster */
export type RateLimit_Action_DestinationCluster = { [field: string]: never };

/** envoy.config.route.v3.RateLimit.Action.DynamicMetaData */
export type RateLimit_Action_DynamicMetaData = {
  descriptor_key?: string | undefined;
  metadata_key?: MetadataKey | undefined;
  default_value?: string | undefined;
};

/** envoy.config.route.v3.RateLimit.Action.GenericKey */
export type RateLimit_Action_GenericKey = {
  descriptor_value?: string | undefined;
  descriptor_key?: string | undefined;
  default_value?: string | undefined;
};

/** envoy.config.route.v3.RateLimit.Action.HeaderValueMatch */
export type RateLimit_Action_HeaderValueMatch = {
  descriptor_value?: string | undefined;
  expect_match?: boolean | undefined;
  headers?: HeaderMatcher[] | undefined;
  descriptor_key?: string | undefined;
  default_value?: string | undefined;
};

/** envoy.config.route.v3.RateLimit.Action.MaskedRemoteAddress */
export type RateLimit_Action_MaskedRemoteAddress = {
  v4_prefix_mask_len?: number | undefined;
  v6_prefix_mask_len?: number | undefined;
};

/** envoy.config.route.v3.RateLimit.Action.MetaData */
export type RateLimit_Action_MetaData = {
  descriptor_key?: string | undefined;
  metadata_key?: MetadataKey | undefined;
  default_value?: string | undefined;
  source?: RateLimit_Action_MetaData_Source | undefined;
  skip_if_absent?: boolean | undefined;
};

/** envoy.config.route.v3.RateLimit.Action.MetaData.Source */
export type RateLimit_Action_MetaData_Source =
  | 'DYNAMIC'
  | 'ROUTE_ENTRY'
  | 'CLUSTER_ENTRY'
  | 'CLUSTER_LOCALITY_ENTRY'
  | number;

/** envoy.config.route.v3.RateLimit.Action.QueryParameterValueMatch */
export type RateLimit_Action_QueryParameterValueMatch = {
  descriptor_value?: string | undefined;
  expect_match?: boolean | undefined;
  query_parameters?: QueryParameterMatcher[] | undefined;
  descriptor_key?: string | undefined;
  default_value?: string | undefined;
};

/** envoy.config.route.v3.RateLimit.Action.QueryParameters */
export type RateLimit_Action_QueryParameters = {
  query_parameter_name?: string | undefined;
  descriptor_key?: string | undefined;
  skip_if_absent?: boolean | undefined;
};

/** envoy.config.route.v3.RateLimit.Action.RemoteAddress */
export type RateLimit_Action_RemoteAddress = { [field: string]: never };

/** envoy.config.route.v3.RateLimit.Action.RemoteAddressMatch */
export type RateLimit_Action_RemoteAddressMatch = {
  descriptor_value?: string | undefined;
  descriptor_key?: string | undefined;
  default_value?: string | undefined;
  address_matcher?: AddressMatcher | undefined;
};

/** envoy.config.route.v3.RateLimit.Action.RequestHeaders */
export type RateLimit_Action_RequestHeaders = {
  header_name?: string | undefined;
  descriptor_key?: string | undefined;
  skip_if_absent?: boolean | undefined;
};

/** envoy.config.route.v3.RateLimit.Action.SourceCluster */
export type RateLimit_Action_SourceCluster = { [field: string]: never };

/** envoy.config.route.v3.RateLimit.HitsAddend */
export type RateLimit_HitsAddend = {
  number?: number | bigint | undefined;
  format?: string | undefined;
  is_negative_hits?: boolean | undefined;
};

/** envoy.config.route.v3.RateLimit.Override */
export type RateLimit_Override = {
  dynamic_metadata?: RateLimit_Override_DynamicMetadata | undefined;
  rate_limit?: RateLimit_Override_RateLimitOverride | undefined;
};

/** envoy.config.route.v3.RateLimit.Override.DynamicMetadata */
export type RateLimit_Override_DynamicMetadata = {
  metadata_key?: MetadataKey | undefined;
};

/** envoy.config.route.v3.RateLimit.Override.RateLimitOverride */
export type RateLimit_Override_RateLimitOverride = {
  requests_per_unit?: number | undefined;
  unit?: RateLimitUnit | undefined;
};

/** envoy.config.route.v3.RateLimit.XRateLimitOption */
export type RateLimit_XRateLimitOption =
  | 'UNSPECIFIED'
  | 'OFF'
  | 'DRAFT_VERSION_03'
  | number;

/** envoy.config.route.v3.RedirectAction */
export type RedirectAction = {
  host_redirect?: string | undefined;
  path_redirect?: string | undefined;
  response_code?: RedirectAction_RedirectResponseCode | undefined;
  https_redirect?: boolean | undefined;
  prefix_rewrite?: string | undefined;
  strip_query?: boolean | undefined;
  scheme_redirect?: string | undefined;
  port_redirect?: number | undefined;
  regex_rewrite?: RegexMatchAndSubstitute | undefined;
  path_rewrite?: string | undefined;
};

/** envoy.config.route.v3.RedirectAction.RedirectResponseCode */
export type RedirectAction_RedirectResponseCode =
  | 'MOVED_PERMANENTLY'
  | 'FOUND'
  | 'SEE_OTHER'
  | 'TEMPORARY_REDIRECT'
  | 'PERMANENT_REDIRECT'
  | number;

/** envoy.config.route.v3.RetryPolicy */
export type RetryPolicy = {
  retry_on?: string | undefined;
  num_retries?: number | undefined;
  per_try_timeout?: Duration | undefined;
  retry_priority?: RetryPolicy_RetryPriority | undefined;
  retry_host_predicate?: RetryPolicy_RetryHostPredicate[] | undefined;
  host_selection_retry_max_attempts?: number | bigint | undefined;
  retriable_status_codes?: number[] | undefined;
  retry_back_off?: RetryPolicy_RetryBackOff | undefined;
  retriable_headers?: HeaderMatcher[] | undefined;
  retriable_request_headers?: HeaderMatcher[] | undefined;
  rate_limited_retry_back_off?: RetryPolicy_RateLimitedRetryBackOff | undefined;
  retry_options_predicates?: TypedExtensionConfig[] | undefined;
  per_try_idle_timeout?: Duration | undefined;
  refresh_cluster_on_retry?: boolean | undefined;
};

/** envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff */
export type RetryPolicy_RateLimitedRetryBackOff = {
  reset_headers?: RetryPolicy_ResetHeader[] | undefined;
  max_interval?: Duration | undefined;
};

/** envoy.config.route.v3.RetryPolicy.ResetHeader */
export type RetryPolicy_ResetHeader = {
  name?: string | undefined;
  format?: RetryPolicy_ResetHeaderFormat | undefined;
};

/** envoy.config.route.v3.RetryPolicy.ResetHeaderFormat */
export type RetryPolicy_ResetHeaderFormat =
  | 'SECONDS'
  | 'UNIX_TIMESTAMP'
  | number;

/** envoy.config.route.v3.RetryPolicy.RetryBackOff */
export type RetryPolicy_RetryBackOff = {
  base_interval?: Duration | undefined;
  max_interval?: Duration | undefined;
};

/** envoy.config.route.v3.RetryPolicy.RetryHostPredicate */
export type RetryPolicy_RetryHostPredicate = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.route.v3.RetryPolicy.RetryPriority */
export type RetryPolicy_RetryPriority = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.config.route.v3.Route */
export type Route = {
  match?: RouteMatch | undefined;
  route?: RouteAction | undefined;
  redirect?: RedirectAction | undefined;
  metadata?: Metadata | undefined;
  decorator?: Decorator | undefined;
  direct_response?: DirectResponseAction | undefined;
  request_headers_to_add?: HeaderValueOption[] | undefined;
  response_headers_to_add?: HeaderValueOption[] | undefined;
  response_headers_to_remove?: string[] | undefined;
  request_headers_to_remove?: string[] | undefined;
  typed_per_filter_config?: { [key: string]: Any } | undefined;
  name?: string | undefined;
  tracing?: Tracing | undefined;
  /** @deprecated */
  per_request_buffer_limit_bytes?: number | undefined;
  filter_action?: FilterAction | undefined;
  non_forwarding_action?: NonForwardingAction | undefined;
  stat_prefix?: string | undefined;
  request_body_buffer_limit?: number | bigint | undefined;
  route_specifiers?: TypedExtensionConfig[] | undefined;
};

/** envoy.config.route.v3.RouteAction */
export type RouteAction = {
  cluster?: string | undefined;
  cluster_header?: string | undefined;
  weighted_clusters?: WeightedCluster | undefined;
  metadata_match?: Metadata | undefined;
  prefix_rewrite?: string | undefined;
  host_rewrite_literal?: string | undefined;
  auto_host_rewrite?: boolean | undefined;
  timeout?: Duration | undefined;
  retry_policy?: RetryPolicy | undefined;
  priority?: RoutingPriority | undefined;
  rate_limits?: RateLimit[] | undefined;
  /** @deprecated */
  include_vh_rate_limits?: boolean | undefined;
  hash_policy?: RouteAction_HashPolicy[] | undefined;
  /** @deprecated */
  cors?: CorsPolicy | undefined;
  cluster_not_found_response_code?: RouteAction_ClusterNotFoundResponseCode | undefined;
  /** @deprecated */
  max_grpc_timeout?: Duration | undefined;
  idle_timeout?: Duration | undefined;
  upgrade_configs?: RouteAction_UpgradeConfig[] | undefined;
  /** @deprecated */
  internal_redirect_action?: RouteAction_InternalRedirectAction | undefined;
  hedge_policy?: HedgePolicy | undefined;
  /** @deprecated */
  grpc_timeout_offset?: Duration | undefined;
  host_rewrite_header?: string | undefined;
  request_mirror_policies?: RouteAction_RequestMirrorPolicy[] | undefined;
  /** @deprecated */
  max_internal_redirects?: number | undefined;
  regex_rewrite?: RegexMatchAndSubstitute | undefined;
  retry_policy_typed_config?: Any | undefined;
  internal_redirect_policy?: InternalRedirectPolicy | undefined;
  host_rewrite_path_regex?: RegexMatchAndSubstitute | undefined;
  max_stream_duration?: RouteAction_MaxStreamDuration | undefined;
  cluster_specifier_plugin?: string | undefined;
  append_x_forwarded_host?: boolean | undefined;
  inline_cluster_specifier_plugin?: ClusterSpecifierPlugin | undefined;
  early_data_policy?: TypedExtensionConfig | undefined;
  path_rewrite_policy?: TypedExtensionConfig | undefined;
  flush_timeout?: Duration | undefined;
  host_rewrite?: string | undefined;
  path_rewrite?: string | undefined;
};

/** envoy.config.route.v3.RouteAction.ClusterNotFoundResponseCode */
export type RouteAction_ClusterNotFoundResponseCode =
  | 'SERVICE_UNAVAILABLE'
  | 'NOT_FOUND'
  | 'INTERNAL_SERVER_ERROR'
  | number;

/** envoy.config.route.v3.RouteAction.HashPolicy */
export type RouteAction_HashPolicy = {
  header?: RouteAction_HashPolicy_Header | undefined;
  cookie?: RouteAction_HashPolicy_Cookie | undefined;
  connection_properties?: RouteAction_HashPolicy_ConnectionProperties | undefined;
  terminal?: boolean | undefined;
  query_parameter?: RouteAction_HashPolicy_QueryParameter | undefined;
  filter_state?: RouteAction_HashPolicy_FilterState | undefined;
};

/** envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties */
export type RouteAction_HashPolicy_ConnectionProperties = {
  source_ip?: boolean | undefined;
};

/** envoy.config.route.v3.RouteAction.HashPolicy.Cookie */
export type RouteAction_HashPolicy_Cookie = {
  name?: string | undefined;
  ttl?: Duration | undefined;
  path?: string | undefined;
  attributes?: RouteAction_HashPolicy_CookieAttribute[] | undefined;
};

/** envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute */
export type RouteAction_HashPolicy_CookieAttribute = {
  name?: string | undefined;
  value?: string | undefined;
};

/** envoy.config.route.v3.RouteAction.HashPolicy.FilterState */
export type RouteAction_HashPolicy_FilterState = {
  key?: string | undefined;
};

/** envoy.config.route.v3.RouteAction.HashPolicy.Header */
export type RouteAction_HashPolicy_Header = {
  header_name?: string | undefined;
  regex_rewrite?: RegexMatchAndSubstitute | undefined;
};

/** envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter */
export type RouteAction_HashPolicy_QueryParameter = {
  name?: string | undefined;
};

/** envoy.config.route.v3.RouteAction.InternalRedirectAction */
export type RouteAction_InternalRedirectAction =
  | 'PASS_THROUGH_INTERNAL_REDIRECT'
  | 'HANDLE_INTERNAL_REDIRECT'
  | number;

/** envoy.config.route.v3.RouteAction.MaxStreamDuration */
export type RouteAction_MaxStreamDuration = {
  max_stream_duration?: Duration | undefined;
  grpc_timeout_header_max?: Duration | undefined;
  grpc_timeout_header_offset?: Duration | undefined;
};

/** envoy.config.route.v3.RouteAction.RequestMirrorPolicy */
export type RouteAction_RequestMirrorPolicy = {
  cluster?: string | undefined;
  runtime_fraction?: RuntimeFractionalPercent | undefined;
  trace_sampled?: boolean | undefined;
  cluster_header?: string | undefined;
  disable_shadow_host_suffix_append?: boolean | undefined;
  request_headers_mutations?: MutationRules_HeaderMutation[] | undefined;
  host_rewrite_literal?: string | undefined;
};

/** envoy.config.route.v3.RouteAction.UpgradeConfig */
export type RouteAction_UpgradeConfig = {
  upgrade_type?: string | undefined;
  enabled?: boolean | undefined;
  connect_config?: RouteAction_UpgradeConfig_ConnectConfig | undefined;
};

/** envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig */
export type RouteAction_UpgradeConfig_ConnectConfig = {
  proxy_protocol_config?: ProxyProtocolConfig | undefined;
  allow_post?: boolean | undefined;
};

/** envoy.config.route.v3.RouteConfiguration */
export type RouteConfiguration = {
  name?: string | undefined;
  virtual_hosts?: VirtualHost[] | undefined;
  internal_only_headers?: string[] | undefined;
  response_headers_to_add?: HeaderValueOption[] | undefined;
  response_headers_to_remove?: string[] | undefined;
  request_headers_to_add?: HeaderValueOption[] | undefined;
  validate_clusters?: boolean | undefined;
  request_headers_to_remove?: string[] | undefined;
  vhds?: Vhds | undefined;
  most_specific_header_mutations_wins?: boolean | undefined;
  max_direct_response_body_size_bytes?: number | undefined;
  cluster_specifier_plugins?: ClusterSpecifierPlugin[] | undefined;
  request_mirror_policies?: RouteAction_RequestMirrorPolicy[] | undefined;
  ignore_port_in_host_matching?: boolean | undefined;
  ignore_path_parameters_in_path_matching?: boolean | undefined;
  typed_per_filter_config?: { [key: string]: Any } | undefined;
  metadata?: Metadata | undefined;
  vhost_header?: string | undefined;
  route_specifiers?: TypedExtensionConfig[] | undefined;
};

/** envoy.config.route.v3.RouteMatch */
export type RouteMatch = {
  prefix?: string | undefined;
  path?: string | undefined;
  case_sensitive?: boolean | undefined;
  headers?: HeaderMatcher[] | undefined;
  query_parameters?: QueryParameterMatcher[] | undefined;
  grpc?: RouteMatch_GrpcRouteMatchOptions | undefined;
  runtime_fraction?: RuntimeFractionalPercent | undefined;
  safe_regex?: RegexMatcher | undefined;
  tls_context?: RouteMatch_TlsContextMatchOptions | undefined;
  connect_matcher?: RouteMatch_ConnectMatcher | undefined;
  dynamic_metadata?: MetadataMatcher[] | undefined;
  path_separated_prefix?: string | undefined;
  path_match_policy?: TypedExtensionConfig | undefined;
  filter_state?: FilterStateMatcher[] | undefined;
  cookies?: CookieMatcher[] | undefined;
};

/** envoy.config.route.v3.RouteMatch.ConnectMatcher */
export type RouteMatch_ConnectMatcher = { [field: string]: never };

/** envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions */
export type RouteMatch_GrpcRouteMatchOptions = { [field: string]: never };

/** envoy.config.route.v3.RouteMatch.TlsContextMatchOptions */
export type RouteMatch_TlsContextMatchOptions = {
  presented?: boolean | undefined;
  validated?: boolean | undefined;
};

/** envoy.config.route.v3.ScopedRouteConfiguration */
export type ScopedRouteConfiguration = {
  name?: string | undefined;
  route_configuration_name?: string | undefined;
  key?: ScopedRouteConfiguration_Key | undefined;
  on_demand?: boolean | undefined;
  route_configuration?: RouteConfiguration | undefined;
};

/** envoy.config.route.v3.ScopedRouteConfiguration.Key */
export type ScopedRouteConfiguration_Key = {
  fragments?: ScopedRouteConfiguration_Key_Fragment[] | undefined;
};

/** envoy.config.route.v3.ScopedRouteConfiguration.Key.Fragment */
export type ScopedRouteConfiguration_Key_Fragment = {
  string_key?: string | undefined;
};

/** envoy.config.route.v3.Tracing */
export type Tracing = {
  client_sampling?: FractionalPercent | undefined;
  random_sampling?: FractionalPercent | undefined;
  overall_sampling?: FractionalPercent | undefined;
  custom_tags?: CustomTag[] | undefined;
  operation?: string | undefined;
  upstream_operation?: string | undefined;
};

/** envoy.config.route.v3.Vhds */
export type Vhds = {
  config_source?: ConfigSource | undefined;
};

/** envoy.config.route.v3.VirtualCluster */
export type VirtualCluster = {
  name?: string | undefined;
  headers?: HeaderMatcher[] | undefined;
};

/** envoy.config.route.v3.VirtualHost */
export type VirtualHost = {
  name?: string | undefined;
  domains?: string[] | undefined;
  routes?: Route[] | undefined;
  require_tls?: VirtualHost_TlsRequirementType | undefined;
  virtual_clusters?: VirtualCluster[] | undefined;
  rate_limits?: RateLimit[] | undefined;
  request_headers_to_add?: HeaderValueOption[] | undefined;
  /** @deprecated */
  cors?: CorsPolicy | undefined;
  response_headers_to_add?: HeaderValueOption[] | undefined;
  response_headers_to_remove?: string[] | undefined;
  request_headers_to_remove?: string[] | undefined;
  include_request_attempt_count?: boolean | undefined;
  typed_per_filter_config?: { [key: string]: Any } | undefined;
  retry_policy?: RetryPolicy | undefined;
  hedge_policy?: HedgePolicy | undefined;
  /** @deprecated */
  per_request_buffer_limit_bytes?: number | undefined;
  include_attempt_count_in_response?: boolean | undefined;
  retry_policy_typed_config?: Any | undefined;
  matcher?: Matcher | undefined;
  request_mirror_policies?: RouteAction_RequestMirrorPolicy[] | undefined;
  include_is_timeout_retry_header?: boolean | undefined;
  metadata?: Metadata | undefined;
  request_body_buffer_limit?: number | bigint | undefined;
  route_specifiers?: TypedExtensionConfig[] | undefined;
};

/** envoy.config.route.v3.VirtualHost.TlsRequirementType */
export type VirtualHost_TlsRequirementType =
  | 'NONE'
  | 'EXTERNAL_ONLY'
  | 'ALL'
  | number;

/** envoy.config.route.v3.WeightedCluster */
export type WeightedCluster = {
  clusters?: WeightedCluster_ClusterWeight[] | undefined;
  runtime_key_prefix?: string | undefined;
  /** @deprecated */
  total_weight?: number | undefined;
  header_name?: string | undefined;
  use_hash_policy?: boolean | undefined;
};

/** envoy.config.route.v3.WeightedCluster.ClusterWeight */
export type WeightedCluster_ClusterWeight = {
  name?: string | undefined;
  weight?: number | undefined;
  metadata_match?: Metadata | undefined;
  request_headers_to_add?: HeaderValueOption[] | undefined;
  response_headers_to_add?: HeaderValueOption[] | undefined;
  response_headers_to_remove?: string[] | undefined;
  request_headers_to_remove?: string[] | undefined;
  typed_per_filter_config?: { [key: string]: Any } | undefined;
  host_rewrite_literal?: string | undefined;
  cluster_header?: string | undefined;
};

/** envoy.config.trace.v3.Tracing */
export type Trace_Tracing = {
  http?: Tracing_Http | undefined;
};

/** envoy.config.trace.v3.Tracing.Http */
export type Tracing_Http = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** envoy.data.accesslog.v3.AccessLogType */
export type AccessLogType =
  | 'NotSet'
  | 'TcpUpstreamConnected'
  | 'TcpPeriodic'
  | 'TcpConnectionStart'
  | 'TcpConnectionEnd'
  | 'DownstreamStart'
  | 'DownstreamPeriodic'
  | 'DownstreamEnd'
  | 'UpstreamPoolReady'
  | 'UpstreamPeriodic'
  | 'UpstreamEnd'
  | 'DownstreamTunnelSuccessfullyEstablished'
  | 'UdpTunnelUpstreamConnected'
  | 'UdpPeriodic'
  | 'UdpSessionEnd'
  | number;

/** envoy.extensions.access_loggers.file.v3.FileAccessLog */
export type FileAccessLog = {
  path?: string | undefined;
  /** @deprecated */
  format?: string | undefined;
  /** @deprecated */
  json_format?: JsonObject | undefined;
  /** @deprecated */
  typed_json_format?: JsonObject | undefined;
  log_format?: SubstitutionFormatString | undefined;
};

/** envoy.extensions.access_loggers.grpc.v3.CommonGrpcAccessLogConfig */
export type CommonGrpcAccessLogConfig = {
  log_name?: string | undefined;
  grpc_service?: GrpcService | undefined;
  buffer_flush_interval?: Duration | undefined;
  buffer_size_bytes?: number | undefined;
  filter_state_objects_to_log?: string[] | undefined;
  transport_api_version?: ApiVersion | undefined;
  grpc_stream_retry_policy?: Core_RetryPolicy | undefined;
  custom_tags?: CustomTag[] | undefined;
};

/** envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig */
export type HttpGrpcAccessLogConfig = {
  common_config?: CommonGrpcAccessLogConfig | undefined;
  additional_request_headers_to_log?: string[] | undefined;
  additional_response_headers_to_log?: string[] | undefined;
  additional_response_trailers_to_log?: string[] | undefined;
};

/** envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig */
export type TcpGrpcAccessLogConfig = {
  common_config?: CommonGrpcAccessLogConfig | undefined;
};

/** envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig */
export type OpenTelemetryAccessLogConfig = {
  /** @deprecated */
  common_config?: CommonGrpcAccessLogConfig | undefined;
  body?: Opentelemetry_AnyValue | undefined;
  attributes?: Opentelemetry_KeyValueList | undefined;
  resource_attributes?: Opentelemetry_KeyValueList | undefined;
  disable_builtin_labels?: boolean | undefined;
  stat_prefix?: string | undefined;
  formatters?: TypedExtensionConfig[] | undefined;
  http_service?: HttpService | undefined;
  grpc_service?: GrpcService | undefined;
  log_name?: string | undefined;
  buffer_flush_interval?: Duration | undefined;
  buffer_size_bytes?: number | undefined;
  filter_state_objects_to_log?: string[] | undefined;
  custom_tags?: CustomTag[] | undefined;
  resource_detectors?: TypedExtensionConfig[] | undefined;
};

/** envoy.extensions.access_loggers.stream.v3.StderrAccessLog */
export type StderrAccessLog = {
  log_format?: SubstitutionFormatString | undefined;
};

/** envoy.extensions.access_loggers.stream.v3.StdoutAccessLog */
export type StdoutAccessLog = {
  log_format?: SubstitutionFormatString | undefined;
};

/** envoy.extensions.common.ratelimit.v3.LocalClusterRateLimit */
export type LocalClusterRateLimit = { [field: string]: never };

/** envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor */
export type LocalRateLimitDescriptor = {
  entries?: RateLimitDescriptor_Entry[] | undefined;
  token_bucket?: TokenBucket | undefined;
  shadow_mode?: boolean | undefined;
};

/** envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry */
export type RateLimitDescriptor_Entry = {
  key?: string | undefined;
  value?: string | undefined;
};

/** envoy.extensions.common.ratelimit.v3.VhRateLimitsOptions */
export type VhRateLimitsOptions =
  | 'OVERRIDE'
  | 'INCLUDE'
  | 'IGNORE'
  | number;

/** envoy.extensions.common.ratelimit.v3.XRateLimitHeadersRFCVersion */
export type XRateLimitHeadersRFCVersion =
  | 'OFF'
  | 'DRAFT_VERSION_03'
  | number;

/** envoy.extensions.filters.common.fault.v3.FaultDelay */
export type FaultDelay = {
  fixed_delay?: Duration | undefined;
  percentage?: FractionalPercent | undefined;
  header_delay?: FaultDelay_HeaderDelay | undefined;
};

/** envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay */
export type FaultDelay_HeaderDelay = { [field: string]: never };

/** envoy.extensions.filters.common.fault.v3.FaultRateLimit */
export type FaultRateLimit = {
  fixed_limit?: FaultRateLimit_FixedLimit | undefined;
  percentage?: FractionalPercent | undefined;
  header_limit?: FaultRateLimit_HeaderLimit | undefined;
};

/** envoy.extensions.filters.common.fault.v3.FaultRateLimit.FixedLimit */
export type FaultRateLimit_FixedLimit = {
  limit_kbps?: number | bigint | undefined;
};

/** envoy.extensions.filters.common.fault.v3.FaultRateLimit.HeaderLimit */
export type FaultRateLimit_HeaderLimit = { [field: string]: never };

/** envoy.extensions.filters.http.cors.v3.Cors */
export type Cors = { [field: string]: never };

/** envoy.extensions.filters.http.cors.v3.CorsPolicy */
export type Cors_CorsPolicy = {
  allow_origin_string_match?: StringMatcher[] | undefined;
  allow_methods?: string | undefined;
  allow_headers?: string | undefined;
  expose_headers?: string | undefined;
  max_age?: string | undefined;
  allow_credentials?: boolean | undefined;
  filter_enabled?: RuntimeFractionalPercent | undefined;
  shadow_enabled?: RuntimeFractionalPercent | undefined;
  allow_private_network_access?: boolean | undefined;
  forward_not_matching_preflights?: boolean | undefined;
};

/** envoy.extensions.filters.http.fault.v3.FaultAbort */
export type FaultAbort = {
  http_status?: number | undefined;
  percentage?: FractionalPercent | undefined;
  header_abort?: FaultAbort_HeaderAbort | undefined;
  grpc_status?: number | undefined;
  response_body?: string | undefined;
};

/** envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort */
export type FaultAbort_HeaderAbort = { [field: string]: never };

/** envoy.extensions.filters.http.fault.v3.HTTPFault */
export type HTTPFault = {
  delay?: FaultDelay | undefined;
  abort?: FaultAbort | undefined;
  upstream_cluster?: string | undefined;
  headers?: HeaderMatcher[] | undefined;
  downstream_nodes?: string[] | undefined;
  max_active_faults?: number | undefined;
  response_rate_limit?: FaultRateLimit | undefined;
  delay_percent_runtime?: string | undefined;
  abort_percent_runtime?: string | undefined;
  delay_duration_runtime?: string | undefined;
  abort_http_status_runtime?: string | undefined;
  max_active_faults_runtime?: string | undefined;
  response_rate_limit_percent_runtime?: string | undefined;
  abort_grpc_status_runtime?: string | undefined;
  disable_downstream_cluster_stats?: boolean | undefined;
  filter_metadata?: JsonObject | undefined;
};

/** envoy.extensions.filters.http.header_mutation.v3.HeaderMutation */
export type HttpHeaderMutation_HeaderMutation = {
  mutations?: Mutations | undefined;
  most_specific_header_mutations_wins?: boolean | undefined;
};

/** envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute */
export type HeaderMutationPerRoute = {
  mutations?: Mutations | undefined;
};

/** envoy.extensions.filters.http.header_mutation.v3.Mutations */
export type Mutations = {
  request_mutations?: MutationRules_HeaderMutation[] | undefined;
  response_mutations?: MutationRules_HeaderMutation[] | undefined;
  query_parameter_mutations?: KeyValueMutation[] | undefined;
  response_trailers_mutations?: MutationRules_HeaderMutation[] | undefined;
  request_trailers_mutations?: MutationRules_HeaderMutation[] | undefined;
  formatters?: TypedExtensionConfig[] | undefined;
};

/** envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit */
export type HttpLocalRatelimit_LocalRateLimit = {
  stat_prefix?: string | undefined;
  status?: HttpStatus | undefined;
  token_bucket?: TokenBucket | undefined;
  filter_enabled?: RuntimeFractionalPercent | undefined;
  filter_enforced?: RuntimeFractionalPercent | undefined;
  response_headers_to_add?: HeaderValueOption[] | undefined;
  descriptors?: LocalRateLimitDescriptor[] | undefined;
  stage?: number | undefined;
  request_headers_to_add_when_not_enforced?: HeaderValueOption[] | undefined;
  local_rate_limit_per_downstream_connection?: boolean | undefined;
  enable_x_ratelimit_headers?: XRateLimitHeadersRFCVersion | undefined;
  vh_rate_limits?: VhRateLimitsOptions | undefined;
  always_consume_default_token_bucket?: boolean | undefined;
  rate_limited_as_resource_exhausted?: boolean | undefined;
  local_cluster_rate_limit?: LocalClusterRateLimit | undefined;
  rate_limits?: RateLimit[] | undefined;
  max_dynamic_descriptors?: number | undefined;
  enable_retry_after_header?: boolean | undefined;
};

/** envoy.extensions.filters.http.rbac.v3.RBAC */
export type HttpRbac_RBAC = {
  rules?: ConfigRbac_RBAC | undefined;
  shadow_rules?: ConfigRbac_RBAC | undefined;
  shadow_rules_stat_prefix?: string | undefined;
  matcher?: Matcher | undefined;
  shadow_matcher?: Matcher | undefined;
  rules_stat_prefix?: string | undefined;
  track_per_rule_stats?: boolean | undefined;
};

/** envoy.extensions.filters.http.rbac.v3.RBACPerRoute */
export type RBACPerRoute = {
  rbac?: HttpRbac_RBAC | undefined;
};

/** envoy.extensions.filters.http.router.v3.Router */
export type HttpRouter_Router = {
  dynamic_stats?: boolean | undefined;
  /** @deprecated */
  start_child_span?: boolean | undefined;
  upstream_log?: AccessLog[] | undefined;
  suppress_envoy_headers?: boolean | undefined;
  strict_check_headers?: string[] | undefined;
  respect_expected_rq_timeout?: boolean | undefined;
  suppress_grpc_request_failure_code_stats?: boolean | undefined;
  upstream_http_filters?: HttpFilter[] | undefined;
  upstream_log_options?: Router_UpstreamAccessLogOptions | undefined;
  reject_connect_request_early_data?: boolean | undefined;
};

/** envoy.extensions.filters.http.router.v3.Router.UpstreamAccessLogOptions */
export type Router_UpstreamAccessLogOptions = {
  flush_upstream_log_on_upstream_stream?: boolean | undefined;
  upstream_log_flush_interval?: Duration | undefined;
};

/** envoy.extensions.filters.listener.http_inspector.v3.HttpInspector */
export type HttpInspector = { [field: string]: never };

/** envoy.extensions.filters.listener.original_dst.v3.OriginalDst */
export type OriginalDst = { [field: string]: never };

/** envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol */
export type ProxyProtocol = {
  rules?: ProxyProtocol_Rule[] | undefined;
  allow_requests_without_proxy_protocol?: boolean | undefined;
  pass_through_tlvs?: ProxyProtocolPassThroughTLVs | undefined;
  disallowed_versions?: ProxyProtocolConfig_Version[] | undefined;
  stat_prefix?: string | undefined;
  tlv_location?: ProxyProtocol_TlvLocation | undefined;
};

/** envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.KeyValuePair */
export type ProxyProtocol_KeyValuePair = {
  metadata_namespace?: string | undefined;
  key?: string | undefined;
  value_string_encoding?: ProxyProtocol_KeyValuePair_ValueStringEncoding | undefined;
};

/** envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.KeyValuePair.ValueStringEncoding */
export type ProxyProtocol_KeyValuePair_ValueStringEncoding =
  | 'UNSPECIFIED'
  | 'SANITIZED_UTF8'
  | 'BASE64'
  | number;

/** envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.Rule */
export type ProxyProtocol_Rule = {
  tlv_type?: number | undefined;
  on_tlv_present?: ProxyProtocol_KeyValuePair | undefined;
};

/** envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.TlvLocation */
export type ProxyProtocol_TlvLocation =
  | 'DYNAMIC_METADATA'
  | 'FILTER_STATE'
  | number;

/** envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector */
export type TlsInspector = {
  enable_ja3_fingerprinting?: boolean | undefined;
  initial_read_buffer_size?: number | undefined;
  enable_ja4_fingerprinting?: boolean | undefined;
  close_connection_on_client_hello_parsing_errors?: boolean | undefined;
  max_client_hello_size?: number | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.ForwardProtoConfig */
export type ForwardProtoConfig = {
  https_destination_ports?: number[] | undefined;
  http_destination_ports?: number[] | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager */
export type HttpConnectionManager = {
  codec_type?: HttpConnectionManager_CodecType | undefined;
  stat_prefix?: string | undefined;
  rds?: Rds | undefined;
  route_config?: RouteConfiguration | undefined;
  http_filters?: HttpFilter[] | undefined;
  add_user_agent?: boolean | undefined;
  tracing?: HttpConnectionManager_Tracing | undefined;
  http_protocol_options?: Http1ProtocolOptions | undefined;
  http2_protocol_options?: Http2ProtocolOptions | undefined;
  server_name?: string | undefined;
  drain_timeout?: Duration | undefined;
  access_log?: AccessLog[] | undefined;
  use_remote_address?: boolean | undefined;
  generate_request_id?: boolean | undefined;
  forward_client_cert_details?: HttpConnectionManager_ForwardClientCertDetails | undefined;
  set_current_client_cert_details?: HttpConnectionManager_SetCurrentClientCertDetails | undefined;
  proxy_100_continue?: boolean | undefined;
  xff_num_trusted_hops?: number | undefined;
  represent_ipv4_remote_address_as_ipv4_mapped_ipv6?: boolean | undefined;
  skip_xff_append?: boolean | undefined;
  via?: string | undefined;
  upgrade_configs?: HttpConnectionManager_UpgradeConfig[] | undefined;
  stream_idle_timeout?: Duration | undefined;
  internal_address_config?: HttpConnectionManager_InternalAddressConfig | undefined;
  delayed_close_timeout?: Duration | undefined;
  request_timeout?: Duration | undefined;
  max_request_headers_kb?: number | undefined;
  normalize_path?: boolean | undefined;
  scoped_routes?: ScopedRoutes | undefined;
  preserve_external_request_id?: boolean | undefined;
  merge_slashes?: boolean | undefined;
  server_header_transformation?: HttpConnectionManager_ServerHeaderTransformation | undefined;
  common_http_protocol_options?: HttpProtocolOptions | undefined;
  request_id_extension?: RequestIDExtension | undefined;
  always_set_request_id_in_response?: boolean | undefined;
  local_reply_config?: LocalReplyConfig | undefined;
  strip_matching_host_port?: boolean | undefined;
  stream_error_on_invalid_http_message?: boolean | undefined;
  request_headers_timeout?: Duration | undefined;
  strip_any_host_port?: boolean | undefined;
  path_normalization_options?: HttpConnectionManager_PathNormalizationOptions | undefined;
  http3_protocol_options?: Http3ProtocolOptions | undefined;
  path_with_escaped_slashes_action?: HttpConnectionManager_PathWithEscapedSlashesAction | undefined;
  original_ip_detection_extensions?: TypedExtensionConfig[] | undefined;
  strip_trailing_host_dot?: boolean | undefined;
  scheme_header_transformation?: SchemeHeaderTransformation | undefined;
  proxy_status_config?: HttpConnectionManager_ProxyStatusConfig | undefined;
  typed_header_validation_config?: TypedExtensionConfig | undefined;
  append_x_forwarded_port?: boolean | undefined;
  early_header_mutation_extensions?: TypedExtensionConfig[] | undefined;
  add_proxy_protocol_connection_state?: boolean | undefined;
  /** @deprecated */
  access_log_flush_interval?: Duration | undefined;
  /** @deprecated */
  flush_access_log_on_new_request?: boolean | undefined;
  access_log_options?: HttpConnectionManager_HcmAccessLogOptions | undefined;
  append_local_overload?: boolean | undefined;
  http1_safe_max_connection_duration?: boolean | undefined;
  stream_flush_timeout?: Duration | undefined;
  forward_client_cert_matcher?: Matcher | undefined;
  forward_proto_config?: ForwardProtoConfig | undefined;
  drain_timeout_jitter?: Percent | undefined;
  record_route_resolution_stats?: boolean | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.CodecType */
export type HttpConnectionManager_CodecType =
  | 'AUTO'
  | 'HTTP1'
  | 'HTTP2'
  | 'HTTP3'
  | number;

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertDetails */
export type HttpConnectionManager_ForwardClientCertDetails =
  | 'SANITIZE'
  | 'FORWARD_ONLY'
  | 'APPEND_FORWARD'
  | 'SANITIZE_SET'
  | 'ALWAYS_FORWARD_ONLY'
  | number;

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertFormat */
export type HttpConnectionManager_ForwardClientCertFormat =
  | 'TEXT'
  | 'JSON'
  | number;

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.HcmAccessLogOptions */
export type HttpConnectionManager_HcmAccessLogOptions = {
  access_log_flush_interval?: Duration | undefined;
  flush_access_log_on_new_request?: boolean | undefined;
  flush_log_on_tunnel_successfully_established?: boolean | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig */
export type HttpConnectionManager_InternalAddressConfig = {
  unix_sockets?: boolean | undefined;
  cidr_ranges?: CidrRange[] | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.PathNormalizationOptions */
export type HttpConnectionManager_PathNormalizationOptions = {
  forwarding_transformation?: PathTransformation | undefined;
  http_filter_transformation?: PathTransformation | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.PathWithEscapedSlashesAction */
export type HttpConnectionManager_PathWithEscapedSlashesAction =
  | 'IMPLEMENTATION_SPECIFIC_DEFAULT'
  | 'KEEP_UNCHANGED'
  | 'REJECT_REQUEST'
  | 'UNESCAPE_AND_REDIRECT'
  | 'UNESCAPE_AND_FORWARD'
  | number;

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ProxyStatusConfig */
export type HttpConnectionManager_ProxyStatusConfig = {
  remove_details?: boolean | undefined;
  remove_connection_termination_details?: boolean | undefined;
  remove_response_flags?: boolean | undefined;
  set_recommended_response_code?: boolean | undefined;
  use_node_id?: boolean | undefined;
  literal_proxy_name?: string | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ServerHeaderTransformation */
export type HttpConnectionManager_ServerHeaderTransformation =
  | 'OVERWRITE'
  | 'APPEND_IF_ABSENT'
  | 'PASS_THROUGH'
  | number;

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails */
export type HttpConnectionManager_SetCurrentClientCertDetails = {
  subject?: boolean | undefined;
  cert?: boolean | undefined;
  dns?: boolean | undefined;
  uri?: boolean | undefined;
  chain?: boolean | undefined;
  format?: HttpConnectionManager_ForwardClientCertFormat | undefined;
  issuer?: boolean | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing */
export type HttpConnectionManager_Tracing = {
  client_sampling?: Percent | undefined;
  random_sampling?: Percent | undefined;
  overall_sampling?: Percent | undefined;
  verbose?: boolean | undefined;
  max_path_tag_length?: number | undefined;
  custom_tags?: CustomTag[] | undefined;
  provider?: Tracing_Http | undefined;
  spawn_upstream_span?: boolean | undefined;
  operation?: string | undefined;
  upstream_operation?: string | undefined;
  no_context_propagation?: boolean | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig */
export type HttpConnectionManager_UpgradeConfig = {
  upgrade_type?: string | undefined;
  filters?: HttpFilter[] | undefined;
  enabled?: boolean | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter */
export type HttpFilter = {
  name?: string | undefined;
  typed_config?: Any | undefined;
  config_discovery?: ExtensionConfigSource | undefined;
  is_optional?: boolean | undefined;
  disabled?: boolean | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig */
export type LocalReplyConfig = {
  mappers?: ResponseMapper[] | undefined;
  body_format?: SubstitutionFormatString | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.Rds */
export type Rds = {
  config_source?: ConfigSource | undefined;
  route_config_name?: string | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension */
export type RequestIDExtension = {
  typed_config?: Any | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper */
export type ResponseMapper = {
  filter?: AccessLogFilter | undefined;
  status_code?: number | undefined;
  body?: DataSource | undefined;
  body_format_override?: SubstitutionFormatString | undefined;
  headers_to_add?: HeaderValueOption[] | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.ScopedRds */
export type ScopedRds = {
  scoped_rds_config_source?: ConfigSource | undefined;
  srds_resources_locator?: string | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.ScopedRouteConfigurationsList */
export type ScopedRouteConfigurationsList = {
  scoped_route_configurations?: ScopedRouteConfiguration[] | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes */
export type ScopedRoutes = {
  name?: string | undefined;
  scope_key_builder?: ScopedRoutes_ScopeKeyBuilder | undefined;
  rds_config_source?: ConfigSource | undefined;
  scoped_route_configurations_list?: ScopedRouteConfigurationsList | undefined;
  scoped_rds?: ScopedRds | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder */
export type ScopedRoutes_ScopeKeyBuilder = {
  fragments?: ScopedRoutes_ScopeKeyBuilder_FragmentBuilder[] | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder */
export type ScopedRoutes_ScopeKeyBuilder_FragmentBuilder = {
  header_value_extractor?: ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor */
export type ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor = {
  name?: string | undefined;
  element_separator?: string | undefined;
  index?: number | undefined;
  element?: ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor_KvElement | undefined;
};

/** envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor.KvElement */
export type ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor_KvElement = {
  separator?: string | undefined;
  key?: string | undefined;
};

/** envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit */
export type NetworkLocalRatelimit_LocalRateLimit = {
  stat_prefix?: string | undefined;
  token_bucket?: TokenBucket | undefined;
  runtime_enabled?: RuntimeFeatureFlag | undefined;
  share_key?: string | undefined;
};

/** envoy.extensions.filters.network.rbac.v3.RBAC */
export type NetworkRbac_RBAC = {
  rules?: ConfigRbac_RBAC | undefined;
  shadow_rules?: ConfigRbac_RBAC | undefined;
  stat_prefix?: string | undefined;
  enforcement_type?: RBAC_EnforcementType | undefined;
  shadow_rules_stat_prefix?: string | undefined;
  matcher?: Matcher | undefined;
  shadow_matcher?: Matcher | undefined;
  delay_deny?: Duration | undefined;
};

/** envoy.extensions.filters.network.rbac.v3.RBAC.EnforcementType */
export type RBAC_EnforcementType =
  | 'ONE_TIME_ON_FIRST_BYTE'
  | 'CONTINUOUS'
  | number;

/** envoy.extensions.filters.network.tcp_proxy.v3.ProxyProtocolTlvMergePolicy */
export type ProxyProtocolTlvMergePolicy =
  | 'ADD_IF_ABSENT'
  | 'OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD'
  | 'APPEND_IF_EXISTS_OR_ADD'
  | number;

/** envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy */
export type TcpProxy = {
  stat_prefix?: string | undefined;
  cluster?: string | undefined;
  downstream_idle_timeout?: Duration | undefined;
  upstream_idle_timeout?: Duration | undefined;
  access_log?: AccessLog[] | undefined;
  max_connect_attempts?: number | undefined;
  idle_timeout?: Duration | undefined;
  metadata_match?: Metadata | undefined;
  weighted_clusters?: TcpProxy_WeightedCluster | undefined;
  hash_policy?: HashPolicy[] | undefined;
  tunneling_config?: TcpProxy_TunnelingConfig | undefined;
  max_downstream_connection_duration?: Duration | undefined;
  on_demand?: TcpProxy_OnDemand | undefined;
  /** @deprecated */
  access_log_flush_interval?: Duration | undefined;
  /** @deprecated */
  flush_access_log_on_connected?: boolean | undefined;
  access_log_options?: TcpProxy_TcpAccessLogOptions | undefined;
  backoff_options?: BackoffStrategy | undefined;
  proxy_protocol_tlvs?: TlvEntry[] | undefined;
  max_downstream_connection_duration_jitter_percentage?: Percent | undefined;
  upstream_connect_mode?: UpstreamConnectMode | undefined;
  max_early_data_bytes?: number | undefined;
  proxy_protocol_tlv_merge_policy?: ProxyProtocolTlvMergePolicy | undefined;
  check_drain_close?: boolean | undefined;
};

/** envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.OnDemand */
export type TcpProxy_OnDemand = {
  odcds_config?: ConfigSource | undefined;
  resources_locator?: string | undefined;
  timeout?: Duration | undefined;
};

/** envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions */
export type TcpProxy_TcpAccessLogOptions = {
  access_log_flush_interval?: Duration | undefined;
  flush_access_log_on_connected?: boolean | undefined;
  flush_access_log_on_start?: boolean | undefined;
};

/** envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig */
export type TcpProxy_TunnelingConfig = {
  hostname?: string | undefined;
  use_post?: boolean | undefined;
  headers_to_add?: HeaderValueOption[] | undefined;
  propagate_response_headers?: boolean | undefined;
  post_path?: string | undefined;
  propagate_response_trailers?: boolean | undefined;
  request_id_extension?: RequestIDExtension | undefined;
  request_id_header?: string | undefined;
  request_id_metadata_key?: string | undefined;
  formatters?: TypedExtensionConfig[] | undefined;
};

/** envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster */
export type TcpProxy_WeightedCluster = {
  clusters?: TcpProxy_WeightedCluster_ClusterWeight[] | undefined;
};

/** envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight */
export type TcpProxy_WeightedCluster_ClusterWeight = {
  name?: string | undefined;
  weight?: number | undefined;
  metadata_match?: Metadata | undefined;
};

/** envoy.extensions.filters.network.tcp_proxy.v3.UpstreamConnectMode */
export type UpstreamConnectMode =
  | 'IMMEDIATE'
  | 'ON_DOWNSTREAM_DATA'
  | 'ON_DOWNSTREAM_TLS_HANDSHAKE'
  | number;

/** envoy.extensions.filters.udp.udp_proxy.v3.Route */
export type UdpProxy_Route = {
  cluster?: string | undefined;
};

/** envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig */
export type UdpProxyConfig = {
  stat_prefix?: string | undefined;
  /** @deprecated */
  cluster?: string | undefined;
  idle_timeout?: Duration | undefined;
  use_original_src_ip?: boolean | undefined;
  hash_policies?: UdpProxyConfig_HashPolicy[] | undefined;
  upstream_socket_config?: UdpSocketConfig | undefined;
  use_per_packet_load_balancing?: boolean | undefined;
  access_log?: AccessLog[] | undefined;
  matcher?: Matcher | undefined;
  proxy_access_log?: AccessLog[] | undefined;
  session_filters?: UdpProxyConfig_SessionFilter[] | undefined;
  tunneling_config?: UdpProxyConfig_UdpTunnelingConfig | undefined;
  access_log_options?: UdpProxyConfig_UdpAccessLogOptions | undefined;
};

/** envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.HashPolicy */
export type UdpProxyConfig_HashPolicy = {
  source_ip?: boolean | undefined;
  key?: string | undefined;
};

/** envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.SessionFilter */
export type UdpProxyConfig_SessionFilter = {
  name?: string | undefined;
  typed_config?: Any | undefined;
  config_discovery?: ExtensionConfigSource | undefined;
};

/** envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpAccessLogOptions */
export type UdpProxyConfig_UdpAccessLogOptions = {
  access_log_flush_interval?: Duration | undefined;
  flush_access_log_on_tunnel_connected?: boolean | undefined;
};

/** envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig */
export type UdpProxyConfig_UdpTunnelingConfig = {
  proxy_host?: string | undefined;
  proxy_port?: number | undefined;
  target_host?: string | undefined;
  default_target_port?: number | undefined;
  use_post?: boolean | undefined;
  post_path?: string | undefined;
  retry_options?: UdpProxyConfig_UdpTunnelingConfig_RetryOptions | undefined;
  headers_to_add?: HeaderValueOption[] | undefined;
  buffer_options?: UdpProxyConfig_UdpTunnelingConfig_BufferOptions | undefined;
  propagate_response_headers?: boolean | undefined;
  propagate_response_trailers?: boolean | undefined;
  formatters?: TypedExtensionConfig[] | undefined;
};

/** envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig.BufferOptions */
export type UdpProxyConfig_UdpTunnelingConfig_BufferOptions = {
  max_buffered_datagrams?: number | undefined;
  max_buffered_bytes?: number | bigint | undefined;
};

/** envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig.RetryOptions */
export type UdpProxyConfig_UdpTunnelingConfig_RetryOptions = {
  max_connect_attempts?: number | undefined;
  backoff_options?: BackoffStrategy | undefined;
};

/** envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig */
export type LocalityLbConfig = {
  zone_aware_lb_config?: LocalityLbConfig_ZoneAwareLbConfig | undefined;
  locality_weighted_lb_config?: LocalityLbConfig_LocalityWeightedLbConfig | undefined;
};

/** envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.LocalityWeightedLbConfig */
export type LocalityLbConfig_LocalityWeightedLbConfig = { [field: string]: never };

/** envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig */
export type LocalityLbConfig_ZoneAwareLbConfig = {
  routing_enabled?: Percent | undefined;
  min_cluster_size?: number | bigint | undefined;
  fail_traffic_on_panic?: boolean | undefined;
  /** @deprecated */
  force_locality_direct_routing?: boolean | undefined;
  force_local_zone?: LocalityLbConfig_ZoneAwareLbConfig_ForceLocalZone | undefined;
  locality_basis?: LocalityLbConfig_ZoneAwareLbConfig_LocalityBasis | undefined;
};

/** envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.ForceLocalZone */
export type LocalityLbConfig_ZoneAwareLbConfig_ForceLocalZone = {
  min_size?: number | undefined;
};

/** envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.LocalityBasis */
export type LocalityLbConfig_ZoneAwareLbConfig_LocalityBasis =
  | 'HEALTHY_HOSTS_NUM'
  | 'HEALTHY_HOSTS_WEIGHT'
  | number;

/** envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig */
export type SlowStartConfig = {
  slow_start_window?: Duration | undefined;
  aggression?: RuntimeDouble | undefined;
  min_weight_percent?: Percent | undefined;
};

/** envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest */
export type LeastRequest = {
  choice_count?: number | undefined;
  active_request_bias?: RuntimeDouble | undefined;
  slow_start_config?: SlowStartConfig | undefined;
  locality_lb_config?: LocalityLbConfig | undefined;
  /** @deprecated */
  enable_full_scan?: boolean | undefined;
  selection_method?: LeastRequest_SelectionMethod | undefined;
};

/** envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest.SelectionMethod */
export type LeastRequest_SelectionMethod =
  | 'N_CHOICES'
  | 'FULL_SCAN'
  | number;

/** envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin */
export type RoundRobin = {
  slow_start_config?: SlowStartConfig | undefined;
  locality_lb_config?: LocalityLbConfig | undefined;
};

/** envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig */
export type UuidRequestIdConfig = {
  pack_trace_reason?: boolean | undefined;
  use_request_id_for_trace_sampling?: boolean | undefined;
};

/** envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate */
export type PreviousHostsPredicate = { [field: string]: never };

/** envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer */
export type RawBuffer = { [field: string]: never };

/** envoy.extensions.transport_sockets.tls.v3.CertificateProviderPluginInstance */
export type CertificateProviderPluginInstance = {
  instance_name?: string | undefined;
  certificate_name?: string | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext */
export type CertificateValidationContext = {
  trusted_ca?: DataSource | undefined;
  verify_certificate_hash?: string[] | undefined;
  verify_certificate_spki?: string[] | undefined;
  require_signed_certificate_timestamp?: boolean | undefined;
  crl?: DataSource | undefined;
  allow_expired_certificate?: boolean | undefined;
  /** @deprecated */
  match_subject_alt_names?: StringMatcher[] | undefined;
  trust_chain_verification?: CertificateValidationContext_TrustChainVerification | undefined;
  watched_directory?: WatchedDirectory | undefined;
  custom_validator_config?: TypedExtensionConfig | undefined;
  ca_certificate_provider_instance?: CertificateProviderPluginInstance | undefined;
  only_verify_leaf_cert_crl?: boolean | undefined;
  match_typed_subject_alt_names?: SubjectAltNameMatcher[] | undefined;
  max_verify_depth?: number | undefined;
  system_root_certs?: CertificateValidationContext_SystemRootCerts | undefined;
  suppress_client_ca_list?: boolean | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.SystemRootCerts */
export type CertificateValidationContext_SystemRootCerts = { [field: string]: never };

/** envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.TrustChainVerification */
export type CertificateValidationContext_TrustChainVerification =
  | 'VERIFY_TRUST_CHAIN'
  | 'ACCEPT_UNTRUSTED'
  | number;

/** envoy.extensions.transport_sockets.tls.v3.CommonTlsContext */
export type CommonTlsContext = {
  tls_params?: TlsParameters | undefined;
  tls_certificates?: TlsCertificate[] | undefined;
  validation_context?: CertificateValidationContext | undefined;
  alpn_protocols?: string[] | undefined;
  tls_certificate_sds_secret_configs?: SdsSecretConfig[] | undefined;
  validation_context_sds_secret_config?: SdsSecretConfig | undefined;
  combined_validation_context?: CommonTlsContext_CombinedCertificateValidationContext | undefined;
  /** @deprecated */
  tls_certificate_certificate_provider?: CommonTlsContext_CertificateProvider | undefined;
  /** @deprecated */
  validation_context_certificate_provider?: CommonTlsContext_CertificateProvider | undefined;
  /** @deprecated */
  tls_certificate_certificate_provider_instance?: CommonTlsContext_CertificateProviderInstance | undefined;
  /** @deprecated */
  validation_context_certificate_provider_instance?: CommonTlsContext_CertificateProviderInstance | undefined;
  custom_handshaker?: TypedExtensionConfig | undefined;
  tls_certificate_provider_instance?: CertificateProviderPluginInstance | undefined;
  key_log?: TlsKeyLog | undefined;
  custom_tls_certificate_selector?: TypedExtensionConfig | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CertificateProvider */
export type CommonTlsContext_CertificateProvider = {
  name?: string | undefined;
  typed_config?: TypedExtensionConfig | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CertificateProviderInstance */
export type CommonTlsContext_CertificateProviderInstance = {
  instance_name?: string | undefined;
  certificate_name?: string | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext */
export type CommonTlsContext_CombinedCertificateValidationContext = {
  default_validation_context?: CertificateValidationContext | undefined;
  validation_context_sds_secret_config?: SdsSecretConfig | undefined;
  /** @deprecated */
  validation_context_certificate_provider?: CommonTlsContext_CertificateProvider | undefined;
  /** @deprecated */
  validation_context_certificate_provider_instance?: CommonTlsContext_CertificateProviderInstance | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext */
export type DownstreamTlsContext = {
  common_tls_context?: CommonTlsContext | undefined;
  require_client_certificate?: boolean | undefined;
  require_sni?: boolean | undefined;
  session_ticket_keys?: TlsSessionTicketKeys | undefined;
  session_ticket_keys_sds_secret_config?: SdsSecretConfig | undefined;
  session_timeout?: Duration | undefined;
  disable_stateless_session_resumption?: boolean | undefined;
  ocsp_staple_policy?: DownstreamTlsContext_OcspStaplePolicy | undefined;
  full_scan_certs_on_sni_mismatch?: boolean | undefined;
  disable_stateful_session_resumption?: boolean | undefined;
  prefer_client_ciphers?: boolean | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext.OcspStaplePolicy */
export type DownstreamTlsContext_OcspStaplePolicy =
  | 'LENIENT_STAPLING'
  | 'STRICT_STAPLING'
  | 'MUST_STAPLE'
  | number;

/** envoy.extensions.transport_sockets.tls.v3.GenericSecret */
export type Tls_GenericSecret = {
  secret?: DataSource | undefined;
  secrets?: { [key: string]: DataSource } | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider */
export type PrivateKeyProvider = {
  provider_name?: string | undefined;
  typed_config?: Any | undefined;
  fallback?: boolean | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig */
export type SdsSecretConfig = {
  name?: string | undefined;
  sds_config?: ConfigSource | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.Secret */
export type Secret = {
  name?: string | undefined;
  tls_certificate?: TlsCertificate | undefined;
  session_ticket_keys?: TlsSessionTicketKeys | undefined;
  validation_context?: CertificateValidationContext | undefined;
  generic_secret?: Tls_GenericSecret | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher */
export type SubjectAltNameMatcher = {
  san_type?: SubjectAltNameMatcher_SanType | undefined;
  matcher?: StringMatcher | undefined;
  oid?: string | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher.SanType */
export type SubjectAltNameMatcher_SanType =
  | 'SAN_TYPE_UNSPECIFIED'
  | 'EMAIL'
  | 'DNS'
  | 'URI'
  | 'IP_ADDRESS'
  | 'OTHER_NAME'
  | number;

/** envoy.extensions.transport_sockets.tls.v3.TlsCertificate */
export type TlsCertificate = {
  certificate_chain?: DataSource | undefined;
  private_key?: DataSource | undefined;
  password?: DataSource | undefined;
  ocsp_staple?: DataSource | undefined;
  signed_certificate_timestamp?: DataSource[] | undefined;
  private_key_provider?: PrivateKeyProvider | undefined;
  watched_directory?: WatchedDirectory | undefined;
  pkcs12?: DataSource | undefined;
  tls_params?: TlsParameters | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.TlsKeyLog */
export type TlsKeyLog = {
  path?: string | undefined;
  local_address_range?: CidrRange[] | undefined;
  remote_address_range?: CidrRange[] | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.TlsParameters */
export type TlsParameters = {
  tls_minimum_protocol_version?: TlsParameters_TlsProtocol | undefined;
  tls_maximum_protocol_version?: TlsParameters_TlsProtocol | undefined;
  cipher_suites?: string[] | undefined;
  ecdh_curves?: string[] | undefined;
  signature_algorithms?: string[] | undefined;
  compliance_policies?: TlsParameters_CompliancePolicy[] | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.TlsParameters.CompliancePolicy */
export type TlsParameters_CompliancePolicy =
  | 'FIPS_202205'
  | 'CNSA2_202603'
  | 'CNSA1_202603'
  | number;

/** envoy.extensions.transport_sockets.tls.v3.TlsParameters.TlsProtocol */
export type TlsParameters_TlsProtocol =
  | 'TLS_AUTO'
  | 'TLSv1_0'
  | 'TLSv1_1'
  | 'TLSv1_2'
  | 'TLSv1_3'
  | number;

/** envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys */
export type TlsSessionTicketKeys = {
  keys?: DataSource[] | undefined;
};

/** envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext */
export type UpstreamTlsContext = {
  common_tls_context?: CommonTlsContext | undefined;
  sni?: string | undefined;
  allow_renegotiation?: boolean | undefined;
  max_session_keys?: number | undefined;
  /** @deprecated */
  enforce_rsa_key_usage?: boolean | undefined;
  auto_host_sni?: boolean | undefined;
  auto_sni_san_validation?: boolean | undefined;
};

/** envoy.extensions.upstreams.http.v3.HttpProtocolOptions */
export type Http_HttpProtocolOptions = {
  common_http_protocol_options?: HttpProtocolOptions | undefined;
  upstream_http_protocol_options?: UpstreamHttpProtocolOptions | undefined;
  explicit_http_config?: HttpProtocolOptions_ExplicitHttpConfig | undefined;
  use_downstream_protocol_config?: HttpProtocolOptions_UseDownstreamHttpConfig | undefined;
  auto_config?: HttpProtocolOptions_AutoHttpConfig | undefined;
  http_filters?: HttpFilter[] | undefined;
  header_validation_config?: TypedExtensionConfig | undefined;
  outlier_detection?: HttpProtocolOptions_OutlierDetection | undefined;
  request_mirror_policies?: RouteAction_RequestMirrorPolicy[] | undefined;
  hash_policy?: RouteAction_HashPolicy[] | undefined;
  retry_policy?: RetryPolicy | undefined;
};

/** envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig */
export type HttpProtocolOptions_AutoHttpConfig = {
  http_protocol_options?: Http1ProtocolOptions | undefined;
  http2_protocol_options?: Http2ProtocolOptions | undefined;
  http3_protocol_options?: Http3ProtocolOptions | undefined;
  alternate_protocols_cache_options?: AlternateProtocolsCacheOptions | undefined;
};

/** envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig */
export type HttpProtocolOptions_ExplicitHttpConfig = {
  http_protocol_options?: Http1ProtocolOptions | undefined;
  http2_protocol_options?: Http2ProtocolOptions | undefined;
  http3_protocol_options?: Http3ProtocolOptions | undefined;
};

/** envoy.extensions.upstreams.http.v3.HttpProtocolOptions.OutlierDetection */
export type HttpProtocolOptions_OutlierDetection = {
  error_matcher?: Matcher_MatchPredicate | undefined;
};

/** envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig */
export type HttpProtocolOptions_UseDownstreamHttpConfig = {
  http_protocol_options?: Http1ProtocolOptions | undefined;
  http2_protocol_options?: Http2ProtocolOptions | undefined;
  http3_protocol_options?: Http3ProtocolOptions | undefined;
};

/** envoy.service.discovery.v3.DeltaDiscoveryRequest */
export type DeltaDiscoveryRequest = {
  node?: Node | undefined;
  type_url?: string | undefined;
  resource_names_subscribe?: string[] | undefined;
  resource_names_unsubscribe?: string[] | undefined;
  initial_resource_versions?: { [key: string]: string } | undefined;
  response_nonce?: string | undefined;
  error_detail?: Status | undefined;
  resource_locators_subscribe?: ResourceLocator[] | undefined;
  resource_locators_unsubscribe?: ResourceLocator[] | undefined;
};

/** envoy.service.discovery.v3.DeltaDiscoveryResponse */
export type DeltaDiscoveryResponse = {
  system_version_info?: string | undefined;
  resources?: Resource[] | undefined;
  type_url?: string | undefined;
  nonce?: string | undefined;
  removed_resources?: string[] | undefined;
  control_plane?: ControlPlane | undefined;
  removed_resource_names?: ResourceName[] | undefined;
  resource_errors?: ResourceError[] | undefined;
};

/** envoy.service.discovery.v3.DiscoveryRequest */
export type DiscoveryRequest = {
  version_info?: string | undefined;
  node?: Node | undefined;
  resource_names?: string[] | undefined;
  type_url?: string | undefined;
  response_nonce?: string | undefined;
  error_detail?: Status | undefined;
  resource_locators?: ResourceLocator[] | undefined;
};

/** envoy.service.discovery.v3.DiscoveryResponse */
export type DiscoveryResponse = {
  version_info?: string | undefined;
  resources?: Any[] | undefined;
  canary?: boolean | undefined;
  type_url?: string | undefined;
  nonce?: string | undefined;
  control_plane?: ControlPlane | undefined;
  resource_errors?: ResourceError[] | undefined;
};

/** envoy.service.discovery.v3.DynamicParameterConstraints */
export type DynamicParameterConstraints = {
  constraint?: DynamicParameterConstraints_SingleConstraint | undefined;
  or_constraints?: DynamicParameterConstraints_ConstraintList | undefined;
  and_constraints?: DynamicParameterConstraints_ConstraintList | undefined;
  not_constraints?: DynamicParameterConstraints | undefined;
};

/** envoy.service.discovery.v3.DynamicParameterConstraints.ConstraintList */
export type DynamicParameterConstraints_ConstraintList = {
  constraints?: DynamicParameterConstraints[] | undefined;
};

/** envoy.service.discovery.v3.DynamicParameterConstraints.SingleConstraint */
export type DynamicParameterConstraints_SingleConstraint = {
  key?: string | undefined;
  value?: string | undefined;
  exists?: DynamicParameterConstraints_SingleConstraint_Exists | undefined;
};

/** envoy.service.discovery.v3.DynamicParameterConstraints.SingleConstraint.Exists */
export type DynamicParameterConstraints_SingleConstraint_Exists = { [field: string]: never };

/** envoy.service.discovery.v3.Resource */
export type Resource = {
  version?: string | undefined;
  resource?: Any | undefined;
  name?: string | undefined;
  aliases?: string[] | undefined;
  ttl?: Duration | undefined;
  cache_control?: Resource_CacheControl | undefined;
  resource_name?: ResourceName | undefined;
  metadata?: Metadata | undefined;
};

/** envoy.service.discovery.v3.Resource.CacheControl */
export type Resource_CacheControl = {
  do_not_cache?: boolean | undefined;
};

/** envoy.service.discovery.v3.ResourceError */
export type ResourceError = {
  resource_name?: ResourceName | undefined;
  error_detail?: Status | undefined;
};

/** envoy.service.discovery.v3.ResourceLocator */
export type ResourceLocator = {
  name?: string | undefined;
  dynamic_parameters?: { [key: string]: string } | undefined;
};

/** envoy.service.discovery.v3.ResourceName */
export type ResourceName = {
  name?: string | undefined;
  dynamic_parameter_constraints?: DynamicParameterConstraints | undefined;
};

/** envoy.service.load_stats.v3.LoadStatsRequest */
export type LoadStatsRequest = {
  node?: Node | undefined;
  cluster_stats?: ClusterStats[] | undefined;
};

/** envoy.service.load_stats.v3.LoadStatsResponse */
export type LoadStatsResponse = {
  clusters?: string[] | undefined;
  load_reporting_interval?: Duration | undefined;
  report_endpoint_granularity?: boolean | undefined;
  send_all_clusters?: boolean | undefined;
};

/** envoy.type.http.v3.PathTransformation */
export type PathTransformation = {
  operations?: PathTransformation_Operation[] | undefined;
};

/** envoy.type.http.v3.PathTransformation.Operation */
export type PathTransformation_Operation = {
  normalize_path_rfc_3986?: PathTransformation_Operation_NormalizePathRFC3986 | undefined;
  merge_slashes?: PathTransformation_Operation_MergeSlashes | undefined;
};

/** envoy.type.http.v3.PathTransformation.Operation.MergeSlashes */
export type PathTransformation_Operation_MergeSlashes = { [field: string]: never };

/** envoy.type.http.v3.PathTransformation.Operation.NormalizePathRFC3986 */
export type PathTransformation_Operation_NormalizePathRFC3986 = { [field: string]: never };

/** envoy.type.matcher.v3.AddressMatcher */
export type AddressMatcher = {
  ranges?: XdsCore_CidrRange[] | undefined;
  invert_match?: boolean | undefined;
};

/** envoy.type.matcher.v3.DoubleMatcher */
export type DoubleMatcher = {
  range?: DoubleRange | undefined;
  exact?: number | undefined;
};

/** envoy.type.matcher.v3.FilterStateMatcher */
export type FilterStateMatcher = {
  key?: string | undefined;
  string_match?: StringMatcher | undefined;
  address_match?: AddressMatcher | undefined;
};

/** envoy.type.matcher.v3.ListMatcher */
export type ListMatcher = {
  one_of?: ValueMatcher | undefined;
};

/** envoy.type.matcher.v3.ListStringMatcher */
export type ListStringMatcher = {
  patterns?: StringMatcher[] | undefined;
};

/** envoy.type.matcher.v3.MetadataMatcher */
export type MetadataMatcher = {
  filter?: string | undefined;
  path?: MetadataMatcher_PathSegment[] | undefined;
  value?: ValueMatcher | undefined;
  invert?: boolean | undefined;
};

/** envoy.type.matcher.v3.MetadataMatcher.PathSegment */
export type MetadataMatcher_PathSegment = {
  key?: string | undefined;
};

/** envoy.type.matcher.v3.OrMatcher */
export type OrMatcher = {
  value_matchers?: ValueMatcher[] | undefined;
};

/** envoy.type.matcher.v3.PathMatcher */
export type PathMatcher = {
  path?: StringMatcher | undefined;
};

/** envoy.type.matcher.v3.RegexMatchAndSubstitute */
export type RegexMatchAndSubstitute = {
  pattern?: RegexMatcher | undefined;
  substitution?: string | undefined;
};

/** envoy.type.matcher.v3.RegexMatcher */
export type RegexMatcher = {
  /** @deprecated */
  google_re2?: RegexMatcher_GoogleRE2 | undefined;
  regex?: string | undefined;
};

/** envoy.type.matcher.v3.RegexMatcher.GoogleRE2 */
export type RegexMatcher_GoogleRE2 = {
  /** @deprecated */
  max_program_size?: number | undefined;
};

/** envoy.type.matcher.v3.StringMatcher */
export type StringMatcher = {
  exact?: string | undefined;
  prefix?: string | undefined;
  suffix?: string | undefined;
  safe_regex?: RegexMatcher | undefined;
  ignore_case?: boolean | undefined;
  contains?: string | undefined;
  custom?: XdsCore_TypedExtensionConfig | undefined;
};

/** envoy.type.matcher.v3.ValueMatcher */
export type ValueMatcher = {
  null_match?: ValueMatcher_NullMatch | undefined;
  double_match?: DoubleMatcher | undefined;
  string_match?: StringMatcher | undefined;
  bool_match?: boolean | undefined;
  present_match?: boolean | undefined;
  list_match?: ListMatcher | undefined;
  or_match?: OrMatcher | undefined;
};

/** envoy.type.matcher.v3.ValueMatcher.NullMatch */
export type ValueMatcher_NullMatch = { [field: string]: never };

/** envoy.type.metadata.v3.MetadataKey */
export type MetadataKey = {
  key?: string | undefined;
  path?: MetadataKey_PathSegment[] | undefined;
};

/** envoy.type.metadata.v3.MetadataKey.PathSegment */
export type MetadataKey_PathSegment = {
  key?: string | undefined;
  index?: number | undefined;
};

/** envoy.type.metadata.v3.MetadataKind */
export type MetadataKind = {
  request?: MetadataKind_Request | undefined;
  route?: MetadataKind_Route | undefined;
  cluster?: MetadataKind_Cluster | undefined;
  host?: MetadataKind_Host | undefined;
};

/** envoy.type.metadata.v3.MetadataKind.Cluster */
export type MetadataKind_Cluster = { [field: string]: never };

/** envoy.type.metadata.v3.MetadataKind.Host */
export type MetadataKind_Host = { [field: string]: never };

/** envoy.type.metadata.v3.MetadataKind.Request */
export type MetadataKind_Request = { [field: string]: never };

/** envoy.type.metadata.v3.MetadataKind.Route */
export type MetadataKind_Route = { [field: string]: never };

/** envoy.type.tracing.v3.CustomTag */
export type CustomTag = {
  tag?: string | undefined;
  literal?: CustomTag_Literal | undefined;
  environment?: CustomTag_Environment | undefined;
  request_header?: CustomTag_Header | undefined;
  metadata?: CustomTag_Metadata | undefined;
  value?: string | undefined;
  value_type?: CustomTag_ValueType | undefined;
};

/** envoy.type.tracing.v3.CustomTag.Environment */
export type CustomTag_Environment = {
  name?: string | undefined;
  default_value?: string | undefined;
};

/** envoy.type.tracing.v3.CustomTag.Header */
export type CustomTag_Header = {
  name?: string | undefined;
  default_value?: string | undefined;
};

/** envoy.type.tracing.v3.CustomTag.Literal */
export type CustomTag_Literal = {
  value?: string | undefined;
};

/** envoy.type.tracing.v3.CustomTag.Metadata */
export type CustomTag_Metadata = {
  kind?: MetadataKind | undefined;
  metadata_key?: MetadataKey | undefined;
  default_value?: string | undefined;
};

/** envoy.type.tracing.v3.CustomTag.ValueType */
export type CustomTag_ValueType =
  | 'UNSPECIFIED'
  | 'STRING'
  | 'INT'
  | 'DOUBLE'
  | 'BOOL'
  | number;

/** envoy.type.v3.CodecClientType */
export type CodecClientType =
  | 'HTTP1'
  | 'HTTP2'
  | 'HTTP3'
  | number;

/** envoy.type.v3.DoubleRange */
export type DoubleRange = {
  start?: number | undefined;
  end?: number | undefined;
};

/** envoy.type.v3.FractionalPercent */
export type FractionalPercent = {
  numerator?: number | undefined;
  denominator?: FractionalPercent_DenominatorType | undefined;
};

/** envoy.type.v3.FractionalPercent.DenominatorType */
export type FractionalPercent_DenominatorType =
  | 'HUNDRED'
  | 'TEN_THOUSAND'
  | 'MILLION'
  | number;

/** envoy.type.v3.HashPolicy */
export type HashPolicy = {
  source_ip?: HashPolicy_SourceIp | undefined;
  filter_state?: HashPolicy_FilterState | undefined;
};

/** envoy.type.v3.HashPolicy.FilterState */
export type HashPolicy_FilterState = {
  key?: string | undefined;
};

/** envoy.type.v3.HashPolicy.SourceIp */
export type HashPolicy_SourceIp = { [field: string]: never };

/** envoy.type.v3.HttpStatus */
export type HttpStatus = {
  code?: StatusCode | undefined;
};

/** envoy.type.v3.Int32Range */
export type Int32Range = {
  start?: number | undefined;
  end?: number | undefined;
};

/** envoy.type.v3.Int64Range */
export type Int64Range = {
  start?: number | bigint | undefined;
  end?: number | bigint | undefined;
};

/** envoy.type.v3.Percent */
export type Percent = {
  value?: number | undefined;
};

/** envoy.type.v3.RateLimitUnit */
export type RateLimitUnit =
  | 'UNKNOWN'
  | 'SECOND'
  | 'MINUTE'
  | 'HOUR'
  | 'DAY'
  | 'MONTH'
  | 'YEAR'
  | number;

/** envoy.type.v3.SemanticVersion */
export type SemanticVersion = {
  major_number?: number | undefined;
  minor_number?: number | undefined;
  patch?: number | undefined;
};

/** envoy.type.v3.StatusCode */
export type StatusCode =
  | 'Empty'
  | 'Continue'
  | 'OK'
  | 'Created'
  | 'Accepted'
  | 'NonAuthoritativeInformation'
  | 'NoContent'
  | 'ResetContent'
  | 'PartialContent'
  | 'MultiStatus'
  | 'AlreadyReported'
  | 'IMUsed'
  | 'MultipleChoices'
  | 'MovedPermanently'
  | 'Found'
  | 'SeeOther'
  | 'NotModified'
  | 'UseProxy'
  | 'TemporaryRedirect'
  | 'PermanentRedirect'
  | 'BadRequest'
  | 'Unauthorized'
  | 'PaymentRequired'
  | 'Forbidden'
  | 'NotFound'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'ProxyAuthenticationRequired'
  | 'RequestTimeout'
  | 'Conflict'
  | 'Gone'
  | 'LengthRequired'
  | 'PreconditionFailed'
  | 'PayloadTooLarge'
  | 'URITooLong'
  | 'UnsupportedMediaType'
  | 'RangeNotSatisfiable'
  | 'ExpectationFailed'
  | 'MisdirectedRequest'
  | 'UnprocessableEntity'
  | 'Locked'
  | 'FailedDependency'
  | 'UpgradeRequired'
  | 'PreconditionRequired'
  | 'TooManyRequests'
  | 'RequestHeaderFieldsTooLarge'
  | 'InternalServerError'
  | 'NotImplemented'
  | 'BadGateway'
  | 'ServiceUnavailable'
  | 'GatewayTimeout'
  | 'HTTPVersionNotSupported'
  | 'VariantAlsoNegotiates'
  | 'InsufficientStorage'
  | 'LoopDetected'
  | 'NotExtended'
  | 'NetworkAuthenticationRequired'
  | number;

/** envoy.type.v3.TokenBucket */
export type TokenBucket = {
  max_tokens?: number | undefined;
  tokens_per_fill?: number | undefined;
  fill_interval?: Duration | undefined;
};

/** google.api.expr.v1alpha1.CheckedExpr */
export type CheckedExpr = {
  reference_map?: { [key: string]: Reference } | undefined;
  type_map?: { [key: string]: V1alpha1_Type } | undefined;
  expr?: Expr | undefined;
  source_info?: SourceInfo | undefined;
  expr_version?: string | undefined;
};

/** google.api.expr.v1alpha1.Constant */
export type Constant = {
  null_value?: NullValue | undefined;
  bool_value?: boolean | undefined;
  int64_value?: number | bigint | undefined;
  uint64_value?: number | bigint | undefined;
  double_value?: number | undefined;
  string_value?: string | undefined;
  bytes_value?: Uint8Array | undefined;
  /** @deprecated */
  duration_value?: Duration | undefined;
  /** @deprecated */
  timestamp_value?: Timestamp | undefined;
};

/** google.api.expr.v1alpha1.Expr */
export type Expr = {
  id?: number | bigint | undefined;
  const_expr?: Constant | undefined;
  ident_expr?: Expr_Ident | undefined;
  select_expr?: Expr_Select | undefined;
  call_expr?: Expr_Call | undefined;
  list_expr?: Expr_CreateList | undefined;
  struct_expr?: Expr_CreateStruct | undefined;
  comprehension_expr?: Expr_Comprehension | undefined;
};

/** google.api.expr.v1alpha1.Expr.Call */
export type Expr_Call = {
  target?: Expr | undefined;
  function?: string | undefined;
  args?: Expr[] | undefined;
};

/** google.api.expr.v1alpha1.Expr.Comprehension */
export type Expr_Comprehension = {
  iter_var?: string | undefined;
  iter_range?: Expr | undefined;
  accu_var?: string | undefined;
  accu_init?: Expr | undefined;
  loop_condition?: Expr | undefined;
  loop_step?: Expr | undefined;
  result?: Expr | undefined;
  iter_var2?: string | undefined;
};

/** google.api.expr.v1alpha1.Expr.CreateList */
export type Expr_CreateList = {
  elements?: Expr[] | undefined;
  optional_indices?: number[] | undefined;
};

/** google.api.expr.v1alpha1.Expr.CreateStruct */
export type Expr_CreateStruct = {
  message_name?: string | undefined;
  entries?: Expr_CreateStruct_Entry[] | undefined;
};

/** google.api.expr.v1alpha1.Expr.CreateStruct.Entry */
export type Expr_CreateStruct_Entry = {
  id?: number | bigint | undefined;
  field_key?: string | undefined;
  map_key?: Expr | undefined;
  value?: Expr | undefined;
  optional_entry?: boolean | undefined;
};

/** google.api.expr.v1alpha1.Expr.Ident */
export type Expr_Ident = {
  name?: string | undefined;
};

/** google.api.expr.v1alpha1.Expr.Select */
export type Expr_Select = {
  operand?: Expr | undefined;
  field?: string | undefined;
  test_only?: boolean | undefined;
};

/** google.api.expr.v1alpha1.Reference */
export type Reference = {
  name?: string | undefined;
  overload_id?: string[] | undefined;
  value?: Constant | undefined;
};

/** google.api.expr.v1alpha1.SourceInfo */
export type SourceInfo = {
  syntax_version?: string | undefined;
  location?: string | undefined;
  line_offsets?: number[] | undefined;
  positions?: { [key: string]: number } | undefined;
  macro_calls?: { [key: string]: Expr } | undefined;
  extensions?: SourceInfo_Extension[] | undefined;
};

/** google.api.expr.v1alpha1.SourceInfo.Extension */
export type SourceInfo_Extension = {
  id?: string | undefined;
  affected_components?: SourceInfo_Extension_Component[] | undefined;
  version?: SourceInfo_Extension_Version | undefined;
};

/** google.api.expr.v1alpha1.SourceInfo.Extension.Component */
export type SourceInfo_Extension_Component =
  | 'COMPONENT_UNSPECIFIED'
  | 'COMPONENT_PARSER'
  | 'COMPONENT_TYPE_CHECKER'
  | 'COMPONENT_RUNTIME'
  | number;

/** google.api.expr.v1alpha1.SourceInfo.Extension.Version */
export type SourceInfo_Extension_Version = {
  major?: number | bigint | undefined;
  minor?: number | bigint | undefined;
};

/** google.api.expr.v1alpha1.Type */
export type V1alpha1_Type = {
  dyn?: Empty | undefined;
  null?: NullValue | undefined;
  primitive?: Type_PrimitiveType | undefined;
  wrapper?: Type_PrimitiveType | undefined;
  well_known?: Type_WellKnownType | undefined;
  list_type?: Type_ListType | undefined;
  map_type?: Type_MapType | undefined;
  function?: Type_FunctionType | undefined;
  message_type?: string | undefined;
  type_param?: string | undefined;
  type?: V1alpha1_Type | undefined;
  error?: Empty | undefined;
  abstract_type?: Type_AbstractType | undefined;
};

/** google.api.expr.v1alpha1.Type.AbstractType */
export type Type_AbstractType = {
  name?: string | undefined;
  parameter_types?: V1alpha1_Type[] | undefined;
};

/** google.api.expr.v1alpha1.Type.FunctionType */
export type Type_FunctionType = {
  result_type?: V1alpha1_Type | undefined;
  arg_types?: V1alpha1_Type[] | undefined;
};

/** google.api.expr.v1alpha1.Type.ListType */
export type Type_ListType = {
  elem_type?: V1alpha1_Type | undefined;
};

/** google.api.expr.v1alpha1.Type.MapType */
export type Type_MapType = {
  key_type?: V1alpha1_Type | undefined;
  value_type?: V1alpha1_Type | undefined;
};

/** google.api.expr.v1alpha1.Type.PrimitiveType */
export type Type_PrimitiveType =
  | 'PRIMITIVE_TYPE_UNSPECIFIED'
  | 'BOOL'
  | 'INT64'
  | 'UINT64'
  | 'DOUBLE'
  | 'STRING'
  | 'BYTES'
  | number;

/** google.api.expr.v1alpha1.Type.WellKnownType */
export type Type_WellKnownType =
  | 'WELL_KNOWN_TYPE_UNSPECIFIED'
  | 'ANY'
  | 'TIMESTAMP'
  | 'DURATION'
  | number;

/** google.protobuf.NullValue */
export type NullValue =
  | 'NULL_VALUE'
  | number;

/** google.rpc.Status */
export type Status = {
  code?: number | undefined;
  message?: string | undefined;
  details?: Any[] | undefined;
};

/** grpc.health.v1.HealthCheckRequest */
export type V1_HealthCheckRequest = {
  service?: string | undefined;
};

/** grpc.health.v1.HealthCheckResponse */
export type HealthCheckResponse = {
  status?: HealthCheckResponse_ServingStatus | undefined;
};

/** grpc.health.v1.HealthCheckResponse.ServingStatus */
export type HealthCheckResponse_ServingStatus =
  | 'UNKNOWN'
  | 'SERVING'
  | 'NOT_SERVING'
  | 'SERVICE_UNKNOWN'
  | number;

/** heddle.certificate_client.v1.CertificateClient */
export type Heddle_CertificateClient = {
  certificate_authority?: GrpcService | undefined;
  token_path?: string | undefined;
  identity?: string | undefined;
  validity?: Duration | undefined;
  sds_cluster_name?: string | undefined;
};

/** istio.v1.auth.IstioCertificateRequest */
export type Istio_IstioCertificateRequest = {
  csr?: string | undefined;
  validity_duration?: number | bigint | undefined;
  metadata?: JsonObject | undefined;
};

/** istio.v1.auth.IstioCertificateResponse */
export type Istio_IstioCertificateResponse = {
  cert_chain?: string[] | undefined;
};

/** opentelemetry.proto.common.v1.AnyValue */
export type Opentelemetry_AnyValue = {
  string_value?: string | undefined;
  bool_value?: boolean | undefined;
  int_value?: number | bigint | undefined;
  double_value?: number | undefined;
  array_value?: Opentelemetry_ArrayValue | undefined;
  kvlist_value?: Opentelemetry_KeyValueList | undefined;
  bytes_value?: Uint8Array | undefined;
  string_value_strindex?: number | undefined;
};

/** opentelemetry.proto.common.v1.ArrayValue */
export type Opentelemetry_ArrayValue = {
  values?: Opentelemetry_AnyValue[] | undefined;
};

/** opentelemetry.proto.common.v1.KeyValue */
export type Opentelemetry_KeyValue = {
  key?: string | undefined;
  value?: Opentelemetry_AnyValue | undefined;
  key_strindex?: number | undefined;
};

/** opentelemetry.proto.common.v1.KeyValueList */
export type Opentelemetry_KeyValueList = {
  values?: Opentelemetry_KeyValue[] | undefined;
};

/** udpa.type.v1.TypedStruct */
export type V1_TypedStruct = {
  type_url?: string | undefined;
  value?: JsonObject | undefined;
};

/** xds.core.v3.Authority */
export type Authority = {
  name?: string | undefined;
};

/** xds.core.v3.CidrRange */
export type XdsCore_CidrRange = {
  address_prefix?: string | undefined;
  prefix_len?: number | undefined;
};

/** xds.core.v3.ContextParams */
export type ContextParams = {
  params?: { [key: string]: string } | undefined;
};

/** xds.core.v3.TypedExtensionConfig */
export type XdsCore_TypedExtensionConfig = {
  name?: string | undefined;
  typed_config?: Any | undefined;
};

/** xds.data.orca.v3.OrcaLoadReport */
export type Orca_OrcaLoadReport = {
  cpu_utilization?: number | undefined;
  mem_utilization?: number | undefined;
  /** @deprecated */
  rps?: number | bigint | undefined;
  request_cost?: { [key: string]: number } | undefined;
  utilization?: { [key: string]: number } | undefined;
  rps_fractional?: number | undefined;
  eps?: number | undefined;
  named_metrics?: { [key: string]: number } | undefined;
  application_utilization?: number | undefined;
};

/** xds.type.matcher.v3.Matcher */
export type Matcher = {
  matcher_list?: Matcher_MatcherList | undefined;
  matcher_tree?: Matcher_MatcherTree | undefined;
  on_no_match?: Matcher_OnMatch | undefined;
};

/** xds.type.matcher.v3.Matcher.MatcherList */
export type Matcher_MatcherList = {
  matchers?: Matcher_MatcherList_FieldMatcher[] | undefined;
};

/** xds.type.matcher.v3.Matcher.MatcherList.FieldMatcher */
export type Matcher_MatcherList_FieldMatcher = {
  predicate?: Matcher_MatcherList_Predicate | undefined;
  on_match?: Matcher_OnMatch | undefined;
};

/** xds.type.matcher.v3.Matcher.MatcherList.Predicate */
export type Matcher_MatcherList_Predicate = {
  single_predicate?: Matcher_MatcherList_Predicate_SinglePredicate | undefined;
  or_matcher?: Matcher_MatcherList_Predicate_PredicateList | undefined;
  and_matcher?: Matcher_MatcherList_Predicate_PredicateList | undefined;
  not_matcher?: Matcher_MatcherList_Predicate | undefined;
};

/** xds.type.matcher.v3.Matcher.MatcherList.Predicate.PredicateList */
export type Matcher_MatcherList_Predicate_PredicateList = {
  predicate?: Matcher_MatcherList_Predicate[] | undefined;
};

/** xds.type.matcher.v3.Matcher.MatcherList.Predicate.SinglePredicate */
export type Matcher_MatcherList_Predicate_SinglePredicate = {
  input?: XdsCore_TypedExtensionConfig | undefined;
  value_match?: XdsTypeMatcher_StringMatcher | undefined;
  custom_match?: XdsCore_TypedExtensionConfig | undefined;
};

/** xds.type.matcher.v3.Matcher.MatcherTree */
export type Matcher_MatcherTree = {
  input?: XdsCore_TypedExtensionConfig | undefined;
  exact_match_map?: Matcher_MatcherTree_MatchMap | undefined;
  prefix_match_map?: Matcher_MatcherTree_MatchMap | undefined;
  custom_match?: XdsCore_TypedExtensionConfig | undefined;
};

/** xds.type.matcher.v3.Matcher.MatcherTree.MatchMap */
export type Matcher_MatcherTree_MatchMap = {
  map?: { [key: string]: Matcher_OnMatch } | undefined;
};

/** xds.type.matcher.v3.Matcher.OnMatch */
export type Matcher_OnMatch = {
  matcher?: Matcher | undefined;
  action?: XdsCore_TypedExtensionConfig | undefined;
  keep_matching?: boolean | undefined;
};

/** xds.type.matcher.v3.RegexMatcher */
export type XdsTypeMatcher_RegexMatcher = {
  google_re2?: XdsTypeMatcher_RegexMatcher_GoogleRE2 | undefined;
  regex?: string | undefined;
};

/** xds.type.matcher.v3.RegexMatcher.GoogleRE2 */
export type XdsTypeMatcher_RegexMatcher_GoogleRE2 = { [field: string]: never };

/** xds.type.matcher.v3.StringMatcher */
export type XdsTypeMatcher_StringMatcher = {
  exact?: string | undefined;
  prefix?: string | undefined;
  suffix?: string | undefined;
  safe_regex?: XdsTypeMatcher_RegexMatcher | undefined;
  ignore_case?: boolean | undefined;
  contains?: string | undefined;
  custom?: XdsCore_TypedExtensionConfig | undefined;
};

/** xds.type.v3.TypedStruct */
export type Type_TypedStruct = {
  type_url?: string | undefined;
  value?: JsonObject | undefined;
};

/** Message types by full name. */
export interface MessageTypes {
  'envoy.admin.v3.BootstrapConfigDump': BootstrapConfigDump;
  'envoy.admin.v3.Certificate': Certificate;
  'envoy.admin.v3.CertificateDetails': CertificateDetails;
  'envoy.admin.v3.CertificateDetails.OcspDetails': CertificateDetails_OcspDetails;
  'envoy.admin.v3.Certificates': Certificates;
  'envoy.admin.v3.ClusterStatus': ClusterStatus;
  'envoy.admin.v3.Clusters': Clusters;
  'envoy.admin.v3.ClustersConfigDump': ClustersConfigDump;
  'envoy.admin.v3.ClustersConfigDump.DynamicCluster': ClustersConfigDump_DynamicCluster;
  'envoy.admin.v3.ClustersConfigDump.StaticCluster': ClustersConfigDump_StaticCluster;
  'envoy.admin.v3.CommandLineOptions': CommandLineOptions;
  'envoy.admin.v3.ConfigDump': ConfigDump;
  'envoy.admin.v3.EcdsConfigDump': EcdsConfigDump;
  'envoy.admin.v3.EcdsConfigDump.EcdsFilterConfig': EcdsConfigDump_EcdsFilterConfig;
  'envoy.admin.v3.EndpointsConfigDump': EndpointsConfigDump;
  'envoy.admin.v3.EndpointsConfigDump.DynamicEndpointConfig': EndpointsConfigDump_DynamicEndpointConfig;
  'envoy.admin.v3.EndpointsConfigDump.StaticEndpointConfig': EndpointsConfigDump_StaticEndpointConfig;
  'envoy.admin.v3.HostHealthStatus': HostHealthStatus;
  'envoy.admin.v3.HostStatus': HostStatus;
  'envoy.admin.v3.ListenerStatus': ListenerStatus;
  'envoy.admin.v3.Listeners': Listeners;
  'envoy.admin.v3.ListenersConfigDump': ListenersConfigDump;
  'envoy.admin.v3.ListenersConfigDump.DynamicListener': ListenersConfigDump_DynamicListener;
  'envoy.admin.v3.ListenersConfigDump.DynamicListenerState': ListenersConfigDump_DynamicListenerState;
  'envoy.admin.v3.ListenersConfigDump.StaticListener': ListenersConfigDump_StaticListener;
  'envoy.admin.v3.RoutesConfigDump': RoutesConfigDump;
  'envoy.admin.v3.RoutesConfigDump.DynamicRouteConfig': RoutesConfigDump_DynamicRouteConfig;
  'envoy.admin.v3.RoutesConfigDump.StaticRouteConfig': RoutesConfigDump_StaticRouteConfig;
  'envoy.admin.v3.ScopedRoutesConfigDump': ScopedRoutesConfigDump;
  'envoy.admin.v3.ScopedRoutesConfigDump.DynamicScopedRouteConfigs': ScopedRoutesConfigDump_DynamicScopedRouteConfigs;
  'envoy.admin.v3.ScopedRoutesConfigDump.InlineScopedRouteConfigs': ScopedRoutesConfigDump_InlineScopedRouteConfigs;
  'envoy.admin.v3.SecretsConfigDump': SecretsConfigDump;
  'envoy.admin.v3.SecretsConfigDump.DynamicSecret': SecretsConfigDump_DynamicSecret;
  'envoy.admin.v3.SecretsConfigDump.StaticSecret': SecretsConfigDump_StaticSecret;
  'envoy.admin.v3.ServerInfo': ServerInfo;
  'envoy.admin.v3.SimpleMetric': SimpleMetric;
  'envoy.admin.v3.SubjectAlternateName': SubjectAlternateName;
  'envoy.admin.v3.UpdateFailureState': UpdateFailureState;
  'envoy.config.accesslog.v3.AccessLog': AccessLog;
  'envoy.config.accesslog.v3.AccessLogFilter': AccessLogFilter;
  'envoy.config.accesslog.v3.AndFilter': AndFilter;
  'envoy.config.accesslog.v3.ComparisonFilter': ComparisonFilter;
  'envoy.config.accesslog.v3.DurationFilter': DurationFilter;
  'envoy.config.accesslog.v3.ExtensionFilter': ExtensionFilter;
  'envoy.config.accesslog.v3.GrpcStatusFilter': GrpcStatusFilter;
  'envoy.config.accesslog.v3.HeaderFilter': HeaderFilter;
  'envoy.config.accesslog.v3.LogTypeFilter': LogTypeFilter;
  'envoy.config.accesslog.v3.MetadataFilter': MetadataFilter;
  'envoy.config.accesslog.v3.NotHealthCheckFilter': NotHealthCheckFilter;
  'envoy.config.accesslog.v3.OrFilter': OrFilter;
  'envoy.config.accesslog.v3.ResponseFlagFilter': ResponseFlagFilter;
  'envoy.config.accesslog.v3.RuntimeFilter': RuntimeFilter;
  'envoy.config.accesslog.v3.StatusCodeFilter': StatusCodeFilter;
  'envoy.config.accesslog.v3.TraceableFilter': TraceableFilter;
  'envoy.config.bootstrap.v3.Admin': Admin;
  'envoy.config.bootstrap.v3.Bootstrap': Bootstrap;
  'envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig': Bootstrap_ApplicationLogConfig;
  'envoy.config.bootstrap.v3.Bootstrap.ApplicationLogConfig.LogFormat': Bootstrap_ApplicationLogConfig_LogFormat;
  'envoy.config.bootstrap.v3.Bootstrap.DeferredStatOptions': Bootstrap_DeferredStatOptions;
  'envoy.config.bootstrap.v3.Bootstrap.DynamicResources': Bootstrap_DynamicResources;
  'envoy.config.bootstrap.v3.Bootstrap.GrpcAsyncClientManagerConfig': Bootstrap_GrpcAsyncClientManagerConfig;
  'envoy.config.bootstrap.v3.Bootstrap.StaticResources': Bootstrap_StaticResources;
  'envoy.config.bootstrap.v3.ClusterManager': ClusterManager;
  'envoy.config.bootstrap.v3.ClusterManager.OutlierDetection': ClusterManager_OutlierDetection;
  'envoy.config.bootstrap.v3.CustomInlineHeader': CustomInlineHeader;
  'envoy.config.bootstrap.v3.FatalAction': FatalAction;
  'envoy.config.bootstrap.v3.LayeredRuntime': LayeredRuntime;
  'envoy.config.bootstrap.v3.MemoryAllocatorManager': MemoryAllocatorManager;
  'envoy.config.bootstrap.v3.RuntimeLayer': RuntimeLayer;
  'envoy.config.bootstrap.v3.RuntimeLayer.AdminLayer': RuntimeLayer_AdminLayer;
  'envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer': RuntimeLayer_DiskLayer;
  'envoy.config.bootstrap.v3.RuntimeLayer.RtdsLayer': RuntimeLayer_RtdsLayer;
  'envoy.config.bootstrap.v3.Watchdog': Watchdog;
  'envoy.config.bootstrap.v3.Watchdog.WatchdogAction': Watchdog_WatchdogAction;
  'envoy.config.bootstrap.v3.Watchdogs': Watchdogs;
  'envoy.config.cluster.v3.CircuitBreakers': CircuitBreakers;
  'envoy.config.cluster.v3.CircuitBreakers.Thresholds': CircuitBreakers_Thresholds;
  'envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget': CircuitBreakers_Thresholds_RetryBudget;
  'envoy.config.cluster.v3.Cluster': Cluster;
  'envoy.config.cluster.v3.Cluster.CommonLbConfig': Cluster_CommonLbConfig;
  'envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig': Cluster_CommonLbConfig_ConsistentHashingLbConfig;
  'envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig': Cluster_CommonLbConfig_LocalityWeightedLbConfig;
  'envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig': Cluster_CommonLbConfig_ZoneAwareLbConfig;
  'envoy.config.cluster.v3.Cluster.CustomClusterType': Cluster_CustomClusterType;
  'envoy.config.cluster.v3.Cluster.EdsClusterConfig': Cluster_EdsClusterConfig;
  'envoy.config.cluster.v3.Cluster.LbSubsetConfig': Cluster_LbSubsetConfig;
  'envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector': Cluster_LbSubsetConfig_LbSubsetSelector;
  'envoy.config.cluster.v3.Cluster.LeastRequestLbConfig': Cluster_LeastRequestLbConfig;
  'envoy.config.cluster.v3.Cluster.MaglevLbConfig': Cluster_MaglevLbConfig;
  'envoy.config.cluster.v3.Cluster.OriginalDstLbConfig': Cluster_OriginalDstLbConfig;
  'envoy.config.cluster.v3.Cluster.PreconnectPolicy': Cluster_PreconnectPolicy;
  'envoy.config.cluster.v3.Cluster.QueuingPolicies': Cluster_QueuingPolicies;
  'envoy.config.cluster.v3.Cluster.RefreshRate': Cluster_RefreshRate;
  'envoy.config.cluster.v3.Cluster.RingHashLbConfig': Cluster_RingHashLbConfig;
  'envoy.config.cluster.v3.Cluster.RoundRobinLbConfig': Cluster_RoundRobinLbConfig;
  'envoy.config.cluster.v3.Cluster.SlowStartConfig': Cluster_SlowStartConfig;
  'envoy.config.cluster.v3.Cluster.TransportSocketMatch': Cluster_TransportSocketMatch;
  'envoy.config.cluster.v3.Filter': Cluster_Filter;
  'envoy.config.cluster.v3.LoadBalancingPolicy': LoadBalancingPolicy;
  'envoy.config.cluster.v3.LoadBalancingPolicy.Policy': LoadBalancingPolicy_Policy;
  'envoy.config.cluster.v3.OutlierDetection': OutlierDetection;
  'envoy.config.cluster.v3.TrackClusterStats': TrackClusterStats;
  'envoy.config.cluster.v3.UpstreamConnectionOptions': UpstreamConnectionOptions;
  'envoy.config.cluster.v3.UpstreamConnectionOptions.HappyEyeballsConfig': UpstreamConnectionOptions_HappyEyeballsConfig;
  'envoy.config.common.matcher.v3.HttpGenericBodyMatch': Matcher_HttpGenericBodyMatch;
  'envoy.config.common.matcher.v3.HttpGenericBodyMatch.GenericTextMatch': Matcher_HttpGenericBodyMatch_GenericTextMatch;
  'envoy.config.common.matcher.v3.HttpHeadersMatch': Matcher_HttpHeadersMatch;
  'envoy.config.common.matcher.v3.MatchPredicate': Matcher_MatchPredicate;
  'envoy.config.common.matcher.v3.MatchPredicate.MatchSet': Matcher_MatchPredicate_MatchSet;
  'envoy.config.common.mutation_rules.v3.HeaderMutation': MutationRules_HeaderMutation;
  'envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch': HeaderMutation_RemoveOnMatch;
  'envoy.config.core.v3.Address': Address;
  'envoy.config.core.v3.AggregatedConfigSource': AggregatedConfigSource;
  'envoy.config.core.v3.AlternateProtocolsCacheOptions': AlternateProtocolsCacheOptions;
  'envoy.config.core.v3.AlternateProtocolsCacheOptions.AlternateProtocolsCacheEntry': AlternateProtocolsCacheOptions_AlternateProtocolsCacheEntry;
  'envoy.config.core.v3.ApiConfigSource': ApiConfigSource;
  'envoy.config.core.v3.BackoffStrategy': BackoffStrategy;
  'envoy.config.core.v3.BindConfig': BindConfig;
  'envoy.config.core.v3.BuildVersion': BuildVersion;
  'envoy.config.core.v3.CelExpressionConfig': CelExpressionConfig;
  'envoy.config.core.v3.CidrRange': CidrRange;
  'envoy.config.core.v3.ConfigSource': ConfigSource;
  'envoy.config.core.v3.ControlPlane': ControlPlane;
  'envoy.config.core.v3.DataSource': DataSource;
  'envoy.config.core.v3.DnsResolutionConfig': DnsResolutionConfig;
  'envoy.config.core.v3.DnsResolverOptions': DnsResolverOptions;
  'envoy.config.core.v3.EnvoyInternalAddress': EnvoyInternalAddress;
  'envoy.config.core.v3.EventServiceConfig': EventServiceConfig;
  'envoy.config.core.v3.Extension': Extension;
  'envoy.config.core.v3.ExtensionConfigSource': ExtensionConfigSource;
  'envoy.config.core.v3.ExtraSourceAddress': ExtraSourceAddress;
  'envoy.config.core.v3.GrpcService': GrpcService;
  'envoy.config.core.v3.GrpcService.EnvoyGrpc': GrpcService_EnvoyGrpc;
  'envoy.config.core.v3.GrpcService.GoogleGrpc': GrpcService_GoogleGrpc;
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials': GrpcService_GoogleGrpc_CallCredentials;
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.GoogleIAMCredentials': GrpcService_GoogleGrpc_CallCredentials_GoogleIAMCredentials;
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.MetadataCredentialsFromPlugin': GrpcService_GoogleGrpc_CallCredentials_MetadataCredentialsFromPlugin;
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.ServiceAccountJWTAccessCredentials': GrpcService_GoogleGrpc_CallCredentials_ServiceAccountJWTAccessCredentials;
  'envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.StsService': GrpcService_GoogleGrpc_CallCredentials_StsService;
  'envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelArgs': GrpcService_GoogleGrpc_ChannelArgs;
  'envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelArgs.Value': GrpcService_GoogleGrpc_ChannelArgs_Value;
  'envoy.config.core.v3.GrpcService.GoogleGrpc.ChannelCredentials': GrpcService_GoogleGrpc_ChannelCredentials;
  'envoy.config.core.v3.GrpcService.GoogleGrpc.GoogleLocalCredentials': GrpcService_GoogleGrpc_GoogleLocalCredentials;
  'envoy.config.core.v3.GrpcService.GoogleGrpc.SslCredentials': GrpcService_GoogleGrpc_SslCredentials;
  'envoy.config.core.v3.HeaderValue': HeaderValue;
  'envoy.config.core.v3.HeaderValueOption': HeaderValueOption;
  'envoy.config.core.v3.HealthCheck': HealthCheck;
  'envoy.config.core.v3.HealthCheck.CustomHealthCheck': HealthCheck_CustomHealthCheck;
  'envoy.config.core.v3.HealthCheck.GrpcHealthCheck': HealthCheck_GrpcHealthCheck;
  'envoy.config.core.v3.HealthCheck.HttpHealthCheck': HealthCheck_HttpHealthCheck;
  'envoy.config.core.v3.HealthCheck.Payload': HealthCheck_Payload;
  'envoy.config.core.v3.HealthCheck.TcpHealthCheck': HealthCheck_TcpHealthCheck;
  'envoy.config.core.v3.HealthCheck.TlsOptions': HealthCheck_TlsOptions;
  'envoy.config.core.v3.HealthStatusSet': HealthStatusSet;
  'envoy.config.core.v3.Http1ProtocolOptions': Http1ProtocolOptions;
  'envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat': Http1ProtocolOptions_HeaderKeyFormat;
  'envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords': Http1ProtocolOptions_HeaderKeyFormat_ProperCaseWords;
  'envoy.config.core.v3.Http2ProtocolOptions': Http2ProtocolOptions;
  'envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter': Http2ProtocolOptions_SettingsParameter;
  'envoy.config.core.v3.Http3ProtocolOptions': Http3ProtocolOptions;
  'envoy.config.core.v3.HttpProtocolOptions': HttpProtocolOptions;
  'envoy.config.core.v3.HttpService': HttpService;
  'envoy.config.core.v3.HttpUri': HttpUri;
  'envoy.config.core.v3.JsonFormatOptions': JsonFormatOptions;
  'envoy.config.core.v3.KeepaliveSettings': KeepaliveSettings;
  'envoy.config.core.v3.KeyValue': KeyValue;
  'envoy.config.core.v3.KeyValueAppend': KeyValueAppend;
  'envoy.config.core.v3.KeyValueMutation': KeyValueMutation;
  'envoy.config.core.v3.KeyValuePair': KeyValuePair;
  'envoy.config.core.v3.Locality': Locality;
  'envoy.config.core.v3.Metadata': Metadata;
  'envoy.config.core.v3.Node': Node;
  'envoy.config.core.v3.PathConfigSource': PathConfigSource;
  'envoy.config.core.v3.Pipe': Pipe;
  'envoy.config.core.v3.ProxyProtocolConfig': ProxyProtocolConfig;
  'envoy.config.core.v3.ProxyProtocolPassThroughTLVs': ProxyProtocolPassThroughTLVs;
  'envoy.config.core.v3.QuicKeepAliveSettings': QuicKeepAliveSettings;
  'envoy.config.core.v3.QuicProtocolOptions': Core_QuicProtocolOptions;
  'envoy.config.core.v3.QuicProtocolOptions.ConnectionMigrationSettings': QuicProtocolOptions_ConnectionMigrationSettings;
  'envoy.config.core.v3.QuicProtocolOptions.ConnectionMigrationSettings.MigrateIdleConnectionSettings': QuicProtocolOptions_ConnectionMigrationSettings_MigrateIdleConnectionSettings;
  'envoy.config.core.v3.RateLimitSettings': RateLimitSettings;
  'envoy.config.core.v3.RetryPolicy': Core_RetryPolicy;
  'envoy.config.core.v3.RetryPolicy.RetryHostPredicate': Core_RetryPolicy_RetryHostPredicate;
  'envoy.config.core.v3.RetryPolicy.RetryPriority': Core_RetryPolicy_RetryPriority;
  'envoy.config.core.v3.RuntimeDouble': RuntimeDouble;
  'envoy.config.core.v3.RuntimeFeatureFlag': RuntimeFeatureFlag;
  'envoy.config.core.v3.RuntimeFractionalPercent': RuntimeFractionalPercent;
  'envoy.config.core.v3.RuntimeUInt32': RuntimeUInt32;
  'envoy.config.core.v3.SchemeHeaderTransformation': SchemeHeaderTransformation;
  'envoy.config.core.v3.SelfConfigSource': SelfConfigSource;
  'envoy.config.core.v3.SocketAddress': SocketAddress;
  'envoy.config.core.v3.SocketCmsgHeaders': SocketCmsgHeaders;
  'envoy.config.core.v3.SocketOption': SocketOption;
  'envoy.config.core.v3.SocketOption.SocketType': SocketOption_SocketType;
  'envoy.config.core.v3.SocketOption.SocketType.Datagram': SocketOption_SocketType_Datagram;
  'envoy.config.core.v3.SocketOption.SocketType.Stream': SocketOption_SocketType_Stream;
  'envoy.config.core.v3.SocketOptionsOverride': SocketOptionsOverride;
  'envoy.config.core.v3.SubstitutionFormatString': SubstitutionFormatString;
  'envoy.config.core.v3.TcpKeepalive': TcpKeepalive;
  'envoy.config.core.v3.TlvEntry': TlvEntry;
  'envoy.config.core.v3.TransportSocket': TransportSocket;
  'envoy.config.core.v3.TypedExtensionConfig': TypedExtensionConfig;
  'envoy.config.core.v3.UdpSocketConfig': UdpSocketConfig;
  'envoy.config.core.v3.UpstreamHttpProtocolOptions': UpstreamHttpProtocolOptions;
  'envoy.config.core.v3.WatchedDirectory': WatchedDirectory;
  'envoy.config.endpoint.v3.ClusterLoadAssignment': ClusterLoadAssignment;
  'envoy.config.endpoint.v3.ClusterLoadAssignment.Policy': ClusterLoadAssignment_Policy;
  'envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload': ClusterLoadAssignment_Policy_DropOverload;
  'envoy.config.endpoint.v3.ClusterStats': ClusterStats;
  'envoy.config.endpoint.v3.ClusterStats.DroppedRequests': ClusterStats_DroppedRequests;
  'envoy.config.endpoint.v3.Endpoint': Endpoint;
  'envoy.config.endpoint.v3.Endpoint.AdditionalAddress': Endpoint_AdditionalAddress;
  'envoy.config.endpoint.v3.Endpoint.HealthCheckConfig': Endpoint_HealthCheckConfig;
  'envoy.config.endpoint.v3.EndpointLoadMetricStats': EndpointLoadMetricStats;
  'envoy.config.endpoint.v3.LbEndpoint': LbEndpoint;
  'envoy.config.endpoint.v3.LedsClusterLocalityConfig': LedsClusterLocalityConfig;
  'envoy.config.endpoint.v3.LocalityLbEndpoints': LocalityLbEndpoints;
  'envoy.config.endpoint.v3.LocalityLbEndpoints.LbEndpointList': LocalityLbEndpoints_LbEndpointList;
  'envoy.config.endpoint.v3.UnnamedEndpointLoadMetricStats': UnnamedEndpointLoadMetricStats;
  'envoy.config.endpoint.v3.UpstreamEndpointStats': UpstreamEndpointStats;
  'envoy.config.endpoint.v3.UpstreamLocalityStats': UpstreamLocalityStats;
  'envoy.config.grpc_credential.v3.FileBasedMetadataConfig': FileBasedMetadataConfig;
  'envoy.config.listener.v3.AdditionalAddress': AdditionalAddress;
  'envoy.config.listener.v3.ApiListener': ApiListener;
  'envoy.config.listener.v3.Filter': Filter;
  'envoy.config.listener.v3.FilterChain': FilterChain;
  'envoy.config.listener.v3.FilterChainMatch': FilterChainMatch;
  'envoy.config.listener.v3.Listener': Listener;
  'envoy.config.listener.v3.Listener.ConnectionBalanceConfig': Listener_ConnectionBalanceConfig;
  'envoy.config.listener.v3.Listener.ConnectionBalanceConfig.CpuLocalityBalance': Listener_ConnectionBalanceConfig_CpuLocalityBalance;
  'envoy.config.listener.v3.Listener.ConnectionBalanceConfig.ExactBalance': Listener_ConnectionBalanceConfig_ExactBalance;
  'envoy.config.listener.v3.Listener.DeprecatedV1': Listener_DeprecatedV1;
  'envoy.config.listener.v3.Listener.FcdsConfig': Listener_FcdsConfig;
  'envoy.config.listener.v3.Listener.InternalListenerConfig': Listener_InternalListenerConfig;
  'envoy.config.listener.v3.ListenerFilter': ListenerFilter;
  'envoy.config.listener.v3.ListenerFilterChainMatchPredicate': ListenerFilterChainMatchPredicate;
  'envoy.config.listener.v3.ListenerFilterChainMatchPredicate.MatchSet': ListenerFilterChainMatchPredicate_MatchSet;
  'envoy.config.listener.v3.QuicProtocolOptions': QuicProtocolOptions;
  'envoy.config.listener.v3.UdpListenerConfig': UdpListenerConfig;
  'envoy.config.metrics.v3.HistogramBucketSettings': HistogramBucketSettings;
  'envoy.config.metrics.v3.StatsConfig': StatsConfig;
  'envoy.config.metrics.v3.StatsMatcher': StatsMatcher;
  'envoy.config.metrics.v3.StatsSink': StatsSink;
  'envoy.config.metrics.v3.TagSpecifier': TagSpecifier;
  'envoy.config.overload.v3.BufferFactoryConfig': BufferFactoryConfig;
  'envoy.config.overload.v3.LoadShedPoint': LoadShedPoint;
  'envoy.config.overload.v3.OverloadAction': OverloadAction;
  'envoy.config.overload.v3.OverloadManager': OverloadManager;
  'envoy.config.overload.v3.ResourceMonitor': ResourceMonitor;
  'envoy.config.overload.v3.ScaledTrigger': ScaledTrigger;
  'envoy.config.overload.v3.ThresholdTrigger': ThresholdTrigger;
  'envoy.config.overload.v3.Trigger': Trigger;
  'envoy.config.rbac.v3.Permission': Permission;
  'envoy.config.rbac.v3.Permission.Set': Permission_Set;
  'envoy.config.rbac.v3.Policy': Policy;
  'envoy.config.rbac.v3.Principal': Principal;
  'envoy.config.rbac.v3.Principal.Authenticated': Principal_Authenticated;
  'envoy.config.rbac.v3.Principal.Set': Principal_Set;
  'envoy.config.rbac.v3.RBAC': ConfigRbac_RBAC;
  'envoy.config.rbac.v3.RBAC.AuditLoggingOptions': RBAC_AuditLoggingOptions;
  'envoy.config.rbac.v3.RBAC.AuditLoggingOptions.AuditLoggerConfig': RBAC_AuditLoggingOptions_AuditLoggerConfig;
  'envoy.config.rbac.v3.SourcedMetadata': SourcedMetadata;
  'envoy.config.route.v3.ClusterSpecifierPlugin': ClusterSpecifierPlugin;
  'envoy.config.route.v3.CookieMatcher': CookieMatcher;
  'envoy.config.route.v3.CorsPolicy': CorsPolicy;
  'envoy.config.route.v3.Decorator': Decorator;
  'envoy.config.route.v3.DirectResponseAction': DirectResponseAction;
  'envoy.config.route.v3.FilterAction': FilterAction;
  'envoy.config.route.v3.HeaderMatcher': HeaderMatcher;
  'envoy.config.route.v3.HedgePolicy': HedgePolicy;
  'envoy.config.route.v3.InternalRedirectPolicy': InternalRedirectPolicy;
  'envoy.config.route.v3.NonForwardingAction': NonForwardingAction;
  'envoy.config.route.v3.QueryParameterMatcher': QueryParameterMatcher;
  'envoy.config.route.v3.RateLimit': RateLimit;
  'envoy.config.route.v3.RateLimit.Action': RateLimit_Action;
  'envoy.config.route.v3.RateLimit.Action.DestinationCluster': RateLimit_Action_DestinationCluster;
  'envoy.config.route.v3.RateLimit.Action.DynamicMetaData': RateLimit_Action_DynamicMetaData;
  'envoy.config.route.v3.RateLimit.Action.GenericKey': RateLimit_Action_GenericKey;
  'envoy.config.route.v3.RateLimit.Action.HeaderValueMatch': RateLimit_Action_HeaderValueMatch;
  'envoy.config.route.v3.RateLimit.Action.MaskedRemoteAddress': RateLimit_Action_MaskedRemoteAddress;
  'envoy.config.route.v3.RateLimit.Action.MetaData': RateLimit_Action_MetaData;
  'envoy.config.route.v3.RateLimit.Action.QueryParameterValueMatch': RateLimit_Action_QueryParameterValueMatch;
  'envoy.config.route.v3.RateLimit.Action.QueryParameters': RateLimit_Action_QueryParameters;
  'envoy.config.route.v3.RateLimit.Action.RemoteAddress': RateLimit_Action_RemoteAddress;
  'envoy.config.route.v3.RateLimit.Action.RemoteAddressMatch': RateLimit_Action_RemoteAddressMatch;
  'envoy.config.route.v3.RateLimit.Action.RequestHeaders': RateLimit_Action_RequestHeaders;
  'envoy.config.route.v3.RateLimit.Action.SourceCluster': RateLimit_Action_SourceCluster;
  'envoy.config.route.v3.RateLimit.HitsAddend': RateLimit_HitsAddend;
  'envoy.config.route.v3.RateLimit.Override': RateLimit_Override;
  'envoy.config.route.v3.RateLimit.Override.DynamicMetadata': RateLimit_Override_DynamicMetadata;
  'envoy.config.route.v3.RateLimit.Override.RateLimitOverride': RateLimit_Override_RateLimitOverride;
  'envoy.config.route.v3.RedirectAction': RedirectAction;
  'envoy.config.route.v3.RetryPolicy': RetryPolicy;
  'envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff': RetryPolicy_RateLimitedRetryBackOff;
  'envoy.config.route.v3.RetryPolicy.ResetHeader': RetryPolicy_ResetHeader;
  'envoy.config.route.v3.RetryPolicy.RetryBackOff': RetryPolicy_RetryBackOff;
  'envoy.config.route.v3.RetryPolicy.RetryHostPredicate': RetryPolicy_RetryHostPredicate;
  'envoy.config.route.v3.RetryPolicy.RetryPriority': RetryPolicy_RetryPriority;
  'envoy.config.route.v3.Route': Route;
  'envoy.config.route.v3.RouteAction': RouteAction;
  'envoy.config.route.v3.RouteAction.HashPolicy': RouteAction_HashPolicy;
  'envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties': RouteAction_HashPolicy_ConnectionProperties;
  'envoy.config.route.v3.RouteAction.HashPolicy.Cookie': RouteAction_HashPolicy_Cookie;
  'envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute': RouteAction_HashPolicy_CookieAttribute;
  'envoy.config.route.v3.RouteAction.HashPolicy.FilterState': RouteAction_HashPolicy_FilterState;
  'envoy.config.route.v3.RouteAction.HashPolicy.Header': RouteAction_HashPolicy_Header;
  'envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter': RouteAction_HashPolicy_QueryParameter;
  'envoy.config.route.v3.RouteAction.MaxStreamDuration': RouteAction_MaxStreamDuration;
  'envoy.config.route.v3.RouteAction.RequestMirrorPolicy': RouteAction_RequestMirrorPolicy;
  'envoy.config.route.v3.RouteAction.UpgradeConfig': RouteAction_UpgradeConfig;
  'envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig': RouteAction_UpgradeConfig_ConnectConfig;
  'envoy.config.route.v3.RouteConfiguration': RouteConfiguration;
  'envoy.config.route.v3.RouteMatch': RouteMatch;
  'envoy.config.route.v3.RouteMatch.ConnectMatcher': RouteMatch_ConnectMatcher;
  'envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions': RouteMatch_GrpcRouteMatchOptions;
  'envoy.config.route.v3.RouteMatch.TlsContextMatchOptions': RouteMatch_TlsContextMatchOptions;
  'envoy.config.route.v3.ScopedRouteConfiguration': ScopedRouteConfiguration;
  'envoy.config.route.v3.ScopedRouteConfiguration.Key': ScopedRouteConfiguration_Key;
  'envoy.config.route.v3.ScopedRouteConfiguration.Key.Fragment': ScopedRouteConfiguration_Key_Fragment;
  'envoy.config.route.v3.Tracing': Tracing;
  'envoy.config.route.v3.Vhds': Vhds;
  'envoy.config.route.v3.VirtualCluster': VirtualCluster;
  'envoy.config.route.v3.VirtualHost': VirtualHost;
  'envoy.config.route.v3.WeightedCluster': WeightedCluster;
  'envoy.config.route.v3.WeightedCluster.ClusterWeight': WeightedCluster_ClusterWeight;
  'envoy.config.trace.v3.Tracing': Trace_Tracing;
  'envoy.config.trace.v3.Tracing.Http': Tracing_Http;
  'envoy.extensions.access_loggers.file.v3.FileAccessLog': FileAccessLog;
  'envoy.extensions.access_loggers.grpc.v3.CommonGrpcAccessLogConfig': CommonGrpcAccessLogConfig;
  'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig': HttpGrpcAccessLogConfig;
  'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig': TcpGrpcAccessLogConfig;
  'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig': OpenTelemetryAccessLogConfig;
  'envoy.extensions.access_loggers.stream.v3.StderrAccessLog': StderrAccessLog;
  'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog': StdoutAccessLog;
  'envoy.extensions.common.ratelimit.v3.LocalClusterRateLimit': LocalClusterRateLimit;
  'envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor': LocalRateLimitDescriptor;
  'envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry': RateLimitDescriptor_Entry;
  'envoy.extensions.filters.common.fault.v3.FaultDelay': FaultDelay;
  'envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay': FaultDelay_HeaderDelay;
  'envoy.extensions.filters.common.fault.v3.FaultRateLimit': FaultRateLimit;
  'envoy.extensions.filters.common.fault.v3.FaultRateLimit.FixedLimit': FaultRateLimit_FixedLimit;
  'envoy.extensions.filters.common.fault.v3.FaultRateLimit.HeaderLimit': FaultRateLimit_HeaderLimit;
  'envoy.extensions.filters.http.cors.v3.Cors': Cors;
  'envoy.extensions.filters.http.cors.v3.CorsPolicy': Cors_CorsPolicy;
  'envoy.extensions.filters.http.fault.v3.FaultAbort': FaultAbort;
  'envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort': FaultAbort_HeaderAbort;
  'envoy.extensions.filters.http.fault.v3.HTTPFault': HTTPFault;
  'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation': HttpHeaderMutation_HeaderMutation;
  'envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute': HeaderMutationPerRoute;
  'envoy.extensions.filters.http.header_mutation.v3.Mutations': Mutations;
  'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit': HttpLocalRatelimit_LocalRateLimit;
  'envoy.extensions.filters.http.rbac.v3.RBAC': HttpRbac_RBAC;
  'envoy.extensions.filters.http.rbac.v3.RBACPerRoute': RBACPerRoute;
  'envoy.extensions.filters.http.router.v3.Router': HttpRouter_Router;
  'envoy.extensions.filters.http.router.v3.Router.UpstreamAccessLogOptions': Router_UpstreamAccessLogOptions;
  'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector': HttpInspector;
  'envoy.extensions.filters.listener.original_dst.v3.OriginalDst': OriginalDst;
  'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol': ProxyProtocol;
  'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.KeyValuePair': ProxyProtocol_KeyValuePair;
  'envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.Rule': ProxyProtocol_Rule;
  'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector': TlsInspector;
  'envoy.extensions.filters.network.http_connection_manager.v3.ForwardProtoConfig': ForwardProtoConfig;
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': HttpConnectionManager;
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.HcmAccessLogOptions': HttpConnectionManager_HcmAccessLogOptions;
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig': HttpConnectionManager_InternalAddressConfig;
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.PathNormalizationOptions': HttpConnectionManager_PathNormalizationOptions;
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ProxyStatusConfig': HttpConnectionManager_ProxyStatusConfig;
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails': HttpConnectionManager_SetCurrentClientCertDetails;
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing': HttpConnectionManager_Tracing;
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig': HttpConnectionManager_UpgradeConfig;
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter': HttpFilter;
  'envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig': LocalReplyConfig;
  'envoy.extensions.filters.network.http_connection_manager.v3.Rds': Rds;
  'envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension': RequestIDExtension;
  'envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper': ResponseMapper;
  'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRds': ScopedRds;
  'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRouteConfigurationsList': ScopedRouteConfigurationsList;
  'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes': ScopedRoutes;
  'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder': ScopedRoutes_ScopeKeyBuilder;
  'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder': ScopedRoutes_ScopeKeyBuilder_FragmentBuilder;
  'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor': ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor;
  'envoy.extensions.filters.network.http_connection_manager.v3.ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor.KvElement': ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor_KvElement;
  'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit': NetworkLocalRatelimit_LocalRateLimit;
  'envoy.extensions.filters.network.rbac.v3.RBAC': NetworkRbac_RBAC;
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy': TcpProxy;
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.OnDemand': TcpProxy_OnDemand;
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions': TcpProxy_TcpAccessLogOptions;
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig': TcpProxy_TunnelingConfig;
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster': TcpProxy_WeightedCluster;
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight': TcpProxy_WeightedCluster_ClusterWeight;
  'envoy.extensions.filters.udp.udp_proxy.v3.Route': UdpProxy_Route;
  'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig': UdpProxyConfig;
  'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.HashPolicy': UdpProxyConfig_HashPolicy;
  'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.SessionFilter': UdpProxyConfig_SessionFilter;
  'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpAccessLogOptions': UdpProxyConfig_UdpAccessLogOptions;
  'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig': UdpProxyConfig_UdpTunnelingConfig;
  'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig.BufferOptions': UdpProxyConfig_UdpTunnelingConfig_BufferOptions;
  'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig.UdpTunnelingConfig.RetryOptions': UdpProxyConfig_UdpTunnelingConfig_RetryOptions;
  'envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig': LocalityLbConfig;
  'envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.LocalityWeightedLbConfig': LocalityLbConfig_LocalityWeightedLbConfig;
  'envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig': LocalityLbConfig_ZoneAwareLbConfig;
  'envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig.ZoneAwareLbConfig.ForceLocalZone': LocalityLbConfig_ZoneAwareLbConfig_ForceLocalZone;
  'envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig': SlowStartConfig;
  'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest': LeastRequest;
  'envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin': RoundRobin;
  'envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig': UuidRequestIdConfig;
  'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate': PreviousHostsPredicate;
  'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer': RawBuffer;
  'envoy.extensions.transport_sockets.tls.v3.CertificateProviderPluginInstance': CertificateProviderPluginInstance;
  'envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext': CertificateValidationContext;
  'envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.SystemRootCerts': CertificateValidationContext_SystemRootCerts;
  'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext': CommonTlsContext;
  'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CertificateProvider': CommonTlsContext_CertificateProvider;
  'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CertificateProviderInstance': CommonTlsContext_CertificateProviderInstance;
  'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext': CommonTlsContext_CombinedCertificateValidationContext;
  'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext': DownstreamTlsContext;
  'envoy.extensions.transport_sockets.tls.v3.GenericSecret': Tls_GenericSecret;
  'envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider': PrivateKeyProvider;
  'envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig': SdsSecretConfig;
  'envoy.extensions.transport_sockets.tls.v3.Secret': Secret;
  'envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher': SubjectAltNameMatcher;
  'envoy.extensions.transport_sockets.tls.v3.TlsCertificate': TlsCertificate;
  'envoy.extensions.transport_sockets.tls.v3.TlsKeyLog': TlsKeyLog;
  'envoy.extensions.transport_sockets.tls.v3.TlsParameters': TlsParameters;
  'envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys': TlsSessionTicketKeys;
  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext': UpstreamTlsContext;
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': Http_HttpProtocolOptions;
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig': HttpProtocolOptions_AutoHttpConfig;
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig': HttpProtocolOptions_ExplicitHttpConfig;
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.OutlierDetection': HttpProtocolOptions_OutlierDetection;
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig': HttpProtocolOptions_UseDownstreamHttpConfig;
  'envoy.service.discovery.v3.DeltaDiscoveryRequest': DeltaDiscoveryRequest;
  'envoy.service.discovery.v3.DeltaDiscoveryResponse': DeltaDiscoveryResponse;
  'envoy.service.discovery.v3.DiscoveryRequest': DiscoveryRequest;
  'envoy.service.discovery.v3.DiscoveryResponse': DiscoveryResponse;
  'envoy.service.discovery.v3.DynamicParameterConstraints': DynamicParameterConstraints;
  'envoy.service.discovery.v3.DynamicParameterConstraints.ConstraintList': DynamicParameterConstraints_ConstraintList;
  'envoy.service.discovery.v3.DynamicParameterConstraints.SingleConstraint': DynamicParameterConstraints_SingleConstraint;
  'envoy.service.discovery.v3.DynamicParameterConstraints.SingleConstraint.Exists': DynamicParameterConstraints_SingleConstraint_Exists;
  'envoy.service.discovery.v3.Resource': Resource;
  'envoy.service.discovery.v3.Resource.CacheControl': Resource_CacheControl;
  'envoy.service.discovery.v3.ResourceError': ResourceError;
  'envoy.service.discovery.v3.ResourceLocator': ResourceLocator;
  'envoy.service.discovery.v3.ResourceName': ResourceName;
  'envoy.service.load_stats.v3.LoadStatsRequest': LoadStatsRequest;
  'envoy.service.load_stats.v3.LoadStatsResponse': LoadStatsResponse;
  'envoy.type.http.v3.PathTransformation': PathTransformation;
  'envoy.type.http.v3.PathTransformation.Operation': PathTransformation_Operation;
  'envoy.type.http.v3.PathTransformation.Operation.MergeSlashes': PathTransformation_Operation_MergeSlashes;
  'envoy.type.http.v3.PathTransformation.Operation.NormalizePathRFC3986': PathTransformation_Operation_NormalizePathRFC3986;
  'envoy.type.matcher.v3.AddressMatcher': AddressMatcher;
  'envoy.type.matcher.v3.DoubleMatcher': DoubleMatcher;
  'envoy.type.matcher.v3.FilterStateMatcher': FilterStateMatcher;
  'envoy.type.matcher.v3.ListMatcher': ListMatcher;
  'envoy.type.matcher.v3.ListStringMatcher': ListStringMatcher;
  'envoy.type.matcher.v3.MetadataMatcher': MetadataMatcher;
  'envoy.type.matcher.v3.MetadataMatcher.PathSegment': MetadataMatcher_PathSegment;
  'envoy.type.matcher.v3.OrMatcher': OrMatcher;
  'envoy.type.matcher.v3.PathMatcher': PathMatcher;
  'envoy.type.matcher.v3.RegexMatchAndSubstitute': RegexMatchAndSubstitute;
  'envoy.type.matcher.v3.RegexMatcher': RegexMatcher;
  'envoy.type.matcher.v3.RegexMatcher.GoogleRE2': RegexMatcher_GoogleRE2;
  'envoy.type.matcher.v3.StringMatcher': StringMatcher;
  'envoy.type.matcher.v3.ValueMatcher': ValueMatcher;
  'envoy.type.matcher.v3.ValueMatcher.NullMatch': ValueMatcher_NullMatch;
  'envoy.type.metadata.v3.MetadataKey': MetadataKey;
  'envoy.type.metadata.v3.MetadataKey.PathSegment': MetadataKey_PathSegment;
  'envoy.type.metadata.v3.MetadataKind': MetadataKind;
  'envoy.type.metadata.v3.MetadataKind.Cluster': MetadataKind_Cluster;
  'envoy.type.metadata.v3.MetadataKind.Host': MetadataKind_Host;
  'envoy.type.metadata.v3.MetadataKind.Request': MetadataKind_Request;
  'envoy.type.metadata.v3.MetadataKind.Route': MetadataKind_Route;
  'envoy.type.tracing.v3.CustomTag': CustomTag;
  'envoy.type.tracing.v3.CustomTag.Environment': CustomTag_Environment;
  'envoy.type.tracing.v3.CustomTag.Header': CustomTag_Header;
  'envoy.type.tracing.v3.CustomTag.Literal': CustomTag_Literal;
  'envoy.type.tracing.v3.CustomTag.Metadata': CustomTag_Metadata;
  'envoy.type.v3.DoubleRange': DoubleRange;
  'envoy.type.v3.FractionalPercent': FractionalPercent;
  'envoy.type.v3.HashPolicy': HashPolicy;
  'envoy.type.v3.HashPolicy.FilterState': HashPolicy_FilterState;
  'envoy.type.v3.HashPolicy.SourceIp': HashPolicy_SourceIp;
  'envoy.type.v3.HttpStatus': HttpStatus;
  'envoy.type.v3.Int32Range': Int32Range;
  'envoy.type.v3.Int64Range': Int64Range;
  'envoy.type.v3.Percent': Percent;
  'envoy.type.v3.SemanticVersion': SemanticVersion;
  'envoy.type.v3.TokenBucket': TokenBucket;
  'google.api.expr.v1alpha1.CheckedExpr': CheckedExpr;
  'google.api.expr.v1alpha1.Constant': Constant;
  'google.api.expr.v1alpha1.Expr': Expr;
  'google.api.expr.v1alpha1.Expr.Call': Expr_Call;
  'google.api.expr.v1alpha1.Expr.Comprehension': Expr_Comprehension;
  'google.api.expr.v1alpha1.Expr.CreateList': Expr_CreateList;
  'google.api.expr.v1alpha1.Expr.CreateStruct': Expr_CreateStruct;
  'google.api.expr.v1alpha1.Expr.CreateStruct.Entry': Expr_CreateStruct_Entry;
  'google.api.expr.v1alpha1.Expr.Ident': Expr_Ident;
  'google.api.expr.v1alpha1.Expr.Select': Expr_Select;
  'google.api.expr.v1alpha1.Reference': Reference;
  'google.api.expr.v1alpha1.SourceInfo': SourceInfo;
  'google.api.expr.v1alpha1.SourceInfo.Extension': SourceInfo_Extension;
  'google.api.expr.v1alpha1.SourceInfo.Extension.Version': SourceInfo_Extension_Version;
  'google.api.expr.v1alpha1.Type': V1alpha1_Type;
  'google.api.expr.v1alpha1.Type.AbstractType': Type_AbstractType;
  'google.api.expr.v1alpha1.Type.FunctionType': Type_FunctionType;
  'google.api.expr.v1alpha1.Type.ListType': Type_ListType;
  'google.api.expr.v1alpha1.Type.MapType': Type_MapType;
  'google.protobuf.Any': Any;
  'google.protobuf.Duration': Duration;
  'google.protobuf.Empty': Empty;
  'google.protobuf.ListValue': JsonValue[];
  'google.protobuf.Struct': JsonObject;
  'google.protobuf.Timestamp': Timestamp;
  'google.protobuf.Value': JsonValue;
  'google.rpc.Status': Status;
  'grpc.health.v1.HealthCheckRequest': V1_HealthCheckRequest;
  'grpc.health.v1.HealthCheckResponse': HealthCheckResponse;
  'heddle.certificate_client.v1.CertificateClient': Heddle_CertificateClient;
  'istio.v1.auth.IstioCertificateRequest': Istio_IstioCertificateRequest;
  'istio.v1.auth.IstioCertificateResponse': Istio_IstioCertificateResponse;
  'opentelemetry.proto.common.v1.AnyValue': Opentelemetry_AnyValue;
  'opentelemetry.proto.common.v1.ArrayValue': Opentelemetry_ArrayValue;
  'opentelemetry.proto.common.v1.KeyValue': Opentelemetry_KeyValue;
  'opentelemetry.proto.common.v1.KeyValueList': Opentelemetry_KeyValueList;
  'udpa.type.v1.TypedStruct': V1_TypedStruct;
  'xds.core.v3.Authority': Authority;
  'xds.core.v3.CidrRange': XdsCore_CidrRange;
  'xds.core.v3.ContextParams': ContextParams;
  'xds.core.v3.TypedExtensionConfig': XdsCore_TypedExtensionConfig;
  'xds.data.orca.v3.OrcaLoadReport': Orca_OrcaLoadReport;
  'xds.type.matcher.v3.Matcher': Matcher;
  'xds.type.matcher.v3.Matcher.MatcherList': Matcher_MatcherList;
  'xds.type.matcher.v3.Matcher.MatcherList.FieldMatcher': Matcher_MatcherList_FieldMatcher;
  'xds.type.matcher.v3.Matcher.MatcherList.Predicate': Matcher_MatcherList_Predicate;
  'xds.type.matcher.v3.Matcher.MatcherList.Predicate.PredicateList': Matcher_MatcherList_Predicate_PredicateList;
  'xds.type.matcher.v3.Matcher.MatcherList.Predicate.SinglePredicate': Matcher_MatcherList_Predicate_SinglePredicate;
  'xds.type.matcher.v3.Matcher.MatcherTree': Matcher_MatcherTree;
  'xds.type.matcher.v3.Matcher.MatcherTree.MatchMap': Matcher_MatcherTree_MatchMap;
  'xds.type.matcher.v3.Matcher.OnMatch': Matcher_OnMatch;
  'xds.type.matcher.v3.RegexMatcher': XdsTypeMatcher_RegexMatcher;
  'xds.type.matcher.v3.RegexMatcher.GoogleRE2': XdsTypeMatcher_RegexMatcher_GoogleRE2;
  'xds.type.matcher.v3.StringMatcher': XdsTypeMatcher_StringMatcher;
  'xds.type.v3.TypedStruct': Type_TypedStruct;
}
