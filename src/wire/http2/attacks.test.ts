// Tests what a peer must not do: broken frames and messages, floods and bombs, each with its limit and its counter.
import assert from 'node:assert/strict';
import { describe as group, test } from 'node:test';
import { H } from '../header-names.ts';
import { Http2Client } from './client.ts';
import { FRAME } from './frames/constants.ts';
import type { Http2Options } from './options.ts';
import { Http2Server } from './server.ts';
import * as raw from './testing/raw.ts';
import {
  type Exchange,
  type Field,
  fieldsOf,
  MemorySink,
  options,
  Recorder,
  requestHead,
  responseHead,
} from './testing/recorder.ts';

class Victim {
  readonly sink = new MemorySink();
  readonly events = new Recorder();
  readonly server: Http2Server<Exchange>;
  constructor(changes: Partial<Http2Options> = {}) {
    this.server = new Http2Server(this.sink, options(changes), this.events);
    this.events.connection = this.server;
    this.send(raw.CLIENT_START);
    this.take();
  }
  send(bytes: Buffer, nowMs = 0): void {
    this.server.receive(bytes, 0, bytes.length, nowMs);
  }
  take(): string[] {
    this.server.flush();
    return raw.describe(this.sink.take());
  }
}

/** What the server says to `frames`, whole and byte by byte. */
function reply(frames: readonly Buffer[], changes: Partial<Http2Options> = {}): string[] {
  const bytes = Buffer.concat(frames);
  const whole = new Victim(changes);
  whole.send(bytes);
  const answer = whole.take();
  const slow = new Victim(changes);
  for (const byte of bytes) slow.send(Buffer.from([byte]));
  assert.deepEqual(slow.take(), answer);
  assert.equal(slow.events.failed, whole.events.failed);
  return answer;
}

function goaway(frames: readonly Buffer[], code: number, changes: Partial<Http2Options> = {}): void {
  const last = reply(frames, changes).at(-1) ?? '';
  assert.match(last, new RegExp(`^goaway#0/0 \\d+ ${code} `), last);
}

function reset(frames: readonly Buffer[], code: number, changes: Partial<Http2Options> = {}): void {
  assert.deepEqual(
    reply(frames, changes).filter((frame) => /^(?:rst|goaway)/.test(frame)),
    [`rstStream#1/0 ${code}`],
  );
}

const OPEN = raw.headers(1, raw.GET, 4);
const CLOSED_REMOTE = raw.headers(1);

