// Per-route filter configuration arranged by the slots of one chain; made once per (chain, route).
import type { Route } from '../route/route.ts';
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
    mostSpecific.push(config?.mostSpecific ?? null);
    all.push(config?.all ?? []);
    if (config?.disabled !== undefined) disabled[slot] = config.disabled;
    // A route that configures a filter turns it on.
    else if (config !== undefined && config.all.length > 0) disabled[slot] = false;
  }
  return { mostSpecific, all, disabled: disabled.includes(true) ? disabled : null };
}
