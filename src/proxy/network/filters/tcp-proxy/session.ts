// One proxied connection: the downstream half, how its upstream is found, and what ends of either half mean.
import type { ByteStream, ByteStreamHandler } from '../../../../base/byte-stream.ts';
import type { Clock, Random, Timer } from '../../../../base/clock.ts';
import type { Failure } from '../../../../base/failure.ts';
import type {
  Cluster,
  ConnectionCallbacks,
  Host,
  LoadBalancer,
  LoadBalancerContext,
  StreamRequest,
  UpstreamConnection,
} from '../../../cluster/cluster.ts';
import { ACTIVE_OVERFLOW } from '../../../cluster/failures.ts';
import { wishesOf } from '../../../cluster/wishes.ts';
import { tcpLogContext, type TcpLogType } from '../../../formatter/tcp-log-context.ts';
import { type ConnectionInfo, Flag, type StreamInfo } from '../../../stream-info.ts';
import type { TransportWishes } from '../../../transport/transport.ts';
import type { CloseKind, NetworkConnection } from '../../filter.ts';
import { ClusterWait } from './cluster-wait.ts';
import { idleTimeoutOf, pickCluster, type TcpProxyConfig, tunnelOf } from './config.ts';
import type { TunnelConfig } from './tunnel-config.ts';
import type { TcpProxyScope } from './stats.ts';
import type { TcpProxy } from './tcp-proxy.ts';
import { isStreamReset, Tunnel } from './tunnel.ts';
import { fillUpstream, UpstreamSide, type UpstreamUser } from './upstream-side.ts';

/** Why there is no upstream, as the number that ends the close reason. Source: Envoy UpstreamFailureReason. */
const CONNECT_FAILED = 0;
const NO_HEALTHY_UPSTREAM = 1;
const RESOURCE_LIMIT_EXCEEDED = 2;
const NO_ROUTE = 3;

/**
 *   waiting (for the first byte) ─► connecting ─► joined ─► over
 *                                    ▲ └ failed ─► retry timer ┐
 *                                    └─────────────────────────┘
 *
 * While joined, FIN of one side becomes FIN of the other, RST becomes RST, and a side whose queue is full stops the
 * other's reading. The downstream's end is the end of the session; the upstream may outlive it to send what is queued.
 */
export class Session implements ByteStreamHandler, UpstreamUser, ConnectionCallbacks, LoadBalancerContext {
  /** For the load balancer. */
  readonly random: Random;
  private readonly proxy: TcpProxy;
  private readonly config: TcpProxyConfig;
  private readonly stats: TcpProxyScope;
  private readonly clock: Clock;
  private readonly network: NetworkConnection;
  private readonly down: ByteStream;
  /** What a log will tell; null when there is none, because to make it costs memory and system calls. */
  private readonly seen: StreamInfo | null;
  private attempts = 0;
  private up: ByteStream | null = null;
  private side: UpstreamSide | null = null;
  private request: StreamRequest | null = null;
  /** Of the last attempt, where the upstream is reached through an HTTP proxy. */
  private tunnel: Tunnel | null = null;
  private host: Host | null = null;
  private cluster: Cluster | null = null;
  private isOver = false;
  /** Why this side ends the connection; '' while it does not. */
  private closeReason = '';

  /** Bytes that came before the upstream stood. */
  private early: Buffer[] | null = null;
  private earlyBytes = 0;
  private isEarlyEnd = false;
  /** Reading waits for the upstream. */
  private isHeld = false;
  private isDownPaused = false;
  private isUpPaused = false;

  /** When bytes last came. */
  private activeMs: number;
  private readonly idleMs: number | null;
  private writtenAtCheck = 0;
  private hadBacklog = false;
  private readonly idleTimer: Timer | null;
  private durationTimer: Timer | null = null;
  private logTimer: Timer | null = null;
  private retryTimer: Timer | null = null;
  private nextBackOffMs = 0;
  private connectStartMs = -1;

  private rxCounted = 0;
  private txCounted = 0;
  private bufferedCounted = 0;

  constructor(proxy: TcpProxy, network: NetworkConnection) {
    this.proxy = proxy;
    this.config = proxy.config;
    this.stats = proxy.stats;
    this.clock = proxy.clock;
    this.random = proxy.random;
    this.network = network;
    this.down = network.stream;
    this.seen = this.config.accessLogs.length > 0 || network.isLogged ? network.info : null;
    this.activeMs = this.clock.nowMs;
    this.idleMs = idleTimeoutOf(this.config, network.connection);
    this.idleTimer = this.idleMs === null ? null : this.clock.timer(checkIdle, this);
  }