group('frames that are wrong', () => {
  test('preface and first frame', () => {
    const victim = new Http2Server<Exchange>(new MemorySink(), options(), new Recorder());
    victim.receive(Buffer.from('GET / HTTP/1.1\r\n'), 0, 16, 0);
    assert.equal(victim.isDead, true);
    const events = new Recorder();
    const other = new Http2Server<Exchange>(new MemorySink(), options(), events);
    const bytes = Buffer.concat([raw.CLIENT_START.subarray(0, 24), raw.frame(FRAME.ping, 0, 0, Buffer.alloc(8))]);
    other.receive(bytes, 0, bytes.length, 0);
    assert.equal(events.failed, 'codec_error:SETTINGS_expected 1');
  });

  test('sizes', () => {
    goaway([OPEN, raw.frame(FRAME.data, 0, 1, Buffer.alloc(16_385))], 6);
    goaway([raw.frame(FRAME.headers, 5, 1, Buffer.alloc(16_385))], 6);
    goaway([raw.frame(FRAME.settings, 0, 0, Buffer.alloc(5))], 6);
    goaway([raw.frame(FRAME.settings, 1, 0, Buffer.alloc(6))], 6);
    goaway([raw.frame(FRAME.ping, 0, 0, Buffer.alloc(7))], 6);
    goaway([raw.frame(FRAME.rstStream, 0, 1, Buffer.alloc(3))], 6);
    goaway([raw.frame(FRAME.windowUpdate, 0, 0, Buffer.alloc(5))], 6);
    goaway([raw.frame(FRAME.goaway, 0, 0, Buffer.alloc(7))], 6);
    goaway([OPEN, raw.frame(FRAME.data, 8, 1)], 6);
    goaway([raw.frame(FRAME.headers, 0x0d, 1)], 6);
    goaway([raw.frame(FRAME.headers, 0x25, 1, Buffer.alloc(4))], 6);
    reset([OPEN, raw.frame(FRAME.priority, 0, 1, Buffer.alloc(4))], 6);
    goaway([raw.frame(FRAME.priority, 0, 1, Buffer.alloc(4))], 6);
  });

  test('padding', () => {
    goaway([OPEN, raw.frame(FRAME.data, 8, 1, Buffer.from([5, 1, 1, 1, 1]))], 1);
    goaway([raw.frame(FRAME.headers, 0x0d, 1, Buffer.concat([Buffer.from([200]), raw.block(raw.GET)]))], 1);
    const victim = new Victim();
    const padded = Buffer.concat([Buffer.from([3]), raw.block(raw.GET), Buffer.alloc(3)]);
    const data = Buffer.from('\x02ab\x00\x00', 'latin1');
    victim.send(Buffer.concat([raw.frame(FRAME.headers, 0x0c, 1, padded), raw.frame(FRAME.data, 9, 1, data)]));
    assert.equal(Buffer.concat(victim.events.exchanges[0]!.body).toString(), 'ab');
    victim.send(Buffer.concat([raw.headers(3, raw.GET, 4), raw.frame(FRAME.data, 8, 3, Buffer.from([0]))]));
    victim.send(raw.frame(FRAME.data, 9, 3, Buffer.from([1, 0])));
    assert.equal(victim.events.exchanges[1]?.ended, true);
    assert.equal(victim.events.exchanges[1]?.stream.unreturned, 0);
  });

  test('streams', () => {
    for (const type of [FRAME.data, FRAME.headers, FRAME.rstStream, FRAME.priority]) {
      goaway([raw.frame(type, 0, 0, Buffer.alloc(type === FRAME.priority ? 5 : 4))], 1);
    }
    for (const type of [FRAME.settings, FRAME.ping, FRAME.goaway]) goaway([raw.frame(type, 0, 1, Buffer.alloc(8))], 1);
    goaway([raw.data(1, 'x')], 1);
    goaway([raw.rst(1)], 1);
    goaway([raw.windowUpdate(1, 1)], 1);
    goaway([raw.windowUpdate(2, 1)], 1);
    goaway([raw.headers(2)], 1);
    goaway([raw.headers(5), raw.headers(3)], 1);
    goaway([raw.frame(FRAME.pushPromise, 4, 1, Buffer.alloc(4))], 1);
    reset([CLOSED_REMOTE, raw.data(1, 'x')], 5);
    reset([CLOSED_REMOTE, CLOSED_REMOTE], 5);
    goaway([OPEN, raw.rst(1), raw.data(1, 'x')], 5);
    goaway([OPEN, raw.rst(1), raw.headers(1)], 5);
    assert.deepEqual(reply([OPEN, raw.rst(1), raw.rst(1), raw.windowUpdate(1, 5)]), []);
    reset([raw.frame(FRAME.headers, 0x25, 1, Buffer.concat([raw.uint32(1), Buffer.from([1]), raw.block(raw.GET)]))], 1);
    reset([OPEN, raw.frame(FRAME.priority, 0, 1, Buffer.from([0, 0, 0, 1, 1]))], 1);
    assert.deepEqual(reply([raw.frame(0xab, 255, 0, Buffer.alloc(20)), raw.frame(0xab, 255, 9, Buffer.alloc(0))]), []);
  });

  test('header blocks over several frames', () => {
    const start = raw.frame(FRAME.headers, 1, 1, raw.block(raw.GET));
    goaway([start, raw.data(1, 'x')], 1);
    goaway([start, raw.frame(0xab, 0, 1)], 1);
    goaway([start, raw.frame(FRAME.continuation, 4, 3)], 1);
    goaway([raw.frame(FRAME.continuation, 4, 1)], 1);
    goaway([CLOSED_REMOTE, raw.frame(FRAME.continuation, 4, 1)], 1);
    goaway([raw.frame(FRAME.headers, 5, 1, Buffer.from([0x80]))], 9);
    goaway([raw.frame(FRAME.headers, 5, 1, Buffer.from([0x82, 0x20]))], 9);
  });

  test('windows', () => {
    goaway([raw.windowUpdate(0, 0)], 1);
    goaway([OPEN, raw.windowUpdate(1, 0)], 1);
    goaway([raw.windowUpdate(0, 0x7fff_ffff)], 3);
    reset([OPEN, raw.windowUpdate(1, 0x7fff_ffff)], 3);
    goaway([OPEN, raw.windowUpdate(1, 0x7fff_ffff - 65_535), raw.settings(4, 70_000)], 3);
    goaway([raw.settings(4, 0x8000_0000)], 3);
    const small = {
      initialStreamWindow: 65_535,
      initialConnectionWindow: 100_000,
      returnsConnectionCreditEarly: false,
    };
    const four = (id: number): Buffer[] => Array.from({ length: 4 }, () => raw.data(id, 'x'.repeat(16_384)));
    const held = new Victim(small);
    held.events.holdsCredit = true;
    held.send(Buffer.concat([OPEN, ...four(1)]));
    assert.deepEqual(held.take(), ['rstStream#1/0 3', 'windowUpdate#0/0 65536']);
    assert.equal(held.events.exchanges[0]?.reset, 'http2: DATA exceeds the stream window 3');
    const all = new Victim({ ...small, initialStreamWindow: 1_000_000 });
    all.events.holdsCredit = true;
    all.send(Buffer.concat([OPEN, raw.headers(3, raw.GET, 4), ...four(1), ...four(3)]));
    assert.equal(all.events.failed, 'codec_error:DATA_exceeds_the_connection_window 3');
  });

  test('settings', () => {
    goaway([raw.settings(2, 2)], 1);
    goaway([raw.settings(5, 16_383)], 1);
    goaway([raw.settings(5, 16_777_216)], 1);
    goaway([raw.settings(8, 2)], 1);
    goaway([raw.settings(8, 1), raw.settings(8, 0)], 1);
    goaway([raw.settings(...Array.from({ length: 66 }, (_, i) => (i % 2 === 0 ? 4 : 65_535)))], 11);
    assert.deepEqual(reply([raw.settings(0x99, 5), raw.settings(2, 1), raw.settings(5, 16_777_215)]), [
      'settings#0/1',
      'settings#0/1',
      'settings#0/1',
    ]);
  });

  test('a header table that is emptied in passing is told so', () => {
    const victim = new Victim();
    const answered = (): Buffer => {
      const { stream } = victim.events.exchanges.at(-1)!;
      victim.server.sendHead(stream, responseHead(200, [['x-a', 'b']]), true);
      victim.server.flush();
      return victim.sink.take();
    };
    victim.send(raw.headers(1));
    const first = answered();
    victim.send(Buffer.concat([raw.settings(1, 0, 1, 4096), raw.headers(3)]));
    // SETTINGS ACK, the frame's head, sizes 0 and 4096, and the field literally again.
    const second = answered();
    assert.equal(second.toString('hex', 18, 22), '203fe11f');
    assert.equal(second.length, first.length + 9 + 4);
    victim.send(raw.headers(5));
    assert.equal(answered().toString('hex', 9), '88be');
  });

  test('a smaller initial window makes windows negative, and they recover', () => {
    const victim = new Victim();
    victim.send(raw.settings(4, 10));
    victim.events.handleHead = ({ stream }) => {
      victim.server.sendHead(stream, responseHead(), false);
      victim.server.sendData(stream, Buffer.alloc(20), 0, 20, true, true);
    };
    victim.send(CLOSED_REMOTE);
    assert.deepEqual(victim.take().slice(-1), ['data#1/0 10']);
    victim.send(raw.settings(4, 3));
    victim.send(raw.windowUpdate(1, 7));
    assert.deepEqual(victim.take(), ['settings#0/1']);
    victim.send(raw.windowUpdate(1, 1));
    assert.deepEqual(victim.take(), ['data#1/0 1']);
    victim.send(raw.settings(4, 100));
    assert.deepEqual(victim.take(), ['settings#0/1', 'data#1/1 9']);
  });
});

