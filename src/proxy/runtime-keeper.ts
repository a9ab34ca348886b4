// The supervisor's part of the runtime: what changes it, its statistics, and telling all workers.
import type { Clock } from '../base/clock.ts';
import { FileWatch } from '../net/file-watch.ts';
import type { Logger } from '../telemetry/log.ts';
import type { ScopeOf, StatStore } from '../telemetry/metrics.ts';
import type { LayeredRuntime, RuntimeLayerConfig } from './runtime.ts';
import { type DiskLayers, type DiskLoad, openDisks } from './runtime-disk.ts';
import type { RuntimeEntry } from './runtime-values.ts';
import { RUNTIME_STATS } from './server-stats.ts';
import type { Crew } from './workers/crew.ts';

/** Under 'heddle.': only where there are such keys. */
const FEATURE_STATS = { runtime_features_without_effect: 'gauge' } as const;
/** As often as Envoy looks at its layers when it starts. */
const FIRST_LOADS = 2;

export type RuntimeKeeperParts = {
  readonly runtime: LayeredRuntime;
  readonly stats: StatStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly serviceCluster: string;
};

export class RuntimeKeeper {
  readonly #parts: RuntimeKeeperParts;
  readonly #scope: ScopeOf<typeof RUNTIME_STATS>;
  #disks: DiskLayers | null = null;
  #crew: Crew | null = null;
  #features = 0;

  constructor(parts: RuntimeKeeperParts) {
    this.#parts = parts;
    this.#scope = parts.stats.scope('runtime.', RUNTIME_STATS);
    for (const key of parts.runtime.features) this.#toldFeature(key);
    parts.runtime.onFeature = (key) => this.#toldFeature(key);
  }

  /** Takes the layers of a bootstrap, and what is in directories. Returns why that cannot be, or null. */
  start(layers: readonly RuntimeLayerConfig[], watches: boolean): string | null {
    const { runtime, clock, log, serviceCluster } = this.#parts;
    runtime.load(layers);
    let load: DiskLoad = { disks: new Map(), times: 1, broken: 0 };
    if (watches && layers.some(({ kind }) => kind === 'disk')) {
      const watcher = new FileWatch();
      const opened = openDisks(layers, { clock, watcher, serviceCluster, warn: (text) => log.warn(text) });
      if (typeof opened === 'string') return `layered_runtime: ${opened}`;
      this.#disks = opened.disks;
      load = opened.load;
      this.#disks.onLoaded = (later) => this.#took(later);
    }
    this.#took({ ...load, times: FIRST_LOADS });
    return null;
  }

  /** Who is told from now on. */
  serve(crew: Crew): void {
    this.#crew = crew;
  }

  close(): void {
    this.#disks?.close();
    this.#disks = null;
  }

  /** Changes the admin layer; false where there is none. */
  modify(values: ReadonlyMap<string, RuntimeEntry | null>): boolean {
    const { runtime } = this.#parts;
    if (!runtime.modify(values)) return false;
    this.#crew?.modifyRuntime(values);
    this.loaded();
    return true;
  }

  /** All layers were put together anew, `times` times for Envoy. */
  loaded(times = 1, broken = 0): void {
    const scope = this.#scope;
    const { runtime } = this.#parts;
    scope.add(broken === 0 ? scope.i.load_success : scope.i.load_error, times);
    const directories = runtime.diskCount;
    scope.add(directories > 1 ? scope.i.override_dir_exists : scope.i.override_dir_not_exists, times);
    scope.set(scope.i.admin_overrides_active, runtime.overrides > 0 ? 1 : 0);
    scope.set(scope.i.num_layers, runtime.layers.length);
    scope.set(scope.i.num_keys, runtime.entries.size);
  }

  #took({ disks, times, broken }: DiskLoad): void {
    if (disks.size > 0) {
      this.#parts.runtime.setDisks(disks);
      this.#crew?.setRuntimeDisks(disks);
    }
    this.loaded(times, broken);
  }

  #toldFeature(key: string): void {
    const { stats, log } = this.#parts;
    const scope = stats.scope('heddle.', FEATURE_STATS);
    scope.set(scope.i.runtime_features_without_effect, ++this.#features);
    log.warn(`runtime key ${JSON.stringify(key)}: it switches a change of Envoy's, and has no effect here`);
  }
}
