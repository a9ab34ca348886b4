// What the metadata exchange filters of listeners and of clusters have in common: configuration and statistics.
import type { ConfigDecoder } from '../../../config-decoder.ts';
import type { PeerReader } from '../../../istio/peer-exchange.ts';
import type { ScopeOf } from '../../../../telemetry/metrics.ts';

export const EXCHANGE_TYPE = 'envoy.tcp.metadataexchange.config.MetadataExchange';
/** Workload discovery finds nobody as long as no control plane tells of workloads. */
export const EXCHANGE_FIELDS = { [EXCHANGE_TYPE]: 'protocol enable_discovery' } as const;

export type ExchangePb = { protocol?: string; enable_discovery?: boolean };

export type ExchangeConfig = {
  /** Of ALPN. */
  readonly protocol: string;
};

export function decodeExchange(message: ExchangePb, d: ConfigDecoder): ExchangeConfig {
  const { protocol = '' } = message;
  if (protocol === '') d.reject('protocol', 'is required');
  return Object.freeze({ protocol });
}

/** Source: Istio ALL_METADATA_EXCHANGE_STATS. */
export const EXCHANGE_STATS = {
  alpn_protocol_not_found: 'counter',
  alpn_protocol_found: 'counter',
  initial_header_not_found: 'counter',
  header_not_found: 'counter',
  metadata_added: 'counter',
} as const;
export const EXCHANGE_PREFIX = 'metadata_exchange.';
export type ExchangeScope = ScopeOf<typeof EXCHANGE_STATS>;

/** Counts what came of bytes that were read. */
export function countOutcome(stats: ExchangeScope, { outcome, isHeadMissing }: PeerReader): void {
  if (outcome === 'no-head' || (outcome === 'more' && isHeadMissing)) stats.inc(stats.i.initial_header_not_found);
  else if (outcome === 'no-peer' || outcome === 'too-long') stats.inc(stats.i.header_not_found);
}
