// What access logs tell of UDP: of one session at its end and from time to time, and of a whole filter when it goes.
import type { Address } from '../../base/byte-stream.ts';
import type { Timer } from '../../base/clock.ts';
import type { AccessLog } from '../access-log/access-log.ts';
import { tcpLogContext, type UdpLogType } from '../formatter/tcp-log-context.ts';
import { type ConnectionInfo, StreamInfo, type UpstreamInfo } from '../stream-info.ts';
import type { UdpFilterContext } from './filter.ts';
import type { UdpProxyScope } from './stats.ts';
import type { UdpProxyConfig } from './udp-proxy-config.ts';

/** Namespaces of dynamic metadata. Source: Envoy "UDP proxy, access log support". */
const SESSION = 'udp.proxy.session';
const PROXY = 'udp.proxy.proxy';

/** Sessions of all filters, refused ones too: %CONNECTION_ID%. */
let nextSessionId = 0;

export function takeSessionId(): number {
  return nextSessionId++;
}

/** Whom a session is between. */
export type SessionEnds = {
  readonly id: number;
  readonly from: Address;
  readonly to: Address;
  readonly clusterName: string;
};

/** What a session did so far. */
export type SessionCounts = {
  bytesReceived: number;
  bytesSent: number;
  datagramsReceived: number;
  datagramsSent: number;
  errorsSent: number;
};

export function noCounts(): SessionCounts {
  return { bytesReceived: 0, bytesSent: 0, datagramsReceived: 0, datagramsSent: 0, errorsSent: 0 };
}

/** The log of one session. */
export class SessionLog {
  readonly counts: SessionCounts;
  readonly #logs: readonly AccessLog[];
  readonly #context: UdpFilterContext;
  readonly #clusterName: string;
  readonly #info: StreamInfo;
  readonly #timer: Timer | null;

  constructor(config: UdpProxyConfig, context: UdpFilterContext, ends: SessionEnds, counts: SessionCounts) {
    this.#logs = config.accessLogs;
    this.#context = context;
    this.#clusterName = ends.clusterName;
    this.counts = counts;
    const { clock, random } = context;
    const connection = connectionInfo(ends.id, ends.from, ends.to, context.listenerName);
    this.#info = new StreamInfo(connection, clock.nowMs, clock.wallMs);
    this.#info.requestId = random.uuid();
    const intervalMs = config.logIntervalMs;
    this.#timer = intervalMs === 0 ? null : clock.timer(onInterval, { log: this, intervalMs });
    this.#timer?.arm(intervalMs);
  }

  /** Where the session's datagrams go; `local` is the socket's address, null while there is none. */
  setUpstream(host: UpstreamInfo, local: Address | null): void {
    this.#info.upstream = host;
    this.#info.upstreamLocalAddress = local;
  }

  end(flags = 0): void {
    this.#timer?.disarm();
    this.#info.flags |= flags;
    this.#info.endMs = this.#context.clock.nowMs;
    this.#write('UdpSessionEnd');
  }

  periodic(intervalMs: number): void {
    this.#timer?.arm(intervalMs);
    this.#write('UdpPeriodic');
  }

  #write(type: UdpLogType): void {
    const { counts } = this;
    const info = this.#info;
    info.bytesReceived = counts.bytesReceived;
    info.bytesSent = counts.bytesSent;
    info.setMetadata(SESSION, {
      bytes_received: counts.bytesReceived,
      bytes_sent: counts.bytesSent,
      cluster_name: this.#clusterName,
      datagrams_received: counts.datagramsReceived,
      datagrams_sent: counts.datagramsSent,
      errors_sent: counts.errorsSent,
    });
    const context = tcpLogContext(info, type);
    for (const log of this.#logs) log.log(context);
  }
}

/** What a filter did in its life, from its statistics. */
export function logUdpProxy(
  logs: readonly AccessLog[],
  stats: UdpProxyScope,
  context: UdpFilterContext,
  startMs: number,
  startWallMs: number,
): void {
  if (logs.length === 0) return;
  const info = new StreamInfo(connectionInfo(0, NOWHERE, NOWHERE, context.listenerName), startMs, startWallMs);
  const { i } = stats;
  info.endMs = context.clock.nowMs;
  info.requestId = context.random.uuid();
  info.bytesReceived = stats.value(i.downstream_sess_rx_bytes);
  info.bytesSent = stats.value(i.downstream_sess_tx_bytes);
  info.setMetadata(PROXY, {
    bytes_received: info.bytesReceived,
    bytes_sent: info.bytesSent,
    datagrams_received: stats.value(i.downstream_sess_rx_datagrams),
    datagrams_sent: stats.value(i.downstream_sess_tx_datagrams),
    errors_received: stats.value(i.downstream_sess_rx_errors),
    errors_sent: stats.value(i.downstream_sess_tx_errors),
    idle_timeout: stats.value(i.idle_timeout),
    no_route: stats.value(i.downstream_sess_no_route),
    session_total: stats.value(i.downstream_sess_total),
  });
  const logged = tcpLogContext(info, 'NotSet');
  for (const log of logs) log.log(logged);
}

/** A filter as a whole has no addresses: shown as '-'. */
const NOWHERE: Address = { family: 'unix', address: '-', port: 0 };

function connectionInfo(id: number, from: Address, to: Address, listenerName: string): ConnectionInfo {
  return {
    id,
    localAddress: to,
    remoteAddress: from,
    directRemoteAddress: from,
    tls: null,
    requestedServerName: '',
    listenerName,
    filterChainName: '',
    terminationDetails: '',
  };
}

function onInterval({ log, intervalMs }: { log: SessionLog; intervalMs: number }): void {
  log.periodic(intervalMs);
}
