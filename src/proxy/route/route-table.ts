// A route configuration compiled: authority → virtual host → first route that matches.
import { asciiLower } from '../../base/matcher-text.ts';
import { H, type HeaderKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import { MatchView } from './match-view.ts';
import { DomainIndex, type Wildcards } from './domain-index.ts';
import type { OpenTable } from './open-table.ts';
import type { MatchContext, OnDemandRoutes, Route, RouteTable, VirtualHost } from './route.ts';
import { type RouteEntry, RouteList } from './route-list.ts';
import { RouteTree, type RouteTreeSettings } from './route-tree.ts';

/** A virtual host with its routes in order. */
export type HostEntry = {
  readonly host: VirtualHost;
  readonly entries: readonly RouteEntry[];
  /** A tree of matchers instead of routes in an order, or null. */
  readonly tree: RouteTreeSettings | null;
  /** The answer to requests that did not come over TLS where require_tls asks for it, else null. */
  readonly tlsRedirect: Route | null;
};

export type TableSettings = {
  readonly name: string;
  readonly internalOnlyHeaders: readonly string[];
  readonly ignorePort: boolean;
  readonly ignorePathParameters: boolean;
  /** Header to take instead of the authority, or null. */
  readonly hostHeader: HeaderKey | null;
  readonly onDemand?: OnDemandRoutes | null;
  readonly open?: OpenTable | null;
};

export class CompiledHost {
  readonly host: VirtualHost;
  readonly tlsRedirect: Route | null;
  readonly #routes: { match(view: MatchView): Route | null };

  constructor(entry: HostEntry) {
    this.host = entry.host;
    this.tlsRedirect = entry.tlsRedirect;
    this.#routes = entry.tree === null ? new RouteList(entry.entries) : new RouteTree(entry.tree);
  }

  match(view: MatchView): Route | null {
    return this.#routes.match(view);
  }
}

/** Why a table cannot be made. */
export type TableError = { readonly error: string };

/** Builds the table, or says which domain stands twice. */
export function makeRouteTable(settings: TableSettings, hosts: readonly HostEntry[]): CompiledTable | TableError {
  const builder = new RouteTableBuilder(settings);
  for (const entry of hosts) {
    const error = builder.add(entry);
    if (error !== null) return { error };
  }
  return builder.finish();
}

/** Builds a table host by host, for those who must not take long at once. */
export class RouteTableBuilder {
  readonly #settings: TableSettings;
  readonly #domains = new DomainIndex<CompiledHost>();

  constructor(settings: TableSettings) {
    this.#settings = settings;
  }

  /** Says which domain stands twice, or null. */
  add(entry: HostEntry): string | null {
    return this.#domains.add(new CompiledHost(entry), this.#settings.name);
  }

  finish(): CompiledTable {
    return new CompiledTable(this.#settings, this.#domains);
  }
}

const view = new MatchView();

export class CompiledTable implements RouteTable {
  readonly name: string;
  readonly internalOnlyHeaders: readonly string[];
  readonly onDemand: OnDemandRoutes | null;
  readonly open: OpenTable | null;
  readonly #settings: TableSettings;
  readonly #domains: DomainIndex<CompiledHost>;

  /** `domains` may go on changing between requests. */
  constructor(settings: TableSettings, domains: DomainIndex<CompiledHost>) {
    this.name = settings.name;
    this.internalOnlyHeaders = settings.internalOnlyHeaders;
    this.onDemand = settings.onDemand ?? null;
    this.open = settings.open ?? null;
    this.#settings = settings;
    this.#domains = domains;
  }

  get virtualHosts(): readonly VirtualHost[] {
    return [...this.#domains.hosts].map(({ host }) => host);
  }

  virtualHost(headers: Headers): VirtualHost | null {
    return this.#find(headers)?.host ?? null;
  }

  match(headers: Headers, context: MatchContext): Route | null {
    const host = this.#find(headers);
    if (host === null) return null;
    if (host.tlsRedirect !== null && needsTls(host, headers)) return host.tlsRedirect;
    view.reset(headers, context, this.#settings.ignorePathParameters);
    return host.match(view);
  }

  #find(headers: Headers): CompiledHost | null {
    const domains = this.#domains;
    if (domains.isFallbackOnly) return domains.fallback;
    const { exact, suffixes, prefixes, fallback } = domains;
    const { hostHeader } = this.#settings;
    let host = hostHeader === null ? headers.authority : (headers.get(hostHeader) ?? '');
    if (host === '') return hostHeader === null ? null : fallback;
    if (this.#settings.ignorePort) host = withoutPort(host);
    const found = exact.get(host);
    if (found !== undefined) return found;
    const lower = asciiLower(host);
    if (lower !== host) {
      const same = exact.get(lower);
      if (same !== undefined) return same;
    }
    for (let i = 0; i < suffixes.length; i++) {
      const { length, hosts } = suffixes[i] as Wildcards<CompiledHost>;
      // `*.foo.com` does not match `.foo.com`.
      if (length >= lower.length) continue;
      const hit = hosts.get(lower.slice(lower.length - length));
      if (hit !== undefined) return hit;
    }
    for (let i = 0; i < prefixes.length; i++) {
      const { length, hosts } = prefixes[i] as Wildcards<CompiledHost>;
      if (length >= lower.length) continue;
      const hit = hosts.get(lower.slice(0, length));
      if (hit !== undefined) return hit;
    }
    return fallback;
  }
}

function needsTls(host: CompiledHost, headers: Headers): boolean {
  if ((headers.get(H['x-forwarded-proto']) ?? headers.scheme) === 'https') return false;
  return host.host.requireTls === 'ALL' || headers.get(H['x-envoy-internal']) !== 'true';
}

/** Cuts `:port` off; the colons of a bracketed IPv6 address are none. */
function withoutPort(host: string): string {
  const colon = host.lastIndexOf(':');
  return colon < 0 || host.lastIndexOf(']') > colon ? host : host.slice(0, colon);
}
