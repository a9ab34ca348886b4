// Where resources come from that a configuration only names: ConfigSource at run time.
import type { ConfigSource } from '../../proto/generated/types.d.ts';
import type { GrpcTarget } from '../cluster/upstream-client/grpc-call.ts';

/** Times in ms. Source: envoy.config.core.v3.ConfigSource. */
export type ConfigPlace = {
  /** Equal places have equal keys: what is asked for twice is asked for once. */
  readonly key: string;
  readonly source: PlaceSource;
  /** What it was decoded of: it crosses threads, what it became does not. */
  readonly message: ConfigSource;
  /** How long the first answer is waited for; 0: for ever. */
  readonly initialFetchTimeoutMs: number;
};

export type PlaceSource =
  /** The stream of dynamic_resources.ads_config. */
  | { readonly kind: 'ads' }
  | GrpcPlace
  | RestPlace
  | { readonly kind: 'path'; readonly path: string; readonly watchedDirectory: string };

export type GrpcPlace = {
  readonly kind: 'grpc';
  readonly isDelta: boolean;
  /** All types on one stream. */
  readonly isAggregated: boolean;
  readonly target: GrpcTarget;
  readonly setsNodeOnFirstOnly: boolean;
  /** Requests to the server: so many at once, so many per second. */
  readonly rateLimit: { readonly maxTokens: number; readonly fillRate: number } | null;
};

export type RestPlace = {
  readonly kind: 'rest';
  readonly clusterName: string;
  readonly refreshMs: number;
  readonly timeoutMs: number;
};

export const ADS_KEY = 'ads';

/** The ADS stream for types that no configuration names. */
export const ADS_PLACE: ConfigPlace = Object.freeze({
  ...{ key: ADS_KEY, source: { kind: 'ads' } as const, message: { ads: {} } },
  initialFetchTimeoutMs: 0,
});
