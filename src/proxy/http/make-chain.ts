// Makes the filters of a chain and compiles them, when all are written in place.
import { type ChainEntry, compileFilterChain, type FilterChain } from './filter-chain.ts';
import type { FilterSpec } from './filter-discovery.ts';
import { type FilterContext, placeFilter } from './filter.ts';

export function makeChain(specs: readonly FilterSpec[], common: Omit<FilterContext, 'slot'>): FilterChain {
  const entries: ChainEntry[] = [];
  for (const spec of specs) {
    if (spec.factory === null) continue;
    const { name, factory, config, disabled } = spec;
    // A filter that does nothing here may still be configured by a route: it keeps its slot only if it exists.
    for (const placed of placeFilter(factory, config, { slot: entries.length, name, ...common })) {
      entries.push({ name, ...placed, disabled });
    }
  }
  return compileFilterChain(entries);
}
