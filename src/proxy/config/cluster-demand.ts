// Decodes where clusters come from that are asked for when traffic needs them (ODCDS).
import type { ConfigSource, Duration } from '../../proto/generated/types.d.ts';
import type { ClusterDemand } from '../cluster/cluster.ts';
import type { ConfigDecoder } from '../config-decoder.ts';

/** `field` names the source in the message at `d`, beside its `timeout`; null after rejecting it. */
export function decodeClusterDemand(
  { source: message, timeout }: { readonly source: ConfigSource | undefined; readonly timeout: Duration | undefined },
  field: string,
  defaultTimeoutMs: number,
  d: ConfigDecoder,
): ClusterDemand | null {
  const { environment } = d;
  const timeoutMs = d.durationMs(timeout, defaultTimeoutMs);
  if (timeoutMs < 0) d.reject('timeout', 'Expected positive duration');
  const place = environment.configPlace?.(message, d.at(field)) ?? null;
  if (place === null) return null;
  const { source } = place;
  const isDelta =
    source.kind === 'ads'
      ? environment.hasAds !== true || environment.isAdsDelta !== false
      : source.kind === 'grpc' && source.isDelta && !source.isAggregated;
  if (!isDelta) d.reject(field, 'clusters on demand come in delta form alone: use DELTA_GRPC, or an ADS that does');
  return Object.freeze({ place, timeoutMs });
}
