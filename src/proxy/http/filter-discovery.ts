// HTTP filters whose configuration is only named and comes from elsewhere (ECDS): the chain follows it.
import type { Holder, Holders } from '../xds/holders.ts';
import type { ConfigPlace } from '../xds/place.ts';
import type { Scope } from '../../telemetry/metrics.ts';
import { type ChainEntry, compileFilterChain, type FilterChain } from './filter-chain.ts';
import type { FilterContext, HttpFilter, HttpFilterFactory } from './filter.ts';
import { Flag } from '../stream-info.ts';

/** A filter's configuration that came by name. */
export type HttpExtension = {
  readonly name: string;
  /** Full name of its message. */
  readonly type: string;
  readonly factory: HttpFilterFactory;
  readonly config: unknown;
};

/** Where a filter's configuration comes from. Source: envoy.config.core.v3.ExtensionConfigSource. */
export type FilterDiscovery = {
  readonly place: ConfigPlace;
  /** Until there is one, and when it is gone again. */
  readonly fallback: HttpExtension | null;
  /** The listener does not wait for it. */
  readonly isFallbackReady: boolean;
  /** Full names of messages that it may be. */
  readonly types: readonly string[];
};

/** A filter as configured; `discovery` null: all is written in place. */
export type FilterSpec = {
  readonly name: string;
  readonly disabled: boolean;
} & (
  | { readonly factory: HttpFilterFactory; readonly config: unknown; readonly discovery?: null }
  | { readonly factory: null; readonly discovery: FilterDiscovery }
);

type WrittenSpec = Extract<FilterSpec, { factory: HttpFilterFactory }>;

export const EXTENSION_STATS = {
  config_reload: 'counter',
  config_fail: 'counter',
  config_conflict: 'counter',
} as const;

const EXTENSION_PREFIX = 'extension_config_discovery.http_filter.';

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
  readonly #uses: Use[] = [];
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

  #use({ name, discovery }: Extract<FilterSpec, { factory: null }>, slot: number): void {
    const prefix = `${EXTENSION_PREFIX}${name}.`;
    const holder = this.#extensions.use(name, discovery.place, prefix);
    const scope = this.#common.stats.scope(prefix, EXTENSION_STATS);
    const isLast = slot === this.#specs.length - 1;
    const check = (extension: HttpExtension): string | null => {
      const reason = refusal(extension, discovery, isLast);
      if (reason !== null) scope.inc(scope.i.config_fail);
      return reason;
    };
    const listener = (): void => {
      scope.inc(scope.i.config_reload);
      this.#take(slot, holder.current ?? discovery.fallback);
      this.chain = this.#compile();
      this.#changed(this.chain);
    };
    const use = { holder, discovery, check, listener, scope };
    holder.checks.add(check);
    holder.listen(listener);
    this.#uses.push(use);
    const { current } = holder;
    const isTaken = current !== null && check(current) === null;
    this.#take(slot, isTaken ? current : discovery.fallback);
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
    const awaited = this.#uses.filter(({ discovery }) => !discovery.isFallbackReady);
    let missing = awaited.length;
    if (missing === 0) settled();
    for (const { holder } of awaited) {
      holder.whenSettled(() => {
        if (--missing === 0) settled();
      });
    }
  }

  close(): void {
    for (const { holder, check, listener } of this.#uses) {
      holder.checks.delete(check);
      holder.unlisten(listener);
      this.#extensions.release(holder);
    }
    this.#uses.length = 0;
  }
}

type Use = {
  readonly holder: Holder<HttpExtension>;
  readonly discovery: FilterDiscovery;
  readonly check: (extension: HttpExtension) => string | null;
  readonly listener: () => void;
  readonly scope: Scope;
};

/** Why the extension cannot stand there, or null. Source: Envoy DynamicFilterConfigProvider, validateTypeUrl. */
function refusal(
  { name, type, factory }: Omit<HttpExtension, 'config'>,
  { types }: Pick<FilterDiscovery, 'types'>,
  isLast: boolean,
): string | null {
  if (!types.includes(type)) return `Error: filter config has type URL ${type} but expect ${types.join(', ')}.`;
  const isTerminal = factory.isTerminal === true;
  if (isTerminal && !isLast) {
    const text = `Error: terminal filter named ${name} of type ${factory.name}`;
    return `${text} must be the last filter in a http filter chain.`;
  }
  if (isTerminal || !isLast) return null;
  return `Error: non-terminal filter named ${name} of type ${factory.name} is the last filter in a http filter chain.`;
}
