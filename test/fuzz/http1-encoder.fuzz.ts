// Round trip of HTTP/1: what the encoder writes, our parser and llhttp read back as the same message.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { headerKey, headerName, knownHeaderNames, PSEUDO_LIMIT } from '../../src/wire/header-names.ts';
import { Headers } from '../../src/wire/headers.ts';
import * as encode from '../../src/wire/http1/encoder.ts';
import { type MessageKind, parseWithLlhttp, type SeenMessage } from './http1-oracle.ts';
import { parseWithOurs } from './http1-run.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(2);

/** Names that frame a message are the codec's own, and merged or dropped ones would not come back as they went. */
const NAMES = knownHeaderNames
  .slice(PSEUDO_LIMIT)
  .filter(
    (name) => !/^(host|connection|content-length|transfer-encoding|upgrade|proxy-connection|trailer|te)$/.test(name),
  )
  .concat(['x-a', 'x-b', "!#$%&'*+-.^_`|~09az"]);
const VALUES = ['', 'a', 'a b', 'a\tb', '"x, y"', '\x80\xff', '\xa0', 'v'.repeat(5000), ':', 'a;b=c', '%20', 'ü'];
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND', 'TRACE'];
const TARGETS = ['/', '/a/b?c=d&e', '/%C3%BC', '/~!$&()*+,;=:@', '/?', `/${'a'.repeat(3000)}`];

class Maker {
  readonly #random: Random;
  constructor(random: Random) {
    this.#random = random;
  }
  below(limit: number): number {
    return this.#random.below(limit);
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
  fields(headers: Headers): Headers {
    const used = new Set<string>();
    for (let n = this.below(12); n > 0; n--) {
      const name = this.pick(NAMES);
      if (used.has(name)) continue;
      used.add(name);
      headers.add(headerKey(name), this.pick(VALUES));
    }
    return headers;
  }
  head(kind: MessageKind): Headers {
    const headers = new Headers();
    if (kind === 'request') {
      headers.method = this.pick(METHODS);
      headers.path = this.pick(TARGETS);
      headers.authority = this.pick(['a', 'a.example:80', '[::1]:8080', '127.0.0.1']);
      headers.hasAuthority = true;
    } else headers.status = this.pick([200, 201, 206, 299, 301, 400, 404, 429, 500, 503, 599]);
    return this.fields(headers);
  }
  body(): string[] {
    return Array.from({ length: this.below(4) }, () =>
      String.fromCharCode(this.below(256)).repeat(1 + this.below(3000)),
    );
  }
}

type Written = { text: string; headers: Headers; framing: [string, string]; body: string; trailers: Headers | null };

function write(maker: Maker, kind: MessageKind): Written {
  const headers = maker.head(kind);
  const pieces = maker.body();
  const body = pieces.join('');
  const isChunked = maker.below(2) === 0;
  const spelling = maker.pick(['lower', 'proper-case'] as const);
  const framing: [string, string] = isChunked
    ? ['transfer-encoding', 'chunked']
    : ['content-length', String(body.length)];
  const tail = `\r\n${framing[0]}: ${framing[1]}`;
  const head =
    kind === 'request'
      ? encode.encodeRequestHead(headers, spelling, tail)
      : encode.encodeResponseHead(headers, 1, spelling, tail);
  if (!isChunked) return { text: head + body, headers, framing, body, trailers: null };
  const trailers = maker.fields(new Headers());
  const chunks = pieces.map((piece) => encode.chunkHeader(piece.length) + piece + encode.CHUNK_END).join('');
  return { text: head + chunks + encode.encodeTrailers(trailers, spelling), headers, framing, body, trailers };
}

function fieldsOf(headers: Headers | null): [string, string][] {
  const kv = headers?.kv ?? [];
  return Array.from({ length: kv.length / 2 }, (_, i) => [
    headerName(kv[2 * i] as number | string),
    kv[2 * i + 1] as string,
  ]);
}

function check(written: Written, read: SeenMessage | undefined): void {
  assert.ok(read !== undefined);
  const { headers } = written;
  assert.deepEqual([read.method, read.target, read.status], [headers.method, headers.path, headers.status]);
  const host: [string, string][] = headers.hasAuthority ? [['host', headers.authority]] : [];
  assert.deepEqual(read.headers, [...host, ...fieldsOf(headers), written.framing]);
  assert.equal(read.body, written.body);
  assert.deepEqual(read.trailers, fieldsOf(written.trailers));
  assert.ok(read.complete && read.keepAlive);
}

test(`what is encoded reads back as the same, ${seconds} s from seed ${seed}`, () => {
  const maker = new Maker(new Random(seed));
  const until = performance.now() + seconds * 1000;
  let rounds = 0;
  for (; performance.now() < until; rounds++) {
    const kind = maker.pick(['request', 'response'] as const);
    const first = write(maker, kind);
    const second = write(maker, kind);
    const bytes = Buffer.from(first.text + second.text, 'latin1');
    const cut = 1 + maker.below(bytes.length - 1);
    const theirs = parseWithLlhttp(kind, bytes, 'GET', true);
    for (const seen of [parseWithOurs(kind, bytes, [cut], 'GET', true), theirs]) {
      assert.equal(seen.error, null, `round ${rounds}`);
      assert.equal(seen.messages.length, 2);
      check(first, seen.messages[0]);
      check(second, seen.messages[1]);
      assert.equal(seen.messages[0]?.end, first.text.length);
    }
  }
  assert.ok(rounds > 100, `only ${rounds} rounds`);
});
