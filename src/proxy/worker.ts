// A worker: the clusters, listeners and all that follows on one thread, built from one decoded configuration.
import type { Clock, Random } from '../base/clock.ts';
import type { Engine } from '../net/engine.ts';
import type { StatStore } from '../telemetry/metrics.ts';
import type { ClusterTable } from './cluster/cluster-manager.ts';
import type { BootstrapConfig } from './config/bootstrap.ts';
import type { DrainManager } from './listener/drain.ts';
import { ListenerManager } from './listener/listener-manager.ts';
import type { LayeredRuntime } from './runtime.ts';
import type { TransportServices } from './transport/transport.ts';
import type { FirstComing, WorkerSeams } from './workers/contract.ts';

export type WorkerContext = {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatStore;
  readonly runtime: LayeredRuntime;
  readonly drain: DrainManager;
  readonly seams: WorkerSeams;
  readonly transports: TransportServices;
};

export class Worker {
  readonly clusters: ClusterTable;
  readonly connections = { active: 0 };
  readonly listeners: ListenerManager;
  /** The Date header's value for now. */
  readonly dateText: () => string;

  /** Ends of the waits for what first comes from elsewhere. */
  readonly #awaited = new Map<FirstComing, () => void>();
  /** Connections come in. */
  isOpen = false;
  #onOpen: (() => void)[] = [];

  constructor(context: WorkerContext, clusters: ClusterTable) {
    this.clusters = clusters;
    this.dateText = new DateText(context.clock).now;
    this.listeners = new ListenerManager({
      ...context,
      clusters,
      dateText: this.dateText,
      connections: this.connections,
      thread: `worker_${context.seams.index}`,
    });
    clusters.isOwnAddress = (address) => this.listeners.isOwnAddress(address);
  }

  /**
   * Takes a configuration and binds all its addresses, or none: then the reason is returned. Connections come in once
   * all clusters are initialised and the listeners have their secrets.
   */
  start(config: BootstrapConfig): string | null {
    for (const cluster of config.clusters) this.clusters.set(cluster);
    for (const listener of config.listeners) {
      const outcome = this.listeners.set(listener);
      if (typeof outcome === 'string') continue;
      this.listeners.stopAccepting();
      return `listener ${JSON.stringify(listener.name)}: ${outcome.error}`;
    }
    const { dynamic, runtimeLayers } = config;
    // Source: Envoy InstanceBase::onClusterManagerPrimaryInitializationComplete.
    const hasRuntime = runtimeLayers.some(({ kind }) => kind === 'fetched');
    if (hasRuntime) this.#awaited.set('runtime', this.clusters.hold());
    if (dynamic.clusters !== null) this.#awaited.set('clusters', this.clusters.hold());
    let hasListeners = dynamic.listeners === null;
    const settle = (): void => {
      if (hasListeners) this.listeners.whenSettled(() => this.#open());
    };
    let areClustersReady = false;
    if (!hasListeners) {
      this.#awaited.set('listeners', () => {
        hasListeners = true;
        if (areClustersReady) settle();
      });
    }
    this.clusters.whenInitialized(() => {
      areClustersReady = true;
      settle();
    });
    return null;
  }

  #open(): void {
    this.isOpen = true;
    this.listeners.open();
    const told = this.#onOpen;
    this.#onOpen = [];
    for (const opened of told) opened();
  }

  /** Calls back once, perhaps now: connections come in. */
  whenOpen(opened: () => void): void {
    if (this.isOpen) opened();
    else this.#onOpen.push(opened);
  }

  /** The first of that kind that come from elsewhere are there, or were waited for long enough. */
  firstCame(kind: FirstComing): void {
    const came = this.#awaited.get(kind);
    this.#awaited.delete(kind);
    came?.();
  }
}

/** The Date header's value (RFC 9110 §5.6.7), made once per second. */
export class DateText {
  readonly #clock: Clock;
  #second = -1;
  #text = '';

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly now = (): string => {
    const second = Math.floor(this.#clock.wallMs / 1000);
    if (second === this.#second) return this.#text;
    this.#second = second;
    this.#text = new Date(second * 1000).toUTCString();
    return this.#text;
  };
}