  start(): void {
    const { config, down, seen } = this;
    down.handler = this;
    down.setWatermarks(this.proxy.bufferLimitBytes);
    if (config.maxEarlyBytes === null) this.hold();
    if (config.maxDurationMs > 0) {
      const jitterMs = config.maxJitterMs === 0 ? 0 : this.random.below(config.maxJitterMs);
      this.durationTimer = this.clock.timer(onMaxDuration, this);
      this.durationTimer.arm(config.maxDurationMs + jitterMs);
    }
    if (config.logIntervalMs > 0) {
      this.logTimer = this.clock.timer(logPeriodically, this);
      this.logTimer.arm(config.logIntervalMs);
    }
    if (this.idleMs !== null) this.idleTimer?.arm(this.idleMs);
    if (seen !== null) {
      seen.upstreamDetectedCloseType = 'Normal';
      // %STREAM_ID%
      seen.requestId = this.random.uuid();
    }
    if (config.logsStart) this.log('TcpConnectionStart');
    if (!config.connectsOnData) this.connect();
  }

  private hold(): void {
    if (this.isHeld) return;
    this.isHeld = true;
    this.down.pause();
  }

  // ─── The way to an upstream ─────────────────────────────────────────────────────────────────────────────────────

  /** For the retry timer too. */
  connect(): void {
    if (this.isOver || this.closeReason !== '') return;
    this.connectBy(pickCluster(this.config, this.network.connection, this.random));
  }

  private connectBy(name: string): void {
    const { seen } = this;
    const cluster = this.proxy.clusters.get(name);
    this.cluster = cluster;
    if (cluster === null) {
      if (this.config.demand === null) this.noCluster();
      else this.request = ClusterWait.start(name, this.config.demand, this.proxy, this);
      return;
    }
    if (this.connectStartMs < 0) this.connectStartMs = this.clock.nowMs;
    if (seen !== null) {
      seen.clusterName = name;
      seen.clusterAltStatName = cluster.statName;
      seen.clusterMetadata = cluster.metadata;
    }
    const { scope } = cluster;
    // A connection never comes back to its pool, so a wish for one that is too many would wait for ever.
    if (cluster.circuitBreaker('DEFAULT').isConnectionsFull) {
      scope.inc(scope.i.upstream_cx_overflow);
      this.flag(Flag.UO);
      this.giveUp(RESOURCE_LIMIT_EXCEEDED);
      return;
    }
    const host = cluster.lb.chooseHost(this);
    if (host !== null) this.attempt(host);
    else if (cluster.lb.findHost !== undefined) this.findHost(cluster, cluster.lb as Required<LoadBalancer>);
    else this.noHost(cluster, true);
  }

  private noCluster(): void {
    const { stats } = this;
    stats.inc(stats.i.downstream_cx_no_route);
    this.flag(Flag.NC);
    this.giveUp(NO_ROUTE);
  }

  /** Of a cluster that was asked for. */
  onClusterAnswer(name: string, isThere: boolean): void {
    this.request = null;
    if (this.isOver || this.closeReason !== '') return;
    if (isThere) this.connectBy(name);
    else this.noCluster();
  }

  private noHost({ scope }: Cluster, isCounted: boolean): void {
    if (isCounted) scope.inc(scope.i.upstream_cx_none_healthy);
    this.flag(Flag.UH);
    this.giveUp(NO_HEALTHY_UPSTREAM);
  }

  /** Of a dynamic forward proxy: the name is looked up. */
  private findHost(cluster: Cluster, lb: Required<LoadBalancer>): void {
    let isOver = false;
    const search = lb.findHost(this, (host) => {
      // Envoy counts the host that is missing only where it need not ask.
      const isAtOnce = this.request === null;
      isOver = true;
      this.request = null;
      if (this.isOver || this.closeReason !== '') return;
      if (host === null) this.noHost(cluster, isAtOnce);
      else this.attempt(host);
    });
    if (!isOver) this.request = search;
  }

  private attempt(host: Host): void {
    const { seen } = this;
    this.host = host;
    this.attempts++;
    if (seen !== null) {
      // It is the connection's host once it has answered, well or badly.
      if (seen.upstream !== null) (seen.earlierUpstreams ??= []).push(seen.upstream);
      (seen.earlierUpstreams ??= []).push(host);
      seen.upstream = null;
      seen.attemptCount = this.attempts;
    }
    const source = this.network.connection.upstreamSource ?? null;
    const { wants } = this.cluster as Cluster;
    // To ask for `info` makes one, and at this layer all filter state is the connection's.
    const wishes = wishesOf({ filterState: null, connection: this.network.connection }, wants);
    const tunnel = tunnelOf(this.config, this.network.connection);
    const request =
      tunnel === null ? host.newConnection('DEFAULT', { source, wishes }, this) : this.openTunnel(tunnel, host, wishes);
    // The answer may have come during the call.
    if (this.up === null && this.host === host && this.closeReason === '') this.request = request;
  }

