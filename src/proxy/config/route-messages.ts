// The protobuf messages of a route configuration as decoding sees them: plain objects, snake_case, unset fields absent.
import type {
  ClusterSpecifierPlugin,
  HedgePolicy,
  InternalRedirectPolicy,
  TypedExtensionConfig,
  Vhds,
} from '../../proto/generated/types.d.ts';
import type { RateLimitPb } from '../http/filters/local-rate-limit/rate-limit-actions.ts';
import type { HeaderMutationPb } from '../http/filters/header-mutation/field-mutations.ts';
import type {
  CookieMatcherPb,
  FilterStateMatcherPb,
  HeaderMatcherPb,
  MetadataMatcherPb,
  QueryParameterMatcherPb,
  RegexMatcherPb,
  FractionalPercentPb,
  RuntimeFractionalPercentPb,
} from './matcher.ts';

export type DurationPb = { seconds: number | bigint; nanos: number };
export type MetadataPb = { filter_metadata?: Record<string, Record<string, unknown>>; typed_filter_metadata?: object };
export type RegexRewritePb = { pattern?: RegexMatcherPb; substitution?: string };
export type DataSourcePb = {
  filename?: string;
  inline_bytes?: Uint8Array;
  inline_string?: string;
  environment_variable?: string;
};

export type HeaderValueOptionPb = {
  header?: { key?: string; value?: string };
  append?: boolean;
  append_action?: string;
  keep_empty_value?: boolean;
};
/** Header mutations as every level has them. */
export type MutationsPb = {
  request_headers_to_add?: HeaderValueOptionPb[];
  request_headers_to_remove?: string[];
  response_headers_to_add?: HeaderValueOptionPb[];
  response_headers_to_remove?: string[];
};

export type RetryPolicyPb = {
  retry_on?: string;
  num_retries?: number;
  per_try_timeout?: DurationPb;
  per_try_idle_timeout?: DurationPb;
  retry_priority?: { name?: string; typed_config?: unknown };
  retry_host_predicate?: { name?: string; typed_config?: unknown }[];
  host_selection_retry_max_attempts?: number | bigint;
  retriable_status_codes?: number[];
  retry_back_off?: { base_interval?: DurationPb; max_interval?: DurationPb };
  rate_limited_retry_back_off?: {
    reset_headers?: { name?: string; format?: string }[];
    max_interval?: DurationPb;
  };
  retriable_headers?: HeaderMatcherPb[];
  retriable_request_headers?: HeaderMatcherPb[];
  refresh_cluster_on_retry?: boolean;
};

export type MirrorPolicyPb = {
  cluster?: string;
  cluster_header?: string;
  runtime_fraction?: RuntimeFractionalPercentPb;
  disable_shadow_host_suffix_append?: boolean;
  host_rewrite_literal?: string;
  request_headers_mutations?: HeaderMutationPb[];
};

export type HashPolicyPb = {
  header?: { header_name?: string; regex_rewrite?: RegexRewritePb };
  cookie?: { name?: string; ttl?: DurationPb; path?: string; attributes?: { name?: string; value?: string }[] };
  connection_properties?: { source_ip?: boolean };
  query_parameter?: { name?: string };
  filter_state?: { key?: string };
  terminal?: boolean;
};

export type ClusterWeightPb = MutationsPb & {
  name?: string;
  cluster_header?: string;
  weight?: number;
  metadata_match?: MetadataPb;
  typed_per_filter_config?: Record<string, unknown>;
  host_rewrite_literal?: string;
};

export type UpgradePb = {
  upgrade_type?: string;
  enabled?: boolean;
  connect_config?: {
    proxy_protocol_config?: { version?: string; pass_through_tlvs?: object; added_tlvs?: object[] };
    allow_post?: boolean;
  };
};

export type RouteActionPb = {
  cluster?: string;
  cluster_header?: string;
  weighted_clusters?: {
    clusters?: ClusterWeightPb[];
    total_weight?: number;
    runtime_key_prefix?: string;
    header_name?: string;
    use_hash_policy?: boolean;
  };
  cluster_not_found_response_code?: string;
  metadata_match?: MetadataPb;
  prefix_rewrite?: string;
  regex_rewrite?: RegexRewritePb;
  path_rewrite?: string;
  host_rewrite_literal?: string;
  auto_host_rewrite?: boolean;
  host_rewrite_header?: string;
  host_rewrite_path_regex?: RegexRewritePb;
  host_rewrite?: string;
  append_x_forwarded_host?: boolean;
  timeout?: DurationPb;
  idle_timeout?: DurationPb;
  flush_timeout?: DurationPb;
  internal_redirect_policy?: InternalRedirectPolicy;
  hedge_policy?: HedgePolicy;
  rate_limits?: RateLimitPb[];
  include_vh_rate_limits?: boolean;
  path_rewrite_policy?: TypedExtensionConfig;
  internal_redirect_action?: string;
  max_internal_redirects?: number;
  cluster_specifier_plugin?: string;
  inline_cluster_specifier_plugin?: ClusterSpecifierPlugin;
  retry_policy?: RetryPolicyPb;
  retry_policy_typed_config?: object;
  request_mirror_policies?: MirrorPolicyPb[];
  priority?: string;
  hash_policy?: HashPolicyPb[];
  cors?: object;
  max_grpc_timeout?: DurationPb;
  grpc_timeout_offset?: DurationPb;
  upgrade_configs?: UpgradePb[];
  max_stream_duration?: {
    max_stream_duration?: DurationPb;
    grpc_timeout_header_max?: DurationPb;
    grpc_timeout_header_offset?: DurationPb;
  };
};

