// Decodes Http2ProtocolOptions, which listeners and clusters have alike.
import type { Http2ProtocolOptions, KeepaliveSettings } from '../../proto/generated/types.d.ts';
import { MAX_FRAME_BYTES, SETTING } from '../../wire/http2/frames/constants.ts';
import { DEFAULT_HTTP2_OPTIONS, type Http2Options } from '../../wire/http2/options.ts';
import type { KeepaliveConfig } from '../codec/http2-keepalive.ts';
import type { Http2Settings } from '../codec/http2-settings.ts';
import type { ConfigDecoder } from '../config-decoder.ts';

export const HTTP2_FIELDS = {
  'envoy.config.core.v3.Http2ProtocolOptions':
    'hpack_table_size max_concurrent_streams initial_stream_window_size initial_connection_window_size ' +
    'allow_connect max_outbound_frames max_outbound_control_frames ' +
    'max_consecutive_inbound_frames_with_empty_payload max_inbound_priority_frames_per_stream ' +
    'max_inbound_window_update_frames_per_data_frame_sent stream_error_on_invalid_http_messaging ' +
    'custom_settings_parameters override_stream_error_on_invalid_http_message connection_keepalive ' +
    'enable_huffman_encoding max_header_field_size_kb disallow_obs_text stream_reset_burst stream_reset_rate ' +
    // Refused here, with a better reason than a missing field.
    'allow_metadata use_oghttp2_codec max_metadata_size',
  'envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter': 'identifier value',
  'envoy.config.core.v3.KeepaliveSettings': 'interval timeout interval_jitter connection_idle_interval',
  'envoy.type.v3.Percent': 'value',
} as const;

/** What other messages than Http2ProtocolOptions say of it. */
export type Http2Surroundings = {
  /** Of a head: max_request_headers_kb or max_response_headers_kb, and max_headers_count. */
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  /** Bytes of one stream that may wait: the connection's buffer limit. */
  readonly streamBufferBytes: number;
  /** stream_error_on_invalid_http_message of the connection manager; it counts where the options are silent. */
  readonly streamErrorOnInvalidMessage?: boolean | undefined;
};

/** Source: Envoy KeepaliveSettings.interval_jitter. */
const KEEPALIVE_JITTER_PERCENT = 15;

/** The message at `d`; undefined is one without fields. Source: Envoy Http2::Utility::initializeAndValidateOptions. */
export function decodeHttp2Options(
  message: Http2ProtocolOptions | undefined,
  d: ConfigDecoder,
  surroundings: Http2Surroundings,
): Http2Settings {
  const options = message ?? {};
  const defaults = DEFAULT_HTTP2_OPTIONS;
  refuse(options, d);
  const custom = decodeCustomSettings(options, d);
  const streamWindow = options.initial_stream_window_size ?? custom.known.get(SETTING.initialWindowSize);
  const wire: Http2Options = Object.freeze({
    hpackTableBytes: options.hpack_table_size ?? custom.known.get(SETTING.headerTableSize) ?? defaults.hpackTableBytes,
    maxConcurrentStreams:
      options.max_concurrent_streams ?? custom.known.get(SETTING.maxConcurrentStreams) ?? defaults.maxConcurrentStreams,
    initialStreamWindow: streamWindow ?? defaults.initialStreamWindow,
    largestStreamWindow: streamWindow ?? defaults.largestStreamWindow,
    initialConnectionWindow: options.initial_connection_window_size ?? defaults.initialConnectionWindow,
    // Who sets a limit to the connection wants it kept; otherwise no stream may stall another.
    returnsConnectionCreditEarly: options.initial_connection_window_size === undefined,
    allowConnect: options.allow_connect ?? false,
    maxOutboundFrames: options.max_outbound_frames ?? defaults.maxOutboundFrames,
    maxOutboundControlFrames: options.max_outbound_control_frames ?? defaults.maxOutboundControlFrames,
    maxConsecutiveEmptyFrames:
      options.max_consecutive_inbound_frames_with_empty_payload ?? defaults.maxConsecutiveEmptyFrames,
    maxPriorityFramesPerStream: options.max_inbound_priority_frames_per_stream ?? defaults.maxPriorityFramesPerStream,
    maxWindowUpdatesPerDataFrame:
      options.max_inbound_window_update_frames_per_data_frame_sent ?? defaults.maxWindowUpdatesPerDataFrame,
    streamResetBurst: Number(options.stream_reset_burst ?? defaults.streamResetBurst),
    streamResetRate: Number(options.stream_reset_rate ?? defaults.streamResetRate),
    streamErrorOnInvalidMessage:
      options.override_stream_error_on_invalid_http_message ??
      surroundings.streamErrorOnInvalidMessage ??
      options.stream_error_on_invalid_http_messaging ??
      defaults.streamErrorOnInvalidMessage,
    useHuffman: options.enable_huffman_encoding ?? defaults.useHuffman,
    disallowObsText: options.disallow_obs_text ?? defaults.disallowObsText,
    maxFieldBytes: (options.max_header_field_size_kb ?? 0) * 1024,
    customSettings: custom.others,
    maxHeadBytes: surroundings.maxHeadBytes,
    maxHeaders: surroundings.maxHeaders,
    streamBufferBytes: surroundings.streamBufferBytes,
    maxContinuations: defaults.maxContinuations,
  });
  return Object.freeze({ wire, keepalive: decodeKeepalive(options.connection_keepalive, d) });
}

