// What all connections of one HTTP connection manager share.
import type { Clock, Random } from '../../base/clock.ts';
import type { Http2CodecScope } from '../codec/http2-stats.ts';
import type { DrainDecision } from '../network/filter.ts';
import type { MatchContext, RouteTable } from '../route/route.ts';
import type { Holder } from '../xds/holders.ts';
import type { HttpConnection } from './connection-manager.ts';
import type { Runtime } from './filter.ts';
import type { FilterChain } from './filter-chain.ts';
import type { HttpConfig } from './http-config.ts';
import type { PolicyWatch } from './policy-watch.ts';
import type { Http1CodecScope, HttpScope, ListenerHttpScope, RouteResolutionScope } from './stats.ts';
import type { TracingScope } from './tracing.ts';

/** What all connections of one filter chain share. */
export type HttpManager = {
  readonly config: HttpConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly stats: HttpScope;
  readonly tracingStats: TracingScope;
  /** Null where nobody asked for them. */
  readonly resolutionStats: RouteResolutionScope | null;
  readonly listenerStats: ListenerHttpScope;
  readonly codecStats: Http1CodecScope;
  /** Made with the first HTTP/2 connection, as Envoy's. */
  readonly http2Stats: () => Http2CodecScope;
  /** 'draining' once the listener or the process drains: connections close after their exchange. */
  readonly drain: DrainDecision;
  /** The Date header's value for now; one string per second. */
  dateText(): string;
  readonly isSecure: boolean;
  /** Of upgrades that have filters of their own, by type. */
  readonly upgradeChains: ReadonlyMap<string, FilterChain>;
  /** What routes look at; `format` is the stream whose route was looked for last. */
  readonly matchContext: { -readonly [Key in keyof MatchContext]: MatchContext[Key] };
  /** The route configuration, if it comes from elsewhere. */
  readonly rds: Holder<RouteTable> | null;
  /** Judges exchanges in progress again; made with the manager. */
  policy: PolicyWatch | null;
  /** Live connections, for drain and shutdown. */
  readonly connections: Set<HttpConnection>;
};
