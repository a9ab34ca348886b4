// Runs our HTTP/1 parser over bytes in given pieces and writes down what it saw, as the oracle's records are written.
import assert from 'node:assert/strict';
import { headerName } from '../../src/wire/header-names.ts';
import type { Headers } from '../../src/wire/headers.ts';
import { type Http1Limits, Http1Parser } from '../../src/wire/http1/parser.ts';
import { isTunnelAnswer, type MessageKind, newMessage, type Seen, type SeenMessage } from './http1-oracle.ts';

/** Envoy's defaults, with trailers and methods of any name where the oracle has them. */
export const FUZZ_LIMITS: Http1Limits = {
  maxHeadBytes: 60 * 1024,
  maxHeaders: 100,
  allowChunkedLength: false,
  keepSpelling: false,
  allowCustomMethods: false,
  enableTrailers: true,
};

/** Stands around the bytes of each piece: reading beyond them would be seen. */
const MARGIN = 3;
const MARGIN_BYTE = 0x30;

class Recorder {
  readonly seen: Seen = { messages: [], error: null };
  readonly #isRequest: boolean;
  readonly #requestMethod: string;
  /** What is being read. */
  piece: Buffer | null = null;
  #message: SeenMessage | null = null;

  constructor(kind: MessageKind, requestMethod: string) {
    this.#isRequest = kind === 'request';
    this.#requestMethod = requestMethod;
  }

  onHead(headers: Headers, parser: Http1Parser): void {
    assert.equal(this.#message, null, 'a head inside a message');
    const message = newMessage();
    message.method = headers.method;
    message.target = headers.path;
    message.status = headers.status;
    message.minorVersion = parser.minorVersion;
    message.headers = fieldsOf(headers);
    message.headComplete = true;
    message.keepAlive = parser.keepAlive;
    message.isTunnel = this.#isRequest
      ? parser.isUpgrade || headers.method === 'CONNECT'
      : isTunnelAnswer(headers.status, this.#requestMethod);
    message.headEnd = headers.wireBytes;
    this.seen.messages.push(message);
    this.#message = message;
  }
  onBody(chunk: Buffer, start: number, end: number): void {
    // What is joined of several chunks lies elsewhere.
    const margin = chunk === this.piece ? MARGIN : 0;
    assert.ok(start <= end && start >= margin && end <= chunk.length - margin, 'a body outside of its piece');
    assert.ok(this.#message !== null, 'a body outside of a message');
    this.#message.body += chunk.latin1Slice(start, end);
  }
  onTrailers(trailers: Headers): void {
    assert.ok(this.#message !== null, 'trailers outside of a message');
    this.#message.trailers = fieldsOf(trailers);
  }
  onComplete(): void {
    assert.ok(this.#message !== null, 'the end of no message');
    this.#message.complete = true;
    this.#message = null;
  }
}

function fieldsOf(headers: Headers): [string, string][] {
  const fields: [string, string][] = [];
  if (headers.hasAuthority) fields.push(['host', headers.authority]);
  for (let i = 0; i < headers.kv.length; i += 2) {
    fields.push([headerName(headers.kv[i] as number | string), headers.kv[i + 1] as string]);
  }
  return fields;
}

/** Whether the owner of the parser would stop here: the connection ends. */
function isLast(message: SeenMessage | undefined): boolean {
  return message !== undefined && message.complete && !message.keepAlive;
}

/**
 * Reads `bytes` in pieces that end at `cuts` (ascending). Fails an assertion when the parser throws, does not move on,
 * reads outside of its bytes or reports events in an impossible order.
 */
export function parseWithOurs(
  kind: MessageKind,
  bytes: Uint8Array,
  cuts: readonly number[],
  requestMethod: string,
  isEnd: boolean,
  limits: Http1Limits = FUZZ_LIMITS,
): Seen {
  const recorder = new Recorder(kind, requestMethod);
  const parser = new Http1Parser(kind, limits, recorder);
  parser.requestMethod = requestMethod;
  parser.expectsUpgrade = true;
  const { messages } = recorder.seen;
  let offset = 0;
  for (const cut of [...cuts, bytes.length]) {
    const piece = Buffer.alloc(cut - offset + 2 * MARGIN, MARGIN_BYTE);
    piece.set(bytes.subarray(offset, cut), MARGIN);
    recorder.piece = piece;
    const end = piece.length - MARGIN;
    let pos = MARGIN;
    while (pos < end && parser.failure === null && !isLast(messages.at(-1))) {
      const known = messages.length;
      const next = parser.execute(piece, pos, end);
      assert.ok(next > pos || parser.failure !== null, `no progress at ${offset + pos}`);
      assert.ok(next <= end, 'more than was given was used');
      const message = messages.at(-1);
      if (message?.complete === true && message.end < 0) message.end = offset + next - MARGIN;
      assert.ok(messages.length <= known + 1, 'one call read two messages');
      pos = next;
    }
    piece.fill(0x21);
    offset = cut;
    if (parser.failure !== null || isLast(messages.at(-1))) break;
  }
  if (parser.failure !== null) recorder.seen.error = parser.failure.detail;
  else if (isEnd && !isLast(messages.at(-1))) {
    const cut = parser.finish();
    if (cut !== null) recorder.seen.error = cut.code;
    const message = messages.at(-1);
    if (message?.complete === true && message.end < 0) message.end = bytes.length;
  }
  return recorder.seen;
}
