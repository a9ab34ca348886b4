// HTTP filters whose configuration is only named and comes from elsewhere (ECDS): the chain follows it.
import { whenAll } from '../../base/when-all.ts';
import type { Discovery, Extension, ExtensionKind } from '../xds/followed-extension.ts';
import { FollowedExtension, terminalRefusal } from '../xds/followed-extension.ts';
import type { Holders } from '../xds/holders.ts';
import { type ChainEntry, compileFilterChain, type FilterChain } from './filter-chain.ts';
import {
  type FilterContext,
  type FollowFilter,
  type HttpFilter,
  type HttpFilterFactory,
  type PlacedFilter,
  placeFilter,
  positionsOf,
} from './filter.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
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

/** What a chain waits for, and what ends with it. */
export type Awaited = { whenSettled(settled: () => void): void; close(): void };

/** Of filters that hold others which are only named; those who follow go to `awaited`. */
export function followInner(
  stats: StatStore,
  extensions: Holders<HttpExtension>,
  awaited: Awaited[],
  kind: ExtensionKind = 'http_filter',
): FollowFilter {
  return (discovery, refusal, changed) => {
    const followed = new FollowedExtension<HttpFilterFactory>(discovery, extensions, {
      ...{ kind, stats, changed },
      whyNot: ({ factory }) => refusal(factory),
    });
    awaited.push(followed);
    return followed;
  };
}

/** For filters that leave something behind; who says nothing else is not waited for. */
export function endWith(awaited: Awaited[]): NonNullable<FilterContext['atEnd']> {
  return (close, whenSettled = (settled) => settled()) => void awaited.push({ whenSettled, close });
}

/** As statistics name it. */
function kindOf({ isUpstream }: Pick<FilterContext, 'isUpstream'>): ExtensionKind {
  return isUpstream === true ? 'upstream_http_filter' : 'http_filter';
}

/** A chain that is built anew whenever one of its filters changes; the others stay the objects they are. */
export class DiscoveredChain {
  chain: FilterChain;
  readonly #specs: readonly FilterSpec[];
  readonly #common: Omit<FilterContext, 'slot' | 'name'>;
  readonly #extensions: Holders<HttpExtension>;
  /** By spec: its filters. Each spec has as many positions as its filter needed when they were laid out. */
  readonly #placed: (readonly PlacedFilter[])[] = [];
  /** By spec: what is named and may change. */
  readonly #followed = new Map<number, FollowedExtension<HttpFilterFactory>>();
  /** By spec: what its filters follow in their turn. */
  readonly #inner = new Map<number, Awaited[]>();
  readonly #changed: (chain: FilterChain) => void;

  constructor(
    specs: readonly FilterSpec[],
    common: Omit<FilterContext, 'slot' | 'name'>,
    extensions: Holders<HttpExtension>,
    changed: (chain: FilterChain) => void,
  ) {
    this.#specs = specs;
    this.#common = common;
    this.#extensions = extensions;
    this.#changed = changed;
    for (const [at, spec] of specs.entries()) if (spec.factory === null) this.#follow(spec, at);
    this.#layOut();
    this.chain = this.#compile();
  }

  #follow({ discovery }: Extract<FilterSpec, { factory: null }>, at: number): void {
    const isLast = at === this.#specs.length - 1;
    const followed: FollowedExtension<HttpFilterFactory> = new FollowedExtension(discovery, this.#extensions, {
      kind: kindOf(this.#common),
      stats: this.#common.stats,
      whyNot: (extension) => terminalRefusal(extension, isLast, 'http'),
      changed: () => {
        this.#take(at);
        this.chain = this.#compile();
        this.#changed(this.chain);
      },
    });
    this.#followed.set(at, followed);
  }

  #currentOf(at: number): Pick<WrittenSpec, 'factory' | 'config'> | null {
    const spec = this.#specs[at] as FilterSpec;
    return spec.factory === null ? (this.#followed.get(at)?.current ?? null) : spec;
  }

  /** Positions are given out anew, and so all filters are made anew. */
  #layOut(): void {
    let slot = 0;
    for (let at = 0; at < this.#specs.length; at++) {
      const current = this.#currentOf(at);
      const size = current === null ? 1 : positionsOf(current.factory, current.config);
      this.#placed[at] = this.#place(at, current, slot, size);
      slot += size;
    }
  }

  #take(at: number): void {
    const current = this.#currentOf(at);
    const size = (this.#placed[at] as readonly PlacedFilter[]).length;
    if (current !== null && positionsOf(current.factory, current.config) > size) {
      this.#layOut();
      return;
    }
    let slot = 0;
    for (let before = 0; before < at; before++) slot += (this.#placed[before] as readonly PlacedFilter[]).length;
    this.#placed[at] = this.#place(at, current, slot, size);
  }

  #place(
    at: number,
    current: Pick<WrittenSpec, 'factory' | 'config'> | null,
    slot: number,
    size: number,
  ): PlacedFilter[] {
    for (const one of this.#inner.get(at) ?? []) one.close();
    const inner: Awaited[] = [];
    this.#inner.set(at, inner);
    const { name } = this.#specs[at] as FilterSpec;
    const follow = followInner(this.#common.stats, this.#extensions, inner, kindOf(this.#common));
    const atEnd = endWith(inner);
    const placed =
      current === null
        ? [{ filter: MISSING, routeTypes: null }]
        : placeFilter(current.factory, current.config, { ...this.#common, slot, name, follow, atEnd }).slice();
    while (placed.length < size) placed.push({ filter: NOTHING, routeTypes: null });
    return placed;
  }

  #compile(): FilterChain {
    const entries: ChainEntry[] = [];
    for (const [at, { name, disabled }] of this.#specs.entries()) {
      for (const placed of this.#placed[at] as readonly PlacedFilter[]) {
        // What is missing denies whatever a route says.
        entries.push({ name, ...placed, disabled: disabled && placed.filter !== MISSING });
      }
    }
    return compileFilterChain(entries);
  }

  /** Calls back once, perhaps now: every filter is there, or was waited for long enough. */
  whenSettled(settled: () => void): void {
    whenAll(this.#all(), (one, called) => one.whenSettled(called), settled);
  }

  #all(): Awaited[] {
    return [...this.#followed.values(), ...[...this.#inner.values()].flat()];
  }

  close(): void {
    for (const one of this.#all()) one.close();
    this.#followed.clear();
    this.#inner.clear();
  }
}
