// Lives and ends of exchanges in a whole proxy in memory: local replies, resets, pipelining, drain, bugs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chunk,
  get,
  MemoryProxy,
  type MemoryProxyOptions,
  post,
  response,
} from '../../../test/simulation/memory-proxy.ts';
import type { FilterStream, HttpFilter } from './filter.ts';

/** What must hold whenever all clients have gone. */
function checkQuiet(rig: MemoryProxy, what: string): void {
  for (const name of [
    'http.test.downstream_rq_active',
    'cluster.upstream.upstream_rq_active',
    'cluster.upstream.upstream_rq_pending_active',
  ]) {
    assert.equal(rig.stat(name), 0, `${what}: ${name}`);
  }
}

function withProxy(options: MemoryProxyOptions, act: (rig: MemoryProxy) => void): void {
  const rig = new MemoryProxy(options);
  act(rig);
  assert.deepEqual(rig.problems, []);
  rig.stop();
}

const TEAPOT = { status: 418, body: 'short and stout', details: 'test_reply' };

/** Filters that answer themselves, by the phase in which they do. */
const REPLIES: readonly { phase: string; filter: HttpFilter; direct: boolean }[] = [
  {
    phase: 'decodeHeaders',
    direct: false,
    filter: {
      decodeHeaders: (stream) => {
        stream.sendLocalReply(TEAPOT);
        return 'stop';
      },
    },
  },
  {
    phase: 'decodeData',
    direct: false,
    filter: {
      decodeData: (stream) => {
        stream.sendLocalReply(TEAPOT);
        return 'stop-no-buffer';
      },
    },
  },
  {
    phase: 'decodeTrailers',
    direct: false,
    filter: {
      decodeTrailers: (stream) => {
        stream.sendLocalReply(TEAPOT);
        return 'stop';
      },
    },
  },
  {
    phase: 'encodeHeaders',
    direct: true,
    filter: {
      encodeHeaders: (stream, headers) => {
        if (headers.status !== TEAPOT.status) stream.sendLocalReply(TEAPOT);
        return headers.status === TEAPOT.status ? 'continue' : 'stop';
      },
    },
  },
  {
    phase: 'encodeData',
    direct: true,
    filter: {
      encodeHeaders: () => 'stop',
      encodeData: (stream) => {
        stream.sendLocalReply(TEAPOT);
        return 'stop-no-buffer';
      },
    },
  },
];

test('a filter may answer from every phase; the others see the answer unless they have seen one', () => {
  for (const { phase, filter, direct } of REPLIES) {
    let seen = 0;
    let destroyed = 0;
    const watch: HttpFilter = {
      encodeHeaders: (_, headers) => {
        if (headers.status === TEAPOT.status) seen++;
        return 'continue';
      },
      onDestroy: () => void destroyed++,
    };
    const hcm = { http_protocol_options: { enable_trailers: true } };
    withProxy({ hcm, filters: { watch, filter, inner: watch } }, (rig) => {
      const client = rig.connect();
      client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
      client.send(chunk('abc'));
      client.send('0\r\nT: 1\r\n\r\n');
      assert.deepEqual(client.answers, ['418 short and stout'], phase);
      assert.deepEqual(rig.takeLog(), ['POST / 418 - test_reply'], phase);
      assert.equal(seen, direct ? 0 : 2, `${phase}: filters that saw the reply`);
      assert.equal(destroyed, 2, phase);
      checkQuiet(rig, phase);
      client.close();
      rig.advance(2_000);
      assert.equal(rig.stat('http.test.downstream_cx_active'), 0);
    });
  }
});

