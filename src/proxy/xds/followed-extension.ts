// A filter that is only named (ECDS): follows what comes by that name, for whoever stands in the filter's place.
import type { ScopeOf, StatStore } from '../../telemetry/metrics.ts';
import type { Holder, Holders } from './holders.ts';
import type { ConfigPlace } from './place.ts';

/** A filter's configuration that came by name. */
export type Extension<Factory> = {
  readonly name: string;
  /** Full name of its message. */
  readonly type: string;
  readonly factory: Factory;
  readonly config: unknown;
};

/** Where a filter's configuration comes from. Source: envoy.config.core.v3.ExtensionConfigSource. */
export type Discovery<Factory> = {
  readonly name: string;
  readonly place: ConfigPlace;
  /** Until there is one, and when it is gone again. */
  readonly fallback: Extension<Factory> | null;
  /** Nobody waits for it. */
  readonly isFallbackReady: boolean;
  /** Full names of messages that it may be. */
  readonly types: readonly string[];
};

/** As Envoy names them in statistics. */
export type ExtensionKind = 'http_filter' | 'upstream_http_filter' | 'network_filter' | 'tcp_listener_filter';

/** Under 'extension_config_discovery.KIND.NAME.'. */
const STATS = {
  config_reload: 'counter-once',
  config_fail: 'counter-once',
  config_conflict: 'counter-once',
} as const;

export type FollowedParts<Factory> = {
  readonly kind: ExtensionKind;
  readonly stats: StatStore;
  /** Why one of the right type cannot stand there all the same, or null. */
  readonly whyNot?: (extension: Extension<Factory>) => string | null;
  /** `current` is another one. */
  readonly changed: () => void;
};

export class FollowedExtension<Factory> {
  /** What stands there now; null: there is none. */
  current: Extension<Factory> | null;
  readonly #discovery: Discovery<Factory>;
  readonly #parts: FollowedParts<Factory>;
  readonly #extensions: Holders<Extension<Factory>>;
  readonly #holder: Holder<Extension<Factory>>;
  readonly #scope: ScopeOf<typeof STATS>;

  constructor(discovery: Discovery<Factory>, extensions: Holders<Extension<Factory>>, parts: FollowedParts<Factory>) {
    const prefix = `extension_config_discovery.${parts.kind}.${discovery.name}.`;
    this.#discovery = discovery;
    this.#parts = parts;
    this.#extensions = extensions;
    this.#scope = parts.stats.scope(prefix, STATS);
    this.#holder = extensions.use(discovery.name, discovery.place, prefix);
    this.#holder.checks.add(this.#check);
    this.#holder.listen(this.#changed);
    const { current } = this.#holder;
    this.current = current !== null && this.#refusal(current) === null ? current : discovery.fallback;
  }

  readonly #check = (extension: Extension<Factory>): string | null => {
    const reason = this.#refusal(extension);
    if (reason !== null && this.#counts) this.#scope.inc(this.#scope.i.config_fail);
    return reason;
  };

  /** Source: Envoy DynamicFilterConfigProvider, validateTypeUrl. */
  #refusal(extension: Extension<Factory>): string | null {
    const { types } = this.#discovery;
    if (!types.includes(extension.type)) {
      return `Error: filter config has type URL ${extension.type} but expect ${types.join(', ')}.`;
    }
    return this.#parts.whyNot?.(extension) ?? null;
  }

  readonly #changed = (): void => {
    if (this.#counts) this.#scope.inc(this.#scope.i.config_reload);
    const { current } = this.#holder;
    this.current = current ?? this.#discovery.fallback;
    this.#parts.changed();
  };

  /** In Envoy the subscription counts, which all who use the name share: here the first of them. */
  get #counts(): boolean {
    return this.#holder.checks.values().next().value === this.#check;
  }

  /** Calls back once, perhaps now: it is there, or was waited for long enough. */
  whenSettled(settled: () => void): void {
    if (this.#discovery.isFallbackReady) settled();
    else this.#holder.whenSettled(settled);
  }

  close(): void {
    this.#holder.checks.delete(this.#check);
    this.#holder.unlisten(this.#changed);
    this.#extensions.release(this.#holder);
  }
}

/** What serves where a filter is only named: the one that came, if it is one of those expected, or the fallback. */
export function presentOf<Factory>(
  extensions: Holders<Extension<Factory>> | undefined,
  { name, place, types, fallback }: Discovery<Factory>,
): Extension<Factory> | null {
  const current = extensions?.find(name, place.key)?.current ?? null;
  return current !== null && types.includes(current.type) ? current : fallback;
}

type Ending = { readonly name: string; readonly isTerminal?: boolean };

/** Why the filter cannot stand at its place of the chain, or null. Source: Envoy's validateTerminalFilters. */
export function terminalRefusal(
  { name, factory }: Pick<Extension<Ending>, 'name' | 'factory'>,
  isLast: boolean,
  chain: 'http' | 'network',
): string | null {
  const isTerminal = factory.isTerminal === true;
  if (isTerminal === isLast) return null;
  const who = `${isTerminal ? 'terminal' : 'non-terminal'} filter named ${name} of type ${factory.name}`;
  const where = isTerminal ? 'must be the last filter in' : 'is the last filter in';
  return `Error: ${who} ${where} a ${chain} filter chain.`;
}
