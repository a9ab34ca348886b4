// Rewriting of paths and hosts on the way to the upstream, and of paths for redirects.
import type { Regex, Substitution } from '../../base/regex.ts';
import { H, type HeaderKey } from '../../wire/header-names.ts';
import { type Headers, isSendable } from '../../wire/headers.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import { pathLength } from './match-view.ts';
import type { PathMatch } from './path-match.ts';

type Format = { format(ctx: FormatContext): string };

export type PathRewrite = {
  /** The new path, or null when it stays. */
  rewrite(path: string, ctx: FormatContext | undefined): string | null;
};

/** prefix_rewrite: what matched is swapped. */
export class PrefixRewrite implements PathRewrite {
  readonly #match: PathMatch;
  readonly #prefix: string;
  constructor(match: PathMatch, prefix: string) {
    this.#match = match;
    this.#prefix = prefix;
  }
  rewrite(path: string): string {
    return this.#prefix + path.slice(this.#match.rewrittenLength(pathLength(path)));
  }
}

/** regex_rewrite: replaces in the path without query. */
export class RegexPathRewrite implements PathRewrite {
  readonly #regex: Regex;
  readonly #substitution: Substitution;
  constructor(regex: Regex, substitution: Substitution) {
    this.#regex = regex;
    this.#substitution = substitution;
  }
  rewrite(path: string): string {
    const end = pathLength(path);
    return this.#regex.replaceAll(path.slice(0, end), this.#substitution) + path.slice(end);
  }
}

/** path_rewrite: the whole path without query comes from a format; an empty result changes nothing. */
export class FormatPathRewrite implements PathRewrite {
  readonly #format: Format;
  constructor(format: Format) {
    this.#format = format;
  }
  rewrite(path: string, ctx: FormatContext | undefined): string | null {
    const made = ctx === undefined ? '' : this.#format.format(ctx);
    return made === '' ? null : made + path.slice(pathLength(path));
  }
}

/** Applies a path rewrite to the headers. */
export function rewritePath(
  headers: Headers,
  rewrite: PathRewrite,
  ctx: FormatContext | undefined,
  insertOriginalPath: boolean,
): void {
  if (headers.path === '') return;
  const path = rewrite.rewrite(headers.path, ctx);
  if (path === null) return;
  if (!isSendable(path)) {
    headers.unsendable = H[':path'];
    return;
  }
  if (insertOriginalPath) headers.set(H['x-envoy-original-path'], headers.path);
  headers.path = path;
}

export type HostRewrite = {
  /** The new authority, or '' when it stays. */
  host(headers: Headers, ctx: FormatContext): string;
};

export class LiteralHostRewrite implements HostRewrite {
  readonly #host: string;
  constructor(host: string) {
    this.#host = host;
  }
  host(): string {
    return this.#host;
  }
}

export class HeaderHostRewrite implements HostRewrite {
  readonly #key: HeaderKey;
  constructor(key: HeaderKey) {
    this.#key = key;
  }
  host(headers: Headers): string {
    return headers.get(this.#key) ?? '';
  }
}

export class PathRegexHostRewrite implements HostRewrite {
  readonly #regex: Regex;
  readonly #substitution: Substitution;
  constructor(regex: Regex, substitution: Substitution) {
    this.#regex = regex;
    this.#substitution = substitution;
  }
  host(headers: Headers): string {
    const { path } = headers;
    return this.#regex.replaceAll(path.slice(0, pathLength(path)), this.#substitution);
  }
}

export class FormatHostRewrite implements HostRewrite {
  readonly #format: Format;
  constructor(format: Format) {
    this.#format = format;
  }
  host(_headers: Headers, ctx: FormatContext): string {
    return this.#format.format(ctx);
  }
}

/** Replaces the authority. Source: Envoy Utility::updateAuthority. */
export function updateAuthority(
  headers: Headers,
  host: string,
  appendForwardedHost: boolean,
  insertOriginalHost: boolean,
): void {
  const old = headers.authority;
  if (!isSendable(host)) {
    headers.unsendable = H[':authority'];
    return;
  }
  if (insertOriginalHost && old !== '') headers.set(H['x-envoy-original-host'], old);
  if (appendForwardedHost && old !== '') {
    const forwarded = headers.getAll(H['x-forwarded-host']);
    // Envoy compares the last element without trimming it.
    if (forwarded === undefined || forwarded === '') headers.set(H['x-forwarded-host'], old);
    else if (forwarded.slice(forwarded.lastIndexOf(',') + 1) !== old) {
      headers.set(H['x-forwarded-host'], `${forwarded},${old}`);
    }
  }
  headers.authority = host;
}