export type RedirectActionPb = {
  https_redirect?: boolean;
  scheme_redirect?: string;
  host_redirect?: string;
  port_redirect?: number;
  path_redirect?: string;
  prefix_rewrite?: string;
  regex_rewrite?: RegexRewritePb;
  path_rewrite?: string;
  response_code?: string;
  strip_query?: boolean;
};

export type DirectResponseActionPb = {
  status?: number;
  body?: DataSourcePb;
  body_format?: {
    text_format?: string;
    json_format?: Record<string, unknown>;
    text_format_source?: DataSourcePb;
    omit_empty_values?: boolean;
    content_type?: string;
    formatters?: TypedExtensionConfig[];
  };
};

export type RouteMatchPb = {
  prefix?: string;
  tls_context?: { presented?: boolean; validated?: boolean };
  path?: string;
  safe_regex?: RegexMatcherPb;
  connect_matcher?: object;
  path_separated_prefix?: string;
  path_match_policy?: TypedExtensionConfig;
  case_sensitive?: boolean;
  runtime_fraction?: RuntimeFractionalPercentPb;
  headers?: HeaderMatcherPb[];
  query_parameters?: QueryParameterMatcherPb[];
  cookies?: CookieMatcherPb[];
  grpc?: object;
  dynamic_metadata?: MetadataMatcherPb[];
  filter_state?: FilterStateMatcherPb[];
};

export type RouteTracingPb = {
  client_sampling?: FractionalPercentPb;
  random_sampling?: FractionalPercentPb;
  overall_sampling?: FractionalPercentPb;
};

export type RoutePb = MutationsPb & {
  name?: string;
  match?: RouteMatchPb;
  route?: RouteActionPb;
  redirect?: RedirectActionPb;
  direct_response?: DirectResponseActionPb;
  metadata?: MetadataPb;
  decorator?: { operation?: string; propagate?: boolean };
  tracing?: RouteTracingPb;
  typed_per_filter_config?: Record<string, unknown>;
  per_request_buffer_limit_bytes?: number;
  request_body_buffer_limit?: number | bigint;
  stat_prefix?: string;
  non_forwarding_action?: object;
  filter_action?: object;
};

export type VirtualHostPb = MutationsPb & {
  name?: string;
  domains?: string[];
  /** Perhaps still to be read; null: one that could not be. */
  routes?: Iterable<RoutePb | null>;
  matcher?: object;
  rate_limits?: RateLimitPb[];
  require_tls?: string;
  virtual_clusters?: { headers?: HeaderMatcherPb[]; name?: string }[];
  cors?: object;
  typed_per_filter_config?: Record<string, unknown>;
  include_request_attempt_count?: boolean;
  include_attempt_count_in_response?: boolean;
  include_is_timeout_retry_header?: boolean;
  hedge_policy?: HedgePolicy;
  retry_policy?: RetryPolicyPb;
  retry_policy_typed_config?: object;
  per_request_buffer_limit_bytes?: number;
  request_body_buffer_limit?: number | bigint;
  request_mirror_policies?: MirrorPolicyPb[];
  metadata?: MetadataPb;
};

export type RouteConfigurationPb = MutationsPb & {
  name?: string;
  virtual_hosts?: VirtualHostPb[];
  internal_only_headers?: string[];
  most_specific_header_mutations_wins?: boolean;
  validate_clusters?: boolean;
  max_direct_response_body_size_bytes?: number;
  request_mirror_policies?: MirrorPolicyPb[];
  ignore_port_in_host_matching?: boolean;
  vhost_header?: string;
  ignore_path_parameters_in_path_matching?: boolean;
  typed_per_filter_config?: Record<string, unknown>;
  metadata?: MetadataPb;
  vhds?: Vhds;
  cluster_specifier_plugins?: ClusterSpecifierPlugin[];
};
