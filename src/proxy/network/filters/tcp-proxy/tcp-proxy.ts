// The tcp_proxy filter (envoy.filters.network.tcp_proxy): joins each connection with one of its own to a host.
import type { Clock, Random, Timer } from '../../../../base/clock.ts';
import type { TcpProxy as TcpProxyPb } from '../../../../proto/generated/types.d.ts';
import type { ClusterDemands, ClusterManager } from '../../../cluster/cluster.ts';
import { tcpLogContext } from '../../../formatter/tcp-log-context.ts';
import {
  defineNetworkFilter,
  type DrainDecision,
  type NetworkConnection,
  type NetworkFilter,
  type NetworkFilterContext,
  type NetworkFilterFactory,
} from '../../filter.ts';
import { decodeTcpProxy, TCP_PROXY_FIELDS, type TcpProxyConfig } from './config.ts';
import { Session } from './session.ts';
import { ON_DEMAND_STATS, type OnDemandScope, TCP_PROXY_STATS, type TcpProxyScope } from './stats.ts';

export type TcpProxyDependencies = {
  readonly clusters: ClusterManager;
  readonly onDemandClusters: ClusterDemands;
};

/** How often the byte counters take on what open connections carried. */
const COUNT_INTERVAL_MS = 1000;

/** Makes the tcp_proxy of a worker out of its clusters. */
export function makeTcpProxy(dependencies: TcpProxyDependencies): NetworkFilterFactory {
  return defineNetworkFilter<TcpProxyConfig, TcpProxyPb>({
    name: 'envoy.filters.network.tcp_proxy',
    configType: 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
    fields: TCP_PROXY_FIELDS,
    isTerminal: true,
    decode: decodeTcpProxy,
    create: (config, context) => new TcpProxy(config, context, dependencies),
  });
}

export class TcpProxy implements NetworkFilter {
  readonly config: TcpProxyConfig;
  readonly clusters: ClusterManager;
  readonly onDemandClusters: ClusterDemands;
  readonly clock: Clock;
  readonly random: Random;
  readonly drain: DrainDecision;
  readonly bufferLimitBytes: number;
  readonly stats: TcpProxyScope;
  /** Null: clusters are not asked for. */
  readonly onDemandStats: OnDemandScope | null;
  readonly #sessions = new Map<NetworkConnection, Session>();
  readonly #countTimer: Timer;

  constructor(config: TcpProxyConfig, context: NetworkFilterContext, dependencies: TcpProxyDependencies) {
    this.config = config;
    this.clusters = dependencies.clusters;
    this.onDemandClusters = dependencies.onDemandClusters;
    this.clock = context.clock;
    this.random = context.random;
    this.drain = context.drain;
    this.bufferLimitBytes = context.bufferLimitBytes;
    this.stats = context.stats.scope(`tcp.${config.statPrefix}.`, TCP_PROXY_STATS);
    this.onDemandStats =
      config.demand === null ? null : context.stats.scope(`tcp.${config.statPrefix}.`, ON_DEMAND_STATS);
    if (config.demand !== null) this.onDemandClusters.announce(config.demand);
    this.#countTimer = context.clock.timer(countBytes, this);
  }

  start(connection: NetworkConnection): void {
    this.stats.inc(this.stats.i.downstream_cx_total);
    const session = new Session(this, connection);
    this.#sessions.set(connection, session);
    if (!this.#countTimer.isArmed) this.#countTimer.arm(COUNT_INTERVAL_MS);
    session.start();
  }

  onDestroy(connection: NetworkConnection): void {
    const session = this.#sessions.get(connection);
    if (session === undefined) this.#countRefused(connection);
    else session.log('TcpConnectionEnd');
    this.#sessions.delete(connection);
  }

  /** A filter before this one ended the connection: it is counted and logged all the same, as in Envoy. */
  #countRefused(connection: NetworkConnection): void {
    this.stats.inc(this.stats.i.downstream_cx_total);
    connection.info.upstreamDetectedCloseType = 'Normal';
    const context = tcpLogContext(connection.info, 'TcpConnectionEnd');
    for (const accessLog of this.config.accessLogs) accessLog.log(context);
  }

  /** For the timer. */
  countBytes(): void {
    for (const session of this.#sessions.values()) session.countBytes();
    if (this.#sessions.size > 0) this.#countTimer.arm(COUNT_INTERVAL_MS);
  }
}

function countBytes(proxy: TcpProxy): void {
  proxy.countBytes();
}
