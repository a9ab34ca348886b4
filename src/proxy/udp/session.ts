// One UDP session: a client, the host it speaks to, the socket between, and how long both have been silent.
import type { Address } from '../../base/byte-stream.ts';
import type { Timer } from '../../base/clock.ts';
import { isListenError, type UdpHandler, type UdpSocket } from '../../net/engine.ts';
import { dialTransparent } from '../../net/socket-options.ts';
import type { Cluster, Host } from '../cluster/cluster.ts';
import type { UdpFilterContext } from './filter.ts';
import { noCounts, type SessionCounts, SessionLog, takeSessionId } from './session-log.ts';
import { type UdpClusterCells, type UdpProxyScope, udpClusterCells } from './stats.ts';
import type { UdpProxyConfig } from './udp-proxy-config.ts';

export type SessionOwner = {
  readonly config: UdpProxyConfig;
  readonly context: UdpFilterContext;
  readonly stats: UdpProxyScope;
  ended(session: UdpSession): void;
};

export class UdpSession implements UdpHandler {
  readonly key: string;
  readonly from: Address;
  readonly cluster: Cluster;
  readonly host: Host;
  readonly #counts: SessionCounts = noCounts();
  readonly #owner: SessionOwner;
  readonly #cells: UdpClusterCells;
  readonly #breaker: { inc(): void; dec(): void };
  readonly #idleTimer: Timer;
  readonly #log: SessionLog | null;
  #socket: UdpSocket | null = null;
  #isOver = false;

  constructor(owner: SessionOwner, key: string, from: Address, to: Address, cluster: Cluster, host: Host) {
    this.#owner = owner;
    this.key = key;
    this.from = from;
    this.cluster = cluster;
    this.host = host;
    this.#cells = udpClusterCells(cluster);
    this.#breaker = cluster.circuitBreaker('DEFAULT').connections;
    this.#breaker.inc();
    const { stats, context, config } = owner;
    stats.inc(stats.i.downstream_sess_total);
    stats.inc(stats.i.downstream_sess_active);
    this.#idleTimer = context.clock.timer(onIdle, this);
    const ends = { id: takeSessionId(), from, to, clusterName: cluster.name };
    this.#log = config.accessLogs.length === 0 ? null : new SessionLog(config, context, ends, this.#counts);
    this.#log?.setUpstream(host, null);
    host.removalListeners.add(this.#onHostRemoved);
  }

  onDownstream(chunk: Buffer, start: number, end: number): void {
    const { stats } = this.#owner;
    const counts = this.#counts;
    const bytes = end - start;
    this.#idleTimer.arm(this.#owner.config.idleTimeoutMs);
    stats.add(stats.i.downstream_sess_rx_bytes, bytes);
    stats.inc(stats.i.downstream_sess_rx_datagrams);
    counts.bytesReceived += bytes;
    counts.datagramsReceived++;
    const { scope } = this.cluster;
    const socket = this.#socket ?? this.#open();
    if (socket === null || !socket.send(chunk, start, end, null)) {
      scope.inc(this.#cells.sess_tx_errors);
      return;
    }
    scope.inc(this.#cells.sess_tx_datagrams);
    scope.add(scope.i.upstream_cx_tx_bytes_total, bytes);
  }

  /** From the host. */
  onDatagram(chunk: Buffer, start: number, end: number): void {
    const { stats, config, context } = this.#owner;
    const { scope } = this.cluster;
    const counts = this.#counts;
    const bytes = end - start;
    this.#idleTimer.arm(config.idleTimeoutMs);
    if (bytes > config.maxUpstreamDatagramBytes) {
      scope.inc(this.#cells.sess_rx_datagrams_dropped);
      return;
    }
    scope.inc(this.#cells.sess_rx_datagrams);
    scope.add(scope.i.upstream_cx_rx_bytes_total, bytes);
    if (!context.send(chunk, start, end, this.from)) {
      stats.inc(stats.i.downstream_sess_tx_errors);
      counts.errorsSent++;
      return;
    }
    stats.add(stats.i.downstream_sess_tx_bytes, bytes);
    stats.inc(stats.i.downstream_sess_tx_datagrams);
    counts.bytesSent += bytes;
    counts.datagramsSent++;
  }

  /** The host refused. The session stays: the next datagram may find it back. */
  onError(): void {
    this.cluster.scope.inc(this.#cells.sess_rx_errors);
    this.#idleTimer.arm(this.#owner.config.idleTimeoutMs);
  }

  idle(): void {
    const { stats } = this.#owner;
    stats.inc(stats.i.idle_timeout);
    this.end();
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { stats } = this.#owner;
    this.#idleTimer.disarm();
    this.host.removalListeners.delete(this.#onHostRemoved);
    this.#breaker.dec();
    stats.dec(stats.i.downstream_sess_active);
    this.#log?.end();
    this.#socket?.close();
    this.#owner.ended(this);
  }

  readonly #onHostRemoved = (): void => this.end();

  /** Tried again with each datagram while the system gives none. */
  #open(): UdpSocket | null {
    const { config, context } = this.#owner;
    const { host } = this;
    const socket = context.engine.bindUdp(
      sourceFor(host.address, config.usesClientIp ? this.from : null),
      {
        connectTo: host.address,
        ipv4Compat: true,
        ...(config.usesClientIp ? { socketOptions: dialTransparent(host.address.family) } : {}),
      },
      this,
    );
    if (isListenError(socket)) return null;
    this.#socket = socket;
    this.#log?.setUpstream(host, socket.address);
    return socket;
  }
}

/** Where datagrams to a host come from: any address of this machine, or the client's, which need not be one. */
function sourceFor(host: Address, client: Address | null): Address {
  if (client !== null && client.family === host.family) return { ...client, port: 0 };
  return { family: host.family, address: host.family === 'ipv6' ? '::' : '0.0.0.0', port: 0 };
}

function onIdle(session: UdpSession): void {
  session.idle();
}
