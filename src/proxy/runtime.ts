// Runtime values (layered_runtime): static, disk, admin and fetched layers, the later layer wins.
import type { Random } from '../base/clock.ts';
import type { FractionalPercent, Runtime } from './http/filter.ts';
import { flattenLayer, type RuntimeEntries, type RuntimeEntry } from './runtime-values.ts';
import type { ConfigPlace } from './xds/place.ts';

export type RuntimeLayerConfig = { readonly name: string } & (
  | { readonly kind: 'static'; readonly entries: RuntimeEntries }
  | { readonly kind: 'admin' }
  /** The directory is looked at again when something takes the place of `root`. */
  | {
      readonly kind: 'disk';
      readonly root: string;
      readonly subdirectory: string;
      /** The service cluster is a further part of the path. */
      readonly appendsCluster: boolean;
    }
  /** Values that come from there, under that name. */
  | { readonly kind: 'fetched'; readonly resource: string; readonly place: ConfigPlace }
);

type Layer = {
  readonly config: RuntimeLayerConfig;
  entries: RuntimeEntries;
  /** A directory that is not there makes no layer. */
  isThere: boolean;
};

/** What was changed since the configuration: for threads that start later. Plain data. */
export type RuntimeChanges = {
  readonly admin: RuntimeEntries;
  /** By number of the layer; null: not there. */
  readonly disks: ReadonlyMap<number, RuntimeEntries | null>;
};

const NOTHING: RuntimeEntries = new Map();

/** Envoy's switches for its own changes, none of which exist here. */
const FEATURE = /^envoy\.(reloadable|restart)_features\./;

export class LayeredRuntime implements Runtime {
  #layers: Layer[] = [];
  #admin: Layer | null = null;
  #merged = new Map<string, RuntimeEntry>();
  readonly #features = new Set<string>();
  /** Told once of each key that switches a change of Envoy's. */
  onFeature: (key: string) => void = () => undefined;

  /** Told after every change. */
  onChange: () => void = () => undefined;

  /** Takes the layers of a bootstrap; before that every value is its default. */
  load(configs: readonly RuntimeLayerConfig[]): void {
    this.#layers = configs.map((config) => ({
      config,
      entries: config.kind === 'static' ? config.entries : NOTHING,
      isThere: config.kind !== 'disk',
    }));
    this.#admin = this.#layers.find(({ config }) => config.kind === 'admin') ?? null;
    this.#merge();
  }

  /** Those that are there, in order. */
  get layers(): readonly { readonly name: string; readonly entries: RuntimeEntries }[] {
    return this.#layers.flatMap(({ config, entries, isThere }) => (isThere ? [{ name: config.name, entries }] : []));
  }

  /** Keys that switch changes of Envoy's, as many as there have ever been. */
  get features(): ReadonlySet<string> {
    return this.#features;
  }

  /** How many directories are there. */
  get diskCount(): number {
    return this.#layers.filter(({ config, isThere }) => config.kind === 'disk' && isThere).length;
  }

  get entries(): RuntimeEntries {
    return this.#merged;
  }

  /** How many values the admin layer has. */
  get overrides(): number {
    return this.#admin?.entries.size ?? 0;
  }

  get changes(): RuntimeChanges {
    const disks = new Map<number, RuntimeEntries | null>();
    for (const [i, { config, entries, isThere }] of this.#layers.entries()) {
      if (config.kind === 'disk') disks.set(i, isThere ? entries : null);
    }
    return { admin: this.#admin?.entries ?? NOTHING, disks };
  }

  /** Changes the admin layer; null removes a key. Returns false where there is none. */
  modify(values: ReadonlyMap<string, RuntimeEntry | null>): boolean {
    if (this.#admin === null) return false;
    const entries = new Map(this.#admin.entries);
    for (const [key, entry] of values) {
      if (entry === null) entries.delete(key);
      else entries.set(key, entry);
    }
    this.#admin.entries = entries;
    this.#merge();
    return true;
  }

  /** Takes all values of a layer that is fetched by that name. Bad ones were refused before. */
  setLayer(name: string, values: Readonly<Record<string, unknown>>): void {
    const flattened = flattenLayer(values);
    if (typeof flattened === 'string') return;
    for (const layer of this.#layers) {
      if (layer.config.kind === 'fetched' && layer.config.resource === name) layer.entries = flattened;
    }
    this.#merge();
  }

  /** Takes what the directories of layers hold now. */
  setDisks(disks: RuntimeChanges['disks']): void {
    for (const [i, entries] of disks) {
      const layer = this.#layers[i];
      if (layer?.config.kind !== 'disk') continue;
      layer.entries = entries ?? NOTHING;
      layer.isThere = entries !== null;
    }
    this.#merge();
  }

  #merge(): void {
    const merged = new Map<string, RuntimeEntry>();
    for (const { entries } of this.#layers) for (const [key, entry] of entries) merged.set(key, entry);
    this.#merged = merged;
    for (const key of merged.keys()) {
      if (!FEATURE.test(key) || this.#features.has(key)) continue;
      this.#features.add(key);
      this.onFeature(key);
    }
    this.onChange();
  }

  number(key: string, fallback: number): number {
    if (this.#merged.size === 0) return fallback;
    return this.#merged.get(key)?.integer ?? fallback;
  }

  double(key: string, fallback: number): number {
    if (this.#merged.size === 0) return fallback;
    return this.#merged.get(key)?.number ?? fallback;
  }

  boolean(key: string, fallback: boolean): boolean {
    if (this.#merged.size === 0) return fallback;
    return this.#merged.get(key)?.flag ?? fallback;
  }

  featureEnabled(key: string, fallback: FractionalPercent, random: Pick<Random, 'below'>): boolean {
    let { numerator, denominator }: FractionalPercent = fallback;
    const entry = key === '' || this.#merged.size === 0 ? undefined : this.#merged.get(key);
    if (entry?.fraction !== undefined) {
      numerator = entry.fraction.numerator;
      denominator = entry.fraction.denominator;
    } else if (entry?.integer !== undefined) {
      numerator = entry.integer;
      denominator = 100;
    }
    if (numerator <= 0) return false;
    if (numerator >= denominator) return true;
    return random.below(denominator) < numerator;
  }
}