  private openTunnel(config: TunnelConfig, host: Host, wishes: TransportWishes | null): Tunnel {
    const { info, random } = this;
    if (this.seen !== null) this.tunnel?.tellBytes(this.seen);
    const tunnel = new Tunnel(host, { config, info, wishes, requestId: () => random.uuid() }, this);
    this.tunnel = tunnel;
    tunnel.open();
    return tunnel;
  }

  onConnectFailed(reason: Failure): void {
    this.request = null;
    // Beyond a limit the host was not even asked.
    if (reason.code !== 'upstream_overflow' || reason === ACTIVE_OVERFLOW) {
      this.setHost();
      if (this.seen !== null) {
        this.seen.upstreamTransportFailureReason = reason.code === 'connect_failed' ? reason.detail : '';
      }
      if (reason.side !== 'local') {
        this.flag(Flag.UF);
        tellOutlier(this.host, reason);
      }
    }
    if (this.isOver) return;
    if (this.attempts < this.config.maxConnectAttempts) {
      this.retryTimer ??= this.clock.timer(connectAgain, this);
      this.retryTimer.arm(this.backOffMs());
      return;
    }
    this.flag(Flag.URX);
    const scope = this.cluster?.scope;
    scope?.inc(scope.i.upstream_cx_connect_attempts_exceeded);
    this.giveUp(CONNECT_FAILED);
  }

  private flag(bit: number): void {
    if (this.seen !== null) this.seen.flags |= bit;
  }

  private setHost(): void {
    const { seen, host } = this;
    if (host === null || seen === null) return;
    seen.earlierUpstreams?.pop();
    seen.upstream = host;
    seen.upstreamHostMetadata = host.metadata;
  }

  /** Doubles from attempt to attempt, and draws from what is below. Without back-off the next turn tries again. */
  private backOffMs(): number {
    const { backOff } = this.config;
    if (backOff === null) return 0;
    const limitMs = this.nextBackOffMs === 0 ? backOff.baseMs : this.nextBackOffMs;
    this.nextBackOffMs = Math.min(limitMs * 2, backOff.maxMs);
    return this.random.below(limitMs);
  }

  private giveUp(reason: number): void {
    this.setPoolReady();
    // Spelled as Envoy spells it.
    this.close('no-flush', `tcp_initializion_failure:${reason}`);
  }

  private setPoolReady(): void {
    if (this.connectStartMs < 0 || this.seen === null) return;
    this.seen.upstreamConnectionPoolReadyMs = this.clock.nowMs - this.connectStartMs;
  }

  onConnected(connection: UpstreamConnection): void {
    const up = connection.stream;
    this.request = null;
    this.host?.outlier?.connectedFinally();
    this.side = new UpstreamSide(connection, this);
    this.up = up;
    this.setPoolReady();
    this.setHost();
    if (this.seen !== null) fillUpstream(this.seen, connection);
    this.activeMs = this.clock.nowMs;
    this.sendEarly(up);
    if (this.isHeld) {
      this.isHeld = false;
      this.down.resume();
    }
    if (this.config.logsConnected) this.log('TcpUpstreamConnected');
  }

  // ─── Before the upstream stands ─────────────────────────────────────────────────────────────────────────────────

  /** Keeps bytes; without early data they only come when a filter before this one had held them back. */
  private keep(chunk: Buffer, start: number, end: number): void {
    (this.early ??= []).push(Buffer.from(chunk.subarray(start, end)));
    this.earlyBytes += end - start;
    this.onEarly();
  }

  private onEarly(): void {
    const { maxEarlyBytes, connectsOnData } = this.config;
    if (maxEarlyBytes === null) return;
    const { stats } = this;
    stats.inc(stats.i.early_data_received_count_total);
    const isFirst = this.connectStartMs < 0 && this.host === null && this.closeReason === '';
    if (connectsOnData && isFirst && this.earlyBytes > 0) this.connect();
    if (this.up === null && this.earlyBytes >= maxEarlyBytes) this.hold();
  }

  private sendEarly(up: ByteStream): void {
    const { early } = this;
    this.early = null;
    if (early !== null) for (const bytes of early) up.write(bytes);
    if (this.isEarlyEnd) up.end();
    else if (up.isAboveHighWatermark) this.pauseDown(up);
  }

