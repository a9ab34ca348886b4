// A route configuration compiled: authority → virtual host → first route that matches.
import { asciiLower } from '../../base/matcher-text.ts';
import { type StringTest, unionOf } from '../../base/regex.ts';
import { H, type HeaderKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import { type Condition, MatchView } from './match-view.ts';
import type { PathMatch } from './path-match.ts';
import { DomainIndex, type Wildcards } from './domain-index.ts';
import type { OpenTable } from './open-table.ts';
import type { MatchContext, OnDemandRoutes, Route, RouteTable, VirtualHost } from './route.ts';
import type { RouteChoice } from './weighted-clusters.ts';

/** One route of a virtual host: requirements and what it leads to. */
export type RouteEntry = {
  readonly path: PathMatch;
  readonly conditions: readonly Condition[] | null;
  readonly choice: RouteChoice;
};

/** A virtual host with its routes in order. */
export type HostEntry = {
  readonly host: VirtualHost;
  readonly entries: readonly RouteEntry[];
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

/** From this many exact paths in a row a hash table takes the place of comparing one by one. */
const MIN_EXACT_RUN = 8;

/** From this many regexes in a row, and for at most so many, one test tells first whether any of them can match. */
const MIN_REGEX_RUN = 4;
const MAX_REGEX_RUN = 32;

/** A run of routes: exact paths by hash, regexes behind a common test, or anything one by one. */
type Segment = {
  readonly exact: ReadonlyMap<string, readonly RouteEntry[]> | null;
  readonly entries: readonly RouteEntry[];
  readonly filter: StringTest | null;
};

export class CompiledHost {
  readonly host: VirtualHost;
  readonly tlsRedirect: Route | null;
  readonly #segments: readonly Segment[];

  constructor(entry: HostEntry) {
    this.host = entry.host;
    this.tlsRedirect = entry.tlsRedirect;
    this.#segments = segmentsOf(entry.entries);
  }

  match(view: MatchView): Route | null {
    const segments = this.#segments;
    for (let s = 0; s < segments.length; s++) {
      const segment = segments[s] as Segment;
      if (segment.filter !== null && !segment.filter.matches(view.bare)) continue;
      const entries = segment.exact === null ? segment.entries : segment.exact.get(view.bare);
      if (entries === undefined) continue;
      for (let i = 0; i < entries.length; i++) {
        const { path, conditions, choice } = entries[i] as RouteEntry;
        if (!path.matches(view)) continue;
        if (conditions !== null && !allHold(conditions, view)) continue;
        return choice.pick(view.headers, view.context);
      }
    }
    return null;
  }
}

function allHold(conditions: readonly Condition[], view: MatchView): boolean {
  for (let i = 0; i < conditions.length; i++) if (!(conditions[i] as Condition).holds(view)) return false;
  return true;
}

type RunKind = 'exact' | 'regex' | 'other';

function kindOf({ path }: RouteEntry): RunKind {
  if (path.kind === 'path' && path.caseSensitive) return 'exact';
  return path.kind === 'regex' ? 'regex' : 'other';
}

/** Cuts the routes into runs of one kind, in order; runs too short for a short cut go with their neighbours. */
function segmentsOf(entries: readonly RouteEntry[]): Segment[] {
  const segments: Segment[] = [];
  let plain: RouteEntry[] = [];
  const flush = (): void => {
    if (plain.length > 0) segments.push({ exact: null, filter: null, entries: plain });
    plain = [];
  };
  for (let at = 0; at < entries.length; ) {
    const kind = kindOf(entries[at] as RouteEntry);
    let end = at + 1;
    while (end < entries.length && kindOf(entries[end] as RouteEntry) === kind) end++;
    const run = entries.slice(at, end);
    at = end;
    if (kind === 'exact' && run.length >= MIN_EXACT_RUN) {
      flush();
      segments.push({ exact: exactTable(run), filter: null, entries: [] });
    } else if (kind === 'regex' && run.length >= MIN_REGEX_RUN) {
      flush();
      for (let from = 0; from < run.length; from += MAX_REGEX_RUN) {
        const some = run.slice(from, from + MAX_REGEX_RUN);
        const regexes = some.map(({ path }) => path.regex).filter((regex) => regex !== null);
        segments.push({ exact: null, filter: unionOf(regexes), entries: some });
      }
    } else plain.push(...run);
  }
  flush();
  return segments;
}

function exactTable(run: readonly RouteEntry[]): Map<string, RouteEntry[]> {
  const exact = new Map<string, RouteEntry[]>();
  for (const entry of run) {
    const same = exact.get(entry.path.literal);
    if (same === undefined) exact.set(entry.path.literal, [entry]);
    else same.push(entry);
  }
  return exact;
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
