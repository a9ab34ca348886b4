// A worker: the clusters, listeners and all that follows on one thread, built from one decoded configuration.
import type { Clock, Random } from '../base/clock.ts';
import type { Engine } from '../net/engine.ts';
import type { StatStore } from '../telemetry/metrics.ts';
import type { ClusterTable } from './cluster/cluster-manager.ts';
import type { BootstrapConfig } from './config/bootstrap.ts';
import type { DrainManager } from './listener/drain.ts';
import { ListenerInstance } from './listener/listener.ts';
import { LISTENER_MANAGER_STATS, type ListenerManagerScope } from './listener/stats.ts';
import type { LayeredRuntime } from './runtime.ts';

export type WorkerContext = {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatStore;
  readonly runtime: LayeredRuntime;
  readonly drain: DrainManager;
};

export class Worker {
  readonly clusters: ClusterTable;
  readonly connections = { active: 0 };
  #listeners: ListenerInstance[] = [];
  readonly #context: WorkerContext;
  /** The Date header's value for now. */
  readonly dateText: () => string;
  readonly #stats: ListenerManagerScope;

  constructor(context: WorkerContext, clusters: ClusterTable) {
    this.#context = context;
    this.clusters = clusters;
    this.dateText = new DateText(context.clock).now;
    this.#stats = context.stats.scope('listener_manager.', LISTENER_MANAGER_STATS);
  }

  get listeners(): readonly ListenerInstance[] {
    return this.#listeners;
  }

  /** Takes a configuration and listens on all its addresses, or on none: then the reason is returned. */
  start(config: BootstrapConfig): string | null {
    const stats = this.#stats;
    for (const cluster of config.clusters) this.clusters.set(cluster);
    for (const settings of config.listeners) {
      const listener = new ListenerInstance(settings, {
        ...this.#context,
        dateText: this.dateText,
        connections: this.connections,
        thread: 'worker_0',
      });
      const problem = listener.start();
      if (problem !== null) {
        for (const started of this.#listeners) started.stopAccepting();
        this.#listeners = [];
        return `listener ${JSON.stringify(settings.name)}: ${problem}`;
      }
      this.#listeners.push(listener);
      stats.inc(stats.i.listener_added);
      stats.inc(stats.i.listener_create_success);
    }
    stats.set(stats.i.total_listeners_active, this.#listeners.length);
    stats.set(stats.i.workers_started, 1);
    return null;
  }

  stopListeners(): void {
    const stats = this.#stats;
    for (const listener of this.#listeners) {
      if (!listener.isListening) continue;
      listener.stopAccepting();
      stats.inc(stats.i.listener_stopped);
    }
  }
}

/** The Date header's value (RFC 9110 §5.6.7), made once per second. */
class DateText {
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