const replace = (name: string, value: string | null): Field[] =>
  raw.GET.flatMap((field) => (field[0] !== name ? [field] : value === null ? [] : [[name, value] as const]));

const FIELD = 'http2.invalid.header.field';
const MESSAGE = 'http2.violation.of.messaging.rule';
const MALFORMED: readonly (readonly [string, readonly Field[], string])[] = [
  ['upper case', [...raw.GET, ['Abc', 'd']], FIELD],
  ['line feed', [...raw.GET, ['abc', 'd\n']], FIELD],
  ['no name', [...raw.GET, ['', 'd']], FIELD],
  ['connection', [...raw.GET, ['connection', 'close']], FIELD],
  ['transfer-encoding', [...raw.GET, ['transfer-encoding', 'chunked']], FIELD],
  ['upgrade', [...raw.GET, ['upgrade', 'h2c']], FIELD],
  ['keep-alive', [...raw.GET, ['keep-alive', '1']], FIELD],
  ['proxy-connection', [...raw.GET, ['proxy-connection', 'x']], FIELD],
  ['te', [...raw.GET, ['te', 'gzip']], FIELD],
  ['order', [['x', 'y'], ...raw.GET], FIELD],
  ['unknown pseudo-header', [...raw.GET, [':foo', 'y']], FIELD],
  ['status', [...raw.GET, [':status', '200']], FIELD],
  ['two paths', [...raw.GET, [':path', '/']], FIELD],
  ['two methods', [...raw.GET, [':method', 'GET']], FIELD],
  ['empty path', replace(':path', ''), FIELD],
  ['blank in path', replace(':path', '/a b'), FIELD],
  ['method', replace(':method', 'G@T'), FIELD],
  [':protocol', [...replace(':method', 'CONNECT'), [':protocol', 'websocket']], FIELD],
  ['content-length', [...raw.GET, ['content-length', '5x']], FIELD],
  ['two content-lengths', [...raw.GET, ['content-length', '0'], ['content-length', '0']], FIELD],
  ['huge content-length', [...raw.GET, ['content-length', '9'.repeat(17)]], FIELD],
  ['no method', replace(':method', null), MESSAGE],
  ['no path', replace(':path', null), MESSAGE],
  ['no scheme', replace(':scheme', null), MESSAGE],
  ['no authority', replace(':authority', null), MESSAGE],
  ['relative path', replace(':path', 'abc'), MESSAGE],
  ['asterisk', replace(':path', '*'), MESSAGE],
  ['CONNECT with a path', replace(':method', 'CONNECT'), MESSAGE],
  ['host twice', [...raw.GET.filter(([name]) => name !== ':authority'), ['host', 'a'], ['host', 'a']], FIELD],
  ['empty authority', replace(':authority', ''), FIELD],
  ['userinfo in the authority', replace(':authority', 'me@test'), FIELD],
  ['slash in the authority', replace(':authority', 'a/b'), FIELD],
  ['missing body', [...raw.GET, ['content-length', '5']], MESSAGE],
];

