// Where a redirect sends the client: the exact URL that Envoy would build.
import { H } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import { type PathRewrite, rewritePath } from './rewrite.ts';
import type { RedirectAction } from './route.ts';

export type RedirectSettings = {
  /** '' keeps the request's. */
  readonly scheme: string;
  readonly host: string;
  /** ':8443', or '' to keep the request's. */
  readonly port: string;
  readonly path: string;
  readonly stripQuery: boolean;
};

export const KEEP_ALL: RedirectSettings = { scheme: '', host: '', port: '', path: '', stripQuery: false };

export class Redirect implements RedirectAction {
  readonly status: number;
  readonly #settings: RedirectSettings;
  readonly #rewrite: PathRewrite | null;

  constructor(status: number, settings: RedirectSettings, rewrite: PathRewrite | null) {
    this.status = status;
    this.#settings = settings;
    this.#rewrite = rewrite;
  }

  location(headers: Headers, format?: FormatContext, insertOriginalPath = true): string {
    if (this.#rewrite !== null) rewritePath(headers, this.#rewrite, format, insertOriginalPath);
    return redirectUrl(headers, this.#settings);
  }
}

/** Builds scheme://host:port/path?query; '' for a request without path. Source: Envoy Http::Utility::newUri. */
export function redirectUrl(headers: Headers, settings: RedirectSettings): string {
  if (headers.path === '') return '';
  const scheme = settings.scheme !== '' ? settings.scheme : headers.scheme;
  const host = settings.host !== '' ? settings.host : requestHost(headers, scheme, settings.port);
  const path = redirectPath(headers.path, settings);
  return `${scheme}://${host}${settings.port}${path.startsWith('/') ? '' : '/'}${path}`;
}

function redirectPath(path: string, { path: fixed, stripQuery }: RedirectSettings): string {
  const query = path.indexOf('?');
  if (fixed === '') return stripQuery && query >= 0 ? path.slice(0, query) : path;
  // A query in path_redirect replaces the request's and is never stripped.
  if (fixed.includes('?') || stripQuery || query < 0) return fixed;
  return fixed + path.slice(query);
}

/** The request's host; its port goes when another takes its place or when it is the default of the scheme left. */
function requestHost(headers: Headers, scheme: string, newPort: string): string {
  const host = headers.authority;
  let colon = host.lastIndexOf(':');
  if (host.startsWith('[')) {
    const bracket = host.lastIndexOf(']:');
    colon = bracket < 0 ? -1 : bracket + 1;
  }
  if (colon < 0) return host;
  if (newPort !== '') return host.slice(0, colon);
  const protocol = headers.get(H['x-forwarded-proto']) ?? '';
  if (scheme === protocol) return host;
  const port = host.slice(colon);
  const isDefault = (protocol === 'https' && port === ':443') || (protocol === 'http' && port === ':80');
  return isDefault ? host.slice(0, colon) : host;
}
