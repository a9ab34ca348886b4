// HTTP filters whose configuration is only named and comes from elsewhere (ECDS): the chain follows it.
import { whenAll } from '../../base/when-all.ts';
import { type Discovery, type Extension, FollowedExtension, terminalRefusal } from '../xds/followed-extension.ts';
import type { Holders } from '../xds/holders.ts';
import { type ChainEntry, compileFilterChain, type FilterChain } from './filter-chain.ts';
import type { FilterContext, HttpFilter, HttpFilterFactory } from './filter.ts';
import { Flag } from '../stream-info.ts';

/** A filter's configuration that came by name. */
export type HttpExtension = Extension<HttpFilterFactory>;
export type FilterDiscovery = Discovery<HttpFilterFactory>;

/** A filter as configured; `discovery` null: all is written in place. */
export type FilterSpec = {
  readonly name: string;
  readonly disabled: boolean;
} & (
  | { readonly factory: HttpFilterFactory; readonly config: unknown; readonly discovery?: null }
  | { readonly factory: null; readonly discovery: FilterDiscovery }
);

type WrittenSpec = Extract<FilterSpec, { factory: HttpFilterFactory }>;

/** A chain is missing a filter: nothing goes on. Source: Envoy MissingConfigFilter. */
const MISSING: HttpFilter = Object.freeze({
  decodeHeaders(stream) {
    stream.sendLocalReply({ status: 500, body: '', details: '', flags: Flag.NFCF });
    return 'stop';
  },
} satisfies HttpFilter);

/** Holds the place of a filter that does nothing. */
const NOTHING: HttpFilter = Object.freeze({});

export function isDiscovered(spec: FilterSpec): boolean {
  return spec.factory === null;
}

/** A chain that is built anew whenever one of its filters changes; the others stay the objects they are. */
export class DiscoveredChain {
  chain: FilterChain;
  readonly #specs: readonly FilterSpec[];
  readonly #common: Omit<FilterContext, 'slot'>;
  readonly #extensions: Holders<HttpExtension>;
  readonly #filters: HttpFilter[] = [];
  readonly #followed: FollowedExtension<HttpFilterFactory>[] = [];
  readonly #changed: (chain: FilterChain) => void;

  constructor(
    specs: readonly FilterSpec[],
    common: Omit<FilterContext, 'slot'>,
    extensions: Holders<HttpExtension>,
    changed: (chain: FilterChain) => void,
  ) {
    this.#specs = specs;
    this.#common = common;
    this.#extensions = extensions;
    this.#changed = changed;
    for (const [slot, spec] of specs.entries()) {
      if (spec.factory === null) this.#use(spec, slot);
      else this.#filters[slot] = this.#create(spec, slot);
    }
    this.chain = this.#compile();
  }

  #use({ discovery }: Extract<FilterSpec, { factory: null }>, slot: number): void {
    const isLast = slot === this.#specs.length - 1;
    const followed: FollowedExtension<HttpFilterFactory> = new FollowedExtension(discovery, this.#extensions, {
      kind: 'http_filter',
      stats: this.#common.stats,
      whyNot: (extension) => terminalRefusal(extension, isLast, 'http'),
      changed: () => {
        this.#take(slot, followed.current);
        this.chain = this.#compile();
        this.#changed(this.chain);
      },
    });
    this.#followed.push(followed);
    this.#take(slot, followed.current);
  }

  #take(slot: number, extension: HttpExtension | null): void {
    this.#filters[slot] = extension === null ? MISSING : this.#create(extension, slot);
  }

  #create({ factory, config }: Pick<WrittenSpec, 'factory' | 'config'>, slot: number): HttpFilter {
    return factory.create(config as never, { slot, ...this.#common }) ?? NOTHING;
  }

  #compile(): FilterChain {
    const entries: ChainEntry[] = [];
    for (const [slot, { name, disabled }] of this.#specs.entries()) {
      const filter = this.#filters[slot] as HttpFilter;
      // What is missing denies whatever a route says.
      entries.push({ name, filter, disabled: disabled && filter !== MISSING });
    }
    return compileFilterChain(entries);
  }

  /** Calls back once, perhaps now: every filter is there, or was waited for long enough. */
  whenSettled(settled: () => void): void {
    whenAll(this.#followed, (one, called) => one.whenSettled(called), settled);
  }

  close(): void {
    for (const followed of this.#followed) followed.close();
    this.#followed.length = 0;
  }
}
