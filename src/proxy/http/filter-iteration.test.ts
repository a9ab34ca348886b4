// The filter iteration matrix: a filter stops in any phase and lets go later; what those behind it and the peer see.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunk, MemoryProxy, type MemoryProxyOptions } from '../../../test/simulation/memory-proxy.ts';
import type { BodyData, DataStatus, FilterStream, HeadersStatus, HttpFilter, TrailersStatus } from './filter.ts';

/** What a filter saw: 'headers', 'data TEXT', 'trailers'; a '.' marks the end of the stream. */
type Events = string[];

/** How the filter in the middle answers until it lets go. */
type Plan = { headers: HeadersStatus; data: DataStatus; trailers: TrailersStatus };

const text = (data: BodyData): string => data.buffer.latin1Slice(data.start, data.end);
const mark = (endStream: boolean): string => (endStream ? '.' : '');

/** A filter for one direction that notes what it sees and answers as `answer` says. */
function filterOf(
  direction: 'decode' | 'encode',
  events: Events,
  answer: (phase: keyof Plan, stream: FilterStream) => string = () => 'continue',
): HttpFilter {
  const headers = (stream: FilterStream, _: unknown, endStream: boolean): HeadersStatus => {
    events.push(`headers${mark(endStream)}`);
    return answer('headers', stream) as HeadersStatus;
  };
  const data = (stream: FilterStream, body: BodyData, endStream: boolean): DataStatus => {
    events.push(`data ${text(body)}${mark(endStream)}`);
    return answer('data', stream) as DataStatus;
  };
  const trailers = (stream: FilterStream): TrailersStatus => {
    events.push('trailers');
    return answer('trailers', stream) as TrailersStatus;
  };
  return direction === 'decode'
    ? { decodeHeaders: headers, decodeData: data, decodeTrailers: trailers }
    : { encodeHeaders: headers, encodeData: data, encodeTrailers: trailers };
}

/** Messages in pieces that arrive one after another. */
const HEAD = 'X: 1\r\n';
const SHAPES: readonly { name: string; body: string; trailers: boolean; pieces: readonly string[] }[] = [
  { name: 'head alone', body: '', trailers: false, pieces: ['\r\n'] },
  { name: 'length at once', body: 'abcdef', trailers: false, pieces: ['Content-Length: 6\r\n\r\nabcdef'] },
  {
    name: 'length in pieces',
    body: 'abcdef',
    trailers: false,
    pieces: ['Content-Length: 6\r\n\r\n', 'ab', 'cd', 'ef'],
  },
  {
    name: 'chunks',
    body: 'abcdef',
    trailers: false,
    pieces: ['Transfer-Encoding: chunked\r\n\r\n', chunk('abc'), chunk('def'), '0\r\n\r\n'],
  },
  {
    name: 'trailers',
    body: 'abcdef',
    trailers: true,
    pieces: ['Transfer-Encoding: chunked\r\n\r\n', chunk('abc'), chunk('def'), '0\r\nT: 1\r\n\r\n'],
  },
  {
    name: 'trailers at once',
    body: 'abcdef',
    trailers: true,
    pieces: [`Transfer-Encoding: chunked\r\n\r\n${chunk('abcdef')}0\r\nT: 1\r\n\r\n`],
  },
  {
    name: 'trailers alone',
    body: '',
    trailers: true,
    pieces: ['Transfer-Encoding: chunked\r\n\r\n', '0\r\nT: 1\r\n\r\n'],
  },
];

const PROTOCOL = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const OPTIONS: MemoryProxyOptions = {
  hcm: { http_protocol_options: { enable_trailers: true } },
  cluster: {
    typed_extension_protocol_options: {
      [PROTOCOL]: {
        '@type': `type.googleapis.com/${PROTOCOL}`,
        explicit_http_config: { http_protocol_options: { enable_trailers: true } },
      },
    },
  },
};

type Seen = { before: Events; middle: Events; after: Events; stream: FilterStream | null; isOpen: boolean };

/** Its slot. */
const MIDDLE = 1;

/** A proxy with three filters: those around the middle one only watch. */
function rigWith(direction: 'decode' | 'encode', plan: Plan): { rig: MemoryProxy; seen: Seen } {
  const seen: Seen = { before: [], middle: [], after: [], stream: null, isOpen: false };
  const middle = filterOf(direction, seen.middle, (phase, stream) => {
    seen.stream = stream;
    return seen.isOpen ? 'continue' : plan[phase];
  });
  const first = filterOf(direction, direction === 'decode' ? seen.before : seen.after);
  const last = filterOf(direction, direction === 'decode' ? seen.after : seen.before);
  return { rig: new MemoryProxy({ ...OPTIONS, filters: { first, middle, last } }), seen };
}

