// HTTP/2 to upstreams through the whole proxy, against the server of Node: bodies, ends, limits, and who chooses it.
import assert from 'node:assert/strict';
import { type IncomingHttpHeaders, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http';
import {
  connect as connectHttp2,
  createSecureServer,
  createServer,
  type Http2Server,
  type Http2SecureServer,
  type IncomingHttpHeaders as Http2Headers,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ca, server as serverPem } from '../differential/cases/tls-fixtures.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { type Json, scratchFolder } from './heddle.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';
const typed = (type: string, fields: Json = {}): Json => ({ '@type': `${TYPE}.${type}`, ...fields });

/** What the backend does, by path. */
type Handler = (stream: ServerHttp2Stream, headers: Http2Headers) => void;
const handlers = new Map<string, Handler>();
const sessions = new Set<ServerHttp2Session>();
let opened = 0;

function serve(server: Http2Server | Http2SecureServer): void {
  server.on('session', (session: ServerHttp2Session) => {
    opened++;
    sessions.add(session);
    session.on('error', () => undefined);
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: ServerHttp2Stream, headers: Http2Headers) => {
    stream.on('error', () => undefined);
    const path = String(headers[':path']).split('?')[0] as string;
    const handler = handlers.get(path);
    if (handler !== undefined) handler(stream, headers);
    else {
      stream.respond({ ':status': 200, 'x-protocol': 'h2' });
      stream.pipe(stream);
    }
  });
}

async function listen(server: Http2Server | Http2SecureServer | HttpsServer): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

function echoHttp1(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'x-protocol': 'http/1.1' });
  request.pipe(response);
}

type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: NodeJS.Dict<string>;
};

type Sent = {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer | string;
  readonly trailers?: Record<string, string>;
};

