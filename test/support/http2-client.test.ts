// The client and the upstream of the tests speak HTTP/2 with Node's own.
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { freePort } from './free-ports.ts';
import { type Http2Step, runHttp2Client } from './http2-client.ts';
import type { Http2Field } from './http2-hpack.ts';
import { RawUpstream } from './raw-upstream.ts';

const PRINTABLE = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join('');
const HEAD: readonly Http2Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/x'],
  [':authority', 'test.example'],
];
const OPTIONS = {
  timeoutMs: 3000,
  probeMs: 0,
  awaitUpstream: async () => true,
  awaitClients: async () => true,
  admin: async () => undefined,
};

it('asks a server of Node', async () => {
  const server = createServer((request, response) => {
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
    });
    request.on('end', () => {
      response.stream.additionalHeaders({ ':status': 103, link: 'early' });
      response.setHeader('x-all', PRINTABLE);
      response.addTrailers({ 'x-end': String(length) });
      response.end('b'.repeat(100_000));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const steps: Http2Step[] = [
    { head: HEAD },
    { data: 200_000 },
    { trailers: [['x-more', '1']] },
    { head: HEAD, on: 3, end: true },
    { until: 'end' },
    { until: 'end', on: 3 },
    { ping: '12345678' },
    { until: 'pong' },
  ];
  const result = await runHttp2Client((server.address() as AddressInfo).port, steps, OPTIONS);
  server.close();
  assert.deepEqual(result.timedOut, []);
  assert.deepEqual(result.connection.pongs, ['12345678']);
  for (const [i, stream] of result.streams.entries()) {
    assert.deepEqual(stream.interims, [
      [
        [':status', '103'],
        ['link', 'early'],
      ],
    ]);
    assert.deepEqual(stream.head?.slice(0, 2), [
      [':status', '200'],
      ['x-all', PRINTABLE],
    ]);
    assert.equal(stream.body.length, 100_000);
    assert.deepEqual(stream.trailers, [['x-end', i === 0 ? '200000' : '0']]);
    assert.deepEqual([stream.isEnded, stream.reset, stream.errors], [true, '', []]);
  }
});

it('answers a client of Node', async () => {
  const upstream = new RawUpstream('a');
  const port = await freePort();
  await upstream.listen(port);
  const head: readonly Http2Field[] = [[':status', '201']];
  upstream.beginCase({
    replies: [],
    http2: {
      paths: { '/echo': { on: 'head', actions: [{ head }, { echo: true }] }, '/reset': [{ rst: 'REFUSED_STREAM' }] },
    },
  });
  const session = connect(`http://127.0.0.1:${port}`);
  const echoed = session.request({ ':path': '/echo', ':method': 'POST', 'x-a': PRINTABLE });
  let body = '';
  echoed.setEncoding('latin1').on('data', (text: string) => {
    body += text;
  });
  const headers = new Promise<Record<string, unknown>>((resolve) => echoed.once('response', resolve));
  echoed.end('c'.repeat(150_000));
  assert.equal((await headers)[':status'], 201);
  await new Promise((resolve) => echoed.once('end', resolve));
  assert.equal(body, 'c'.repeat(150_000));
  const refused = session.request({ ':path': '/reset' });
  const error = await new Promise<Error>((resolve) => refused.once('error', resolve));
  assert.match(error.message, /NGHTTP2_REFUSED_STREAM/);
  session.destroy();
  const [record] = await upstream.endCase();
  await upstream.close();
  assert.deepEqual(
    record?.requests.map(({ startLine }) => startLine),
    [
      `:authority=127.0.0.1:${port} :method=POST :path=/echo :scheme=http`,
      `:authority=127.0.0.1:${port} :method=GET :path=/reset :scheme=http`,
    ],
  );
  assert.deepEqual(record?.requests[0]?.headers, [['x-a', PRINTABLE]]);
});
