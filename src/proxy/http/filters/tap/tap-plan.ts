// One tap as it takes effect: which exchanges, how much of them, in which form, and to whom.
import type { ConfigDecoder } from '../../../config-decoder.ts';
import type { RuntimeFractionalPercentPb } from '../../../config/matcher.ts';
import type { TraceSink } from '../../admin-taps.ts';
import type { FractionalPercent } from '../../filter.ts';
import { decodeTapMatch, type MatchPredicatePb, type TapMatch } from './tap-match.ts';

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

type SinkPb = {
  format?: TapFormat;
  file_per_tap?: { path_prefix?: string };
  streaming_admin?: object;
  buffered_admin?: object;
};

/** envoy.config.tap.v3.TapConfig */
export type TapConfigPb = {
  match_config?: MatchPredicatePb;
  match?: MatchPredicatePb;
  tap_enabled?: RuntimeFractionalPercentPb;
  output_config?: {
    sinks?: readonly SinkPb[];
    max_buffered_rx_bytes?: number;
    max_buffered_tx_bytes?: number;
    streaming?: boolean;
  };
};

export type TapPlan = {
  readonly match: TapMatch;
  /** Null: all. */
  readonly enabled: { readonly key: string; readonly percent: FractionalPercent } | null;
  /** Null: `pathPrefix` names files. */
  readonly sink: TraceSink | null;
  readonly pathPrefix: string;
  readonly format: TapFormat;
  /** Of request and response bodies: a trace holds so many bytes at most, or a piece of it. */
  readonly maxRequestBytes: number;
  readonly maxResponseBytes: number;
  readonly isStreaming: boolean;
};

/** `admin`: who listens at the admin interface; null for what is written in a configuration. */
export function decodeTapPlan(tap: TapConfigPb, d: ConfigDecoder, admin: TraceSink | null): TapPlan {
  const { output_config: output = {}, tap_enabled: enabled } = tap;
  const sink = output.sinks?.[0] ?? {};
  const problem = sinkProblem(sink, admin !== null);
  if (problem !== null) d.at('output_config').at('sinks', 0).reject('', problem);
  if (tap.match === undefined && tap.match_config === undefined) {
    d.reject('', 'Neither match nor match_config is set in TapConfig');
  }
  const match =
    tap.match !== undefined
      ? decodeTapMatch(tap.match, d.at('match'))
      : decodeTapMatch(tap.match_config ?? { any_match: true }, d.at('match_config'));
  return Object.freeze({
    match,
    enabled:
      enabled === undefined ? null : { key: enabled.runtime_key ?? '', percent: d.fraction(enabled.default_value) },
    sink: sink.file_per_tap === undefined ? admin : null,
    pathPrefix: sink.file_per_tap?.path_prefix ?? '',
    format: sink.format ?? 'JSON_BODY_AS_BYTES',
    maxRequestBytes: output.max_buffered_rx_bytes ?? MAX_BUFFERED_BYTES,
    maxResponseBytes: output.max_buffered_tx_bytes ?? MAX_BUFFERED_BYTES,
    isStreaming: output.streaming === true,
  });
}

/** Source: Envoy TapConfigBaseImpl; formats that do not fit end its process with these words. */
function sinkProblem({ format = 'JSON_BODY_AS_BYTES', ...sink }: SinkPb, isAdmin: boolean): string | null {
  const isJson = format === 'JSON_BODY_AS_BYTES' || format === 'JSON_BODY_AS_STRING';
  if (sink.streaming_admin !== undefined) {
    if (!isAdmin) return 'Error: Specifying admin streaming output without configuring admin.';
    return isJson ? null : 'streaming admin output only supports JSON formats';
  }
  if (sink.buffered_admin !== undefined) {
    if (!isAdmin) {
      return 'Output sink type BufferedAdmin requires that the admin output will be configured via admin';
    }
    if (isJson || format === 'PROTO_BINARY_LENGTH_DELIMITED') return null;
    return 'buffered admin output only supports JSON or length delimited proto binary formats';
  }
  return sink.file_per_tap === undefined ? 'file_per_tap, streaming_admin or buffered_admin is required' : null;
}
