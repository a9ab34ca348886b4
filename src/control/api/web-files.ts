// The live page's own files, which hold nothing of the mesh: served to whoever may speak with this server at all.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HttpReply } from '../../net/http-server.ts';

/** Beside the bundle; from sources where the build leaves it. */
const DIRECTORIES = ['web', '../../../dist/web'].map((path) => join(import.meta.dirname, path));
const ASSET = /^\/assets\/([\w-]+(?:\.[\w-]+)*\.(js|css|svg))$/;
const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

/** Texts of strangers are in the page: nothing but its own script may ever run in it, and nobody may frame it. */
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
};

/** Null: this is none of its paths. */
export function webFile(path: string, hasToken: boolean): HttpReply | null {
  if (path === '/' || path === '/index.html') return hasToken ? page() : told(NEEDS_TOKEN);
  const asset = ASSET.exec(path);
  if (asset === null) return null;
  const body = read(join('assets', asset[1] as string));
  if (body === null) return { status: 404, body: `there is no ${path}\n` };
  // The name changes with the content.
  const headers = { ...HEADERS, 'cache-control': 'public, max-age=31536000, immutable' };
  return { type: TYPES[asset[2] as string] as string, headers, body };
}

function page(): HttpReply {
  const body = read('index.html');
  return body === null ? told(NOT_BUILT) : { ...HTML, body };
}

const HTML = { type: 'text/html; charset=utf-8', headers: { ...HEADERS, 'cache-control': 'no-cache' } };
const NEEDS_TOKEN = [
  'The live page is off.',
  'This control plane was started without --page-token-file. Write a token to a file, start heddle control with ' +
    '--page-token-file FILE, and open this address with #token=TOKEN behind it. heddle up does all of that.',
];
const NOT_BUILT = ['The live page is not built.', 'Run npm run build where Heddle lives, and load this page again.'];

function told([title, text]: readonly string[]): HttpReply {
  const head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Heddle</title>';
  const body = `${head}<h1>${title}</h1><p>${text}</p>\n`;
  return { ...HTML, status: 503, body };
}

function read(name: string): string | null {
  for (const directory of DIRECTORIES) {
    try {
      return readFileSync(join(directory, name), 'utf8');
    } catch {
      // Not built there.
    }
  }
  return null;
}
