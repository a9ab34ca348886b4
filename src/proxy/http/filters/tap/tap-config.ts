// Decodes the tap filter: what is recorded of which exchanges, and where it goes.
import type { ConfigDecoder, DecodeEnvironment } from '../../../config-decoder.ts';
import { FRACTION_FIELDS, HEADER_MATCHER_FIELDS } from '../../../config/matcher.ts';
import { decodeTapPlan, type TapConfigPb, type TapPlan } from './tap-plan.ts';
import { TAP_MATCH_FIELDS } from './tap-match.ts';

export const TAP = 'envoy.extensions.filters.http.tap.v3.Tap';
const COMMON = 'envoy.extensions.common.tap.v3';
const CONFIG = 'envoy.config.tap.v3';

/** Left out, and so refused: streaming_grpc, which Envoy does not implement either, and custom_sink. */
export const TAP_FIELDS = {
  [TAP]: 'common_config record_headers_received_time record_downstream_connection record_upstream_connection',
  [`${COMMON}.CommonExtensionConfig`]: 'static_config admin_config',
  [`${COMMON}.AdminConfig`]: 'config_id',
  'envoy.admin.v3.TapRequest': 'config_id tap_config',
  [`${CONFIG}.TapConfig`]: 'match_config output_config tap_enabled match',
  [`${CONFIG}.OutputConfig`]: 'sinks max_buffered_rx_bytes max_buffered_tx_bytes streaming',
  [`${CONFIG}.OutputSink`]: 'format file_per_tap streaming_admin buffered_admin',
  [`${CONFIG}.FilePerTapSink`]: 'path_prefix',
  [`${CONFIG}.StreamingAdminSink`]: '',
  [`${CONFIG}.BufferedAdminSink`]: 'max_traces timeout',
  ...TAP_MATCH_FIELDS,
  ...HEADER_MATCHER_FIELDS,
  ...FRACTION_FIELDS,
} as const;

export type TapPb = {
  common_config?: { static_config?: TapConfigPb; admin_config?: { config_id?: string } };
  record_headers_received_time?: boolean;
  record_downstream_connection?: boolean;
  record_upstream_connection?: boolean;
};

/** What is recorded besides, however the tap came. */
export type TapRecords = {
  readonly recordsTimes: boolean;
  readonly recordsDownstream: boolean;
  readonly recordsUpstream: boolean;
};

export type TapConfig = TapRecords & {
  /** Null: the admin interface attaches one. */
  readonly plan: TapPlan | null;
  /** Null: `plan` is for good. */
  readonly configId: string | null;
  /** For plans that come later. */
  readonly environment: DecodeEnvironment;
};

/** Null after rejecting it. */
export function decodeTap(message: TapPb, d: ConfigDecoder): TapConfig | null {
  const { static_config: tap, admin_config: admin } = message.common_config ?? {};
  const dc = d.at('common_config');
  const { environment } = d;
  const { taps } = environment;
  if (tap === undefined && admin === undefined) {
    dc.reject('', 'config_type is required');
    return null;
  }
  if (taps === null && admin !== undefined) {
    dc.reject('admin_config', 'taps come over the admin interface, and there is none: set admin.address');
    return null;
  }
  if (taps !== undefined && taps !== null && admin !== undefined) taps.isUsed = true;
  return Object.freeze({
    plan: tap === undefined ? null : decodeTapPlan(tap, dc.at('static_config'), null),
    configId: admin?.config_id ?? null,
    environment,
    recordsTimes: message.record_headers_received_time === true,
    recordsDownstream: message.record_downstream_connection === true,
    recordsUpstream: message.record_upstream_connection === true,
  });
}