group('messages that are malformed', () => {
  for (const [name, fields, detail] of MALFORMED) {
    test(name, () => {
      const frames = [raw.headers(1, fields)];
      reset(frames, 1, { streamErrorOnInvalidMessage: true });
      goaway(frames, 1);
      for (const streamErrorOnInvalidMessage of [true, false]) {
        const victim = new Victim({ streamErrorOnInvalidMessage });
        victim.send(frames[0]!);
        const scope = streamErrorOnInvalidMessage ? 'stream' : 'connection';
        assert.match(victim.events.refused.join(), new RegExp(`^1 .* ${detail} ${scope}$`));
        assert.equal(victim.events.counters.get('rx_messaging_error'), 1);
        assert.equal(victim.events.exchanges.length, 0);
      }
    });
  }

  test('what looks odd and is allowed', () => {
    const victim = new Victim();
    const accept = (fields: readonly Field[]) => {
      victim.send(raw.headers(victim.events.exchanges.length * 2 + 1, fields));
      return victim.events.exchanges.at(-1)?.head;
    };
    assert.equal(accept([...raw.GET, ['te', 'trailers']])?.get(H.te), 'trailers');
    assert.equal(accept([...replace(':authority', null), ['host', 'b']])?.authority, 'b');
    const both = accept([...raw.GET, ['host', 'b']]);
    assert.equal(both?.authority, 'a');
    assert.equal(both?.count, 0);
    assert.equal(accept(replace(':path', '*').map(([n, v]) => (n === ':method' ? [n, 'OPTIONS'] : [n, v])))?.path, '*');
    const cookies = accept([...raw.GET, ['cookie', 'a=1'], ['x', ' \xe9 '], ['cookie', 'b=2']]);
    assert.deepEqual(fieldsOf(cookies ?? null), [
      ['x', ' \xe9 '],
      ['cookie', 'a=1; b=2'],
    ]);
    assert.equal(victim.events.failed, null);
    assert.equal(victim.events.refused.length, 0);
    const strict = new Victim({ disallowObsText: true });
    strict.send(raw.headers(1, [...raw.GET, ['x', '\xe9']]));
    assert.equal(strict.events.refused.length, 1);
  });

  test('bodies that are not as long as they said, and trailers', () => {
    const length = raw.headers(1, [...raw.GET, ['content-length', '3']], 4);
    reset([length, raw.data(1, 'abcd')], 1);
    reset([length, raw.data(1, 'ab', 1)], 1);
    assert.deepEqual(reply([length, raw.data(1, 'ab'), raw.data(1, 'c', 1)]), []);
    reset([length, raw.headers(1, [['x', 'y']])], 1, { streamErrorOnInvalidMessage: true });
    reset([OPEN, raw.headers(1, [['x', 'y']], 4)], 1, { streamErrorOnInvalidMessage: true });
    reset([OPEN, raw.headers(1, [[':path', '/']])], 1, { streamErrorOnInvalidMessage: true });
    reset([OPEN, raw.headers(1, [['X', 'y']])], 1, { streamErrorOnInvalidMessage: true });
    goaway([OPEN, raw.headers(1, [['x', 'y']], 4)], 1);
    assert.deepEqual(
      reply([
        OPEN,
        raw.headers(1, [
          ['x', 'y'],
          ['content-length', '7'],
        ]),
      ]),
      [],
    );
  });

  test('answers', () => {
    const run = (answer: Buffer, method = 'GET'): string => {
      const sink = new MemorySink();
      const events = new Recorder();
      const client = new Http2Client<Exchange>(sink, options({ streamErrorOnInvalidMessage: true }), events);
      const stream = client.openStream({} as Exchange, requestHead('/', [], method), true);
      assert.ok(stream !== null);
      const exchange = events.open(stream);
      const bytes = Buffer.concat([raw.settings(), answer]);
      for (const byte of bytes) client.receive(Buffer.from([byte]), 0, 1, 0);
      client.flush();
      return exchange.reset ?? events.failed ?? (exchange.closed ? 'complete' : 'open');
    };
    const status = (value: string, flags: number, more: Field[] = []) =>
      raw.headers(1, [[':status', value], ...more], flags);
    assert.equal(run(status('200', 5)), 'complete');
    assert.equal(run(Buffer.concat([status('100', 4), status('103', 4), status('200', 5)])), 'complete');
    assert.equal(run(status('100', 5)), `${MESSAGE} 1`);
    assert.equal(run(status('101', 4)), `${MESSAGE} 1`);
    assert.equal(run(status('20', 4)), `${FIELD} 1`);
    assert.equal(run(status('abc', 4)), `${FIELD} 1`);
    assert.equal(run(raw.headers(1, [['a', 'b']])), `${MESSAGE} 1`);
    assert.equal(
      run(
        raw.headers(1, [
          [':status', '200'],
          [':path', '/'],
        ]),
      ),
      `${FIELD} 1`,
    );
    assert.equal(run(raw.data(1, 'x')), 'codec_error:DATA:_stream_not_opened 1');
    assert.equal(run(status('200', 5, [['content-length', '4']])), `${MESSAGE} 1`);
    assert.equal(run(status('200', 5, [['content-length', '4']]), 'HEAD'), 'complete');
    assert.equal(run(status('304', 5, [['content-length', '4']])), 'complete');
    assert.equal(run(status('204', 4, [['content-length', '4']])), `${MESSAGE} 1`);
    assert.equal(run(status('204', 5, [['content-length', '0']])), 'complete');
    for (const code of ['204', '304']) {
      assert.equal(run(Buffer.concat([status(code, 4), raw.data(1, 'x', 1)])), 'http2.remote_reset 1');
      assert.equal(run(Buffer.concat([status(code, 4), raw.data(1, '', 1)])), 'complete');
    }
    const long = status('200', 4, [['content-length', '4']]);
    assert.equal(run(Buffer.concat([long, raw.data(1, 'abcde')])), 'http2.remote_reset 1');
    assert.equal(run(Buffer.concat([long, raw.data(1, 'abcd', 1)])), 'complete');
    assert.equal(run(raw.headers(3, [[':status', '200']])), 'codec_error:HEADERS:_stream_in_idle 1');
    assert.equal(run(raw.headers(2, [[':status', '200']])), 'codec_error:HEADERS:_stream_in_idle 1');
    assert.equal(run(raw.frame(FRAME.pushPromise, 4, 1, Buffer.alloc(4))), 'codec_error:PUSH_PROMISE_is_not_allowed 1');
    assert.equal(run(raw.settings(2, 1)), 'codec_error:SETTINGS:_invalid_value_of_2 1');
  });
});