  // ─── Bytes ──────────────────────────────────────────────────────────────────────────────────────────────────────

  onData(chunk: Buffer, start: number, end: number): void {
    const { up } = this;
    if (up === null) {
      if (!this.isOver) this.keep(chunk, start, end);
      return;
    }
    up.writeBorrowed(chunk, start, end);
    this.activeMs = this.clock.nowMs;
    if (up.isAboveHighWatermark) this.pauseDown(up);
    if (this.config.checksDrain) this.checkDrain();
  }

  onUpstreamData(chunk: Buffer, start: number, end: number): void {
    const { down } = this;
    down.writeBorrowed(chunk, start, end);
    this.activeMs = this.clock.nowMs;
    if (down.isAboveHighWatermark) this.pauseUp(down);
    if (this.config.checksDrain) this.checkDrain();
  }

  onEnd(): void {
    if (this.up !== null) this.up.end();
    else if (!this.isOver) {
      this.isEarlyEnd = true;
      // With bytes before it, FIN is taken to have come along with them.
      if (this.earlyBytes === 0) this.onEarly();
    }
  }

  onUpstreamEnd(): void {
    this.down.end();
  }

  /** The system may still take what is queued; if it does not, the other side's reading stops. */
  private pauseDown(up: ByteStream): void {
    up.flush();
    if (this.isDownPaused || !up.isAboveHighWatermark) return;
    this.isDownPaused = true;
    this.stats.inc(this.stats.i.downstream_flow_control_paused_reading_total);
    this.down.pause();
  }

  onUpstreamDrain(): void {
    this.activeMs = this.clock.nowMs;
    if (!this.isDownPaused) return;
    this.isDownPaused = false;
    this.stats.inc(this.stats.i.downstream_flow_control_resumed_reading_total);
    this.down.resume();
  }

  private pauseUp(down: ByteStream): void {
    down.flush();
    if (this.isUpPaused || !down.isAboveHighWatermark) return;
    this.isUpPaused = true;
    const scope = this.cluster?.scope;
    if (this.tunnel === null) scope?.inc(scope.i.upstream_flow_control_paused_reading_total);
    this.up?.pause();
  }

  onDrain(): void {
    this.activeMs = this.clock.nowMs;
    if (!this.isUpPaused) return;
    this.isUpPaused = false;
    const scope = this.cluster?.scope;
    if (this.tunnel === null) scope?.inc(scope.i.upstream_flow_control_resumed_reading_total);
    this.up?.resume();
  }

  /** check_drain_close: a connection that still carries bytes while the listener drains ends. */
  private checkDrain(): void {
    const { drain } = this.proxy;
    if (this.closeReason !== '' || !drain.isDraining || !drain.shouldDrainClose()) return;
    this.stats.inc(this.stats.i.downstream_cx_drain_close);
    this.close('flush', 'tcp_proxy_drain_close');
  }

