// Configurations of HTTP/2 that both proxies must refuse or accept, on both sides.
import { any, bootstrap, cluster, type Fields, http } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';
import { protocolOptions } from './http2-exchange.ts';

const MOST = 2 ** 31;

/** Options of Http2ProtocolOptions; `mentions` is what Heddle's message names beside the message's own path. */
type Row = { readonly options: Fields; readonly mentions?: string; readonly isGood?: true; readonly stricter?: string };

const OPTIONS: Readonly<Record<string, Row>> = {
  none: { options: {}, isGood: true },
  'all that is plain': {
    options: {
      hpack_table_size: 8192,
      max_concurrent_streams: 1,
      initial_stream_window_size: 65_535,
      initial_connection_window_size: 65_535,
      max_outbound_frames: 1,
      max_outbound_control_frames: 1,
      max_consecutive_inbound_frames_with_empty_payload: 0,
      max_inbound_priority_frames_per_stream: 0,
      max_inbound_window_update_frames_per_data_frame_sent: 1,
      enable_huffman_encoding: false,
      disallow_obs_text: true,
    },
    isGood: true,
  },
  'max_concurrent_streams 0': { options: { max_concurrent_streams: 0 }, mentions: 'max_concurrent_streams' },
  'max_concurrent_streams 2^31': { options: { max_concurrent_streams: MOST }, mentions: 'max_concurrent_streams' },
  'max_concurrent_streams 2^31 - 1': { options: { max_concurrent_streams: MOST - 1 }, isGood: true },
  'stream window of 65534': { options: { initial_stream_window_size: 65_534 }, mentions: 'initial_stream_window_size' },
  'stream window of 2^31': { options: { initial_stream_window_size: MOST }, mentions: 'initial_stream_window_size' },
  'connection window of 0': {
    options: { initial_connection_window_size: 0 },
    mentions: 'initial_connection_window_size',
  },
  'max_outbound_frames 0': { options: { max_outbound_frames: 0 }, mentions: 'max_outbound_frames' },
  'max_outbound_control_frames 0': {
    options: { max_outbound_control_frames: 0 },
    mentions: 'max_outbound_control_frames',
  },
  'window updates 0': {
    options: { max_inbound_window_update_frames_per_data_frame_sent: 0 },
    mentions: 'max_inbound_window_update_frames_per_data_frame_sent',
  },
  'short fields': { options: { max_header_field_size_kb: 63 }, mentions: 'max_header_field_size_kb' },
  'long fields': { options: { max_header_field_size_kb: 257 }, mentions: 'max_header_field_size_kb' },
  'fields of 64 KiB': { options: { max_header_field_size_kb: 64 }, isGood: true },
  'a custom setting': { options: { custom_settings_parameters: [{ identifier: 0x10, value: 1 }] }, isGood: true },
  'a custom setting twice, alike': {
    options: {
      custom_settings_parameters: [
        { identifier: 0x10, value: 1 },
        { identifier: 0x10, value: 1 },
      ],
    },
    isGood: true,
  },
  'a custom setting twice': {
    options: {
      custom_settings_parameters: [
        { identifier: 0x10, value: 1 },
        { identifier: 0x10, value: 2 },
      ],
    },
    mentions: 'custom_settings_parameters',
  },
  'a custom setting that is a field too': {
    options: { hpack_table_size: 1, custom_settings_parameters: [{ identifier: 1, value: 1 }] },
    mentions: 'custom_settings_parameters',
  },
  'a custom setting without value': {
    options: { custom_settings_parameters: [{ identifier: 0x10 }] },
    mentions: 'value',
  },
  'a custom setting without identifier': {
    options: { custom_settings_parameters: [{ value: 0x10 }] },
    mentions: 'identifier',
  },
  'a custom setting beyond 16 bits': {
    options: { custom_settings_parameters: [{ identifier: 65_536, value: 1 }] },
    mentions: 'identifier',
  },
  'custom ENABLE_PUSH 1': {
    options: { custom_settings_parameters: [{ identifier: 2, value: 1 }] },
    mentions: 'custom_settings_parameters',
  },
  'custom ENABLE_CONNECT_PROTOCOL': {
    options: { custom_settings_parameters: [{ identifier: 8, value: 1 }] },
    mentions: 'custom_settings_parameters',
  },
  keepalive: { options: { connection_keepalive: { interval: '1s', timeout: '1s' } }, isGood: true },
  'keepalive without timeout': { options: { connection_keepalive: { interval: '1s' } }, mentions: 'timeout' },
  'keepalive without interval': { options: { connection_keepalive: { timeout: '1s' } }, isGood: true },
  'keepalive, short interval': {
    options: { connection_keepalive: { interval: '0.0001s', timeout: '1s' } },
    mentions: 'interval',
  },
  'keepalive, no timeout': {
    options: { connection_keepalive: { interval: '1s', timeout: '0s' } },
    mentions: 'timeout',
  },
  'keepalive when idle': {
    options: { connection_keepalive: { timeout: '1s', connection_idle_interval: '1s' } },
    isGood: true,
  },
  'keepalive, jitter of 101 %': {
    options: { connection_keepalive: { interval: '1s', timeout: '1s', interval_jitter: { value: 101 } } },
    mentions: 'interval_jitter',
  },
  METADATA: {
    options: { allow_metadata: true },
    mentions: 'allow_metadata',
    stricter: 'frames of Envoy’s own are not spoken',
  },
  'both ways to tolerate messages': {
    options: { stream_error_on_invalid_http_messaging: true, override_stream_error_on_invalid_http_message: true },
    isGood: true,
  },
  resets: { options: { stream_reset_burst: 10, stream_reset_rate: 5 }, isGood: true },
};

