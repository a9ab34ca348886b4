// The composite filter (envoy.filters.http.composite): becomes another filter, or several, for exchanges that match.
import type { Headers } from '../../../../wire/headers.ts';
import type { ScopeOf } from '../../../../telemetry/metrics.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { UNDECIDED } from '../../../matcher/step.ts';
import { Flag } from '../../../stream-info.ts';
import {
  type AskedRequest,
  defineHttpFilter,
  type FilterContext,
  type FilterStream,
  type HeadersStatus,
  type HttpFilter,
  type HttpFilterFactory,
  type PlacedFilter,
  placeFilter,
  positionsOf,
} from '../../filter.ts';
import { decodeChain, type ExecuteAction, type FilterChainPb, type InnerFilter } from './execute-action.ts';
import { discoveredRefusal } from './execute-action.ts';
import { Forwarder, type Standing } from './forwarder.ts';
import { Layout, MOST_OF_ROUTE, type Place, routePlaces } from './layout.ts';
import { decodeMatchTree, MATCH_TREE_FIELDS, type MatcherPb, type MatchTree } from './match-tree.ts';
import { noteAction } from './matched-actions.ts';
import { SEEN, seenAtRequest, seenOf } from './seen.ts';

const PACKAGE = 'envoy.extensions.filters.http.composite.v3';
export const COMPOSITE = `${PACKAGE}.Composite`;

const STATS = { filter_delegation_error: 'counter', filter_delegation_success: 'counter' } as const;

type CompositePb = { named_filter_chains?: Readonly<Record<string, FilterChainPb>>; matcher?: MatcherPb };

export type CompositeConfig = {
  readonly chains: ReadonlyMap<string, readonly InnerFilter[]>;
  readonly tree: MatchTree | null;
  /** Of a match_delegate around it. */
  readonly outer: MatchTree | null;
};

function decodeComposite(message: CompositePb, d: ConfigDecoder): CompositeConfig {
  const chains = new Map<string, readonly InnerFilter[]>();
  for (const [name, chain] of Object.entries(message.named_filter_chains ?? {})) {
    const at = d.at('named_filter_chains', name);
    if ((chain.typed_config ?? []).length === 0) {
      at.reject('', `Named filter chain '${name}' must contain at least one filter.`);
    }
    chains.set(name, decodeChain(chain, at));
  }
  const tree = message.matcher === undefined ? null : decodeMatchTree(message.matcher, d.at('matcher'));
  return Object.freeze({ chains, tree, outer: null });
}

function decodeRoute(message: { matcher?: MatcherPb }, d: ConfigDecoder): MatchTree | null {
  if (message.matcher === undefined) return null;
  const tree = decodeMatchTree(message.matcher, d.at('matcher'));
  refuseLong(tree, d.at('matcher'));
  return tree;
}

/** For what routes bring. */
export function refuseLong(tree: MatchTree, d: ConfigDecoder): void {
  for (const action of tree.actions) {
    if (action?.what.kind === 'filters' && sizeOf(action.what.filters) > MOST_OF_ROUTE) {
      d.reject('', `action ${action.name}: a route can execute ${MOST_OF_ROUTE} filters at most: name a chain instead`);
    }
  }
}

function sizeOf(filters: readonly InnerFilter[]): number {
  return filters.reduce((sum, { factory, config }) => sum + positionsOf(factory, config), 0);
}

/** What is done for exchanges that a leaf of a tree takes; its filters are those of one chain. */
type Runner = {
  readonly action: ExecuteAction;
  /** Null: there is no such chain, and nothing happens. */
  standing: Standing | null;
};

/** Where all that the configuration itself names stands. */
type Places = {
  readonly layout: Layout;
  readonly chains: ReadonlyMap<string, readonly Place[]>;
  readonly actions: ReadonlyMap<ExecuteAction, readonly Place[]>;
};

const laidOut = new WeakMap<CompositeConfig, Places>();