function feed(rig: MemoryProxy, direction: 'decode' | 'encode', pieces: readonly string[]): void {
  if (direction === 'decode') {
    const client = rig.connect();
    client.send(`${pieces.length === 1 && pieces[0] === '\r\n' ? 'GET' : 'POST'} / HTTP/1.1\r\nHost: a\r\n${HEAD}`);
    for (const piece of pieces) client.send(piece);
    return;
  }
  rig.upstream.reply = () => '';
  const client = rig.connect();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const isBare = pieces[0] === '\r\n';
  rig.upstream.last.send(`HTTP/1.1 200 OK\r\n${HEAD}${isBare ? 'Content-Length: 0\r\n' : ''}`);
  for (const piece of pieces) rig.upstream.last.send(piece);
}

/** Headers first, then the body, then trailers; each once, the end once and last. */
function checkOrder(events: Events, shape: (typeof SHAPES)[number], who: string): void {
  assert.equal(events.filter((event) => event.startsWith('headers')).length, 1, `${who} sees the headers once`);
  assert.ok(events[0]?.startsWith('headers'), `${who} sees the headers first`);
  const body = events.filter((event) => event.startsWith('data ')).map((event) => event.slice(5).replace('.', ''));
  assert.equal(body.join(''), shape.body, `${who} sees the body`);
  const ends = events.filter((event) => event.endsWith('.') || event === 'trailers');
  assert.equal(ends.length, 1, `${who} sees one end: ${events}`);
  assert.equal(ends[0], events.at(-1), `${who} sees the end last`);
  assert.equal(events.includes('trailers'), shape.trailers, `${who} sees trailers`);
}

const HEADERS: readonly HeadersStatus[] = ['continue', 'stop', 'stop-all-and-buffer', 'stop-all-and-watermark'];
const DATA: readonly DataStatus[] = ['continue', 'stop-and-buffer', 'stop-and-watermark'];
const TRAILERS: readonly TrailersStatus[] = ['continue', 'stop'];

for (const direction of ['decode', 'encode'] as const) {
  test(`${direction}: whatever a filter holds back goes on whole and in order`, () => {
    for (const headers of HEADERS) {
      for (const data of DATA) {
        for (const trailers of TRAILERS)
          for (const shape of SHAPES) runCell(direction, { headers, data, trailers }, shape);
      }
    }
  });
}

function runCell(direction: 'decode' | 'encode', plan: Plan, shape: (typeof SHAPES)[number]): void {
  const cell = `${direction} ${JSON.stringify(plan)} ${shape.name}`;
  const { rig, seen } = rigWith(direction, plan);
  feed(rig, direction, shape.pieces);
  if (plan.headers.startsWith('stop-all')) {
    assert.deepEqual(seen.middle.length, 1, `${cell}: after stop-all the filter hears nothing`);
    assert.deepEqual(seen.after, [], `${cell}: nothing passes`);
  }
  const isLetGoByTrailers = shape.trailers && plan.trailers === 'continue';
  if (plan.headers === 'continue' && plan.data !== 'continue' && !isLetGoByTrailers) {
    assert.equal(seen.after.length, 1, `${cell}: the headers pass, no data: ${seen.after}`);
  }
  // Until everything was let go; a filter may be stopped again by the next phase.
  for (let i = 0; i < 4; i++) {
    if (i === 2) seen.isOpen = true;
    rig.run(() => {
      if (direction === 'decode') seen.stream?.continueDecoding(MIDDLE);
      else seen.stream?.continueEncoding(MIDDLE);
    });
  }
  for (const [who, events] of Object.entries({ before: seen.before, middle: seen.middle, after: seen.after })) {
    checkOrder(events as Events, shape, `${cell}: ${who}`);
  }
  const request = rig.upstream.requests[0];
  assert.ok(request?.complete, `${cell}: the upstream has the request`);
  if (direction === 'decode') {
    assert.equal(request.body, shape.body, cell);
    assert.equal(request.trailers.length, shape.trailers ? 1 : 0, cell);
  }
  assert.equal(rig.stat('http.test.downstream_rq_active'), 0, cell);
  assert.equal(rig.stat('http.test.downstream_rq_completed'), 1, cell);
  assert.deepEqual(rig.problems, [], cell);
  rig.stop();
}

