// Several route configurations of one connection manager: a key made of headers says which of them a request goes by.
import type { HeaderKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { MatchContext, OnDemandRoutes, Route, RouteTable, VirtualHost } from './route.ts';

/** A part of the key. Source: ScopedRoutes.ScopeKeyBuilder.FragmentBuilder.HeaderValueExtractor. */
export type ScopeFragment = {
  readonly header: HeaderKey;
  /** '' leaves the value whole. */
  readonly separator: string;
  /** The element at that place, or the value of the first element that begins with that key. */
  readonly pick: { readonly index: number } | { readonly key: string; readonly separator: string };
};

export type Scope = { readonly key: readonly string[]; readonly routes: { readonly current: RouteTable | null } };

export class ScopedTable implements RouteTable {
  readonly name: string;
  readonly onDemand: OnDemandRoutes | null;
  readonly #fragments: readonly ScopeFragment[];
  readonly #scopes: ReadonlyMap<string, Scope['routes']>;
  #internalOnlyHeaders: readonly string[] | null = null;

  /** `scopes` by the texts of their keys. */
  constructor(
    name: string,
    fragments: readonly ScopeFragment[],
    scopes: ReadonlyMap<string, Scope['routes']>,
    onDemand: OnDemandRoutes | null = null,
  ) {
    this.name = name;
    this.#fragments = fragments;
    this.#scopes = scopes;
    this.onDemand = onDemand;
  }

  /** The scopes are others, or one of them has other routes. */
  changed(): void {
    this.#internalOnlyHeaders = null;
  }

  get virtualHosts(): readonly VirtualHost[] {
    return [...this.#scopes.values()].flatMap(({ current }) => current?.virtualHosts ?? []);
  }

  /** Of all scopes: a client may not choose what it may say. */
  get internalOnlyHeaders(): readonly string[] {
    this.#internalOnlyHeaders ??= [
      ...new Set([...this.#scopes.values()].flatMap(({ current }) => current?.internalOnlyHeaders ?? [])),
    ];
    return this.#internalOnlyHeaders;
  }

  virtualHost(headers: Headers): VirtualHost | null {
    return this.#scopeOf(headers)?.virtualHost(headers) ?? null;
  }

  match(headers: Headers, context: MatchContext): Route | null {
    return this.#scopeOf(headers)?.match(headers, context) ?? null;
  }

  #scopeOf(headers: Headers): RouteTable | null {
    const key = keyOf(headers, this.#fragments);
    return key === null ? null : (this.#scopes.get(key)?.current ?? null);
  }
}

/** The text of a request's key; null: it has none. */
export function keyOf(headers: Headers, fragments: readonly ScopeFragment[]): string | null {
  const key: string[] = [];
  for (const fragment of fragments) {
    const part = partOf(headers, fragment);
    if (part === null) return null;
    key.push(part);
  }
  return keyText(key);
}

/** Scopes by the texts of their keys. */
export function byKey(scopes: readonly Scope[]): Map<string, Scope['routes']> {
  return new Map(scopes.map(({ key, routes }) => [keyText(key), routes]));
}

export function keyText(key: readonly string[]): string {
  return JSON.stringify(key);
}

function partOf(headers: Headers, { header, separator, pick }: ScopeFragment): string | null {
  const value = headers.get(header);
  if (value === undefined) return null;
  const elements = separator === '' ? [value] : value.split(separator);
  if ('index' in pick) return elements[pick.index] ?? null;
  for (const element of elements) {
    const at = element.indexOf(pick.separator);
    if ((at < 0 ? element : element.slice(0, at)) !== pick.key) continue;
    return at < 0 ? '' : element.slice(at + pick.separator.length);
  }
  return null;
}
