// Decodes the tap filter: what is recorded of which exchanges, and where it goes.
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { FRACTION_FIELDS, HEADER_MATCHER_FIELDS } from '../../../config/matcher.ts';
import type { RuntimeFractionalPercentPb } from '../../../config/matcher.ts';
import type { FractionalPercent } from '../../filter.ts';
import { decodeTapMatch, type MatchPredicatePb, TAP_MATCH_FIELDS, type TapMatch } from './tap-match.ts';

export const TAP = 'envoy.extensions.filters.http.tap.v3.Tap';
const COMMON = 'envoy.extensions.common.tap.v3.CommonExtensionConfig';
const CONFIG = 'envoy.config.tap.v3';

/** Left out, and so refused: admin_config, and sinks besides files. */
export const TAP_FIELDS = {
  [TAP]: 'common_config record_headers_received_time record_downstream_connection record_upstream_connection',
  [COMMON]: 'static_config',
  [`${CONFIG}.TapConfig`]: 'match_config output_config tap_enabled match',
  [`${CONFIG}.OutputConfig`]: 'sinks max_buffered_rx_bytes max_buffered_tx_bytes streaming',
  [`${CONFIG}.OutputSink`]: 'format file_per_tap',
  [`${CONFIG}.FilePerTapSink`]: 'path_prefix',
  ...TAP_MATCH_FIELDS,
  ...HEADER_MATCHER_FIELDS,
  ...FRACTION_FIELDS,
} as const;

export const EXTENSIONS = {
  JSON_BODY_AS_BYTES: '.json',
  JSON_BODY_AS_STRING: '.json',
  PROTO_BINARY: '.pb',
  PROTO_BINARY_LENGTH_DELIMITED: '.pb_length_delimited',
  PROTO_TEXT: '.pb_text',
} as const;
export type TapFormat = keyof typeof EXTENSIONS;

/** Source: Envoy DefaultMaxBufferedBytes. */
const MAX_BUFFERED_BYTES = 1024;

export type TapPb = {
  common_config?: {
    static_config?: {
      match_config?: MatchPredicatePb;
      match?: MatchPredicatePb;
      tap_enabled?: RuntimeFractionalPercentPb;
      output_config?: {
        sinks?: readonly { format?: TapFormat; file_per_tap?: { path_prefix?: string } }[];
        max_buffered_rx_bytes?: number;
        max_buffered_tx_bytes?: number;
        streaming?: boolean;
      };
    };
  };
  record_headers_received_time?: boolean;
  record_downstream_connection?: boolean;
  record_upstream_connection?: boolean;
};

export type TapConfig = {
  readonly match: TapMatch;
  /** Null: all. */
  readonly enabled: { readonly key: string; readonly percent: FractionalPercent } | null;
  readonly pathPrefix: string;
  readonly format: TapFormat;
  /** Of request and response bodies: a trace holds so many bytes at most, or a piece of it. */
  readonly maxRequestBytes: number;
  readonly maxResponseBytes: number;
  readonly isStreaming: boolean;
  readonly recordsTimes: boolean;
  readonly recordsDownstream: boolean;
  readonly recordsUpstream: boolean;
};

/** Null after rejecting it. */
export function decodeTap(message: TapPb, d: ConfigDecoder): TapConfig | null {
  const dc = d.at('common_config').at('static_config');
  const tap = message.common_config?.static_config;
  if (tap === undefined) {
    d.at('common_config').reject('static_config', 'is required: taps by /tap of the admin interface are not supported');
    return null;
  }
  const { output_config: output = {}, tap_enabled: enabled } = tap;
  const sink = output.sinks?.[0] ?? {};
  if (sink.file_per_tap === undefined) dc.at('output_config').at('sinks', 0).reject('', 'file_per_tap is required');
  if (tap.match === undefined && tap.match_config === undefined) {
    dc.reject('', 'Neither match nor match_config is set in TapConfig');
  }
  const match =
    tap.match !== undefined
      ? decodeTapMatch(tap.match, dc.at('match'))
      : decodeTapMatch(tap.match_config ?? { any_match: true }, dc.at('match_config'));
  return Object.freeze({
    match,
    enabled:
      enabled === undefined ? null : { key: enabled.runtime_key ?? '', percent: d.fraction(enabled.default_value) },
    pathPrefix: sink.file_per_tap?.path_prefix ?? '',
    format: sink.format ?? 'JSON_BODY_AS_BYTES',
    maxRequestBytes: output.max_buffered_rx_bytes ?? MAX_BUFFERED_BYTES,
    maxResponseBytes: output.max_buffered_tx_bytes ?? MAX_BUFFERED_BYTES,
    isStreaming: output.streaming === true,
    recordsTimes: message.record_headers_received_time === true,
    recordsDownstream: message.record_downstream_connection === true,
    recordsUpstream: message.record_upstream_connection === true,
  });
}