function refuse(options: Http2ProtocolOptions, d: ConfigDecoder): void {
  if (options.allow_metadata === true) d.reject('allow_metadata', 'METADATA frames are not supported');
  if (options.max_metadata_size !== undefined) {
    d.reject('max_metadata_size', 'takes no effect: METADATA frames are not supported');
  }
  if (options.use_oghttp2_codec === true) d.reject('use_oghttp2_codec', 'only the other codec is imitated');
}

type CustomSettings = {
  /** Settings that this side goes by itself, by identifier. */
  readonly known: ReadonlyMap<number, number>;
  /** Identifier, value, …: only told. */
  readonly others: readonly number[];
};

/** Which fields say the same as a setting. */
const NAMED_SETTINGS: ReadonlyMap<number, keyof Http2ProtocolOptions> = new Map([
  [SETTING.headerTableSize, 'hpack_table_size'],
  [SETTING.maxConcurrentStreams, 'max_concurrent_streams'],
  [SETTING.initialWindowSize, 'initial_stream_window_size'],
] as const);

/** Texts and order of checks are Envoy's. */
function decodeCustomSettings(options: Http2ProtocolOptions, d: ConfigDecoder): CustomSettings {
  const values = new Map<number, number>();
  const inconsistent: string[] = [];
  const collisions: string[] = [];
  for (const { identifier = 0, value = 0 } of options.custom_settings_parameters ?? []) {
    const before = values.get(identifier);
    if (before === undefined) values.set(identifier, value);
    else if (before !== value) inconsistent.push(`0x${identifier.toString(16).padStart(2, '0')}`);
    const reason = refusedSetting(identifier, value);
    if (reason !== '') d.reject('custom_settings_parameters', reason);
    const name = NAMED_SETTINGS.get(identifier);
    if (name !== undefined && options[name] !== undefined) collisions.push(name);
  }
  if (inconsistent.length > 0) {
    const list = inconsistent.join(',');
    const reason = `inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {${list}}`;
    d.reject('custom_settings_parameters', reason);
  } else if (collisions.length > 0) {
    const text = 'HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters';
    d.reject('custom_settings_parameters', `the {${collisions.join(',')}} ${text}`);
  }
  const others = [...values].filter(([id]) => !NAMED_SETTINGS.has(id) && id !== SETTING.enablePush);
  return { known: values, others: Object.freeze(others.flat()) };
}

function refusedSetting(identifier: number, value: number): string {
  if (identifier === SETTING.enablePush && value === 1) {
    return 'server push is not supported by Envoy and can not be enabled via a SETTINGS parameter.';
  }
  if (identifier === SETTING.enableConnect) {
    return 'the "allow_connect" SETTINGS parameter must only be configured through the named field';
  }
  if (identifier === SETTING.initialWindowSize && value > 0x7fff_ffff) return 'a window has 2147483647 bytes at most';
  if (identifier === SETTING.maxFrameSize && (value < 16_384 || value > MAX_FRAME_BYTES)) {
    return `SETTINGS_MAX_FRAME_SIZE is between 16384 and ${MAX_FRAME_BYTES}`;
  }
  return '';
}

function decodeKeepalive(settings: KeepaliveSettings | undefined, d: ConfigDecoder): KeepaliveConfig | null {
  if (settings === undefined) return null;
  return Object.freeze({
    intervalMs: d.durationMs(settings.interval, 0),
    timeoutMs: d.durationMs(settings.timeout, 0),
    jitterPercent: Math.round(
      settings.interval_jitter === undefined ? KEEPALIVE_JITTER_PERCENT : (settings.interval_jitter.value ?? 0),
    ),
    idleIntervalMs: d.durationMs(settings.connection_idle_interval, 0),
  });
}