  // ─── Ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private close(kind: CloseKind, reason: string): void {
    this.closeReason = reason;
    this.network.close(kind, reason);
  }

  onUpstreamClose(failure: Failure | null): void {
    this.countBytes();
    this.fillSeen();
    this.up = null;
    this.side = null;
    this.idleTimer?.disarm();
    if (this.isOver) return;
    if (isReset(failure)) {
      this.flag(Flag.UR);
      if (this.seen !== null) this.seen.upstreamDetectedCloseType = 'RemoteReset';
      this.network.close('reset', '');
    } else this.network.close('flush', '');
  }

  onClose(failure: Failure | null): void {
    this.isOver = true;
    this.idleTimer?.disarm();
    this.durationTimer?.disarm();
    this.logTimer?.disarm();
    this.retryTimer?.disarm();
    // Envoy takes the end for the proxy's no.
    if (this.up === null && this.tunnel?.isWaiting === true) {
      this.setHost();
      this.flag(Flag.UF);
    }
    this.request?.cancel();
    this.request = null;
    this.early = null;
    this.endUpstream(failure);
    this.countBytes();
    this.fillSeen();
    if (this.seen !== null) this.seen.endMs = this.clock.nowMs;
    this.network.closed(failure);
  }

  private endUpstream(failure: Failure | null): void {
    const { side, seen } = this;
    if (side === null) return;
    if (isReset(failure)) side.destroy(true);
    else if (this.closeReason !== '' || failure?.side === 'local') {
      if (seen !== null && this.tunnel === null) {
        seen.upstreamLocalCloseReason = seen.connection.localCloseReason ?? this.closeReason;
      }
      side.destroy(false);
    } else side.closeAfterFlush(this.clock, this.idleMs, this.stats);
  }

  // ─── Time ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * For the idle timer, which is not set anew for every chunk: it looks when the last one came. What a slow reader
   * takes counts too, as long as something is queued for it.
   */
  checkIdle(): void {
    const idleMs = this.idleMs ?? 0;
    const { down, up } = this;
    const written = down.bytesWritten + (up?.bytesWritten ?? 0);
    const hasBacklog = down.bufferedBytes + (up?.bufferedBytes ?? 0) > 0;
    if ((hasBacklog || this.hadBacklog) && written !== this.writtenAtCheck) this.activeMs = this.clock.nowMs;
    this.writtenAtCheck = written;
    this.hadBacklog = hasBacklog;
    const leftMs = this.activeMs + idleMs - this.clock.nowMs;
    if (leftMs > 0) {
      this.idleTimer?.arm(leftMs);
      return;
    }
    this.stats.inc(this.stats.i.idle_timeout);
    this.close('no-flush', 'tcp_session_idle_timeout');
  }

  onMaxDuration(): void {
    this.flag(Flag.DT);
    this.stats.inc(this.stats.i.max_downstream_connection_duration);
    this.close('no-flush', 'max_connection_duration_reached');
  }

  // ─── Logs and statistics ────────────────────────────────────────────────────────────────────────────────────────

  logPeriodically(): void {
    this.log('TcpPeriodic');
    this.logTimer?.arm(this.config.logIntervalMs);
  }

  log(type: TcpLogType): void {
    const { accessLogs } = this.config;
    if (accessLogs.length === 0 || this.seen === null) return;
    this.fillSeen();
    const context = tcpLogContext(this.seen, type);
    for (const accessLog of accessLogs) accessLog.log(context);
  }

  private fillSeen(): void {
    const { seen, down, up } = this;
    if (seen === null) return;
    seen.bytesReceived = down.bytesRead;
    seen.bytesSent = down.bytesWritten;
    seen.downstreamWireBytesReceived = down.bytesRead;
    this.tunnel?.tellBytes(seen);
    if (up === null) return;
    seen.downstreamWireBytesSent = up.bytesRead;
    if (this.tunnel !== null) return;
    seen.upstreamWireBytesReceived = up.bytesRead;
    seen.upstreamWireBytesSent = down.bytesRead;
  }

  /** Takes what was carried since the last time into the counters. */
  countBytes(): void {
    const { stats, down } = this;
    const { bytesRead, bytesWritten } = down;
    const bufferedBytes = this.isOver ? 0 : down.bufferedBytes;
    if (bytesRead !== this.rxCounted) {
      if (this.rxCounted === 0) stats.set(stats.i.downstream_cx_rx_bytes_buffered, 0);
      stats.add(stats.i.downstream_cx_rx_bytes_total, bytesRead - this.rxCounted);
      this.rxCounted = bytesRead;
    }
    if (bytesWritten !== this.txCounted) {
      stats.add(stats.i.downstream_cx_tx_bytes_total, bytesWritten - this.txCounted);
      this.txCounted = bytesWritten;
    }
    if (bufferedBytes !== this.bufferedCounted) {
      stats.add(stats.i.downstream_cx_tx_bytes_buffered, bufferedBytes - this.bufferedCounted);
      this.bufferedCounted = bufferedBytes;
    }
    this.side?.connection.countBytes();
  }

  // ─── For the load balancer ──────────────────────────────────────────────────────────────────────────────────────

  get hash(): number | null {
    return this.config.hash === null ? null : this.config.hash(this.info);
  }
  get connection(): ConnectionInfo {
    return this.network.connection;
  }
  get info(): StreamInfo {
    return this.network.info;
  }
  get requestHeaders(): null {
    return null;
  }
  get hostSelectionMaxAttempts(): number {
    return 1;
  }
  shouldSelectAnother(): boolean {
    return false;
  }
}

/** Of an attempt that came to nothing. Source: Envoy TcpProxy::Filter::onConnectTimeout, onUpstreamEvent. */
function tellOutlier(host: Host | null, reason: Failure): void {
  if (reason.code === 'connect_timeout') host?.outlier?.timedOut();
  else host?.outlier?.failed();
}

/** The peer sent RST, as against ending in order or falling silent. */
function isReset(failure: Failure | null): boolean {
  return failure !== null && (failure.detail.endsWith('(ECONNRESET)') || isStreamReset(failure));
}

function connectAgain(session: Session): void {
  session.connect();
}

function checkIdle(session: Session): void {
  session.checkIdle();
}

function onMaxDuration(session: Session): void {
  session.onMaxDuration();
}

function logPeriodically(session: Session): void {
  session.logPeriodically();
}
