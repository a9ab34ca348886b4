// The configuration of Istio's statistics filters (stats.PluginConfig), for HTTP and for TCP.
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeMetricPlan, type MetricConfigPb, type MetricDefinitionPb, type MetricPlan } from './metric-plan.ts';

export const PLUGIN_TYPE = 'stats.PluginConfig';
export const PLUGIN_FIELDS = {
  [PLUGIN_TYPE]:
    'disable_host_header_fallback tcp_reporting_duration metrics definitions reporter rotation_interval ' +
    'graceful_deletion_interval',
  'stats.MetricConfig': 'dimensions name tags_to_remove drop',
  'stats.MetricDefinition': 'name value type',
} as const;

type DurationPb = { seconds: number; nanos: number };

export type PluginPb = {
  disable_host_header_fallback?: boolean;
  tcp_reporting_duration?: DurationPb;
  metrics?: readonly MetricConfigPb[];
  definitions?: readonly MetricDefinitionPb[];
  reporter?: string;
  rotation_interval?: DurationPb;
  graceful_deletion_interval?: DurationPb;
};

export type PluginConfig = {
  /** Services whose names no cluster tells are named by the request's host. */
  readonly usesHost: boolean;
  /** How often open connections and gRPC streams are counted; 0: at their end only. */
  readonly reportMs: number;
  /** Reporter is a waypoint; else the listener's direction decides. */
  readonly isGateway: boolean;
  readonly plan: MetricPlan;
  /** Labels that nobody used for so long are forgotten; 0: never. */
  readonly expiryMs: number;
  /** Equal for configurations whose metrics are the same. */
  readonly key: string;
};

/** Source: Istio, Config::report_duration_. */
const DEFAULT_REPORT_MS = 5000;
/** Source: istio.io/api stats.PluginConfig. */
const DEFAULT_GRACE_MS = 300_000;
const MIN_GRACE_MS = 1000;

/** `defaultExpiryMs`: where the configuration names no rotation. */
export function decodePlugin(message: PluginPb, d: ConfigDecoder, defaultExpiryMs = 0): PluginConfig {
  const rotationMs = d.durationMs(message.rotation_interval, 0);
  const graceMs = d.durationMs(message.graceful_deletion_interval, DEFAULT_GRACE_MS);
  if (graceMs < MIN_GRACE_MS) d.reject('graceful_deletion_interval', 'must be at least 1 s');
  const expiryMs = rotationMs === 0 ? defaultExpiryMs : rotationMs + graceMs;
  return Object.freeze({
    usesHost: message.disable_host_header_fallback !== true,
    reportMs: d.durationMs(message.tcp_reporting_duration, DEFAULT_REPORT_MS),
    isGateway: message.reporter === 'SERVER_GATEWAY',
    plan: decodeMetricPlan(message.metrics, message.definitions, d),
    expiryMs,
    key: JSON.stringify([message.metrics ?? [], message.definitions ?? [], expiryMs]),
  });
}
