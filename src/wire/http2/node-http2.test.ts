// Tests both sides against nghttp2, as node:http2 has it, over loopback sockets.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import { after, test } from 'node:test';
import { failure } from '../../base/failure.ts';
import type { Headers } from '../headers.ts';
import { Http2Client } from './client.ts';
import type { Http2Connection } from './connection.ts';
import type { Http2Options } from './options.ts';
import { Http2Server } from './server.ts';
import {
  type Exchange,
  type Field,
  fieldsOf,
  makeHead,
  options,
  Recorder,
  requestHead,
  responseHead,
} from './testing/recorder.ts';

const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
});

/** Drives a connection with a socket of the runtime, as an engine would. */
class SocketSink {
  readonly #socket: net.Socket;
  constructor(socket: net.Socket) {
    this.#socket = socket;
  }
  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }
  get isAboveHighWatermark(): boolean {
    return this.#socket.writableLength > 64 * 1024;
  }
  write(chunk: Uint8Array): void {
    this.#socket.write(chunk);
  }
  writeBorrowed(chunk: Buffer, start: number, end: number): void {
    this.#socket.write(Buffer.from(chunk.subarray(start, end)));
  }
  flush(): void {}
}

function drive(socket: net.Socket, connection: Http2Connection<Exchange>, recorder: Recorder): void {
  let isScheduled = false;
  recorder.connection = connection;
  socket.setNoDelay(true);
  recorder.handleOutput = () => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(() => {
      isScheduled = false;
      connection.flush();
    });
  };
  recorder.handleOutput();
  socket.on('data', (chunk: Buffer) => {
    connection.receive(chunk, 0, chunk.length, 0);
    chunk.fill(0xee);
  });
  socket.on('drain', () => connection.onDrain());
  socket.on('close', () => connection.close(failure('downstream_closed', 'downstream', 'connection', 'gone')));
  socket.on('error', () => {});
}

type OurServer = { readonly url: string; readonly recorder: Recorder; server(): Http2Server<Exchange> };

