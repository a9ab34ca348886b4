// Seeded mutations of HTTP/1 messages that know lines, fields, lengths and chunks; and the corpus they start from.
import { readdirSync, readFileSync } from 'node:fs';
import type { Random } from '../../src/base/clock.ts';
import type { MessageKind } from './http1-oracle.ts';

/** The checked-in inputs of a kind: one file each, the bytes of one connection. */
export function readHttp1Corpus(kind: MessageKind): string[] {
  const folder = new URL(`./corpus/http1-${kind}/`, import.meta.url);
  return readdirSync(folder)
    .sort()
    .map((name) => readFileSync(new URL(name, folder), 'latin1'));
}

const FIELDS = [
  'Content-Length: 5',
  'Content-Length: 0',
  'content-length:5',
  'Content-Length: 05',
  'Content-Length: +5',
  'Content-Length: 5, 5',
  'Content-Length: -1',
  'Content-Length: 0x5',
  'Content-Length: 5 ',
  'Content-Length: ',
  'Content-Length: 18446744073709551616',
  'Content-Length: 9007199254740992',
  'Content-Length: 5\t',
  'Content-Length : 5',
  'Content-Length: 1_0',
  'Content-Length: 3',
  'Transfer-Encoding: chunked',
  'transfer-encoding:chunked',
  'Transfer-Encoding: CHUNKED',
  'Transfer-Encoding: chunked ',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, gzip',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: ',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunked;a=b',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: "chunked"',
  'Transfer_Encoding: chunked',
  'X-Transfer-Encoding: chunked',
  'Connection: close',
  'Connection: keep-alive',
  'Connection: Upgrade',
  'Connection: close, keep-alive',
  'Connection: x, CLOSE',
  'Connection: keep-alive, upgrade',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'HTTP2-Settings: AA',
  'Proxy-Connection: close',
  'Host: a',
  'Host: b:80',
  'Host:',
  'Cookie: a=b',
  'Accept: a',
  'Accept: b',
  'X: \x80\xff',
  'X: a\rb',
  'X: a\x00b',
  'X: a\x7fb',
  ': a',
  'X',
  ' folded',
  '\tfolded',
  'X:',
  'X:a',
  'x-long: ' + 'v'.repeat(300),
  'Expect: 100-continue',
  'TE: trailers',
  'Trailer: T',
];

const START_LINES: Readonly<Record<MessageKind, readonly string[]>> = {
  request: [
    'GET / HTTP/1.1',
    'POST /a HTTP/1.1',
    'HEAD / HTTP/1.1',
    'GET / HTTP/1.0',
    'CONNECT a:1 HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'GET http://a/b HTTP/1.1',
    'GET  / HTTP/1.1',
    'GET /\tHTTP/1.1',
    'GET / HTTP/1.1 ',
    'GET / HTTP/1.2',
    'GET / HTTP/2.0',
    'GET /',
    'GET /a b HTTP/1.1',
    'get / HTTP/1.1',
    'MSEARCH / HTTP/1.1',
    'PRI * HTTP/2.0',
    'GET /\x80 HTTP/1.1',
    'GET /#f HTTP/1.1',
    'PUT /? HTTP/1.1',
    'GET / HTTP/11',
    'GET / HTTP/1.',
    'GET / http/1.1',
    'M-SEARCH / HTTP/1.1',
    'QUERY / HTTP/1.1',
    'SOURCE / ICE/1.0',
    'GET\t/ HTTP/1.1',
  ],
  response: [
    'HTTP/1.1 200 OK',
    'HTTP/1.0 200 OK',
    'HTTP/1.1 200',
    'HTTP/1.1 200 ',
    'HTTP/1.1 204 No Content',
    'HTTP/1.1 304 Not Modified',
    'HTTP/1.1 100 Continue',
    'HTTP/1.1 101 Switching Protocols',
    'HTTP/1.1 103 Early Hints',
    'HTTP/1.1 20 OK',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 099 X',
    'HTTP/1.1 600 X',
    'HTTP/1.1  200 OK',
    'HTTP/1.2 200 OK',
    'HTTP/2.0 200 OK',
    'HTTP/1.1 200 \x80',
    'HTTP/1.1\t200 OK',
    'HTTP/1.1 200\tOK',
    'HTTP/1.1 2x0 OK',
    'http/1.1 200 OK',
    'ICY 200 OK',
    'HTTP/1.1 200 O\rK',
    'HTTP/1.1 205 Reset Content',
  ],
};

