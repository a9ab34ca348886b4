// Runtime values (layered_runtime): static, admin and fetched layers, the later layer wins.
import type { Random } from '../base/clock.ts';
import type { FractionalPercent, Runtime } from './http/filter.ts';
import type { ConfigPlace } from './xds/place.ts';

export type RuntimeLayerConfig = {
  readonly name: string;
  readonly values: Readonly<Record<string, unknown>> | 'admin';
  /** rtds_layer: its values come from there, under that name. */
  readonly discovery?: { readonly name: string; readonly place: ConfigPlace };
};

/** Flattened values of all layers; the admin layer can be changed while it runs. */
export class LayeredRuntime implements Runtime {
  layers: readonly { readonly name: string; readonly values: Map<string, unknown> }[] = [];
  #admin: Map<string, unknown> | null = null;
  #merged = new Map<string, unknown>();
  /** Layers by the name under which they are fetched. */
  readonly #fetched = new Map<string, Map<string, unknown>>();

  /** Takes the layers of a bootstrap; before that every value is its default. */
  load(layers: readonly RuntimeLayerConfig[]): void {
    this.#admin = null;
    this.#fetched.clear();
    this.layers = layers.map((layer) => {
      const values = new Map<string, unknown>();
      if (layer.discovery !== undefined) this.#fetched.set(layer.discovery.name, values);
      if (layer.values === 'admin') this.#admin = values;
      else flatten(layer.values, '', values);
      return { name: layer.name, values };
    });
    this.#merge();
  }

  get entries(): ReadonlyMap<string, unknown> {
    return this.#merged;
  }

  /** Changes the admin layer; an empty value removes a key. */
  modify(values: ReadonlyMap<string, string>): boolean {
    if (this.#admin === null) return false;
    for (const [key, text] of values) {
      if (text === '') this.#admin.delete(key);
      else this.#admin.set(key, parse(text));
    }
    this.#merge();
    return true;
  }

  /** Takes all values of a layer that is fetched by that name. */
  setLayer(name: string, values: Readonly<Record<string, unknown>>): void {
    const layer = this.#fetched.get(name);
    if (layer === undefined) return;
    layer.clear();
    flatten(values, '', layer);
    this.#merge();
  }

  #merge(): void {
    const merged = new Map<string, unknown>();
    for (const layer of this.layers) for (const [key, value] of layer.values) merged.set(key, value);
    this.#merged = merged;
  }

  number(key: string, fallback: number): number {
    if (this.#merged.size === 0) return fallback;
    const value = this.#merged.get(key);
    return typeof value === 'number' ? value : fallback;
  }

  boolean(key: string, fallback: boolean): boolean {
    if (this.#merged.size === 0) return fallback;
    const value = this.#merged.get(key);
    return typeof value === 'boolean' ? value : fallback;
  }

  featureEnabled(key: string, fallback: FractionalPercent, random: Pick<Random, 'below'>): boolean {
    let { numerator, denominator }: { numerator: number; denominator: number } = fallback;
    if (key !== '' && this.#merged.size > 0) {
      const value = this.#merged.get(key);
      if (typeof value === 'number') {
        numerator = value;
        denominator = 100;
      } else if (typeof value === 'object' && value !== null && 'numerator' in value) {
        const fraction = value as { numerator?: number; denominator?: string };
        numerator = fraction.numerator ?? 0;
        denominator =
          fraction.denominator === 'MILLION' ? 1_000_000 : fraction.denominator === 'TEN_THOUSAND' ? 10_000 : 100;
      }
    }
    if (numerator <= 0) return false;
    if (numerator >= denominator) return true;
    return random.below(denominator) < numerator;
  }
}

/** Nested objects become dotted keys; an object with a numerator is a fraction and stays whole. */
function flatten(values: Readonly<Record<string, unknown>>, prefix: string, into: Map<string, unknown>): void {
  for (const [name, value] of Object.entries(values)) {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    if (typeof value === 'object' && value !== null && !Array.isArray(value) && !('numerator' in value)) {
      flatten(value as Record<string, unknown>, key, into);
    } else into.set(key, typeof value === 'string' ? parse(value) : value);
  }
}

function parse(text: string): unknown {
  if (text === 'true') return true;
  if (text === 'false') return false;
  const number = Number(text);
  return text.trim() !== '' && Number.isFinite(number) ? number : text;
}
