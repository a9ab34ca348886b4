// A UDP listener: one socket per address, whose datagrams go to the listener's one filter.
import assert from 'node:assert/strict';
import type { Address } from '../../base/byte-stream.ts';
import type { Clock, Random } from '../../base/clock.ts';
import { type Engine, isListenError, type ListenError, type UdpOptions, type UdpSocket } from '../../net/engine.ts';
import type { Scope, StatStore } from '../../telemetry/metrics.ts';
import type { ClusterManager } from '../cluster/cluster.ts';
import type { ListenAddress, ListenerConfig } from '../listener/listener-config.ts';
import {
  LISTENER_EXTENSION_STATS,
  LISTENER_STATS,
  LISTENER_WORKER_STATS,
  listenerStatPrefix,
} from '../listener/stats.ts';
import type { UdpFilter, UdpFilterFactory } from './filter.ts';
import { UDP_LISTENER_STATS } from './stats.ts';

/** What is special of a listener whose address is UDP; the rest is in its ListenerConfig. */
export type UdpListenerConfig = {
  /** Larger datagrams are dropped and counted. */
  readonly maxRxDatagramBytes: number;
  readonly filter: { readonly factory: UdpFilterFactory; readonly config: unknown };
};

/** Envoy's words. */
const NEEDS_REUSE_PORT =
  'Listening on UDP when concurrency is > 1 without the SO_REUSEPORT socket option results in unstable packet ' +
  'proxying. Configure the reuse_port listener option or set concurrency = 1.';

export type UdpListenerContext = {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatStore;
  readonly clusters: ClusterManager;
  /** With several workers each has a socket of its own, and the kernel keeps a client with one of them. */
  readonly seams: { readonly concurrency: number };
  /** 'worker_0'. */
  readonly thread: string;
};

/** One address: its filter is there before its socket, so that statistics outlive the change of a version. */
type Endpoint = { readonly wanted: ListenAddress; readonly filter: UdpFilter; socket: UdpSocket | null };

export class UdpListener {
  readonly config: ListenerConfig;
  /** 'listener.ADDRESS.' */
  readonly statPrefix: string;
  readonly #context: UdpListenerContext;
  readonly #udp: UdpListenerConfig;
  #scopes: Scope[] = [];
  #endpoints: Endpoint[] = [];
  #dropped: (() => void) | null = null;

  constructor(config: ListenerConfig, udp: UdpListenerConfig, context: UdpListenerContext) {
    this.config = config;
    this.#udp = udp;
    this.#context = context;
    this.statPrefix = listenerStatPrefix(config);
    this.#prepare();
  }

  /** With the real ports; the configured ones before `start`. */
  get addresses(): Address[] {
    return this.config.addresses.map(({ address }, i) => this.#endpoints[i]?.socket?.address ?? address);
  }

  get isListening(): boolean {
    return this.#endpoints.some(({ socket }) => socket !== null);
  }

  get sessionCount(): number {
    return this.#endpoints.reduce((sum, { filter }) => sum + filter.sessionCount, 0);
  }

  /** Binds all addresses, or none: returns why it cannot, or null. Also starts again after `stop`. */
  start(): string | null {
    if (!this.config.reusePort && this.#context.seams.concurrency > 1) return NEEDS_REUSE_PORT;
    const { factory, config } = this.#udp.filter;
    const problem = factory.check?.(config as never, this.#context.engine) ?? null;
    if (problem !== null) return problem;
    if (this.#scopes.length === 0) this.#prepare();
    for (const endpoint of this.#endpoints) {
      const bound = this.#bind(endpoint);
      if (isListenError(bound)) {
        this.stop();
        return bound.detail;
      }
      endpoint.socket = bound;
    }
    return null;
  }

  /** Closes the sockets and ends all sessions: as in Envoy, datagrams have no drain. The statistics go too. */
  stop(): void {
    for (const { socket, filter } of this.#endpoints.splice(0)) {
      filter.close();
      socket?.close();
    }
    for (const scope of this.#scopes.splice(0)) scope.release();
  }

  #prepare(): void {
    const { stats, thread } = this.#context;
    const own = stats.scope(`${this.statPrefix}udp.`, UDP_LISTENER_STATS);
    this.#dropped = () => own.inc(own.i.downstream_rx_datagram_dropped);
    this.#scopes = [
      own,
      stats.scope(this.statPrefix, LISTENER_STATS),
      stats.scope(this.statPrefix, LISTENER_EXTENSION_STATS),
      stats.scope(`${this.statPrefix}${thread}.`, LISTENER_WORKER_STATS),
    ];
    const { factory, config } = this.#udp.filter;
    this.#endpoints = this.config.addresses.map((wanted) => {
      const filter = factory.make(config as never, {
        ...this.#context,
        listenerName: this.config.name,
        send: (chunk, start, end, to) => endpoint.socket?.send(chunk, start, end, to) ?? false,
      });
      const endpoint: Endpoint = { wanted, filter, socket: null };
      return endpoint;
    });
  }

  #bind({ wanted, filter }: Endpoint): UdpSocket | ListenError {
    const { engine, seams } = this.#context;
    const options: UdpOptions = {
      ipv4Compat: wanted.ipv4Compat,
      reusePort: this.config.reusePort,
      joinExisting: seams.concurrency > 1,
      ...(wanted.socketOptions.length > 0 ? { socketOptions: wanted.socketOptions } : {}),
    };
    const max = this.#udp.maxRxDatagramBytes;
    return engine.bindUdp(wanted.address, options, {
      onDatagram: (chunk, start, end, from, to) => {
        if (end - start <= max) filter.onDatagram(chunk, start, end, from, to);
        else this.#dropped?.();
      },
      onError: () => filter.onReceiveError(),
    });
  }
}

/** Binds nothing yet; `config.udp` is not null. */
export function makeUdpListener(config: ListenerConfig, context: UdpListenerContext): UdpListener {
  assert(config.udp !== null, 'not a UDP listener');
  return new UdpListener(config, config.udp, context);
}
