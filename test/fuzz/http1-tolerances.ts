// What our HTTP/1 parser takes beyond a strict one: rewrites bytes that use one of these tolerances into strict ones.
import type { MessageKind, SeenMessage } from './http1-oracle.ts';

/**
 * The whole list; each is what Envoy takes too (`docs/envoy-behaviour.md`). None touches where a message ends: lengths,
 * codings and chunk sizes are never rewritten, so they must satisfy the strict parser as they are.
 */
export const TOLERANCES = [
  /** Empty lines before a head (RFC 9112 §2.2). */
  'empty-lines',
  /** Line ends without CR in a head. */
  'bare-lf',
  /** Several blanks or tabs between the parts of a request line, or behind it. */
  'request-line-blanks',
  /** A value that goes on in the next line (RFC 9112 §5.2). */
  'obs-fold',
  /** A tab behind a value, or behind one of a list, is a blank like another (RFC 9112 §5.1, RFC 9110 §5.6.1). */
  'outer-tab',
  /** Fields that frame or route a message are taken out of trailer sections (RFC 9110 §6.5.1). */
  'framing-trailer',
  /** Not a field of HTTP (RFC 9112 appendix C.2.2): it neither closes nor keeps a connection. */
  'proxy-connection',
  /** Any visible characters as target: its form is judged behind the parser. */
  'target-form',
  /** Methods that the strict parser does not know: WebDAV's of Envoy's list. */
  'method-list',
  /** Versions d.d other than 1.0 and 1.1, or none: the connection manager answers 426 and closes. */
  'version',
  /** A length of nothing in an answer that has no body: the field goes (RFC 9110 §8.6). */
  'zero-length-field',
  /** Text behind a chunk size that is no well-formed extension (RFC 9112 §7.1.1: unknown ones are ignored). */
  'chunk-extension',
  /** An upgrade request is a tunnel at once, whatever lengths it declares: what follows waits for the answer. */
  'upgrade-body',
  /** An Upgrade field without a protocol is an upgrade that nobody allows. */
  'empty-upgrade',
  /** An offer of h2c is not taken: its fields go, the connection stays HTTP/1. */
  'h2c-offer',
] as const;

export type Tolerance = (typeof TOLERANCES)[number];

/** Of Envoy's list, unknown to llhttp. */
const METHODS_NOT_IN_LLHTTP = new Set(['MSEARCH']);

type Rewriter = { readonly used: Set<Tolerance>; readonly kind: MessageKind };

/** Bytes with the same meaning without tolerances, what must be read from them, and what was rewritten. */
export function undoTolerances(
  kind: MessageKind,
  bytes: Uint8Array,
  messages: readonly SeenMessage[],
): { bytes: Buffer; messages: SeenMessage[]; used: Set<Tolerance> } {
  const rewriter: Rewriter = { used: new Set(), kind };
  const text = Buffer.from(bytes).latin1Slice();
  const expected: SeenMessage[] = [];
  let out = '';
  let pos = 0;
  for (const original of messages) {
    const message = { ...original };
    expected.push(message);
    const start = skipEmptyLines(text, pos);
    if (start > pos) rewriter.used.add('empty-lines');
    const headEnd = start + message.headEnd;
    const end = message.end < 0 ? text.length : message.end;
    out += rewriteHead(text.slice(start, headEnd), message, rewriter);
    const body = text.slice(headEnd, end);
    const isChunked =
      message.headers.some(([name]) => name === 'transfer-encoding') && body !== '' && !message.isTunnel;
    out += isChunked ? rewriteChunks(body, message, rewriter) : body;
    pos = end;
  }
  // What follows the last message has not been taken yet.
  return { bytes: Buffer.from(out, 'latin1'), messages: expected, used: rewriter.used };
}

function skipEmptyLines(text: string, from: number): number {
  let pos = from;
  while (text[pos] === '\r' || text[pos] === '\n') pos++;
  return pos;
}

function rewriteHead(head: string, message: SeenMessage, { used, kind }: Rewriter): string {
  let text = head;
  if (/(^|[^\r])\n/.test(text)) {
    used.add('bare-lf');
    text = text.replace(/\r?\n/g, '\r\n');
  }
  text = unfold(text, used);
  if (/\t[ \t]*\r\n/.test(text)) {
    used.add('outer-tab');
    text = text.replace(/[ \t]+\r\n/g, '\r\n');
  }
  if (/^connection:[^\r]*\t[ \t]*,/im.test(text)) {
    used.add('outer-tab');
    const tidied = (value: string): string => value.replace(/[ \t]+,/g, ',');
    text = text.replace(/^connection:[^\r]*/gim, tidied);
    message.headers = message.headers.map(([name, value]) => [name, name === 'connection' ? tidied(value) : value]);
  }
  if (/^proxy-connection:/im.test(text)) {
    used.add('proxy-connection');
    text = text.replace(/^proxy-connection:/gim, 'x-proxy-connection:');
    message.headers = message.headers.map(([name, value]) => [
      name.replace(/^proxy-connection$/, 'x-proxy-connection'),
      value,
    ]);
  }
  if (kind === 'response') return rewriteAnswer(text, message, used);
  const lineEnd = text.indexOf('\r\n');
  return rewriteRequestLine(text.slice(0, lineEnd), message, used) + rewriteFields(text.slice(lineEnd), message, used);
}

