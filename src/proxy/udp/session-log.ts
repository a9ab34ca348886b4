// What access logs tell of UDP: of one session at its end and from time to time, and of a whole filter when it goes.
import type { Address } from '../../base/byte-stream.ts';
import type { Timer } from '../../base/clock.ts';
import type { AccessLog } from '../access-log/access-log.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import { type ConnectionInfo, StreamInfo } from '../stream-info.ts';
import type { UdpFilterContext } from './filter.ts';
import type { UdpSession } from './session.ts';
import type { UdpProxyScope } from './stats.ts';
import type { UdpProxyConfig } from './udp-proxy-config.ts';

/** Namespaces of dynamic metadata. Source: Envoy "UDP proxy, access log support". */
const SESSION = 'udp.proxy.session';
const PROXY = 'udp.proxy.proxy';

/** The log of one session. */
export class SessionLog {
  readonly #session: UdpSession;
  readonly #logs: readonly AccessLog[];
  readonly #context: UdpFilterContext;
  readonly #info: StreamInfo;
  readonly #timer: Timer | null;

  constructor(config: UdpProxyConfig, context: UdpFilterContext, session: UdpSession, to: Address) {
    this.#session = session;
    this.#logs = config.accessLogs;
    this.#context = context;
    const { clock, random } = context;
    this.#info = new StreamInfo(connectionInfo(session.from, to, context.listenerName), clock.nowMs, clock.wallMs);
    this.#info.requestId = random.uuid();
    const intervalMs = config.logIntervalMs;
    this.#timer = intervalMs === 0 ? null : clock.timer(onInterval, { log: this, intervalMs });
    this.#timer?.arm(intervalMs);
  }

  end(): void {
    this.#timer?.disarm();
    this.#info.endMs = this.#context.clock.nowMs;
    this.#write('UdpSessionEnd');
  }

  periodic(intervalMs: number): void {
    this.#timer?.arm(intervalMs);
    this.#write('UdpPeriodic');
  }

  #write(type: string): void {
    const { cluster, host, counts, upstreamAddress } = this.#session;
    const info = this.#info;
    info.upstream = host;
    info.upstreamLocalAddress = upstreamAddress;
    info.bytesReceived = counts.bytesReceived;
    info.bytesSent = counts.bytesSent;
    info.setMetadata(SESSION, {
      bytes_received: counts.bytesReceived,
      bytes_sent: counts.bytesSent,
      cluster_name: cluster.name,
      datagrams_received: counts.datagramsReceived,
      datagrams_sent: counts.datagramsSent,
      errors_sent: counts.errorsSent,
    });
    const context = logContext(info, type);
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
  const info = new StreamInfo(connectionInfo(NOWHERE, NOWHERE, context.listenerName), startMs, startWallMs);
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
  const logged = logContext(info, 'NotSet');
  for (const log of logs) log.log(logged);
}

/** A filter as a whole has no addresses: shown as '-'. */
const NOWHERE: Address = { family: 'unix', address: '-', port: 0 };

function connectionInfo(from: Address, to: Address, listenerName: string): ConnectionInfo {
  return {
    id: 0,
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

function logContext(info: StreamInfo, accessLogType: string): FormatContext {
  return {
    info,
    requestHeaders: null,
    responseHeaders: null,
    responseTrailers: null,
    requestTrailers: null,
    localReplyBody: '',
    accessLogType,
  };
}

function onInterval({ log, intervalMs }: { log: SessionLog; intervalMs: number }): void {
  log.periodic(intervalMs);
}
