// Per-route filter configuration arranged by the slots of one chain; made once per (chain, route).
import type { Route, RouteFilterConfig } from '../route/route.ts';
import type { FilterChain } from './filter-chain.ts';

export type RouteSlots = {
  readonly mostSpecific: readonly unknown[];
  readonly all: readonly (readonly unknown[])[];
  /** By slot; null when every filter is on. */
  readonly disabled: readonly boolean[] | null;
};

/** Made once for each route. */
export function routeSlotsOf(chain: FilterChain, route: Route | null): RouteSlots {
  if (route === null) return makeRouteSlots(chain, null);
  let slots = chain.routeSlots.get(route);
  if (slots === undefined) {
    slots = makeRouteSlots(chain, route);
    chain.routeSlots.set(route, slots);
  }
  return slots;
}

function makeRouteSlots(chain: FilterChain, route: Route | null): RouteSlots {
  const mostSpecific: unknown[] = [];
  const all: (readonly unknown[])[] = [];
  const disabled = chain.disabledByDefault.slice();
  for (const [slot, name] of chain.names.entries()) {
    const config = route?.filterConfigs.get(name);
    const own = ownConfigs(config, chain.routeTypes[slot] ?? null);
    mostSpecific.push(own.at(-1) ?? null);
    all.push(own);
    if (config?.disabled !== undefined) disabled[slot] = config.disabled;
    // A route that configures a filter turns it on.
    else if (config !== undefined && config.all.length > 0) disabled[slot] = false;
  }
  return { mostSpecific, all, disabled: disabled.includes(true) ? disabled : null };
}

/** A name may be given a configuration of another kind, which its filter does not see. */
function ownConfigs(config: RouteFilterConfig | undefined, types: ReadonlySet<string> | null): readonly unknown[] {
  if (config === undefined) return NONE;
  if (types === null || config.types.every((type) => types.has(type))) return config.all;
  return config.all.filter((_, i) => types.has(config.types[i] as string));
}

const NONE: readonly unknown[] = Object.freeze([]);