test('a filter that the route leaves out hears of no end, unless another route had let it in', () => {
  const ends: string[] = [];
  const watch = (name: string): HttpFilter => ({ onDestroy: () => void ends.push(name) });
  const off = { '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig', disabled: true };
  const answer = { direct_response: { status: 200 } };
  const routes = [
    { match: { prefix: '/off' }, ...answer, typed_per_filter_config: { watched: off } },
    { match: { prefix: '/' }, ...answer },
  ];
  const turns: HttpFilter = {
    decodeHeaders: (stream, headers) => {
      if (headers.path !== '/turn') return 'continue';
      headers.path = '/off';
      stream.clearRouteCache();
      return 'continue';
    },
  };
  const holds: HttpFilter = {
    ...watch('held'),
    decodeHeaders: (stream) => {
      stream.slot[0] = 'something';
      return 'continue';
    },
  };
  const ask = (filters: Readonly<Record<string, HttpFilter>>, path: string): string[] => {
    ends.length = 0;
    withProxy({ routes, filters }, (rig) => rig.connect().send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`));
    return ends.slice();
  };
  const both = { watched: watch('watched'), other: watch('other') };
  assert.deepEqual(ask(both, '/on'), ['watched', 'other']);
  assert.deepEqual(ask(both, '/off'), ['other']);
  assert.deepEqual(ask({ watched: holds, turns }, '/turn'), ['held']);
});

test('a reply after the response has started ends the connection', () => {
  let stream: FilterStream | null = null;
  const filter: HttpFilter = {
    encodeData: (it) => {
      stream = it;
      return 'continue';
    },
  };
  withProxy({ filters: { filter } }, (rig) => {
    rig.upstream.reply = () => '';
    const client = rig.exchange(get('/'));
    rig.upstream.last.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc');
    rig.run(() => stream?.sendLocalReply(TEAPOT));
    assert.deepEqual(client.answers, ['200 abc…']);
    assert.equal(client.isGone, true);
    assert.equal(rig.upstream.last.isGone, true);
    assert.deepEqual(rig.takeLog(), ['GET / 200 - test_reply']);
    checkQuiet(rig, 'late reply');
  });
});

test('an upstream that answers after a local reply was made is not heard, even if a filter holds the reply', () => {
  let stream: FilterStream | null = null;
  const guard: HttpFilter = {
    decodeHeaders: (it) => {
      stream = it;
      return 'continue';
    },
  };
  const slow: HttpFilter = { encodeHeaders: () => 'stop-all-and-buffer' };
  withProxy({ filters: { slow, guard } }, (rig) => {
    rig.upstream.reply = () => '';
    const client = rig.exchange(get('/'));
    rig.run(() => stream?.sendLocalReply(TEAPOT));
    rig.upstream.last.send(response('from the upstream'));
    assert.deepEqual(client.answers, []);
    rig.run(() => stream?.continueEncoding(0));
    assert.deepEqual(client.answers, ['418 short and stout']);
    client.send(get('/next'));
    assert.deepEqual(client.answers, ['418 short and stout']);
    client.close();
    checkQuiet(rig, 'late upstream');
  });
});

test('100 requests at once are answered in their order', () => {
  withProxy({}, (rig) => {
    rig.upstream.reply = ({ startLine }) => response(startLine.split(' ')[1] ?? '');
    const client = rig.connect();
    client.send(Array.from({ length: 100 }, (_, i) => (i % 3 === 0 ? post(`/${i}`, 'abc') : get(`/${i}`))).join(''));
    for (let i = 0; i < 20; i++) rig.run();
    const expected = Array.from({ length: 100 }, (_, i) => `200 /${i}`);
    assert.deepEqual(client.answers, expected);
    assert.equal(rig.upstream.connections.length, 1);
    assert.equal(rig.takeLog().length, 100);
    checkQuiet(rig, 'pipelining');
  });
});

test('what is pipelined behind an early answer to an unread body is not taken for a request', () => {
  withProxy({ filters: { f: REPLIES[0]?.filter ?? {} } }, (rig) => {
    const client = rig.connect();
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n${get('/smuggled')}`);
    client.send(get('/smuggled'));
    assert.deepEqual(client.answers, ['418 short and stout']);
    assert.match(client.text, /connection: close/);
    assert.equal(rig.takeLog().length, 1);
    rig.advance(2_000);
    assert.equal(client.isGone, true);
  });
});

