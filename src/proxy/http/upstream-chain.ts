// A chain of HTTP filters behind the router: each attempt of a request goes through it to its upstream, and back.
import { whenAll } from '../../base/when-all.ts';
import type { Holders } from '../xds/holders.ts';
import type { FilterChain } from './filter-chain.ts';
import {
  DiscoveredChain,
  endWith,
  type Awaited,
  type FilterSpec,
  followInner,
  type HttpExtension,
  isDiscovered,
} from './filter-discovery.ts';
import type { FilterContext } from './filter.ts';
import { makeChain } from './make-chain.ts';

/** What filters of the chain get, whoever has it: a cluster, or a router for clusters that have none. */
export type UpstreamChainContext = Omit<FilterContext, 'slot' | 'name' | 'chain' | 'isUpstream' | 'follow' | 'atEnd'>;

/** The chain as it is now; filters that are only named come and go. */
export type UpstreamChain = Awaited & { readonly chain: FilterChain };

/** As configured; the last filter writes to the upstream. */
export class UpstreamChainConfig {
  readonly #specs: readonly FilterSpec[];
  readonly #extensions: Holders<HttpExtension> | undefined;

  /** `extensions`: filters by name; absent where all are written in place. */
  constructor(specs: readonly FilterSpec[], extensions: Holders<HttpExtension> | undefined) {
    this.#specs = specs;
    this.#extensions = extensions;
  }

  create(context: UpstreamChainContext): UpstreamChain {
    const extensions = this.#extensions;
    const awaited: Awaited[] = [];
    const follow =
      extensions === undefined
        ? {}
        : { follow: followInner(context.stats, extensions, awaited, 'upstream_http_filter') };
    const common = { ...context, ...follow, isUpstream: true, chain: {}, atEnd: endWith(awaited) };
    if (extensions === undefined || !this.#specs.some(isDiscovered)) {
      return new Made(makeChain(this.#specs, common), awaited);
    }
    const discovered = new DiscoveredChain(this.#specs, common, extensions, (chain) => {
      made.chain = chain;
    });
    const made = new Made(discovered.chain, [...awaited, discovered]);
    return made;
  }
}

class Made implements UpstreamChain {
  chain: FilterChain;
  readonly #awaited: readonly Awaited[];

  constructor(chain: FilterChain, awaited: readonly Awaited[]) {
    this.chain = chain;
    this.#awaited = awaited;
  }

  whenSettled(settled: () => void): void {
    whenAll(this.#awaited, (one, called) => one.whenSettled(called), settled);
  }

  close(): void {
    for (const one of this.#awaited) one.close();
  }
}
