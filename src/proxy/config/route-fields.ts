// Which fields of a route configuration and below take effect; any other field that is set gets refused.
import { FORMATTER_EXTENSION_FIELDS } from '../formatter/substitution-format.ts';
import { HEADER_MUTATION_FIELDS } from '../http/filters/header-mutation/field-mutations.ts';
import { RATE_LIMIT_FIELDS } from '../http/filters/local-rate-limit/rate-limit-actions.ts';
import { CLUSTER_SPECIFIER_FIELDS } from './cluster-specifiers.ts';
import { MATCHER_FIELDS } from './matcher.ts';
import { INTERNAL_REDIRECT_FIELDS } from './route-redirects.ts';
import { ROUTE_TEMPLATE_FIELDS } from './route-template.ts';
import { ROUTE_TREE_FIELDS } from './route-tree.ts';

const MUTATIONS = 'request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove';
const CORS =
  'allow_origin_string_match allow_methods allow_headers expose_headers max_age allow_credentials filter_enabled ' +
  'shadow_enabled allow_private_network_access forward_not_matching_preflights';

/** Message full name → its fields that take effect. */
export const ROUTE_FIELDS: Readonly<Record<string, string>> = {
  ...MATCHER_FIELDS,
  ...CLUSTER_SPECIFIER_FIELDS,
  ...INTERNAL_REDIRECT_FIELDS,
  ...ROUTE_TEMPLATE_FIELDS,
  ...ROUTE_TREE_FIELDS,
  ...HEADER_MUTATION_FIELDS,
  ...RATE_LIMIT_FIELDS,
  'envoy.config.route.v3.RouteConfiguration':
    `name virtual_hosts internal_only_headers ${MUTATIONS} most_specific_header_mutations_wins validate_clusters ` +
    'max_direct_response_body_size_bytes request_mirror_policies ignore_port_in_host_matching vhost_header ' +
    'ignore_path_parameters_in_path_matching typed_per_filter_config metadata vhds cluster_specifier_plugins',
  'envoy.config.route.v3.Vhds': 'config_source',
  'envoy.config.route.v3.VirtualHost':
    `name domains routes require_tls virtual_clusters ${MUTATIONS} cors typed_per_filter_config retry_policy ` +
    'retry_policy_typed_config ' +
    'include_request_attempt_count include_attempt_count_in_response include_is_timeout_retry_header ' +
    'per_request_buffer_limit_bytes request_body_buffer_limit request_mirror_policies metadata ' +
    'hedge_policy matcher rate_limits',
  'envoy.config.route.v3.HedgePolicy': 'hedge_on_per_try_timeout',
  'envoy.config.route.v3.VirtualCluster': 'headers name',
  'envoy.config.route.v3.Route':
    `name match route redirect direct_response metadata decorator tracing typed_per_filter_config ${MUTATIONS} ` +
    'per_request_buffer_limit_bytes request_body_buffer_limit stat_prefix non_forwarding_action ' +
    'filter_action',
  'envoy.config.route.v3.NonForwardingAction': '',
  'envoy.config.route.v3.FilterAction': 'action',
  'envoy.config.route.v3.RouteMatch':
    'prefix path safe_regex connect_matcher path_separated_prefix path_match_policy case_sensitive runtime_fraction ' +
    'headers ' +
    'query_parameters cookies grpc dynamic_metadata filter_state tls_context',
  'envoy.config.route.v3.RouteMatch.TlsContextMatchOptions': 'presented validated',
  'envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions': '',
  'envoy.config.route.v3.RouteMatch.ConnectMatcher': '',
  'envoy.config.route.v3.RouteAction':
    'cluster cluster_header weighted_clusters cluster_not_found_response_code prefix_rewrite ' +
    'regex_rewrite path_rewrite host_rewrite_literal auto_host_rewrite host_rewrite_header host_rewrite_path_regex ' +
    'host_rewrite append_x_forwarded_host timeout idle_timeout flush_timeout retry_policy ' +
    'retry_policy_typed_config request_mirror_policies ' +
    'priority hash_policy cors max_grpc_timeout grpc_timeout_offset upgrade_configs max_stream_duration ' +
    'internal_redirect_policy hedge_policy cluster_specifier_plugin inline_cluster_specifier_plugin ' +
    'path_rewrite_policy internal_redirect_action max_internal_redirects rate_limits include_vh_rate_limits',
  'envoy.config.route.v3.WeightedCluster': 'clusters total_weight runtime_key_prefix header_name use_hash_policy',
  'envoy.config.route.v3.WeightedCluster.ClusterWeight': `
    name cluster_header weight ${MUTATIONS} typed_per_filter_config host_rewrite_literal`,
  'envoy.config.route.v3.RouteAction.RequestMirrorPolicy':
    'cluster cluster_header runtime_fraction disable_shadow_host_suffix_append host_rewrite_literal ' +
    'request_headers_mutations',
  'envoy.config.route.v3.RouteAction.HashPolicy':
    'header cookie connection_properties query_parameter filter_state terminal',
  'envoy.config.route.v3.RouteAction.HashPolicy.Header': 'header_name regex_rewrite',
  'envoy.config.route.v3.RouteAction.HashPolicy.Cookie': 'name ttl path attributes',
  'envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute': 'name value',
  'envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties': 'source_ip',
  'envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter': 'name',
  'envoy.config.route.v3.RouteAction.HashPolicy.FilterState': 'key',
  'envoy.config.route.v3.RouteAction.UpgradeConfig': 'upgrade_type enabled connect_config',
  'envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig': 'proxy_protocol_config allow_post',
  'envoy.config.core.v3.ProxyProtocolConfig': 'version',
  'envoy.config.route.v3.RouteAction.MaxStreamDuration':
    'max_stream_duration grpc_timeout_header_max grpc_timeout_header_offset',
  'envoy.config.route.v3.RetryPolicy':
    'retry_on num_retries per_try_timeout per_try_idle_timeout retry_priority retry_host_predicate ' +
    'host_selection_retry_max_attempts retriable_status_codes retry_back_off rate_limited_retry_back_off ' +
    'retriable_headers retriable_request_headers refresh_cluster_on_retry',
  'envoy.config.route.v3.RetryPolicy.RetryHostPredicate': 'name typed_config',
  'envoy.config.route.v3.RetryPolicy.RetryPriority': 'name typed_config',
  'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig': 'update_frequency',
  'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate': '',
  'envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate': '',
  'envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig': 'metadata_match',
  'envoy.config.route.v3.RetryPolicy.RetryBackOff': 'base_interval max_interval',
  'envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff': 'reset_headers max_interval',
  'envoy.config.route.v3.RetryPolicy.ResetHeader': 'name format',
  'envoy.config.route.v3.RedirectAction':
    'https_redirect scheme_redirect host_redirect port_redirect path_redirect prefix_rewrite regex_rewrite ' +
    'path_rewrite response_code strip_query',
  'envoy.config.route.v3.DirectResponseAction': 'status body body_format',
  'envoy.config.route.v3.Decorator': 'operation propagate',
  'envoy.config.route.v3.Tracing': 'client_sampling random_sampling overall_sampling',
  'envoy.config.route.v3.FilterConfig': 'config is_optional disabled',
  'envoy.config.route.v3.CorsPolicy': CORS,
  'envoy.config.core.v3.Metadata': 'filter_metadata typed_filter_metadata',
  'envoy.config.core.v3.HeaderValueOption': 'header append append_action keep_empty_value',
  'envoy.config.core.v3.HeaderValue': 'key value',
  'envoy.config.core.v3.DataSource': 'filename inline_bytes inline_string environment_variable',
  'envoy.config.core.v3.SubstitutionFormatString':
    'text_format json_format text_format_source omit_empty_values content_type formatters json_format_options',
  'envoy.config.core.v3.JsonFormatOptions': 'sort_properties',
  ...FORMATTER_EXTENSION_FIELDS,
};
