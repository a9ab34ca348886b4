// Who may read the pages: callers under this server's own name, no foreign page of the web, and where a token is set,
// whoever has it.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { HttpReply, HttpRequest } from '../../net/http-server.ts';
import { Secret } from '../../base/secret.ts';

export type Access = {
  /** Listens where only this machine comes. */
  readonly isLocal: boolean;
  readonly token: Secret | null;
};

const MIN_TOKEN_CHARS = 16;

/** The token of a file; a text says why there is none. */
export function readPageToken(path: string): Secret | string {
  let token: string;
  try {
    token = readFileSync(path, 'utf8').trim();
  } catch (error) {
    const { code = 'cannot be read' } = error as NodeJS.ErrnoException;
    return `--page-token-file ${path}: ${code}; name a file that holds a token`;
  }
  if (token.length < MIN_TOKEN_CHARS || !/^[\w.~+/=-]+$/.test(token)) {
    return `--page-token-file ${path}: it holds no token of at least ${MIN_TOKEN_CHARS} letters and digits`;
  }
  return new Secret(token);
}

/** Null: go on. */
export function refusal(request: HttpRequest, { isLocal, token }: Access): HttpReply | null {
  const { path, headers } = request;
  const host = String(headers['host'] ?? '');
  // A page of the web must not read this one under a name of its own that leads here.
  if (isLocal && !isLoopback(nameOf(host))) return { status: 403, body: 'this is served under its own name only\n' };
  const origin = headers['origin'];
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    return { status: 403, body: 'pages of other origins are not answered\n' };
  }
  if (token === null || !isGuarded(path) || hasToken(headers['authorization'], token)) return null;
  return {
    status: 401,
    type: 'application/json',
    headers: { 'www-authenticate': 'Bearer', 'cache-control': 'no-store' },
    body: '{"error":"this needs the token of --page-token-file: Authorization: Bearer TOKEN"}\n',
  };
}

function isGuarded(path: string): boolean {
  return path === '/debug' || path.startsWith('/debug/') || path.startsWith('/api/');
}

/** Takes the same time whatever of it is right. */
function hasToken(header: string | string[] | undefined, token: Secret): boolean {
  const given = /^Bearer +(\S+)$/i.exec(typeof header === 'string' ? header : '')?.[1] ?? '';
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token.reveal()));
}

/** 'localhost:80' → 'localhost', '[::1]:80' → '::1'. */
function nameOf(host: string): string {
  return host.startsWith('[') ? host.slice(1, host.indexOf(']')) : (host.split(':')[0] ?? '');
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