function rewriteAnswer(text: string, message: SeenMessage, used: Set<Tolerance>): string {
  const hasLength = message.headers.some(([name]) => name === 'content-length');
  if (hasLength || !/\r\ncontent-length:[ \t]*0+[ \t]*\r/i.test(text)) return text;
  used.add('zero-length-field');
  return text.replace(/\r\ncontent-length:[^\r]*/gi, '');
}

/** The first field cannot be folded: there is nothing before it that goes on. */
function unfold(fields: string, used: Set<Tolerance>): string {
  if (!/\r\n[ \t]/.test(fields)) return fields;
  used.add('obs-fold');
  return fields.replace(/\r\n(?=[ \t])/g, '');
}

function rewriteRequestLine(line: string, message: SeenMessage, used: Set<Tolerance>): string {
  const parts = line.split(/[ \t]+/).filter((part) => part !== '');
  if (parts.join(' ') !== line) used.add('request-line-blanks');
  let [method = '', target = ''] = parts;
  if (METHODS_NOT_IN_LLHTTP.has(method)) {
    used.add('method-list');
    method = 'GET';
    message.method = method;
  }
  if (method !== 'CONNECT' && !/^\/[\x21-\x22\x24-\x7e]*$/.test(target)) {
    used.add('target-form');
    target = '/';
    message.target = target;
  }
  if (method === 'CONNECT' && !/^[a-z0-9.-]+:\d+$/i.test(target)) {
    used.add('target-form');
    target = 'a:1';
    message.target = target;
  }
  if (message.minorVersion === -1) {
    used.add('version');
    message.minorVersion = 1;
    return `${method} ${target} HTTP/1.1`;
  }
  return `${method} ${target} ${parts[2]}`;
}

/** An upgrade's declared body is not read as one; an offer of h2c is as good as none. */
function rewriteFields(fields: string, message: SeenMessage, used: Set<Tolerance>): string {
  const hasUpgrade = message.headers.some(([name]) => name === 'upgrade');
  if (!hasUpgrade && /\r\nupgrade:[ \t]*h2c[ \t]*\r/i.test(fields)) {
    used.add('h2c-offer');
    return fields.replace(/\r\n(upgrade|http2-settings):[^\r]*/gi, '');
  }
  if (!message.isTunnel || message.method === 'CONNECT') return fields;
  if (message.headers.every(([name, value]) => name !== 'upgrade' || value === '')) {
    used.add('empty-upgrade');
    message.headers = message.headers.map(([name, value]) => [name, name === 'upgrade' ? 'x' : value]);
    return rewriteFields(fields.replace(/\r\nupgrade:/i, '$&x'), message, used);
  }
  if (!/\r\n(content-length|transfer-encoding)[ \t]*:/i.test(fields)) return fields;
  used.add('upgrade-body');
  message.headers = message.headers.filter(([name]) => name !== 'content-length' && name !== 'transfer-encoding');
  return fields.replace(/\r\n(content-length|transfer-encoding):[^\r]*/gi, '');
}

/** Takes what follows the sizes out of a chunked body; sizes, data and line ends stay as they are. */
function rewriteChunks(body: string, message: SeenMessage, { used }: Rewriter): string {
  let out = '';
  let pos = 0;
  for (;;) {
    const lineEnd = body.indexOf('\n', pos);
    if (lineEnd < 0) return out + body.slice(pos);
    const line = body.slice(pos, lineEnd + 1);
    const size = /^[0-9a-fA-F]+/.exec(line)?.[0] ?? '';
    const rest = line.slice(size.length);
    if (rest !== '\r\n' && /^[ \t]*(;[^\r\n]*)?\r\n$/.test(rest)) {
      used.add('chunk-extension');
      out += `${size}\r\n`;
    } else out += line;
    pos = lineEnd + 1;
    const length = Number.parseInt(size, 16);
    if (!(length > 0)) return out + rewriteTrailers(body.slice(pos), message, used);
    out += body.slice(pos, pos + length + 2);
    pos += length + 2;
    if (pos >= body.length) return out;
  }
}

function rewriteTrailers(section: string, message: SeenMessage, used: Set<Tolerance>): string {
  const text = unfold(section, used);
  const dropped = /^(content-length|transfer-encoding|connection|upgrade|host|trailer):.*\r\n/gim;
  const renamed = /^proxy-connection:/gim;
  if (text.search(dropped) < 0 && text.search(renamed) < 0) return text;
  used.add('framing-trailer');
  message.trailers = message.trailers.map(([name, value]) => [name === 'proxy-connection' ? 'x-c' : name, value]);
  return text.replace(dropped, '').replace(renamed, 'x-c:');
}
