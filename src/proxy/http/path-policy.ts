// Brings request paths and authorities into the form that routes and policies may rely on.
import type { HttpConfig } from './http-config.ts';

/** What became of a path: the new one, or 'reject', or a redirect to the new one. */
export type PathResult = { readonly path: string; readonly action: 'forward' | 'reject' | 'redirect' };

/**
 * Applies normalize_path (RFC 3986 §6), merge_slashes and path_with_escaped_slashes_action to a path with its query.
 * Source: Envoy path_utility.cc, which uses the URL canonicalisation of Chromium.
 */
export function normalizePath(path: string, config: HttpConfig): PathResult {
  const queryAt = path.indexOf('?');
  let text = queryAt < 0 ? path : path.slice(0, queryAt);
  const query = queryAt < 0 ? '' : path.slice(queryAt);
  let action: PathResult['action'] = 'forward';
  if (config.escapedSlashes !== 'KEEP_UNCHANGED' && /%2f|%5c/i.test(text)) {
    text = text.replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
    if (config.escapedSlashes === 'REJECT_REQUEST') return { path: text + query, action: 'reject' };
    if (config.escapedSlashes === 'UNESCAPE_AND_REDIRECT') action = 'redirect';
  }
  if (config.normalizePath) {
    const normal = canonicalize(text);
    if (normal === null) return { path, action: 'reject' };
    text = normal;
  }
  if (config.mergeSlashes) text = mergeSlashes(text);
  return { path: text + query, action };
}

/** One slash between segments; a path of slashes alone keeps its first and its last, as in Envoy. */
function mergeSlashes(path: string): string {
  if (!path.includes('//')) return path;
  const segments = path.split('/').filter((segment) => segment !== '');
  return `/${segments.join('/')}${path.endsWith('/') ? '/' : ''}`;
}

/** Unreserved characters that need no percent-encoding (RFC 3986 §2.3). */
const UNRESERVED = /[A-Za-z0-9\-._~]/;

function canonicalize(path: string): string | null {
  if (!/[%\\.\s<>"`{}|^]|[^\x21-\x7e]/.test(path)) return path;
  let text = '';
  for (let i = 0; i < path.length; i++) {
    const c = path[i] as string;
    if (c === '\\') text += '/';
    else if (c === '%') {
      const hex = path.slice(i + 1, i + 3);
      if (!/^[0-9a-fA-F]{2}$/.test(hex)) {
        text += c;
        continue;
      }
      const char = String.fromCharCode(Number.parseInt(hex, 16));
      if (char === '\0') return null;
      text += UNRESERVED.test(char) ? char : `%${hex}`;
      i += 2;
    } else if (/[<>"`{}|^]/.test(c)) text += `%${c.charCodeAt(0).toString(16).toUpperCase()}`;
    else text += c;
  }
  return removeDotSegments(text);
}

function removeDotSegments(path: string): string {
  const out: string[] = [];
  const segments = path.split('/');
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] as string;
    const isLast = i === segments.length - 1;
    if (segment === '.') {
      if (isLast) out.push('');
    } else if (segment === '..') {
      out.pop();
      if (isLast) out.push('');
    } else out.push(segment);
  }
  return `/${out.join('/')}`;
}

/** Applies strip_matching_host_port, strip_any_host_port and strip_trailing_host_dot. */
export function normalizeAuthority(authority: string, config: HttpConfig, listenerPort: number): string {
  let host = authority;
  if (config.stripMatchingHostPort || config.stripAnyHostPort) {
    const match = /^(.*[^\]:]|\[.*\]):(\d+)$/.exec(host);
    if (match !== null && (config.stripAnyHostPort || Number(match[2]) === listenerPort)) host = match[1] as string;
  }
  if (config.stripTrailingHostDot) {
    const match = /^(.*?)\.(:\d+)?$/.exec(host);
    if (match !== null) host = (match[1] as string) + (match[2] ?? '');
  }
  return host;
}