const withListener = (hcm: Fields): Fields =>
  bootstrap({ listeners: [http({ name: 'main', hcm })], clusters: [cluster('a')] });
const withCluster = (fields: Fields): Fields =>
  bootstrap({ listeners: [http({ name: 'main' })], clusters: [cluster('a', ['free.x'], fields)] });
const explicit = (options: Fields): Fields => protocolOptions({ explicit_http_config: options });

/** Both sides decode alike, so each row is asked of one of them. */
function caseOf([name, row]: readonly [string, Row], index: number): ConfigCase {
  const { options, mentions, isGood, stricter } = row;
  const isListener = index % 2 === 0;
  return {
    name: `http2 ${isListener ? 'listener' : 'cluster'}: ${name}`,
    config: isListener
      ? withListener({ http2_protocol_options: options, max_request_headers_kb: 96 })
      : withCluster(explicit({ http2_protocol_options: options })),
    ...(mentions === undefined ? {} : { mentions: [mentions] }),
    ...(isGood === undefined ? {} : { isGood }),
    ...(stricter === undefined ? {} : { stricter }),
  };
}

const TLS: Fields = {
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
  },
};
const AUTO = protocolOptions({ auto_config: { http_protocol_options: {}, http2_protocol_options: {} } });

export const http2ConfigCases: readonly ConfigCase[] = [
  ...Object.entries(OPTIONS).map(caseOf),
  { name: 'http2 codec HTTP2', config: withListener({ codec_type: 'HTTP2' }), isGood: true },
  { name: 'http2 codec HTTP3', config: withListener({ codec_type: 'HTTP3' }), mentions: ['codec_type'] },
  { name: 'http2 codec unknown', config: withListener({ codec_type: 'HTTP4' }), mentions: ['codec_type'] },
  { name: 'http2 cluster: nothing explicit', config: withCluster(explicit({})), mentions: ['explicit_http_config'] },
  {
    name: 'http2 cluster: no choice',
    config: withCluster(protocolOptions({})),
    mentions: ['upstream_protocol_options'],
  },
  { name: 'http2 cluster: auto over TLS', config: withCluster({ ...AUTO, ...TLS }), isGood: true },
  { name: 'http2 cluster: auto without TLS', config: withCluster(AUTO), mentions: ['auto_config'] },
  {
    name: 'http2 cluster: auto with defaults',
    config: withCluster({ ...protocolOptions({ auto_config: {} }), ...TLS }),
    isGood: true,
  },
  {
    name: 'http2 cluster: use_downstream_protocol',
    config: withCluster(protocolOptions({ use_downstream_protocol_config: {} })),
    isGood: true,
  },
  {
    name: 'http2 cluster: two choices',
    config: withCluster(
      protocolOptions({ use_downstream_protocol_config: {}, explicit_http_config: { http2_protocol_options: {} } }),
    ),
    mentions: ['upstream_protocol_options'],
  },
  {
    name: 'http2 cluster: the old field',
    config: withCluster({ http2_protocol_options: {} }),
    isGood: true,
  },
  {
    name: 'http2 cluster: the old field with a bad value',
    config: withCluster({ http2_protocol_options: { max_concurrent_streams: 0 } }),
    mentions: ['max_concurrent_streams'],
  },
  {
    name: 'http2 cluster: max_requests_per_connection and durations',
    config: withCluster(
      protocolOptions({
        explicit_http_config: { http2_protocol_options: {} },
        common_http_protocol_options: {
          idle_timeout: '1s',
          max_connection_duration: '1s',
          max_stream_duration: '1s',
          max_requests_per_connection: 1,
          max_headers_count: 10,
          max_response_headers_kb: 8192,
        },
      }),
    ),
    isGood: true,
  },
  {
    name: 'http2 cluster: max_response_headers_kb too large',
    config: withCluster(
      protocolOptions({
        explicit_http_config: { http2_protocol_options: {} },
        common_http_protocol_options: { max_response_headers_kb: 8193 },
      }),
    ),
    mentions: ['max_response_headers_kb'],
  },
  {
    name: 'http2 cluster: max_headers_count 0',
    config: withCluster(
      protocolOptions({
        explicit_http_config: { http2_protocol_options: {} },
        common_http_protocol_options: { max_headers_count: 0 },
      }),
    ),
    mentions: ['max_headers_count'],
  },
];
