// Collects what a configuration means and every reason why it cannot be: the companion of all decode functions.
import type { SharedCells } from '../base/shared-cells.ts';
import type { DnsCacheClaims } from './dns-cache/dns-caches.ts';
import type { ClusterDemand } from './cluster/cluster.ts';
import type { UpstreamFilterFactory } from './cluster/upstream-filter.ts';
import type { HttpClient } from './cluster/upstream-client/http-client.ts';
import type { AdminTaps } from './http/admin-taps.ts';
import type { FractionalPercent, HttpFilterFactory, Runtime } from './http/filter.ts';
import type { UpstreamChainConfig } from './http/upstream-chain.ts';
import type { UpstreamTransportFactory } from './transport/transport.ts';
import type { BindConfig, ConfigSource, Duration, HttpFilter } from '../proto/generated/types.d.ts';
import type { StatStore } from '../telemetry/metrics.ts';
import type { StaticSecrets } from './tls/static-secrets.ts';
import type { ConfigPlace } from './xds/place.ts';

export type Reason = { readonly path: string; readonly reason: string };

type DurationPb = { seconds: number | bigint; nanos: number };

/** Decodes one message and below; `at` goes down one step. All reasons end up in one list with full field paths. */
export class ConfigDecoder {
  readonly path: string;
  readonly reasons: Reason[];
  /** What decoders need from the outside: finds filters, compiles formatters; shared by all levels. */
  readonly environment: DecodeEnvironment;

  constructor(environment: DecodeEnvironment, path = '', reasons: Reason[] = []) {
    this.environment = environment;
    this.path = path;
    this.reasons = reasons;
  }

  /** The decoder of a field or element below: at('http_filters', 2) is 'http_filters[2]'. */
  at(field: string, index?: number | string): ConfigDecoder {
    const step =
      index === undefined ? field : typeof index === 'number' ? `${field}[${index}]` : `${field}["${index}"]`;
    return new ConfigDecoder(this.environment, this.path === '' ? step : `${this.path}.${step}`, this.reasons);
  }

  /** What this message is called in all workers: for counts and buckets that its filters share. */
  get sharedName(): string {
    return `${this.environment.version ?? ''} ${this.path}`;
  }

  /** Notes why this message, or a field of it, cannot take effect. */
  reject(field: string, reason: string): void {
    const path = field === '' ? this.path : this.path === '' ? field : `${this.path}.${field}`;
    this.reasons.push({ path, reason });
  }

  durationMs(value: DurationPb | undefined): number | undefined;
  durationMs(value: DurationPb | undefined, fallbackMs: number): number;
  durationMs(value: DurationPb | undefined, fallbackMs?: number): number | undefined {
    if (value === undefined) return fallbackMs;
    return Number(value.seconds) * 1000 + value.nanos / 1e6;
  }

  fraction(value: { numerator?: number; denominator?: string | number } | undefined): FractionalPercent {
    const denominator =
      value?.denominator === 'MILLION' ? 1_000_000 : value?.denominator === 'TEN_THOUSAND' ? 10_000 : 100;
    return { numerator: value?.numerator ?? 0, denominator };
  }
}

/** What decoding needs beyond the message itself. */
export type DecodeEnvironment = {
  /** Counts and buckets of all workers; absent where there is one worker. */
  readonly shared?: SharedCells;
  /** Resource and version that are being decoded, the same in all workers: with a path it names what they share. */
  readonly version?: string;
  /** Where resources come from that are only named; absent where only a part is decoded. */
  readonly configPlace?: (message: ConfigSource | undefined, d: ConfigDecoder) => ConfigPlace | null;
  /** Where clusters come from that are asked for when traffic needs them (ODCDS); absent as `configPlace`. */
  readonly clusterDemand?: (
    message: { readonly source: ConfigSource | undefined; readonly timeout: Duration | undefined },
    field: string,
    defaultTimeoutMs: number,
    d: ConfigDecoder,
  ) => ClusterDemand | null;
  /** There is dynamic_resources.ads_config. */
  readonly hasAds?: boolean;
  /** That asks in delta form; absent where only a part is decoded. */
  readonly isAdsDelta?: boolean;
  /** cluster_manager.upstream_bind_config: of clusters that say none. */
  clusterBind?: BindConfig | undefined;
  /** static_resources.secrets; absent where only a part is decoded. */
  readonly staticSecrets?: StaticSecrets;
  /** The transport socket of a type, for clusters; absent where there is none. */
  readonly upstreamTransport?: (type: string) => UpstreamTransportFactory | null;
  /** Of dynamic forward proxies; absent where only a part is decoded. */
  readonly dnsCaches?: DnsCacheClaims;
  /** The network filter of a type, for clusters; absent where there is none. */
  readonly upstreamFilter?: (type: string) => UpstreamFilterFactory | null;
  /** The HTTP filter of a type, for filters that hold others; absent where only a part is decoded. */
  readonly httpFilter?: (type: string) => HttpFilterFactory | null;
  /**
   * HTTP filters behind the router; null where there are none, or after rejecting what cannot be there. `d` is at the
   * message that has them. Absent where only a part is decoded.
   */
  readonly upstreamChain?: (
    filters: readonly HttpFilter[] | undefined,
    owner: 'cluster' | 'router',
    d: ConfigDecoder,
  ) => UpstreamChainConfig | null;
  /** How the proxy itself calls services; absent where only a part is decoded. */
  readonly httpClient?: HttpClient;
  /** Runtime values, variables of the process, statistics; absent where only a part is decoded. */
  readonly runtime?: Runtime;
  readonly variables?: Readonly<Record<string, string | undefined>>;
  readonly stats?: StatStore;
  /** What the admin interface taps; null where there is none, absent where only a part is decoded. */
  readonly taps?: AdminTaps | null;
  /** Opens an Any: its type's full name and message, or null after rejecting it at `d`. */
  unpack(any: unknown, d: ConfigDecoder): { readonly type: string; readonly message: object } | null;
};