const BODIES = [
  '5\r\nabcde\r\n0\r\n\r\n',
  '0\r\n\r\n',
  '0\r\nT: 1\r\n\r\n',
  '5;a=b\r\nabcde\r\n0;c\r\n\r\n',
  '5 \r\nabcde\r\n0\r\n\r\n',
  '5\nabcde\n0\n\n',
  '05\r\nabcde\r\n00\r\n\r\n',
  '5\r\nabcde0\r\n\r\n',
  '5\r\nabcdef\r\n0\r\n\r\n',
  '0x5\r\nabcde\r\n0\r\n\r\n',
  '-5\r\nabcde\r\n0\r\n\r\n',
  '5;\r\nabcde\r\n0\r\n\r\n',
  '5; a = "b;c"\r\nabcde\r\n0\r\n\r\n',
  '5 ;a\r\nabcde\r\n0\r\n\r\n',
  '5\r\nabcde\r\n0\r\n\n',
  '5\r\nabcde\r\n0\n\r\n',
  'fffffffffffffffff\r\n',
  '20000000000000\r\n',
  '1fffffffffffff\r\na',
  '5\r\nabcde\r\n0\r\nContent-Length: 3\r\n\r\n',
  '5\r\nabcde\r\n0\r\nT : 1\r\n\r\n',
  '5\r\nabcde\r\n0\r\n T: 1\r\n\r\n',
  '5\r\nabcde\r\n0\r\nT: 1\r\n U\r\n\r\n',
  '5\r\nabcde\r\n0\r\nT: 1\n\n',
  '5\rX\nabcde\r\n0\r\n\r\n',
  'A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n',
  'abcde',
  'abc',
  '5;' + 'x'.repeat(200) + '\r\nabcde\r\n0\r\n\r\n',
  '\r\n',
  '5;a\x00b\r\nabcde\r\n0\r\n\r\n',
  '5;a\rb\r\nabcde\r\n0\r\n\r\n',
];

const TOKENS = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  '\n\n',
  ' ',
  '\t',
  '\0',
  '\x7f',
  '\x80',
  '\xff',
  ':',
  ': ',
  ';',
  ',',
  '0',
  '5',
  'f',
  'g',
  '0\r\n\r\n',
  '\x0b',
  '\x85',
  '\xa0',
  'HTTP/1.1',
  'chunked',
  '"',
  '\\',
  '-',
  '+',
  '_',
  '%00',
  '\r\n ',
  '\r\n\t',
  '\n ',
  '\r\r\n',
  ' \r\n',
  'Content-Length: 5\r\n',
];

export class Http1Mutator {
  readonly #random: Random;
  readonly #kind: MessageKind;

  constructor(random: Random, kind: MessageKind) {
    this.#random = random;
    this.#kind = kind;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)] as T;
  }

  /** One to four edits of `text`; `pool` gives the material for splices. */
  mutate(text: string, pool: readonly string[]): string {
    let result = text;
    for (let edits = 1 + this.#random.below(4); edits > 0; edits--) result = this.#edit(result, pool);
    return result.length > MAX_BYTES ? result.slice(0, MAX_BYTES) : result;
  }

  /** Offsets at which the bytes are cut into pieces, ascending: every byte, or some. */
  cuts(length: number): number[] {
    if (length < 2) return [];
    if (this.#random.below(4) === 0) return Array.from({ length: length - 1 }, (_, i) => i + 1);
    const cuts = new Set<number>();
    for (let n = 1 + this.#random.below(6); n > 0; n--) cuts.add(1 + this.#random.below(length - 1));
    return [...cuts].sort((a, b) => a - b);
  }

  #edit(text: string, pool: readonly string[]): string {
    const below = (limit: number): number => this.#random.below(limit);
    const at = below(text.length + 1);
    switch (below(13)) {
      case 0:
        return `${text.slice(0, at)}${String.fromCharCode(below(256))}${text.slice(at + 1)}`;
      case 1:
        return text.slice(0, at) + text.slice(at + 1 + below(4));
      case 2:
      case 3:
        return text.slice(0, at) + this.pick(TOKENS) + text.slice(at);
      case 4:
        return text.slice(0, at) + this.pick(pool).slice(below(20));
      case 5:
        return text + this.pick(pool);
      case 6:
        return this.#editLine(text, (line, end) => line + end + line + end);
      case 7:
        return this.#editLine(text, () => '');
      case 8:
        return this.#editLine(
          text,
          (line) => line + this.pick(['\n', '\r', '\r\n ', ' \r\n', '\r\r\n', '\n\r\n', '\r\n\t']),
        );
      case 9:
      case 10:
        return this.#editLine(text, (line, end) => line + end + this.pick(FIELDS) + end);
      case 11:
        return this.#replaceStart(text);
      default:
        return this.#replaceBody(text);
    }
  }

  #editLine(text: string, change: (line: string, end: string) => string): string {
    const ends = [...text.matchAll(/\r?\n/g)];
    if (ends.length === 0) return text;
    const i = this.#random.below(ends.length);
    const end = ends[i] as RegExpExecArray;
    const before = ends[i - 1];
    const start = before === undefined ? 0 : before.index + before[0].length;
    const line = text.slice(start, end.index);
    return text.slice(0, start) + change(line, end[0]) + text.slice(end.index + end[0].length);
  }

  #replaceStart(text: string): string {
    const end = text.search(/\r?\n/);
    return this.pick(START_LINES[this.#kind]) + (end < 0 ? '\r\n\r\n' : text.slice(end));
  }

  #replaceBody(text: string): string {
    const end = text.indexOf('\r\n\r\n');
    return end < 0
      ? text + this.pick(BODIES)
      : text.slice(0, end + 4) + this.pick(BODIES) + this.pick(['', '', text.slice(end + 4)]);
  }
}

/** Longer inputs are cut: the parser's limits have tests of their own. */
const MAX_BYTES = 4096;