group('heads that are too large', () => {
  test('by count, by bytes, by field', () => {
    const many = Array.from({ length: 100 }, (_, i) => [`h${i}`, 'v'] as const);
    const victim = new Victim();
    victim.send(raw.headers(1, [...raw.GET, ...many]));
    assert.deepEqual(victim.events.refused, ['1 / http2.too_many_headers stream']);
    assert.equal(victim.events.counters.get('header_overflow'), 1);
    assert.deepEqual(victim.take(), ['rstStream#1/0 2']);
    victim.send(raw.headers(3));
    assert.equal(victim.events.exchanges.length, 1);
    reset([raw.headers(1, [...raw.GET, ['x', 'v'.repeat(2000)]])], 2, { maxHeadBytes: 2000 });
    reset([raw.headers(1, [...raw.GET, ['x', 'v'.repeat(2000)]])], 2, { maxFieldBytes: 2000 });
    reset([OPEN, raw.headers(1, many)], 2, { maxHeaders: 50 });
  });

  test('a bomb of indexed fields costs nothing but its bytes', () => {
    const victim = new Victim();
    const value = 'v'.repeat(4000);
    // One entry that fills the table, and 16,000 times its index.
    const bomb = Buffer.concat([
      Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]),
      Buffer.from(value),
      Buffer.alloc(12_000, 0xbe),
    ]);
    victim.send(raw.frame(FRAME.headers, 5, 1, bomb));
    assert.deepEqual(victim.events.refused, ['1  http2.header_list_size_too_large stream']);
    assert.equal(victim.events.counters.get('header_list_size_too_large'), 1);
    assert.ok(victim.server.heldBytes === 0);
  });

  test('CONTINUATION without end is limited in frames and in bytes', () => {
    const start = raw.frame(FRAME.headers, 1, 1, raw.block(raw.GET));
    const empty = Array.from({ length: 513 }, () => raw.frame(FRAME.continuation, 0, 1, Buffer.from([0x82])));
    goaway([start, ...empty], 11);
    const large = Array.from({ length: 9 }, () => raw.frame(FRAME.continuation, 0, 1, Buffer.alloc(16_384, 0x82)));
    const victim = new Victim();
    for (const frame of [start, ...large]) victim.send(frame);
    assert.equal(victim.events.failed, 'codec_error:header_block_is_too_large 11');
    assert.equal(victim.server.heldBytes, 0);
  });
});