describe('HTTP/2 to upstreams', { timeout: 60_000 }, () => {
  const plain = createServer({ maxSessionMemory: 1000, settings: { enableConnectProtocol: true } });
  const single = createServer({ settings: { maxConcurrentStreams: 1 } });
  const both = createSecureServer({ key: serverPem.keyPem, cert: serverPem.chainPem, allowHTTP1: true });
  const old = createHttpsServer({ key: serverPem.keyPem, cert: serverPem.chainPem });
  let proxy: ProxyProcess;
  let port = 0;

  before(async () => {
    for (const server of [plain, single, both]) serve(server);
    old.on('request', echoHttp1);
    both.on('request', (request, response) => {
      if (request.httpVersion === '1.1') echoHttp1(request as never, response as never);
    });
    port = await freePort();
    const ports = {
      plain: await listen(plain),
      single: await listen(single),
      both: await listen(both),
      old: await listen(old),
    };
    proxy = await startProxy('heddle', JSON.stringify(configOf(port, ports)), scratchFolder());
  });

  after(async () => {
    await proxy.stop();
    for (const session of sessions) session.destroy();
    for (const server of [plain, single, both, old]) server.close();
  });

  function ask(path: string, sent: Sent = {}, onAnswer?: (message: IncomingMessage) => void): Promise<Answer> {
    return new Promise((done, fail) => {
      const { method = sent.body === undefined ? 'GET' : 'POST', headers = {} } = sent;
      const request = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false }, (message) => {
        onAnswer?.(message);
        const chunks: Buffer[] = [];
        message.on('data', (chunk: Buffer) => chunks.push(chunk));
        message.on('error', fail);
        message.on('end', () =>
          done({
            status: message.statusCode ?? 0,
            headers: message.headers,
            body: Buffer.concat(chunks),
            trailers: message.trailers,
          }),
        );
      });
      request.on('error', fail);
      if (sent.trailers !== undefined) request.addTrailers(sent.trailers);
      request.end(sent.body);
    });
  }

  async function stat(name: string): Promise<number> {
    const { body } = await proxy.admin(`/stats?filter=^${name.replaceAll('.', '\\.')}$`);
    return Number(body.split(': ')[1] ?? Number.NaN);
  }

  it('carries requests and answers of any size', async () => {
    for (const bytes of [0, 1, 16_384, 100_000, 5_000_000]) {
      const body = Buffer.alloc(bytes, 'abcdefghij');
      const answer = await ask('/plain/echo', { body });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['x-protocol'], 'h2');
      assert.ok(answer.body.equals(body), String(bytes));
    }
  });

  it('shares a connection', async () => {
    const before = opened;
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => ask('/plain/echo', { body: `body ${i}` })));
    answers.forEach(({ body }, i) => assert.equal(body.toString(), `body ${i}`));
    assert.ok(opened - before <= 1);
  });

  it('carries trailers both ways', async () => {
    let seen: unknown;
    handlers.set('/plain/trailers', (stream) => {
      stream.on('trailers', (trailers) => {
        seen = trailers['x-t'];
      });
      stream.on('data', () => undefined);
      stream.on('end', () => {
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-u': '2' }));
        stream.end('ok');
      });
    });
    const headers = { 'transfer-encoding': 'chunked', trailer: 'x-t', te: 'trailers' };
    const answer = await ask('/plain/trailers', { body: 'hello', headers, trailers: { 'x-t': '1' } });
    assert.equal(answer.body.toString(), 'ok');
    assert.equal(seen, '1');
    assert.equal(answer.trailers['x-u'], '2');
  });

  it('passes 100-continue on', async () => {
    handlers.set('/plain/continue', (stream) => {
      stream.additionalHeaders({ ':status': 100 });
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    const answer = await new Promise<string>((done, fail) => {
      const headers = { expect: '100-continue', 'content-length': '5' };
      const request = httpRequest({ host: '127.0.0.1', port, path: '/plain/continue', method: 'POST', headers });
      request.on('continue', () => request.end('hello'));
      request.on('error', fail);
      request.on('response', (message) => {
        message.on('data', (chunk: Buffer) => done(String(chunk)));
      });
      request.flushHeaders();
    });
    assert.equal(answer, 'hello');
  });

  it('does not let a reader that stalls stall others', async () => {
    const huge = Buffer.alloc(64 << 20, 'x');
    handlers.set('/plain/huge', (stream) => {
      stream.respond({ ':status': 200 });
      stream.end(huge);
    });
    const stalled = Array.from({ length: 3 }, () => connect(port, '127.0.0.1'));
    for (const socket of stalled) {
      socket.on('error', () => undefined);
      socket.pause();
      socket.write('GET /plain/huge HTTP/1.1\r\nhost: a\r\n\r\n');
    }
    await sleep(300);
    const body = Buffer.alloc(8 << 20, 'y');
    const answers = await Promise.all([ask('/plain/echo', { body }), ask('/plain/echo', { body: 'small' })]);
    assert.deepEqual([answers[0].status, answers[0].body.length], [200, body.length]);
    assert.ok(answers[0].body.equals(body));
    assert.equal(answers[1].body.toString(), 'small');
    for (const socket of stalled) socket.destroy();
  });

  it('lets streams go on behind GOAWAY and opens another connection for new ones', async () => {
    let finish = (): void => undefined;
    const begun = new Promise<void>((done) => {
      handlers.set('/plain/slow', (stream) => {
        stream.respond({ ':status': 200 });
        stream.write('part ');
        stream.session?.goaway(0);
        finish = () => void stream.end('rest');
        done();
      });
    });
    const slow = ask('/plain/slow');
    await begun;
    await sleep(50);
    const before = opened;
    assert.equal((await ask('/plain/echo', { body: 'new' })).body.toString(), 'new');
    assert.equal(opened, before + 1);
    finish();
    assert.equal((await slow).body.toString(), 'part rest');
    assert.ok((await stat('cluster.plain.upstream_cx_close_notify')) >= 1);
  });

  it('respects a peer that takes one stream at a time', async () => {
    handlers.set('/single/slow', (stream) => {
      setTimeout(() => {
        stream.respond({ ':status': 200 });
        stream.end('ok');
      }, 30);
    });
    await ask('/single/slow');
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('/single/slow')));
    assert.ok(answers.every(({ status }) => status === 200));
    assert.equal(await stat('cluster.single.upstream_rq_rx_reset'), 0);
  });

  it('tells of resets both ways', async () => {
    handlers.set('/plain/reset', (stream) => stream.close(8));
    const answer = await ask('/plain/reset');
    assert.equal(answer.status, 503);
    assert.match(answer.body.toString(), /reset reason: remote reset$/);
    const reset = new Promise<number>((done) => {
      handlers.set('/plain/hang', (stream) => stream.on('close', () => done(stream.rstCode)));
    });
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /plain/hang HTTP/1.1\r\nhost: a\r\n\r\n');
    await sleep(100);
    socket.destroy();
    assert.equal(await reset, 2);
  });

  it('retries what the peer refused', async () => {
    let tries = 0;
    handlers.set('/retry', (stream) => {
      if (++tries === 1) stream.close(7);
      else {
        stream.respond({ ':status': 200 });
        stream.end('second');
      }
    });
    const answer = await ask('/retry');
    assert.equal(answer.body.toString(), 'second');
    assert.equal(tries, 2);
  });

  it('speaks what TLS agrees on', async () => {
    assert.equal((await ask('/auto/both', { body: 'x' })).headers['x-protocol'], 'h2');
    assert.equal((await ask('/auto/old', { body: 'x' })).headers['x-protocol'], 'http/1.1');
    const parallel = await Promise.all(Array.from({ length: 6 }, () => ask('/auto/old', { body: 'x' })));
    assert.ok(parallel.every(({ status }) => status === 200));
    assert.equal(await stat('cluster.auto-both.upstream_cx_http2_total'), 1);
    assert.equal(await stat('cluster.auto-both.upstream_cx_http1_total'), 0);
    assert.equal(await stat('cluster.auto-old.upstream_cx_http2_total'), 0);
    assert.ok((await stat('cluster.auto-old.upstream_cx_http1_total')) >= 1);
  });

  it('speaks what the client speaks', async () => {
    assert.equal((await ask('/same', { body: 'x' })).headers['x-protocol'], 'http/1.1');
    const client = connectHttp2(`http://127.0.0.1:${port}`);
    const headers = await new Promise<Http2Headers>((done, fail) => {
      client.on('error', fail);
      const stream = client.request({ ':path': '/same' });
      stream.on('error', fail);
      stream.on('response', done);
      stream.resume();
    });
    client.destroy();
    assert.equal(headers['x-protocol'], 'h2');
  });

  it('survives a peer that goes away in the middle', async () => {
    handlers.set('/plain/die', (stream) => stream.session?.destroy());
    const answers = await Promise.all([ask('/plain/die'), ask('/plain/die')]);
    for (const { status, body } of answers) {
      assert.equal(status, 503);
      // The server of Node says GOAWAY first, if it can.
      assert.match(body.toString(), /(connection termination|remote refused stream reset)$/);
    }
    assert.equal((await ask('/plain/echo', { body: 'x' })).body.toString(), 'x');
    assert.equal(await stat('cluster.plain.upstream_rq_active'), 0);
    assert.equal(await stat('cluster.plain.http2.streams_active'), 0);
  });
});

