// Fuzzes what gRPC-Web reads and writes: base64 in pieces against Node's, messages in pieces against the whole.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { ResponseCounter } from '../../src/proxy/http/filters/grpc-stats/response-counter.ts';
import { TextResponse } from '../../src/proxy/http/filters/grpc-web/text-response.ts';
import { Base64Reader } from '../../src/wire/grpc/base64.ts';
import { frameMessage, GrpcMessageCounter, GrpcMessageReader } from '../../src/wire/grpc/framing.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(4);
const MAX_MESSAGE_BYTES = 2000;
/** Digits, and what is none. */
const ALPHABET = 'ABab09+/+/AAAA=='.split('').concat(['-', '_', ' ', '\n', '.', '*', '\0', '\xff']);

function randomBytes(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: random.below(most) }, () => random.below(256)));
}

/** Calls `take` with pieces of the bytes, each in memory that is overwritten afterwards. */
function inPieces(random: Random, bytes: Buffer, take: (piece: Buffer) => void): void {
  const most = 1 + random.below(random.below(2) === 0 ? 6 : 400);
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + random.below(most + 1));
    const piece = Buffer.from(bytes.subarray(at, end));
    take(piece);
    piece.fill(0xee);
    at = end;
  }
}

/** RFC 4648: strict about digits, left-over bits, and padding, which only ends the text. */
function reference(text: string): Buffer | null {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return null;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

function randomText(random: Random): string {
  if (random.below(3) > 0) {
    const segments = Array.from({ length: 1 + random.below(3) }, () => randomBytes(random, 40).toString('base64'));
    const text = segments.join('');
    if (random.below(2) === 0 || text === '') return text;
    const at = random.below(text.length);
    return text.slice(0, at) + (ALPHABET[random.below(ALPHABET.length)] as string) + text.slice(at + random.below(2));
  }
  return Array.from({ length: random.below(20) }, () => ALPHABET[random.below(ALPHABET.length)] as string).join('');
}

/** Runs until the time is over; a failure tells its seed and number. */
function repeat(share: number, run: (random: Random) => void): void {
  const random = new Random(seed);
  const until = Date.now() + seconds * 1000 * share;
  for (let inputs = 1; Date.now() < until; inputs++) {
    try {
      run(random);
    } catch (error) {
      throw new Error(`seed ${seed}, input ${inputs}`, { cause: error });
    }
  }
}

test('of text in pieces the whole quads are read at once', () => {
  repeat(0.4, (random) => {
    const text = randomText(random);
    const reader = new Base64Reader();
    let held = '';
    let isFine = true;
    inPieces(random, Buffer.from(text, 'latin1'), (piece) => {
      if (!isFine) return;
      held += piece.latin1Slice();
      const whole = held.length - (held.length % 4);
      const expected = reference(held.slice(0, whole));
      held = held.slice(whole);
      const bytes = reader.read(piece, 0, piece.length);
      assert.deepEqual(bytes === null ? null : Buffer.from(bytes), expected, JSON.stringify(text));
      isFine = bytes !== null;
      if (isFine) assert.equal(reader.heldBytes, held.length);
    });
  });
});

test('a text response in pieces is each message in base64', () => {
  repeat(0.3, (random) => {
    const messages = Array.from({ length: random.below(5) }, () =>
      frameMessage(randomBytes(random, 60), random.below(2) === 0 ? 0 : random.below(256)),
    );
    const cut = random.below(3) === 0 ? frameMessage(randomBytes(random, 60)).subarray(0, -1) : Buffer.alloc(0);
    const writer = new TextResponse();
    let text = '';
    inPieces(random, Buffer.concat([...messages, cut]), (piece) => {
      text += writer.encode(piece, 0, piece.length, false).latin1Slice();
    });
    text += writer.encode(Buffer.alloc(0), 0, 0, true).latin1Slice();
    const expected = [...messages, cut].map((one) => one.toString('base64')).join('');
    assert.equal(text, expected);
  });
});

test('messages are read and counted alike', () => {
  repeat(0.3, (random) => {
    const framed = Array.from({ length: random.below(6) }, () =>
      frameMessage(randomBytes(random, 100), random.below(2)),
    );
    // Noise promises messages of any length.
    if (random.below(4) === 0) framed.push(randomBytes(random, 30));
    const body = Buffer.concat(framed);
    const seen: string[] = [];
    const reader = new GrpcMessageReader(MAX_MESSAGE_BYTES, {
      onMessage: (flags, buf, start, end) => void seen.push(`${flags} ${buf.latin1Slice(start, end)}`),
    });
    const counter = new GrpcMessageCounter();
    const responses = new ResponseCounter();
    inPieces(random, body, (piece) => {
      if (!reader.isTooLarge) reader.read(piece, 0, piece.length);
      counter.count(piece, 0, piece.length);
      responses.count(piece, 0, piece.length);
      assert.ok(reader.heldBytes <= MAX_MESSAGE_BYTES);
    });
    assert.equal(reader.messages, seen.length);
    if (!reader.isTooLarge) {
      assert.equal(counter.completed, seen.length);
      assert.equal(counter.started, seen.length + (reader.isBetweenMessages ? 0 : 1));
    }
    assert.ok(responses.started <= counter.started);
    assert.equal(typeof responses.isSuccess, 'boolean');
  });
});
