// The udp_proxy filter: a session per client, which sends what it gets to one host and back.
import type { Address } from '../../base/byte-stream.ts';
import { type Engine, isListenError } from '../../net/engine.ts';
import { dialTransparent } from '../../net/socket-options.ts';
import type { Cluster, Host, LoadBalancerContext } from '../cluster/cluster.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { UdpProxyConfig as UdpProxyPb } from '../../proto/generated/types.d.ts';
import { Flag } from '../stream-info.ts';
import type { UdpFilter, UdpFilterContext, UdpFilterFactory } from './filter.ts';
import { logUdpProxy, noCounts, SessionLog, takeSessionId } from './session-log.ts';
import { type SessionOwner, UdpSession } from './session.ts';
import { UDP_PROXY_STATS, type UdpProxyScope, udpClusterCells } from './stats.ts';
import { decodeUdpProxy, UDP_PROXY, UDP_PROXY_FIELDS, type UdpProxyConfig } from './udp-proxy-config.ts';

export const udpProxy: UdpFilterFactory<UdpProxyConfig> = {
  configType: UDP_PROXY,
  fields: UDP_PROXY_FIELDS,
  decode: (message: object, d: ConfigDecoder) => decodeUdpProxy(message as UdpProxyPb, d),
  check: (config, engine) => (config.usesClientIp ? transparencyProblem(engine) : null),
  make: (config, context) => new UdpProxy(config, context),
};

/** Sources that are not ours need CAP_NET_ADMIN: tried once on a socket. */
function transparencyProblem(engine: Engine): string | null {
  const socketOptions = dialTransparent('ipv4');
  const address: Address = { family: 'ipv4', address: '127.0.0.1', port: 0 };
  const socket = engine.bindUdp(address, { socketOptions }, { onDatagram() {}, onError() {} });
  if (isListenError(socket)) return `use_original_src_ip: ${socket.detail}`;
  socket.close();
  return null;
}

class UdpProxy implements UdpFilter, SessionOwner {
  readonly config: UdpProxyConfig;
  readonly context: UdpFilterContext;
  readonly stats: UdpProxyScope;
  /** By client, and where each datagram chooses its host by client and host; the circuit breaker bounds them. */
  readonly #sessions = new Map<string, UdpSession>();
  /** Clients send in bursts. */
  #last: UdpSession | null = null;
  readonly #startMs: number;
  readonly #startWallMs: number;

  constructor(config: UdpProxyConfig, context: UdpFilterContext) {
    this.config = config;
    this.context = context;
    this.stats = context.stats.scope(`udp.${config.statPrefix}.`, UDP_PROXY_STATS);
    this.#startMs = context.clock.nowMs;
    this.#startWallMs = context.clock.wallMs;
    for (const name of config.route.clusterNames) {
      const cluster = context.clusters.get(name);
      if (cluster !== null) udpClusterCells(cluster);
    }
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  onDatagram(chunk: Buffer, start: number, end: number, from: Address, to: Address): void {
    const session = this.config.isPerPacket ? this.#sessionForPacket(from, to) : this.#sessionOf(from, to);
    session?.onDownstream(chunk, start, end);
  }

  onReceiveError(): void {
    this.stats.inc(this.stats.i.downstream_sess_rx_errors);
  }

  ended(session: UdpSession): void {
    if (this.#last === session) this.#last = null;
    this.#sessions.delete(session.key);
  }

  close(): void {
    for (const session of this.#sessions.values()) session.end();
    logUdpProxy(this.config.proxyAccessLogs, this.stats, this.context, this.#startMs, this.#startWallMs);
    this.stats.release();
  }

  #sessionOf(from: Address, to: Address): UdpSession | null {
    const last = this.#last;
    // The engine gives the same object while the same client sends.
    const key = last !== null && last.from === from ? last.key : `${from.address} ${from.port}`;
    const session = last !== null && last.key === key ? last : this.#sessions.get(key);
    if (session === undefined) return this.#newSession(key, from, to);
    this.#last = session;
    return session.host.health === 'UNHEALTHY' ? this.#betterSession(session, from, to) : session;
  }

  /** A host that is ill is left as soon as there is a better one. Source: Envoy StickySessionUdpProxyFilter. */
  #betterSession(session: UdpSession, from: Address, to: Address): UdpSession | null {
    const host = session.cluster.lb.chooseHost(this.#choice(from));
    if (host === null || host === session.host || !host.isHealthy) return session;
    const { key, cluster } = session;
    session.end();
    return this.#start(key, from, to, cluster, host);
  }

  #newSession(key: string, from: Address, to: Address): UdpSession | null {
    const cluster = this.#clusterFor(from, to);
    if (cluster === null) return null;
    const host = this.#chooseHost(cluster, from);
    return host === null ? null : this.#start(key, from, to, cluster, host);
  }

  #sessionForPacket(from: Address, to: Address): UdpSession | null {
    const cluster = this.#clusterFor(from, to);
    if (cluster === null) return null;
    const host = this.#chooseHost(cluster, from);
    if (host === null) return null;
    const key = `${from.address} ${from.port} ${cluster.name} ${host.name}`;
    const session = this.#sessions.get(key);
    if (session?.host === host) return session;
    // Another host with the same address has taken its place.
    session?.end();
    return this.#start(key, from, to, cluster, host);
  }

  #clusterFor(from: Address, to: Address): Cluster | null {
    const name = this.config.route.clusterFor(from, to);
    const cluster = name === null ? null : this.context.clusters.get(name);
    if (cluster === null) this.stats.inc(this.stats.i.downstream_sess_no_route);
    return cluster;
  }

  #chooseHost(cluster: Cluster, from: Address): Host | null {
    const host = cluster.lb.chooseHost(this.#choice(from));
    if (host === null) cluster.scope.inc(cluster.scope.i.upstream_cx_none_healthy);
    return host;
  }

  #choice(from: Address): LoadBalancerContext {
    return {
      hash: this.config.hash(from),
      random: this.context.random,
      requestHeaders: null,
      connection: null,
      info: null,
      shouldSelectAnother: () => false,
      hostSelectionMaxAttempts: 1,
    };
  }

  #start(key: string, from: Address, to: Address, cluster: Cluster, host: Host): UdpSession | null {
    if (!cluster.circuitBreaker('DEFAULT').connections.canCreate) {
      this.#refuse(from, to, cluster);
      return null;
    }
    const session = new UdpSession(this, key, from, to, cluster, host);
    this.#sessions.set(key, session);
    this.#last = session;
    return session;
  }

  /** Envoy counts and logs a session that the circuit breaker ends before it begins. */
  #refuse(from: Address, to: Address, cluster: Cluster): void {
    const { stats, config, context } = this;
    stats.inc(stats.i.downstream_sess_total);
    cluster.scope.inc(cluster.scope.i.upstream_cx_overflow);
    const ends = { id: takeSessionId(), from, to, clusterName: cluster.name };
    if (config.accessLogs.length > 0) new SessionLog(config, context, ends, noCounts()).end(Flag.UO);
  }
}