/** The end may come with the last data or in a call of its own. */
function merged(events: Events): Events {
  return events
    .join('|')
    .replace(/(data [a-z]+)\|data \./g, '$1.')
    .split('|');
}

/** What the middle filter and the next one see, as Envoy's documentation of the statuses has it. */
const TABLE: readonly {
  name: string;
  plan: Partial<Plan>;
  pieces: readonly string[];
  middle: Events;
  after: Events;
}[] = [
  {
    name: 'stop in headers still gets the data, continue in data lets headers and data go',
    plan: { headers: 'stop' },
    pieces: ['Content-Length: 4\r\n\r\n', 'abcd'],
    middle: ['headers', 'data abcd', 'data .'],
    after: ['headers', 'data abcd', 'data .'],
  },
  {
    name: 'stop in headers and buffer in data: one piece later',
    plan: { headers: 'stop', data: 'stop-and-buffer' },
    pieces: ['Content-Length: 4\r\n\r\n', 'ab', 'cd'],
    middle: ['headers', 'data ab', 'data cd', 'data .'],
    after: ['headers', 'data abcd.'],
  },
  {
    name: 'stop-all: the filter sees its data only after it continued',
    plan: { headers: 'stop-all-and-buffer' },
    pieces: ['Content-Length: 4\r\n\r\n', 'ab', 'cd'],
    middle: ['headers', 'data abcd.'],
    after: ['headers', 'data abcd.'],
  },
  {
    name: 'stop-all with trailers',
    plan: { headers: 'stop-all-and-buffer' },
    pieces: ['Transfer-Encoding: chunked\r\n\r\n', chunk('ab'), '0\r\nT: 1\r\n\r\n'],
    middle: ['headers', 'data ab', 'trailers'],
    after: ['headers', 'data ab', 'trailers'],
  },
  {
    name: 'continue in trailers lets everything go',
    plan: { headers: 'stop', data: 'stop-and-buffer' },
    pieces: ['Transfer-Encoding: chunked\r\n\r\n', chunk('ab'), chunk('cd'), '0\r\nT: 1\r\n\r\n'],
    middle: ['headers', 'data ab', 'data cd', 'trailers'],
    after: ['headers', 'data abcd', 'trailers'],
  },
  {
    name: 'stop in trailers holds only the trailers',
    plan: { trailers: 'stop' },
    pieces: ['Transfer-Encoding: chunked\r\n\r\n', chunk('ab'), '0\r\nT: 1\r\n\r\n'],
    middle: ['headers', 'data ab', 'trailers'],
    after: ['headers', 'data ab', 'trailers'],
  },
];

test('what the filters see is what the documentation of the statuses says', () => {
  for (const direction of ['decode', 'encode'] as const) {
    for (const { name, plan, pieces, middle, after } of TABLE) {
      const { rig, seen } = rigWith(direction, {
        headers: 'continue',
        data: 'continue',
        trailers: 'continue',
        ...plan,
      });
      feed(rig, direction, pieces);
      const willStay = plan.headers !== undefined || plan.trailers !== undefined;
      if (willStay && name.startsWith('stop-all')) assert.deepEqual(seen.after, [], `${direction}: ${name}`);
      rig.run(() => {
        if (direction === 'decode') seen.stream?.continueDecoding(MIDDLE);
        else seen.stream?.continueEncoding(MIDDLE);
      });
      assert.deepEqual(merged(seen.middle), merged(middle), `${direction}: ${name}`);
      assert.deepEqual(merged(seen.after), merged(after), `${direction}: ${name}`);
      rig.stop();
    }
  }
});