group('floods', () => {
  const times = (count: number, bytes: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => bytes));
  const flooded = (victim: Victim, counter: string): void => {
    assert.equal(victim.events.counters.get(counter), 1, [...victim.events.counters.keys()].join());
    assert.equal(victim.server.isDead, true);
    assert.match(victim.take().at(-1) ?? '', /^goaway#0\/0 \d+ 11 /);
  };

  test('empty DATA, HEADERS and CONTINUATION', () => {
    const victim = new Victim();
    victim.send(Buffer.concat([OPEN, raw.data(1, ''), raw.data(1, 'x'), raw.data(1, '')]));
    assert.equal(victim.server.isDead, false);
    victim.send(raw.data(1, ''));
    flooded(victim, 'inbound_empty_frames_flood');
    assert.equal(victim.events.exchanges[0]?.reset, 'http2.inbound_empty_frames_flood 11');
    const blocks = new Victim();
    blocks.send(Buffer.concat([raw.frame(FRAME.headers, 0, 1), times(2, raw.frame(FRAME.continuation, 0, 1))]));
    flooded(blocks, 'inbound_empty_frames_flood');
    const padded = new Victim({ maxConsecutiveEmptyFrames: 5 });
    padded.send(Buffer.concat([OPEN, times(6, raw.frame(FRAME.data, 8, 1, Buffer.from([2, 0, 0])))]));
    flooded(padded, 'inbound_empty_frames_flood');
  });

  test('PRIORITY', () => {
    const victim = new Victim({ maxPriorityFramesPerStream: 10 });
    const priority = raw.frame(FRAME.priority, 0, 9, Buffer.alloc(5));
    victim.send(Buffer.concat([OPEN, times(20, priority)]));
    assert.equal(victim.server.isDead, false);
    victim.send(priority);
    flooded(victim, 'inbound_priority_frames_flood');
  });

  test('WINDOW_UPDATE', () => {
    const victim = new Victim();
    victim.send(Buffer.concat([OPEN, times(7, raw.windowUpdate(1, 1))]));
    assert.equal(victim.server.isDead, false);
    const { stream } = victim.events.exchanges[0]!;
    victim.server.sendHead(stream, responseHead(), false);
    victim.server.sendData(stream, Buffer.alloc(5), 0, 5, true, false);
    victim.send(times(20, raw.windowUpdate(1, 1)));
    assert.equal(victim.server.isDead, false);
    victim.send(raw.windowUpdate(1, 1));
    flooded(victim, 'inbound_window_update_frames_flood');
  });

  test('PING and SETTINGS of a peer that does not read', () => {
    for (const frame of [raw.frame(FRAME.ping, 0, 0, Buffer.alloc(8)), raw.settings()]) {
      const reader = new Victim();
      for (let i = 0; i < 50; i++) {
        reader.send(times(100, frame));
        reader.take();
      }
      assert.equal(reader.server.isDead, false);
      const victim = new Victim();
      for (let i = 0; i < 12 && !victim.server.isDead; i++) {
        victim.send(times(100, frame));
        victim.server.flush();
      }
      assert.ok(victim.sink.bufferedBytes < 30_000);
      flooded(victim, 'outbound_control_flood');
      assert.equal(victim.events.failed, 'codec_error:Too_many_control_frames_in_the_outbound_queue. 11');
    }
  });

  test('a slow reader of many small answers, and one of a large answer', () => {
    const victim = new Victim({ maxOutboundFrames: 100 });
    victim.events.handleHead = ({ stream }) => victim.server.sendHead(stream, responseHead(), true);
    for (let id = 1; id < 220 && !victim.server.isDead; id += 2) {
      victim.send(raw.headers(id));
      victim.server.flush();
    }
    flooded(victim, 'outbound_flood');

    const steady = new Victim({ maxOutboundFrames: 100 });
    steady.sink.highBytes = 20_000;
    steady.events.handleHead = ({ stream }) => {
      steady.server.sendHead(stream, responseHead(), false);
      steady.server.sendData(stream, Buffer.alloc(5_000_000), 0, 5_000_000, true, true);
    };
    steady.send(Buffer.concat([raw.windowUpdate(0, 0x7000_0000), raw.settings(4, 0x7000_0000), raw.headers(1)]));
    // Something is always on its way, and yet it moves: no flood.
    for (let i = 0; i < 2000 && !steady.events.exchanges[0]!.closed; i++) {
      steady.server.flush();
      steady.sink.bufferedBytes = Math.max(1, steady.sink.bufferedBytes - 16_393);
      steady.sink.chunks.length = 0;
      steady.server.onDrain();
    }
    assert.equal(steady.events.failed, null);
    assert.equal(steady.events.exchanges[0]?.closed, true);
  });

  test('rapid reset, and faults that make this side reset', () => {
    const attack = (id: number): Buffer => Buffer.concat([raw.headers(id), raw.rst(id)]);
    const victim = new Victim({ streamResetBurst: 50, streamResetRate: 10 });
    let id = 1;
    for (; id < 100; id += 2) victim.send(attack(id), 1000);
    assert.equal(victim.server.isDead, false);
    // A second later ten more.
    for (let i = 0; i < 10; i++, id += 2) victim.send(attack(id), 2000);
    assert.equal(victim.server.isDead, false);
    victim.send(attack(id), 2050);
    assert.match(victim.take().at(-1) ?? '', /^goaway#0\/0 \d+ 11 /);

    const faults = new Victim({ streamResetBurst: 50, streamResetRate: 10 });
    for (let i = 1; i < 110; i += 2) faults.send(Buffer.concat([raw.headers(i), raw.windowUpdate(i, 0)]));
    assert.equal(faults.server.isDead, true);
  });

  test('more streams than allowed are refused one by one', () => {
    const victim = new Victim({ maxConcurrentStreams: 2 });
    for (const id of [1, 3, 5, 7]) victim.send(raw.headers(id));
    assert.deepEqual(victim.take(), ['rstStream#5/0 7', 'rstStream#7/0 7']);
    assert.equal(victim.events.counters.get('stream_refused_errors'), 2);
    assert.equal(victim.events.exchanges.length, 2);
    // What was on its way for them means nothing.
    victim.send(Buffer.concat([raw.data(5, 'x'), raw.headers(7, [['a', 'b']])]));
    assert.equal(victim.server.isDead, false);
  });

  test('streams that come and go with data waiting leave nothing behind', () => {
    const victim = new Victim({ maxConcurrentStreams: 10, streamResetBurst: 1e9 });
    victim.send(raw.settings(4, 0));
    victim.events.handleHead = ({ stream }) => {
      victim.server.sendHead(stream, responseHead(), false);
      victim.server.sendData(stream, Buffer.alloc(1000), 0, 1000, false, true);
    };
    for (let id = 1; id < 4000; id += 2) {
      victim.send(Buffer.concat([raw.headers(id), raw.rst(id)]));
      victim.take();
    }
    assert.equal(victim.server.activeStreams, 0);
    assert.ok(victim.events.exchanges.every(({ stream }) => stream.bufferedBytes === 0 && stream.list === null));
  });
});
