// A chain of HTTP filters compiled for iteration: one list per phase, empty phases cost one comparison.
import type { Route } from '../route/route.ts';
import type { HttpFilter } from './filter.ts';
import type { RouteSlots } from './route-slots.ts';

/** The filters of one connection manager in order, the router last; slot numbers are positions. */
export type FilterChain = {
  readonly filters: readonly HttpFilter[];
  /** Names as configured, by slot; per-route configuration is found by them. */
  readonly names: readonly string[];
  /** Whether the filter is off unless a route turns it on. */
  readonly disabledByDefault: readonly boolean[];
  /** Slots that take part in a phase, in its order; encoder phases run from the last to the first. */
  readonly encodeHeaders: readonly number[];
  readonly encodeData: readonly number[];
  readonly encodeTrailers: readonly number[];
  readonly encode1xx: readonly number[];
  readonly hostSelected: readonly number[];
  readonly onDestroy: readonly number[];
  /** Those that judge a request again when rules change. */
  readonly guards: readonly number[];
  readonly hasDisabledByDefault: boolean;
  /** By slot: which messages configure the filter per route; null: any. */
  readonly routeTypes: readonly (ReadonlySet<string> | null)[];
  /** What the routes that were met say of its filters. */
  readonly routeSlots: WeakMap<Route, RouteSlots>;
};

export type ChainEntry = {
  readonly name: string;
  readonly filter: HttpFilter;
  readonly disabled: boolean;
  /** Absent or null: any. */
  readonly routeTypes?: ReadonlySet<string> | null;
};

export function compileFilterChain(entries: readonly ChainEntry[]): FilterChain {
  const filters = entries.map((entry) => entry.filter);
  const slots = (method: keyof HttpFilter, reverse: boolean): number[] => {
    const found: number[] = [];
    for (let i = 0; i < filters.length; i++) if (filters[i]?.[method] !== undefined) found.push(i);
    return reverse ? found.reverse() : found;
  };
  return Object.freeze({
    filters,
    names: entries.map((entry) => entry.name),
    disabledByDefault: entries.map((entry) => entry.disabled),
    encodeHeaders: slots('encodeHeaders', true),
    encodeData: slots('encodeData', true),
    encodeTrailers: slots('encodeTrailers', true),
    encode1xx: slots('encode1xx', true),
    hostSelected: slots('hostSelected', false),
    onDestroy: slots('onDestroy', false),
    guards: slots('denies', false),
    hasDisabledByDefault: entries.some((entry) => entry.disabled),
    routeTypes: entries.map((entry) => entry.routeTypes ?? null),
    routeSlots: new WeakMap(),
  });
}
