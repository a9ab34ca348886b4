// The rules of role-based access control: permissions and principals compiled into objects that match one exchange.
import type { CidrSet } from '../../base/ip.ts';
import { hasIp } from '../../base/ip.ts';
import type { StringMatcher } from '../../base/matcher.ts';
import type { Address } from '../../base/byte-stream.ts';
import type { Headers } from '../../wire/headers.ts';
import type { HeaderMatcher, Metadata, MetadataMatcher } from '../config/matcher.ts';
import type { FilterStateMatcher } from '../config/matcher.ts';
import type { StreamInfo } from '../stream-info.ts';
import { peerNames } from './peer-names.ts';

/**
 * One permission or principal. A connection without HTTP passes empty headers, as Envoy does. `route` is the metadata
 * of the route: undefined when there is no route, null when it has none.
 */
export type Rule = {
  matches(info: StreamInfo, headers: Headers, route: Metadata | null | undefined): boolean;
};

export const ALWAYS: Rule = Object.freeze({ matches: () => true });
/** Stands for what was rejected. */
export const NEVER: Rule = Object.freeze({ matches: () => false });

export class AllOf implements Rule {
  readonly #rules: readonly Rule[];

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
  }

  matches(info: StreamInfo, headers: Headers, route: Metadata | null | undefined): boolean {
    const rules = this.#rules;
    for (let i = 0; i < rules.length; i++) if (!(rules[i] as Rule).matches(info, headers, route)) return false;
    return true;
  }
}

export class AnyOf implements Rule {
  readonly #rules: readonly Rule[];

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
  }

  matches(info: StreamInfo, headers: Headers, route: Metadata | null | undefined): boolean {
    const rules = this.#rules;
    for (let i = 0; i < rules.length; i++) if ((rules[i] as Rule).matches(info, headers, route)) return true;
    return false;
  }
}

/** Of several rules all (or any) must match; of one, that one. */
export function allOf(rules: readonly Rule[]): Rule {
  return rules.length === 1 ? (rules[0] as Rule) : new AllOf(rules);
}

export function anyOf(rules: readonly Rule[]): Rule {
  if (rules.includes(ALWAYS)) return ALWAYS;
  return rules.length === 1 ? (rules[0] as Rule) : new AnyOf(rules);
}

export class Not implements Rule {
  readonly #rule: Rule;

  constructor(rule: Rule) {
    this.#rule = rule;
  }

  matches(info: StreamInfo, headers: Headers, route: Metadata | null | undefined): boolean {
    return !this.#rule.matches(info, headers, route);
  }
}

export class HeaderRule implements Rule {
  readonly #matcher: HeaderMatcher;

  constructor(matcher: HeaderMatcher) {
    this.#matcher = matcher;
  }

  matches(_info: StreamInfo, headers: Headers): boolean {
    return this.#matcher.matches(headers);
  }
}

/** The path without query and fragment. */
export class UrlPathRule implements Rule {
  readonly #matcher: StringMatcher;

  constructor(matcher: StringMatcher) {
    this.#matcher = matcher;
  }

  matches(_info: StreamInfo, headers: Headers): boolean {
    const { path } = headers;
    return path !== '' && this.#matcher.matches(withoutQuery(path));
  }
}

function withoutQuery(path: string): string {
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === 0x3f || code === 0x23) return path.slice(0, i);
  }
  return path;
}

/** Which address of an exchange a rule looks at. */
export type AddressKind = 'destination' | 'source' | 'direct-remote' | 'remote';

export class IpRule implements Rule {
  readonly #kind: AddressKind;
  readonly #range: CidrSet;

  constructor(kind: AddressKind, range: CidrSet) {
    this.#kind = kind;
    this.#range = range;
  }

  matches(info: StreamInfo): boolean {
    const address = addressOf(info, this.#kind);
    return hasIp(address) && this.#range.contains(address.address);
  }
}

function addressOf(info: StreamInfo, kind: AddressKind): Address {
  switch (kind) {
    case 'destination':
      return info.connection.localAddress;
    case 'source':
      return info.connection.remoteAddress;
    case 'direct-remote':
      return info.connection.directRemoteAddress;
    case 'remote':
      return info.remoteAddress;
  }
}

/** start ≤ port < end. */
export class PortRule implements Rule {
  readonly #start: number;
  readonly #end: number;

  constructor(start: number, end: number) {
    this.#start = start;
    this.#end = end;
  }

  matches(info: StreamInfo): boolean {
    const { localAddress } = info.connection;
    return hasIp(localAddress) && localAddress.port >= this.#start && localAddress.port < this.#end;
  }
}

export class ServerNameRule implements Rule {
  readonly #matcher: StringMatcher;

  constructor(matcher: StringMatcher) {
    this.#matcher = matcher;
  }

  matches(info: StreamInfo): boolean {
    return this.#matcher.matches(info.connection.requestedServerName);
  }
}

export class DynamicMetadataRule implements Rule {
  readonly #matcher: MetadataMatcher;

  constructor(matcher: MetadataMatcher) {
    this.#matcher = matcher;
  }

  matches(info: StreamInfo): boolean {
    return this.#matcher.matches(info.dynamicMetadata);
  }
}

/** Without a route nothing matches, not even inverted. */
export class RouteMetadataRule implements Rule {
  readonly #matcher: MetadataMatcher;

  constructor(matcher: MetadataMatcher) {
    this.#matcher = matcher;
  }

  matches(_info: StreamInfo, _headers: Headers, route: Metadata | null | undefined): boolean {
    return route !== undefined && this.#matcher.matches(route);
  }
}

export class FilterStateRule implements Rule {
  readonly #matcher: FilterStateMatcher;

  constructor(matcher: FilterStateMatcher) {
    this.#matcher = matcher;
  }

  matches(info: StreamInfo): boolean {
    return this.#matcher.matches(info);
  }
}

/** A peer that came over TLS; with a matcher, one of its names must match. Plain text never matches. */
export class AuthenticatedRule implements Rule {
  readonly #name: StringMatcher | null;

  constructor(name: StringMatcher | null) {
    this.#name = name;
  }

  matches(info: StreamInfo): boolean {
    const { tls } = info.connection;
    if (tls === null) return false;
    const matcher = this.#name;
    if (matcher === null) return true;
    for (const name of peerNames(tls)) if (matcher.matches(name)) return true;
    return false;
  }
}
