// Configurations of the tap filter that are refused, and those that only the admin interface may attach.
import { bootstrap, cluster, type Fields, filter, http } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';

const withTap = (common_config: Fields): Fields =>
  bootstrap({
    listeners: [
      http({ name: 'main', filters: [filter('tap', 'envoy.extensions.filters.http.tap.v3.Tap', { common_config })] }),
    ],
    clusters: [cluster('a', ['free.a'])],
  });
const withSink = (sink: Fields, tap: Fields = { match: { any_match: true } }): Fields =>
  withTap({ static_config: { ...tap, output_config: { sinks: [sink] } } });
const SINK = 'static_config.output_config.sinks[0]';
const file = { file_per_tap: { path_prefix: '{{dir}}/tap' } };

export const tapConfigCases: readonly ConfigCase[] = [
  { name: 'tap: a file', config: withSink(file), isGood: true },
  { name: 'tap: for the admin interface', config: withTap({ admin_config: { config_id: 'x' } }), isGood: true },
  { name: 'tap: an empty id', config: withTap({ admin_config: {} }), mentions: ['admin_config.config_id'] },
  { name: 'tap: neither', config: withTap({}), mentions: ['common_config'] },
  {
    name: 'tap: both',
    config: withTap({
      admin_config: { config_id: 'x' },
      static_config: { match: { any_match: true }, output_config: { sinks: [file] } },
    }),
    mentions: ['common_config'],
  },
  { name: 'tap: no match', config: withSink(file, {}), mentions: ['Neither match nor match_config'] },
  {
    name: 'tap: streaming_admin in a configuration',
    config: withSink({ streaming_admin: {} }),
    mentions: [SINK, 'Specifying admin streaming output without configuring admin'],
  },
  {
    name: 'tap: buffered_admin in a configuration',
    config: withSink({ buffered_admin: { max_traces: 1 } }),
    mentions: [SINK, 'BufferedAdmin requires that the admin output will be configured via admin'],
  },
  {
    name: 'tap: streaming_grpc, which Envoy does not implement',
    config: withSink({ streaming_grpc: { grpc_service: { envoy_grpc: { cluster_name: 'a' } } } }),
    mentions: [SINK, 'streaming_grpc'],
  },
  { name: 'tap: no sink', config: withSink({}), mentions: [SINK, 'is required'] },
];
