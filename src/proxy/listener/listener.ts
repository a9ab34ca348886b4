// A listener: accepts connections on its address and hands each to the filter chain's connection manager.
import type { Address, ByteStream, TlsFacts } from '../../base/byte-stream.ts';
import type { Clock, Random } from '../../base/clock.ts';
import { type Engine, isListenError, type Listener as Acceptor } from '../../net/engine.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import { type HttpManager, HttpConnection } from '../http/connection-manager.ts';
import type { Runtime } from '../http/filter.ts';
import { type HttpManagerParts, makeHttpManager } from '../http/http-manager.ts';
import type { ConnectionInfo } from '../stream-info.ts';
import {
  LISTENER_EXTENSION_STATS,
  LISTENER_STATS,
  LISTENER_WORKER_STATS,
  type ListenerScope,
  type ListenerWorkerScope,
} from './stats.ts';

export type ListenerSettings = {
  readonly name: string;
  readonly address: Address;
  readonly ipv4Compat: boolean;
  readonly pipeMode: number;
  readonly backlog: number;
  readonly statPrefix: string;
  readonly ignoreGlobalConnectionLimit: boolean;
  readonly chain: { readonly name: string; readonly http: HttpManagerParts };
};

/** Connections of all listeners together, against overload.global_downstream_max_connections. */
export type ConnectionCount = { active: number };

export type ListenerContext = {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly stats: StatStore;
  readonly drain: HttpManager['drain'];
  readonly dateText: () => string;
  readonly connections: ConnectionCount;
  /** 'worker_0', or 'main_thread' for the admin listener. */
  readonly thread: string;
};

let nextConnectionId = 0;

export class ListenerInstance {
  readonly settings: ListenerSettings;
  readonly #context: ListenerContext;
  readonly #manager: HttpManager;
  readonly #stats: ListenerScope;
  readonly #workerStats: ListenerWorkerScope;
  #acceptor: Acceptor | null = null;
  #active = 0;

  constructor(settings: ListenerSettings, context: ListenerContext) {
    this.settings = settings;
    this.#context = context;
    const prefix = `listener.${settings.statPrefix || statAddress(settings.address)}.`;
    this.#stats = context.stats.scope(prefix, LISTENER_STATS);
    if (context.thread !== 'main_thread') context.stats.scope(prefix, LISTENER_EXTENSION_STATS);
    this.#workerStats = context.stats.scope(`${prefix}${context.thread}.`, LISTENER_WORKER_STATS);
    this.#manager = makeHttpManager(settings.chain.http, { ...context, listenerPrefix: prefix });
  }

  /** The address with its real port; the configured one before `start`. */
  get address(): Address {
    return this.#acceptor?.address ?? this.settings.address;
  }

  get isListening(): boolean {
    return this.#acceptor !== null;
  }

  /** Binds and accepts. Returns why it cannot, or null. */
  start(): string | null {
    const { address, backlog, ipv4Compat, pipeMode } = this.settings;
    const options = { ipv4Compat, mode: pipeMode, ...(backlog > 0 ? { backlog } : {}) };
    const result = this.#context.engine.listen(address, options, (stream) => this.#accept(stream));
    if (isListenError(result)) return result.detail;
    this.#acceptor = result;
    return null;
  }

  stopAccepting(): void {
    this.#acceptor?.close();
    this.#acceptor = null;
  }

  /** Ends connections that carry no request; others end with their exchange. */
  drainConnections(): void {
    for (const connection of this.#manager.connections) connection.drainNow();
  }

  #accept(stream: ByteStream): void {
    const stats = this.#stats;
    const { connections, runtime, clock } = this.#context;
    if (!this.settings.ignoreGlobalConnectionLimit) {
      const globalLimit = runtime.number('overload.global_downstream_max_connections', Number.POSITIVE_INFINITY);
      if (connections.active >= globalLimit) {
        stats.inc(stats.i.downstream_global_cx_overflow);
        stream.destroy();
        return;
      }
    }
    const key = `envoy.resource_limits.listener.${this.settings.name}.connection_limit`;
    if (this.#active >= runtime.number(key, Number.POSITIVE_INFINITY)) {
      stats.inc(stats.i.downstream_cx_overflow);
      stream.destroy();
      return;
    }
    connections.active++;
    this.#active++;
    stats.inc(stats.i.downstream_cx_total);
    stats.inc(stats.i.downstream_cx_active);
    stats.set(stats.i.downstream_pre_cx_active, 0);
    stats.record(stats.i.connections_accepted_per_socket_event, 1);
    const worker = this.#workerStats;
    worker.inc(worker.i.downstream_cx_total);
    worker.inc(worker.i.downstream_cx_active);
    const startMs = clock.nowMs;
    const info = new Connection(nextConnectionId++, stream, this.settings.name, this.settings.chain.name);
    const connection = new HttpConnection(this.#manager, stream, info);
    connection.onClosed = () => {
      connections.active--;
      this.#active--;
      stats.dec(stats.i.downstream_cx_active);
      worker.dec(worker.i.downstream_cx_active);
      stats.inc(stats.i.downstream_cx_destroy);
      stats.record(stats.i.downstream_cx_length_ms, Math.round(clock.nowMs - startMs));
    };
  }
}

/** What logs and filters know of a connection; addresses are asked for when somebody looks. */
class Connection implements ConnectionInfo {
  readonly id: number;
  readonly listenerName: string;
  readonly filterChainName: string;
  readonly requestedServerName = '';
  readonly terminationDetails = '';
  readonly #stream: ByteStream;

  constructor(id: number, stream: ByteStream, listenerName: string, filterChainName: string) {
    this.id = id;
    this.#stream = stream;
    this.listenerName = listenerName;
    this.filterChainName = filterChainName;
  }
  get localAddress(): Address {
    return this.#stream.localAddress;
  }
  get remoteAddress(): Address {
    return this.#stream.remoteAddress;
  }
  get directRemoteAddress(): Address {
    return this.#stream.remoteAddress;
  }
  get tls(): TlsFacts | null {
    return this.#stream.tls;
  }
}

/** '127.0.0.1_10000', '[__1]_80': an address as a part of a statistic's name. */
export function statAddress(address: Address): string {
  if (address.family === 'unix') return address.address.replaceAll(':', '_');
  const host = address.family === 'ipv6' ? `[${address.address}]` : address.address;
  return `${host}:${address.port}`.replaceAll(':', '_');
}
