// Configurations of connection managers and access logs that both proxies must refuse (or accept).
import { any, bootstrap, cluster, type Fields, http, routerFilter, textLog } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';
import { customHeader, xff } from './hcm-address.ts';

const withHcm = (hcm: Fields): Fields =>
  bootstrap({ listeners: [http({ name: 'main', hcm })], clusters: [cluster('a')] });
const withRouter = (router: Fields): Fields =>
  bootstrap({ listeners: [http({ name: 'main', router })], clusters: [cluster('a')] });
const withFilter = (filter: Fields): Fields =>
  bootstrap({ listeners: [http({ name: 'main', log: [{ ...textLog('x\n'), filter }] })], clusters: [cluster('a')] });
const extension = (type: string, fields: Fields = {}): Fields => ({ name: 'x', typed_config: any(type, fields) });

export const hcmConfigCases: readonly ConfigCase[] = [
  {
    name: 'detection beside use_remote_address',
    config: withHcm({ use_remote_address: true, original_ip_detection_extensions: [xff({})] }),
    mentions: ['original_ip_detection_extensions', 'use_remote_address may not be mixed'],
  },
  {
    name: 'detection beside xff_num_trusted_hops',
    config: withHcm({ xff_num_trusted_hops: 1, original_ip_detection_extensions: [xff({})] }),
    mentions: ['xff_num_trusted_hops may not be mixed'],
  },
  {
    name: 'detection by hops and proxies',
    config: withHcm({
      original_ip_detection_extensions: [
        xff({ xff_num_trusted_hops: 1, xff_trusted_cidrs: { cidrs: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] } }),
      ],
    }),
    mentions: ['Cannot set both xff_num_trusted_hops and xff_trusted_cidrs'],
  },
  {
    name: 'detection by a header without name',
    config: withHcm({ original_ip_detection_extensions: [customHeader({})] }),
    mentions: ['header_name'],
  },
  {
    name: 'detection by a header with a bad name',
    config: withHcm({ original_ip_detection_extensions: [customHeader({ header_name: 'a\nb' })] }),
    mentions: ['header_name'],
  },
  {
    name: 'detection of another kind',
    config: withHcm({
      original_ip_detection_extensions: [extension('envoy.extensions.early_data.v3.DefaultEarlyDataPolicy')],
    }),
    mentions: ['original_ip_detection_extensions[0]'],
  },
  {
    name: 'early mutation of another kind',
    config: withHcm({
      early_header_mutation_extensions: [extension('envoy.extensions.early_data.v3.DefaultEarlyDataPolicy')],
    }),
    mentions: ['early_header_mutation_extensions[0]'],
  },
  {
    name: 'early mutation of a broken format',
    config: withHcm({
      early_header_mutation_extensions: [
        extension('envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation', {
          mutations: [{ append: { header: { key: 'a', value: '%NOTHING%' } } }],
        }),
      ],
    }),
    mentions: ['early_header_mutation_extensions[0]', 'NOTHING'],
  },
  {
    name: 'both ways to strip ports',
    config: withHcm({ strip_any_host_port: true, strip_matching_host_port: true }),
    mentions: ['strip_any_host_port'],
  },
  {
    name: 'header validation',
    config: withHcm({
      typed_header_validation_config: extension(
        'envoy.extensions.http.header_validators.envoy_default.v3.HeaderValidatorConfig',
      ),
    }),
    mentions: ['typed_header_validation_config', 'does not support header validator extensions'],
  },
  {
    name: 'path_normalization_options',
    config: withHcm({ path_normalization_options: { forwarding_transformation: {} } }),
    mentions: ['path_normalization_options'],
    stricter: 'Envoy 1.40 does not act on it, and whoever sets it relies on the form of paths',
  },
  {
    name: 'log options beside flush_access_log_on_new_request',
    config: withHcm({ access_log_options: {}, flush_access_log_on_new_request: true }),
    mentions: ['Only one of flush_access_log_on_new_request or access_log_options can be specified.'],
  },
  {
    name: 'log options beside access_log_flush_interval',
    config: withHcm({ access_log_options: {}, access_log_flush_interval: '1s' }),
    mentions: ['Only one of access_log_flush_interval or access_log_options can be specified.'],
  },
  {
    name: 'a log interval of nothing',
    config: withHcm({ access_log_options: { access_log_flush_interval: '0s' } }),
    mentions: ['access_log_flush_interval'],
  },
  {
    name: 'max_response_headers_kb of a listener',
    config: withHcm({ common_http_protocol_options: { max_response_headers_kb: 1 } }),
    mentions: ['max_response_headers_kb cannot be set on http_connection_manager'],
  },
  {
    name: 'a scheme that is none',
    config: withHcm({ scheme_header_transformation: { scheme_to_overwrite: 'ftp' } }),
    mentions: ['scheme_to_overwrite'],
  },
  {
    name: 'upgrades twice, in other cases',
    config: withHcm({ upgrade_configs: [{ upgrade_type: 'a' }, { upgrade_type: 'A' }] }),
    mentions: ['multiple upgrade configs with the same name'],
  },
  {
    name: 'filters of an upgrade without a router',
    config: withHcm({
      upgrade_configs: [
        {
          upgrade_type: 'a',
          filters: [{ name: 'c', typed_config: any('envoy.extensions.filters.http.cors.v3.Cors') }],
        },
      ],
    }),
    mentions: ['upgrade_configs[0]'],
  },
  {
    name: 'filters of an upgrade with a router in front',
    config: withHcm({
      upgrade_configs: [
        {
          upgrade_type: 'a',
          filters: [routerFilter, { name: 'c', typed_config: any('envoy.extensions.filters.http.cors.v3.Cors') }],
        },
      ],
    }),
    mentions: ['upgrade_configs[0]'],
  },
  {
    name: 'a name of the proxy that splits headers',
    config: withHcm({ proxy_status_config: { literal_proxy_name: 'a\r\nx: y' } }),
    mentions: ['proxy_status_config'],
    stricter: 'no value may split a header',
  },
  {
    name: 'jitter beyond all',
    config: withHcm({ drain_timeout_jitter: { value: 101 } }),
    mentions: ['drain_timeout_jitter'],
  },
  {
    name: 'an upstream log interval of nothing',
    config: withRouter({ upstream_log: [textLog('x\n')], upstream_log_options: { upstream_log_flush_interval: '0s' } }),
    mentions: ['upstream_log_flush_interval'],
  },
  {
    name: 'an upstream log of a broken format',
    config: withRouter({ upstream_log: [textLog('%NOTHING%\n')] }),
    mentions: ['upstream_log[0]', 'NOTHING'],
  },
  { name: 'a log filter without kind', config: withFilter({}), mentions: ['filter'] },
  {
    name: 'an and filter of one',
    config: withFilter({ and_filter: { filters: [{ not_health_check_filter: {} }] } }),
    mentions: ['and_filter'],
  },
  {
    name: 'an unknown flag',
    config: withFilter({ response_flag_filter: { flags: ['XX'] } }),
    mentions: ['response_flag_filter'],
  },
  {
    name: 'a runtime filter without key',
    config: withFilter({ runtime_filter: {} }),
    mentions: ['runtime_key'],
  },
  { name: 'a metadata filter without matcher', config: withFilter({ metadata_filter: {} }), isGood: true },
  { name: 'a header filter without header', config: withFilter({ header_filter: {} }), mentions: ['header'] },
  {
    name: 'a status filter without comparison',
    config: withFilter({ status_code_filter: {} }),
    mentions: ['comparison'],
  },
];