test('filters that hold a stream up at the same time let go each for itself', () => {
  for (const direction of ['decode', 'encode'] as const) {
    const seen: Events = [];
    let stream: FilterStream | null = null;
    let headersWait = true;
    let dataWaits = true;
    // In the order in which this direction meets them: one lets headers pass and holds data, the next holds headers.
    const holdsData = filterOf(direction, [], (phase) =>
      phase === 'data' && dataWaits ? 'stop-and-buffer' : 'continue',
    );
    const holdsHeaders = filterOf(direction, [], (phase, it) => {
      stream = it;
      return phase === 'headers' && headersWait ? 'stop-all-and-buffer' : 'continue';
    });
    const watches = filterOf(direction, seen);
    const order = { a: holdsData, b: holdsHeaders, c: watches };
    const filters = direction === 'decode' ? order : { c: watches, b: holdsHeaders, a: holdsData };
    const slotOf = (filter: HttpFilter): number => Object.values(filters).indexOf(filter);
    const letGo = (filter: HttpFilter): void => {
      const slot = slotOf(filter);
      rig.run(() => (direction === 'decode' ? stream?.continueDecoding(slot) : stream?.continueEncoding(slot)));
    };
    const rig = new MemoryProxy({ ...OPTIONS, filters });
    feed(rig, direction, ['Content-Length: 4\r\n\r\n', 'ab', 'cd']);
    assert.deepEqual(seen, []);
    headersWait = false;
    letGo(holdsHeaders);
    assert.deepEqual(seen, ['headers'], `${direction}: the one that held headers`);
    dataWaits = false;
    letGo(holdsData);
    assert.deepEqual(merged(seen), ['headers', 'data abcd.'], direction);
    assert.equal(rig.stat('http.test.downstream_rq_active'), 0);
    rig.stop();

    headersWait = true;
    dataWaits = true;
    seen.length = 0;
    const other = new MemoryProxy({ ...OPTIONS, filters });
    feed(other, direction, ['Content-Length: 4\r\n\r\n', 'ab', 'cd']);
    const release = (filter: HttpFilter): void => {
      const slot = slotOf(filter);
      other.run(() => (direction === 'decode' ? stream?.continueDecoding(slot) : stream?.continueEncoding(slot)));
    };
    dataWaits = false;
    release(holdsData);
    assert.deepEqual(seen, [], `${direction}: the guard behind it is not opened by another`);
    headersWait = false;
    release(holdsHeaders);
    assert.deepEqual(merged(seen), ['headers', 'data abcd.'], direction);
    other.stop();
  }
});

/** Body that filters add, by the phase in which they add it. */
const ADDED: readonly {
  name: string;
  phase: keyof Plan;
  pieces: readonly string[];
  body: string;
  trailers: boolean;
}[] = [
  { name: 'to a bare head', phase: 'headers', pieces: ['\r\n'], body: '+', trailers: false },
  {
    name: 'in front of a body',
    phase: 'headers',
    pieces: ['Transfer-Encoding: chunked\r\n\r\n', chunk('ab'), '0\r\n\r\n'],
    body: '+ab',
    trailers: false,
  },
  {
    name: 'in data',
    phase: 'data',
    pieces: ['Transfer-Encoding: chunked\r\n\r\n', chunk('ab'), '0\r\nT: 1\r\n\r\n'],
    body: '+ab',
    trailers: true,
  },
  {
    name: 'in trailers',
    phase: 'trailers',
    pieces: ['Transfer-Encoding: chunked\r\n\r\n', chunk('ab'), '0\r\nT: 1\r\n\r\n'],
    body: 'ab+',
    trailers: true,
  },
];

test('body that a filter adds goes on in its place, held up or not', () => {
  for (const direction of ['decode', 'encode'] as const) {
    for (const { name, phase, pieces, body, trailers } of ADDED) {
      for (const holds of [false, true]) {
        const seen: Events = [];
        let stream: FilterStream | null = null;
        let isOpen = !holds;
        const adds = filterOf(direction, [], (now, it) => {
          stream = it;
          if (now === phase) {
            if (direction === 'decode') it.addDecodedData(MIDDLE, Buffer.from('+'));
            else it.addEncodedData(MIDDLE, Buffer.from('+'));
          }
          if (isOpen || now !== phase) return 'continue';
          return phase === 'data' ? 'stop-and-buffer' : 'stop';
        });
        const watches = filterOf(direction, seen);
        const filters = direction === 'decode' ? { a: {}, adds, watches } : { watches, adds, z: {} };
        const rig = new MemoryProxy({ ...OPTIONS, filters });
        feed(rig, direction, pieces);
        isOpen = true;
        rig.run(() => (direction === 'decode' ? stream?.continueDecoding(MIDDLE) : stream?.continueEncoding(MIDDLE)));
        checkOrder(seen, { name, body, trailers, pieces }, `${direction} ${name}, ${holds ? 'held' : 'passed'}`);
        assert.equal(rig.stat('http.test.downstream_rq_active'), 0);
        assert.deepEqual(rig.problems, []);
        rig.stop();
      }
    }
  }
});