/** What happens to one side, and what the log says then. */
const RESETS: readonly { name: string; act: (rig: MemoryProxy) => void; log: RegExp; answers: string[] }[] = [
  {
    name: 'the client resets in a head',
    act: (rig) => rig.exchange('GET / HT').reset(),
    log: /^- - 0 DC downstream_remote_disconnect$/,
    answers: [],
  },
  {
    name: 'the client ends in a body',
    act: (rig) => rig.exchange('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab').end(),
    log: /^POST \/ 0 DC downstream_remote_disconnect$/,
    answers: [],
  },
  {
    name: 'the client resets while it waits',
    act: (rig) => rig.exchange(get('/')).reset(),
    log: /^GET \/ 0 DC downstream_remote_disconnect$/,
    answers: [],
  },
  {
    name: 'the client resets in the response',
    act: (rig) => {
      const client = rig.exchange(get('/'));
      rig.upstream.last.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab');
      client.reset();
    },
    log: /^GET \/ 200 DC downstream_remote_disconnect$/,
    answers: ['200 ab…'],
  },
  {
    name: 'the upstream resets before it answers',
    act: (rig) => {
      rig.exchange(get('/'));
      rig.upstream.last.reset();
    },
    log: /^GET \/ 503 UC upstream_reset_before_response_started\{connection_termination\}$/,
    answers: ['503 upstream connect error or disconnect/reset before headers. reset reason: connection termination'],
  },
  {
    name: 'the upstream ends in its head',
    act: (rig) => {
      rig.exchange(get('/'));
      rig.upstream.last.send('HTTP/1.1 200 OK\r\nConte');
      rig.upstream.last.close();
    },
    log: /^GET \/ 502 UPE upstream_reset_before_response_started\{protocol_error\}$/,
    answers: ['502 upstream connect error or disconnect/reset before headers. reset reason: protocol error'],
  },
  {
    name: 'the upstream ends in its body',
    act: (rig) => {
      rig.exchange(get('/'));
      rig.upstream.last.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab');
      rig.upstream.last.close();
    },
    log: /^GET \/ 200 UPE upstream_reset_after_response_started\{protocol_error\}$/,
    answers: ['200 ab…'],
  },
  {
    name: 'the upstream breaks its chunks',
    act: (rig) => {
      rig.exchange(get('/'));
      rig.upstream.last.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n');
    },
    log: /^GET \/ 200 UPE upstream_reset_after_response_started\{protocol_error\}$/,
    answers: ['200 ab…'],
  },
  {
    name: 'the client breaks its chunks after the head went on',
    act: (rig) => {
      const client = rig.exchange('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
      client.send('2\r\nabc\r\nzz\r\n');
    },
    log: /^POST \/ 400 DPE http1\.codec_error$/,
    answers: ['400 Bad Request'],
  },
];

test('whoever goes at whatever time: one log line, nothing left behind', () => {
  for (const { name, act, log, answers } of RESETS) {
    withProxy({ hcm: { delayed_close_timeout: '0s' } }, (rig) => {
      rig.upstream.reply = () => '';
      const connect = rig.connect.bind(rig);
      let client: ReturnType<typeof connect> | null = null;
      rig.connect = () => {
        client = connect();
        return client;
      };
      act(rig);
      const lines = rig.takeLog();
      assert.equal(lines.length, 1, `${name}: ${lines}`);
      assert.match(lines[0] ?? '', log, name);
      assert.deepEqual((client as { answers: string[] } | null)?.answers, answers, name);
      checkQuiet(rig, name);
      rig.advance(3_700_000);
      assert.equal(rig.stat('http.test.downstream_cx_active'), 0, name);
      assert.equal(rig.stat('cluster.upstream.upstream_cx_active'), 0, name);
      assert.equal(rig.engine.openStreams, 0, name);
    });
  }
});

test('a request may start over, with its body, and then be answered or reset like any other', () => {
  for (const request of [get('/old'), post('/old', 'body')]) {
    for (const end of ['answer', 'reset'] as const) {
      const recreated: boolean[] = [];
      const filter: HttpFilter = {
        decodeHeaders: (stream, headers, endStream) => {
          if (headers.path !== '/old') return 'continue';
          if (!endStream) return 'stop';
          headers.path = '/new';
          recreated.push(stream.recreateStream());
          return 'stop';
        },
        decodeData: (stream, _, endStream) => {
          if (stream.requestHeaders.path !== '/old') return 'continue';
          if (!endStream) return 'stop-and-buffer';
          stream.requestHeaders.path = '/new';
          recreated.push(stream.recreateStream());
          return 'stop-no-buffer';
        },
      };
      withProxy({ filters: { filter } }, (rig) => {
        if (end === 'reset') rig.upstream.reply = () => '';
        const client = rig.exchange(request);
        assert.deepEqual(recreated, [true], request);
        assert.equal(rig.upstream.requests[0]?.startLine.split(' ')[1], '/new');
        assert.equal(rig.upstream.requests[0]?.body, request.endsWith('body') ? 'body' : '');
        if (end === 'reset') client.reset();
        else {
          assert.deepEqual(client.answers, ['200 ok']);
          client.send(get('/again'));
          assert.deepEqual(client.answers, ['200 ok', '200 ok']);
          client.close();
        }
        checkQuiet(rig, `${end} of ${request}`);
        rig.advance(3_700_000);
        assert.equal(rig.stat('cluster.upstream.upstream_cx_active'), 0);
      });
    }
  }
});

test('a request whose body has gone on cannot start over', () => {
  const recreated: boolean[] = [];
  const filter: HttpFilter = {
    encodeHeaders: (stream) => {
      recreated.push(stream.recreateStream());
      return 'continue';
    },
  };
  withProxy({ filters: { filter } }, (rig) => {
    const client = rig.exchange(post('/', 'body'));
    assert.deepEqual(recreated, [false]);
    assert.deepEqual(client.answers, ['200 ok']);
  });
});

test('draining at once ends every connection with its answer', () => {
  withProxy({ options: { drainStrategy: 'immediate', drainTimeMs: 600_000 } }, (rig) => {
    rig.upstream.reply = () => '';
    const busy = rig.exchange(get('/busy'));
    rig.proxy.drain.start();
    rig.upstream.last.send(response('ok'));
    assert.match(busy.text, /\r\nconnection: close\r\n/);
    rig.advance(2_000);
    assert.equal(busy.isGone, true);
    assert.equal(rig.stat('http.test.downstream_cx_drain_close'), 1);
  });
});

test('draining gradually ends more and more connections', () => {
  const closedAt = (elapsedMs: number): number => {
    const rig = new MemoryProxy({ options: { drainStrategy: 'gradual', drainTimeMs: 100_000 }, seed: 7 });
    rig.proxy.drain.start();
    rig.advance(elapsedMs);
    let closed = 0;
    for (let i = 0; i < 100; i++) {
      const client = rig.exchange(get('/'));
      if (/\r\nconnection: close\r\n/.test(client.text)) closed++;
      client.close();
    }
    rig.stop();
    return closed;
  };
  assert.equal(closedAt(0), 0);
  const early = closedAt(20_000);
  const late = closedAt(80_000);
  assert.ok(early > 5 && early < 40, `${early} of 100 after a fifth of the time`);
  assert.ok(late > 60 && late < 95, `${late} of 100 after four fifths`);
  assert.equal(closedAt(100_000), 100);
});

/** Filters with a bug, by the phase in which they throw. */
const BUGS: readonly (keyof HttpFilter)[] = ['decodeHeaders', 'decodeData', 'encodeHeaders', 'encodeData', 'onDestroy'];

test('a bug in a filter ends its connection alone and is logged', () => {
  for (const phase of BUGS) {
    const throws = (stream: FilterStream): 'continue' => {
      if (stream.requestHeaders.path === '/bug') throw new Error(`bug in ${phase}`);
      return 'continue';
    };
    const rig = new MemoryProxy({ filters: { filter: { [phase]: throws } } });
    const other = rig.exchange(get('/before'));
    const struck = rig.exchange(post('/bug', 'abc'));
    rig.advance(10_000);
    assert.ok(rig.problems.length >= 1, `${phase}: nothing was logged`);
    assert.match(rig.problems[0] ?? '', new RegExp(`bug in ${phase}`));
    assert.equal(rig.stat('server.envoy_bug_failures'), rig.problems.length, phase);
    // When filters are told of the end, the answer has been sent: nothing of the connection is in doubt.
    assert.equal(struck.isGone, phase !== 'onDestroy', `${phase}: the connection is gone`);
    other.send(get('/after'));
    assert.deepEqual(other.answers, ['200 ok', '200 ok'], phase);
    assert.deepEqual(rig.exchange(get('/new')).answers, ['200 ok'], phase);
    checkQuiet(rig, phase);
    rig.advance(3_700_000);
    assert.equal(rig.stat('http.test.downstream_cx_active'), 0, phase);
    rig.stop();
  }
});

test('a bug in a timer of a filter strikes nobody else', () => {
  let armed = 0;
  const filter: HttpFilter = {
    decodeHeaders: (stream) => {
      const { path } = stream.requestHeaders;
      armed++;
      stream.clock
        .timer((it: FilterStream) => {
          if (path === '/bug') throw new Error('bug in a timer');
          it.continueDecoding(0);
        }, stream)
        .arm(100);
      return 'stop';
    },
  };
  const rig = new MemoryProxy({ filters: { filter } });
  const clients = ['/1', '/bug', '/2', '/bug', '/3'].map((path) => rig.exchange(get(path)));
  rig.advance(200);
  assert.equal(armed, 5);
  assert.deepEqual(
    clients.map((client) => client.answers.length),
    [1, 0, 1, 0, 1],
  );
  assert.equal(rig.problems.length, 2);
  rig.stop();
});