async function ourServer(changes: Partial<Http2Options> = {}): Promise<OurServer> {
  const recorder = new Recorder();
  let server: Http2Server<Exchange> | null = null;
  const listener = net.createServer((socket) => {
    server = new Http2Server(new SocketSink(socket), options(changes), recorder);
    drive(socket, server, recorder);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  closers.push(() => listener.close());
  const { port } = listener.address() as net.AddressInfo;
  return { url: `http://127.0.0.1:${port}`, recorder, server: () => server as Http2Server<Exchange> };
}

function nodeClient(url: string, settings: http2.Settings = {}): http2.ClientHttp2Session {
  const session = http2.connect(url, { settings });
  closers.push(() => session.destroy());
  session.on('error', () => {});
  return session;
}

async function ourClient(
  listener: http2.Http2Server,
  changes: Partial<Http2Options> = {},
): Promise<{ client: Http2Client<Exchange>; recorder: Recorder; socket: net.Socket }> {
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  listener.on('sessionError', () => {});
  const { port } = listener.address() as net.AddressInfo;
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const recorder = new Recorder();
  const client = new Http2Client(new SocketSink(socket), options(changes), recorder);
  drive(socket, client, recorder);
  closers.push(() => {
    socket.destroy();
    listener.close();
  });
  return { client, recorder, socket };
}

function open(client: Http2Client<Exchange>, recorder: Recorder, head: Headers, endStream: boolean): Exchange {
  const stream = client.openStream({} as Exchange, head, endStream);
  assert.ok(stream !== null);
  return recorder.open(stream);
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.ok(condition(), `waited in vain for ${condition}`);
}

async function bodyOf(stream: http2.ClientHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const text = (exchange: Exchange): string => Buffer.concat(exchange.body).toString('latin1');

test('a client of nghttp2: heads, bodies and trailers in both directions', async () => {
  const { url, recorder, server } = await ourServer();
  recorder.handleHead = ({ stream }, headers, endStream) => {
    server().sendInterimHead(stream, responseHead(103, [['link', '</a>; rel=preload']]));
    const fields = fieldsOf(headers).filter(([name]) => name.startsWith('x-'));
    server().sendHead(stream, responseHead(200, [['x-path', headers.path], ...fields]), false);
    if (endStream) server().sendTrailers(stream, makeHead([['x-end', 'yes']]));
  };
  recorder.handleData = ({ stream }, buf, start, end, endStream) => {
    server().sendData(stream, buf, start, end, false, false);
    if (endStream) server().sendTrailers(stream, makeHead([['x-end', 'yes']]));
  };
  recorder.handleTrailers = ({ stream }, trailers) => server().sendTrailers(stream, trailers);
  const session = nodeClient(url);
  for (let i = 0; i < 30; i++) {
    const withTrailers = i % 3 === 1;
    const body = i % 3 === 0 ? null : Buffer.alloc(i * 5000, `${i}`);
    const request = session.request(
      {
        ':method': body === null ? 'GET' : 'POST',
        ':path': `/p${i % 5}`,
        'x-number': String(i % 7),
        cookie: ['a=1', 'b=2'],
      },
      { endStream: body === null, waitForTrailers: withTrailers },
    );
    if (withTrailers) request.on('wantTrailers', () => request.sendTrailers({ 'x-end': 'client' }));
    if (body !== null) request.end(body);
    let interim = 0;
    let trailers: http2.IncomingHttpHeaders = {};
    request.on('headers', (head: http2.IncomingHttpHeaders) => {
      interim = Number(head[':status']);
    });
    request.on('trailers', (head: http2.IncomingHttpHeaders) => {
      trailers = head;
    });
    const [head] = (await once(request, 'response')) as [http2.IncomingHttpHeaders];
    assert.equal(head[':status'], 200);
    assert.equal(head['x-path'], `/p${i % 5}`);
    assert.equal(head['x-number'], String(i % 7));
    assert.deepEqual(await bodyOf(request), body ?? Buffer.alloc(0));
    assert.equal(interim, 103);
    assert.equal(trailers['x-end'], withTrailers ? 'client' : 'yes');
  }
  assert.deepEqual(fieldsOf(recorder.exchanges[0]?.head ?? null).at(-1), ['cookie', 'a=1; b=2']);
  assert.equal(server().activeStreams, 0);
  session.close();
});

test('a server of nghttp2: heads, bodies and trailers in both directions', async () => {
  const listener = http2.createServer((request, response) => {
    response.writeEarlyHints({ link: '</a>; rel=preload' });
    response.setHeader('x-path', request.url);
    for (const [name, value] of Object.entries(request.headers)) {
      if (name.startsWith('x-')) response.setHeader(name, value as string);
    }
    request.on('data', (chunk: Buffer) => response.write(chunk));
    request.on('end', () => {
      response.addTrailers({ 'x-end': request.trailers['x-end'] ?? 'yes' });
      response.end();
    });
  });
  const { client, recorder } = await ourClient(listener);
  const bodies: Buffer[] = [];
  const exchanges = Array.from({ length: 60 }, (_, i) => {
    const body = Buffer.alloc(i % 3 === 0 ? 0 : i * 3000, `${i}`);
    bodies.push(body);
    const head = requestHead(`/p${i % 5}`, [['x-number', String(i)]], body.length === 0 ? 'GET' : 'POST');
    const exchange = open(client, recorder, head, body.length === 0);
    if (body.length > 0) client.sendData(exchange.stream, body, 0, body.length, false, i % 3 === 1);
    if (i % 3 === 2) client.sendTrailers(exchange.stream, makeHead([['x-end', 'client']]));
    return exchange;
  });
  await until(() => exchanges.every((exchange) => exchange.closed));
  exchanges.forEach((exchange, i) => {
    assert.equal(exchange.reset, null);
    assert.deepEqual(exchange.interim, [103]);
    assert.equal(exchange.head?.status, 200);
    const fields = new Map<string, string>(fieldsOf(exchange.head) as Field[]);
    assert.equal(fields.get('x-path'), `/p${i % 5}`);
    assert.equal(fields.get('x-number'), String(i));
    assert.equal(text(exchange), bodies[i]!.toString('latin1'));
    // Node leaves the trailers of an empty body out.
    if (bodies[i]!.length > 0)
      assert.deepEqual(fieldsOf(exchange.trailers), [['x-end', i % 3 === 2 ? 'client' : 'yes']]);
  });
  assert.equal(client.activeStreams, 0);
});

test('large bodies through small windows, in both directions at once', async () => {
  const windows = { initialStreamWindow: 65_535, initialConnectionWindow: 80_000 };
  const { url, recorder, server } = await ourServer(windows);
  recorder.handleHead = ({ stream }) => server().sendHead(stream, responseHead(), false);
  recorder.handleData = ({ stream }, buf, start, end, endStream) => {
    server().sendData(stream, buf, start, end, false, endStream);
  };
  const session = nodeClient(url, { initialWindowSize: 30_000 });
  const bodies = await Promise.all(
    Array.from({ length: 6 }, async (_, i) => {
      const request = session.request({ ':method': 'POST' });
      const body = Buffer.alloc(700_000, `${i}`);
      request.end(body);
      return (await bodyOf(request)).equals(body);
    }),
  );
  assert.deepEqual(bodies, [true, true, true, true, true, true]);
  session.close();

  const listener = http2.createServer({ settings: { initialWindowSize: 30_000 } }, (request, response) => {
    request.pipe(response);
  });
  const { client, recorder: seen } = await ourClient(listener, windows);
  const body = Buffer.alloc(1_000_000, 'x');
  const exchanges = Array.from({ length: 4 }, () => {
    const exchange = open(client, seen, requestHead('/', [], 'POST'), false);
    client.sendData(exchange.stream, body, 0, body.length, true, true);
    return exchange;
  });
  await until(() => exchanges.every((exchange) => exchange.closed));
  for (const exchange of exchanges) assert.ok(Buffer.concat(exchange.body).equals(body));
});

test('a reader that stalls holds up its stream alone', async () => {
  const { url, recorder, server } = await ourServer();
  recorder.handleHead = ({ stream }, headers) => {
    const bytes = headers.path === '/large' ? 500_000 : 10;
    server().sendHead(stream, responseHead(), false);
    server().sendData(stream, Buffer.alloc(bytes, 'x'), 0, bytes, true, true);
  };
  const session = nodeClient(url);
  const stalled = session.request({ ':path': '/large' });
  stalled.pause();
  for (let i = 0; i < 50; i++) assert.equal((await bodyOf(session.request({ ':path': '/small' }))).length, 10);
  assert.ok(recorder.exchanges[0]!.stream.bufferedBytes > 0);
  assert.equal((await bodyOf(stalled)).length, 500_000);
  session.close();
});

test('resets in both directions, with their codes', async () => {
  const { url, recorder, server } = await ourServer();
  recorder.handleHead = ({ stream }, headers) => {
    if (headers.path !== '/wait') server().resetStream(stream, Number(headers.path.slice(1)));
  };
  const session = nodeClient(url);
  for (const code of [2, 7, 8, 11]) {
    const request = session.request({ ':path': `/${code}` });
    request.on('error', () => {});
    await new Promise((resolve) => request.on('close', resolve));
    assert.equal(request.rstCode, code);
  }
  const request = session.request({ ':path': '/wait', ':method': 'POST' });
  request.on('error', () => {});
  request.write('abc');
  await until(() => recorder.exchanges.length === 5);
  request.close(http2.constants.NGHTTP2_CANCEL);
  await until(() => recorder.exchanges[4]?.closed === true);
  assert.equal(recorder.exchanges[4]?.reset, 'http2.remote_reset 8');
  assert.equal(server().isDead, false);
  session.close();

  const listener = http2.createServer();
  listener.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    if (headers[':path'] === '/reset') stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
  });
  const { client, recorder: seen } = await ourClient(listener);
  const refused = open(client, seen, requestHead('/reset', [], 'POST'), false);
  await until(() => refused.closed);
  assert.equal(refused.reset, 'http2.remote_refuse 7');
  const given = open(client, seen, requestHead('/keep', [], 'POST'), false);
  client.resetStream(given.stream, 8);
  assert.equal(client.activeStreams, 0);
});

test('GOAWAY in both directions, and PING', async () => {
  const { url, recorder, server } = await ourServer();
  const session = nodeClient(url);
  await once(session, 'connect');
  const pong = new Promise<Buffer>((resolve, reject) => {
    session.ping(Buffer.from('abcdefgh'), (error, _, payload) => (error === null ? resolve(payload) : reject(error)));
  });
  assert.equal((await pong).toString(), 'abcdefgh');
  recorder.handleHead = ({ stream }) => {
    server().announceShutdown();
    setTimeout(() => {
      server().shutdown();
      server().sendHead(stream, responseHead(), true);
    }, 20);
  };
  const request = session.request();
  const goaway = once(session, 'goaway') as Promise<[number, number]>;
  const [head] = (await once(request, 'response')) as [http2.IncomingHttpHeaders];
  assert.equal(head[':status'], 200);
  assert.deepEqual((await goaway).slice(0, 2), [0, 0x7fff_ffff]);

  const listener = http2.createServer();
  listener.on('session', (other) => other.on('error', () => {}));
  listener.on('stream', (stream) => {
    stream.session?.goaway(0, 1);
    stream.respond({ ':status': 204 }, { endStream: true });
  });
  const { client, recorder: seen } = await ourClient(listener);
  const exchange = open(client, seen, requestHead(), true);
  client.ping(Buffer.from('12345678'));
  await until(() => exchange.closed && seen.pings === 1 && seen.goaway !== null);
  assert.equal(exchange.head?.status, 204);
  assert.equal(seen.goaway, '1 0 ');
  assert.equal(client.freeStreams, 0);
});

test('many streams at once, in each direction', async () => {
  const { url, recorder, server } = await ourServer({ maxConcurrentStreams: 50 });
  recorder.handleHead = ({ stream }, headers) => {
    server().sendHead(stream, responseHead(200, [['x-path', headers.path]]), true);
  };
  const session = nodeClient(url);
  await once(session, 'remoteSettings');
  const paths = await Promise.all(
    Array.from({ length: 500 }, async (_, i) => {
      const request = session.request({ ':path': `/${i}` });
      const [head] = (await once(request, 'response')) as [http2.IncomingHttpHeaders];
      request.resume();
      return head['x-path'];
    }),
  );
  assert.deepEqual(
    paths,
    paths.map((_, i) => `/${i}`),
  );
  assert.equal(recorder.counters.get('stream_refused_errors'), undefined);
  session.close();

  const listener = http2.createServer({ settings: { maxConcurrentStreams: 20 } }, (request, response) => {
    response.end(request.url);
  });
  const { client, recorder: seen } = await ourClient(listener);
  await until(() => client.peer.isKnown);
  for (let sent = 0; sent < 300; ) {
    while (client.freeStreams > 0 && sent < 300) open(client, seen, requestHead(`/${sent++}`), true);
    await until(() => client.freeStreams > 0);
  }
  await until(() => client.activeStreams === 0);
  seen.exchanges.forEach((exchange, i) => {
    assert.equal(text(exchange), `/${i}`);
  });
});

test('extended CONNECT and plain CONNECT with nghttp2', async () => {
  const { url, recorder, server } = await ourServer({ allowConnect: true });
  recorder.handleHead = ({ stream }) => server().sendHead(stream, responseHead(), false);
  recorder.handleData = ({ stream }, buf, start, end, endStream) => {
    server().sendData(stream, buf, start, end, false, endStream);
  };
  const session = nodeClient(url);
  const [settings] = (await once(session, 'remoteSettings')) as [http2.Settings];
  assert.equal(settings.enableConnectProtocol, true);
  const socket = session.request(
    { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat' },
    { endStream: false },
  );
  socket.write('hello');
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  assert.equal(chunk.toString(), 'hello');
  assert.equal(recorder.exchanges[0]?.head?.protocol, 'websocket');
  socket.end();
  const tunnel = session.request({ ':method': 'CONNECT', ':authority': 'a:443' }, { endStream: false });
  tunnel.end('bytes');
  assert.equal((await bodyOf(tunnel)).toString(), 'bytes');
  assert.equal(recorder.exchanges[1]?.head?.authority, 'a:443');
  session.close();
});