function placesOf(config: CompositeConfig): Places {
  let places = laidOut.get(config);
  if (places === undefined) {
    const layout = new Layout();
    const chains = new Map([...config.chains].map(([name, filters]) => [name, layout.placesOf(filters)] as const));
    const actions = new Map<ExecuteAction, readonly Place[]>();
    for (const action of [...(config.tree?.actions ?? []), ...(config.outer?.actions ?? [])]) {
      if (action?.what.kind === 'filters') actions.set(action, layout.placesOf(action.what.filters));
      if (action?.what.kind === 'discovered') actions.set(action, [layout.place([...action.what.types].join(' '))]);
    }
    places = { layout, chains, actions };
    laidOut.set(config, places);
  }
  return places;
}

/** Decides what the exchange gets; the positions behind it pass on to that. */
export class CompositeHead implements HttpFilter {
  readonly #config: CompositeConfig;
  readonly #context: FilterContext;
  readonly #stats: ScopeOf<typeof STATS>;
  readonly #places: Places;
  readonly #chains = new Map<string, Standing>();
  readonly #runners = new WeakMap<MatchTree, readonly (Runner | null)[]>();
  /** By position: which messages configure what stands there per route. */
  readonly routeTypes: (ReadonlySet<string> | null)[] = [];

  constructor(config: CompositeConfig, context: FilterContext) {
    this.#config = config;
    this.#context = context;
    this.#stats = context.stats.scope(`${context.statPrefix}composite.`, STATS);
    this.#places = placesOf(config);
    for (const [name, filters] of config.chains) {
      this.#chains.set(name, this.#stand(filters, this.#places.chains.get(name) ?? []));
    }
    for (const tree of [config.tree, config.outer]) if (tree !== null) this.#runnersOf(tree);
  }

  decodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    const tree = this.#treeOf(stream);
    if (tree !== null) this.#take(stream, tree, tree.step(seenAtRequest(stream, headers), null));
    return 'continue';
  }

  /** Once more, with all that there is by now: for the way back only. */
  decideLate(stream: FilterStream): void {
    if (stream.slot[this.#context.slot] !== undefined) return;
    const tree = this.#treeOf(stream);
    if (tree !== null) this.#take(stream, tree, tree.step(seenOf(stream, AT_RESPONSE), null));
  }

  #treeOf(stream: FilterStream): MatchTree | null {
    return (stream.routeConfig(this.#context.slot) as MatchTree | null) ?? this.#config.tree;
  }

  #take(stream: FilterStream, tree: MatchTree, found: number): void {
    if (found === UNDECIDED) return;
    if (found >= 0) this.run(stream, tree, found);
    stream.slot[this.#context.slot] ??= NOTHING;
  }

  denies(asked: AskedRequest): boolean {
    const tree = (asked.routeConfig(this.#context.slot) as MatchTree | null) ?? this.#config.tree;
    return tree !== null && this.wouldDeny(asked, tree, tree.step(seenAtRequest(asked, asked.requestHeaders), null));
  }

  wouldDeny(asked: AskedRequest, tree: MatchTree, index: number): boolean {
    const standing = index < 0 ? null : this.#runnersOf(tree)[index]?.standing;
    return standing?.some((filter) => filter?.denies?.(asked) === true) === true;
  }

  /** The leaf of a tree with that index is done for the exchange. */
  run(stream: FilterStream, tree: MatchTree, index: number): void {
    const runner = this.#runnersOf(tree)[index] ?? null;
    if (runner === null || runner.standing === null) return;
    const { slot, runtime, random } = this.#context;
    const { sample, name } = runner.action;
    if (sample !== null && !runtime.featureEnabled(sample.runtimeKey, sample.fraction, random)) return;
    this.#stats.inc(this.#stats.i.filter_delegation_success);
    noteAction(stream.info, this.#context.name ?? '', name);
    stream.slot[slot] = runner.standing;
  }

  #runnersOf(tree: MatchTree): readonly (Runner | null)[] {
    let runners = this.#runners.get(tree);
    if (runners === undefined) {
      runners = tree.actions.map((action) => (action === null ? null : this.#runnerOf(action)));
      this.#runners.set(tree, runners);
    }
    return runners;
  }

  #runnerOf(action: ExecuteAction): Runner {
    const { what } = action;
    if (what.kind === 'named-chain') return { action, standing: this.#chains.get(action.name) ?? null };
    const places = this.#places.actions.get(action);
    if (what.kind === 'filters') {
      return { action, standing: this.#stand(what.filters, places ?? routePlaces(what.filters)) };
    }
    const { at } = places?.[0] ?? { at: 0 };
    if (places !== undefined) this.routeTypes[at] = what.types;
    const runner: Runner = { action, standing: missingAt(at) };
    const take = (): void => {
      const { current = null } = followed ?? {};
      runner.standing = current === null ? missingAt(at) : this.#stand([{ name: '', ...current }], [{ at, size: 1 }]);
    };
    const followed = this.#context.follow?.(what.discovery, discoveredRefusal, take);
    take();
    return runner;
  }

  /** Makes filters, each for its place. */
  #stand(filters: readonly InnerFilter[], places: readonly Place[]): Standing {
    const standing: (HttpFilter | undefined)[] = [];
    for (const [i, { factory, config }] of filters.entries()) {
      const { at } = places[i] as Place;
      const placed = placeFilter(factory, config, { ...this.#context, slot: this.#context.slot + 1 + at });
      for (const [j, { filter, routeTypes }] of placed.entries()) {
        standing[at + j] = filter;
        if (at + j >= MOST_OF_ROUTE) this.routeTypes[at + j] = routeTypes;
      }
    }
    return standing;
  }
}

/** There is a name, and no filter has come by it. Source: Envoy MissingConfigFilter. */
const MISSING: HttpFilter = Object.freeze({
  decodeHeaders(stream) {
    stream.sendLocalReply({ status: 500, body: '', details: '', flags: Flag.NFCF });
    return 'stop';
  },
} satisfies HttpFilter);

function missingAt(at: number): Standing {
  const standing: (HttpFilter | undefined)[] = [];
  standing[at] = MISSING;
  return standing;
}

/** In the last position, which is the first on the way back. */
class Rear implements HttpFilter {
  readonly #head: CompositeHead;

  constructor(head: CompositeHead) {
    this.#head = head;
  }

  encodeHeaders(stream: FilterStream): HeadersStatus {
    this.#head.decideLate(stream);
    return 'continue';
  }
}

/** Nothing stands anywhere. */
const NOTHING: Standing = Object.freeze([]);
const AT_RESPONSE = SEEN.requestHeaders | SEEN.requestTrailers | SEEN.responseHeaders;

const NONE: ReadonlySet<string> = new Set();
const HEAD_TYPES: ReadonlySet<string> = new Set([`${PACKAGE}.CompositePerRoute`]);

function createAll(config: CompositeConfig, context: FilterContext): PlacedFilter[] {
  const head = new CompositeHead(config, context);
  const placed: PlacedFilter[] = [{ filter: head, routeTypes: HEAD_TYPES }];
  for (let at = 0; at < placesOf(config).layout.size; at++) {
    const filter = Object.freeze(new Forwarder(context.slot, at));
    placed.push({ filter, routeTypes: head.routeTypes[at] ?? NONE });
  }
  placed.push({ filter: new Rear(head), routeTypes: NONE });
  return placed;
}

export const composite: HttpFilterFactory = {
  ...defineHttpFilter<CompositeConfig, MatchTree | null, CompositePb, { matcher?: MatcherPb }>({
    name: 'envoy.filters.http.composite',
    configType: COMPOSITE,
    routeConfigType: `${PACKAGE}.CompositePerRoute`,
    fields: {
      [COMPOSITE]: 'named_filter_chains matcher',
      [`${PACKAGE}.CompositePerRoute`]: 'matcher',
      ...MATCH_TREE_FIELDS,
    },
    stands: 'anywhere',
    decode: decodeComposite,
    decodeRoute,
    create: () => null,
  }),
  positions: (config: CompositeConfig) => placesOf(config).layout.size + 2,
  createAll,
};