const OPTIONS = 'upstreams.http.v3.HttpProtocolOptions';

function configOf(port: number, ports: Readonly<Record<'plain' | 'single' | 'both' | 'old', number>>): Json {
  const address = (of: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: of } });
  const cluster = (name: string, of: number, options: Json, around: Json = {}): Json => ({
    name,
    connect_timeout: '2s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: address(of) } }] }] },
    typed_extension_protocol_options: { [`envoy.extensions.${OPTIONS}`]: typed(OPTIONS, options) },
    ...around,
  });
  const tls: Json = {
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: typed('transport_sockets.tls.v3.UpstreamTlsContext', {
        sni: 'test.example',
        common_tls_context: { validation_context: { trusted_ca: { inline_string: ca.pem } } },
      }),
    },
  };
  const http2: Json = { explicit_http_config: { http2_protocol_options: {} } };
  const auto: Json = { auto_config: { http2_protocol_options: {} } };
  const retry = { retry_policy: { retry_on: 'refused-stream' } };
  const route = (prefix: string, name: string, more: Json = {}): Json => ({
    match: { prefix },
    route: { cluster: name, ...more },
  });
  const manager = typed('filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'test',
    http_protocol_options: { enable_trailers: true },
    proxy_100_continue: true,
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: [
            route('/plain', 'plain'),
            route('/single', 'single'),
            route('/retry', 'plain', retry),
            route('/auto/both', 'auto-both'),
            route('/auto/old', 'auto-old'),
            route('/same', 'same'),
          ],
        },
      ],
    },
    http_filters: [{ name: 'router', typed_config: typed('filters.http.router.v3.Router') }],
  });
  return {
    admin: { address: address(0) },
    static_resources: {
      listeners: [
        {
          name: 'front',
          address: address(port),
          filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }],
        },
      ],
      clusters: [
        cluster('plain', ports.plain, http2),
        cluster('single', ports.single, http2),
        cluster('auto-both', ports.both, auto, tls),
        cluster('auto-old', ports.old, auto, tls),
        cluster('same', ports.both, { use_downstream_protocol_config: { http2_protocol_options: {} } }, tls),
      ],
    },
  };
}
