// New access rules under open connections: who is denied ends soon, and nobody else is disturbed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { get, type Json, RawConnection, scratchFolder, stat, until } from './heddle.ts';
import {
  discovered,
  ENDPOINTS,
  endpoints,
  EXTENSION,
  LISTENER,
  listener,
  put,
  type Rig,
  ROUTES,
  routes,
  startRig,
  typed,
} from './xds-types-rig.ts';

/** What is denied ends within a second; the rest is the way of the news. */
const LATEST_MS = 1_500;
const RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC';
const NETWORK_RBAC = 'envoy.extensions.filters.network.rbac.v3.RBAC';
const TLS = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
const TCP_PROXY = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

const denyPrefix = (prefix: string): Json => ({
  action: 'DENY',
  policies: { no: { permissions: [{ url_path: { path: { prefix } } }], principals: [{ any: true }] } },
});
const rbac = (rules: Json): Json => ({ name: 'rbac', typed_config: typed(RBAC, { rules }) });
const NOTHING = '/nothing';

/** Answers at once, or streams for ever, or takes an upgrade and sends back what it gets. */
function startServer(): Promise<Server> {
  const server = createHttpServer((request, response) => {
    if (request.url !== '/stream' && request.url !== '/rewritten') {
      response.end('ok');
      return;
    }
    response.writeHead(200);
    const timer = setInterval(() => response.write('tick '), 20);
    response.on('close', () => clearInterval(timer));
  });
  server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n');
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function startEcho(): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

const portOf = (server: Server): number => (server.address() as { port: number }).port;

/** Runs with a server behind the cluster 'one', and a proxy whose log tells how exchanges ended. */
async function withRig(
  makeServer: () => Promise<Server>,
  prepare: (rig: Pick<Rig, 'ads' | 'port'>, accessLog: readonly Json[]) => void,
  act: (rig: Rig, log: () => string) => Promise<void>,
  args: readonly string[] = [],
): Promise<void> {
  const path = join(scratchFolder(), 'access.log');
  const format = '%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%\n';
  const accessLog = [
    {
      name: 'file',
      typed_config: typed('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
        path,
        log_format: { text_format_source: { inline_string: format } },
      }),
    },
  ];
  const server = await makeServer();
  const rig = await startRig(
    'heddle',
    'DELTA_GRPC',
    (ads, port) => {
      put(ads, ENDPOINTS, 'one', endpoints('one', portOf(server)));
      prepare({ ads, port }, accessLog);
    },
    {},
    ['--file-flush-interval-msec', '20', ...args],
  );
  try {
    await act(rig, () => readFileSync(path, 'latin1'));
  } finally {
    await rig.stop();
    server.close();
    (server as Server & { closeAllConnections?(): void }).closeAllConnections?.();
    server.unref();
  }
}

const UPGRADE = ['Connection: upgrade', 'Upgrade: websocket'];

/** An upgraded connection, a streaming one, and one that is kept alive. */
async function openThree(port: number): Promise<Record<'socket' | 'stream' | 'kept', RawConnection>> {
  const open = { socket: new RawConnection(port), stream: new RawConnection(port), kept: new RawConnection(port) };
  open.socket.send(get('/socket', ...UPGRADE));
  open.stream.send(get('/stream'));
  open.kept.send(get('/kept'));
  await until('all three are open', () => {
    const { socket, stream, kept } = open;
    return socket.text.includes(' 101 ') && stream.text.includes('tick') && kept.text.endsWith('ok');
  });
  return open;
}

const UPGRADES = { upgrade_configs: [{ upgrade_type: 'websocket' }] };

for (const workers of ['1', '2']) {
  test(`HTTP: rules of the listener hold for what is open, and cut nothing else (${workers} workers)`, async () => {
    const http = (port: number, rules: Json, accessLog: readonly Json[]): Json =>
      listener('main', port, [rbac(rules)], { ...UPGRADES, access_log: accessLog });
    let logs: readonly Json[] = [];
    await withRig(
      startServer,
      ({ ads, port }, accessLog) => {
        logs = accessLog;
        put(ads, LISTENER, 'main', http(port, denyPrefix(NOTHING), accessLog));
      },
      async ({ ads, proxy, port }, log) => {
        await until('it serves', async () => (await fetchStatus(port, '/')) === 200, 10_000);
        const open = await openThree(port);
        put(ads, LISTENER, 'main', http(port, denyPrefix('/stream'), logs));
        await until('the stream ends', () => open.stream.isClosed, LATEST_MS);
        await until('its line is written', () => log().includes('/stream 200 policy_changed'));
        put(ads, LISTENER, 'main', http(port, denyPrefix('/socket'), logs));
        await until('the upgraded connection ends', () => open.socket.isClosed, LATEST_MS);
        await until('its line is written', () => log().includes('/socket 101 policy_changed'));
        assert.equal(open.kept.isClosed, false);
        open.kept.send(get('/stream'));
        await until('the same connection streams again', () => open.kept.text.includes('tick'));
        const other = new RawConnection(port);
        other.send(get('/kept') + get('/socket/x'));
        await until('the new rule is there', () => other.text.includes(' 403 '));
        assert.doesNotMatch(open.kept.text, /connection: close/);
        assert.equal(await stat(proxy, 'listener_manager.total_filter_chains_draining'), 1);
      },
      ['--concurrency', workers],
    );
  });
}

async function fetchStatus(port: number, path: string): Promise<number> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0;
  }
}

test('HTTP: rules of a route and rules that are only named hold for what is open', async () => {
  const perRoute = (rules: Json): Json => ({
    typed_per_filter_config: {
      rbac: typed('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', { rbac: { rules } }),
    },
  });
  const rewritten = {
    routes: [
      { match: { prefix: '/asked' }, route: { cluster: 'one', prefix_rewrite: '/rewritten' } },
      { match: { prefix: '/' }, route: { cluster: 'one' } },
    ],
  };
  const named = (rules: Json): Json => ({ ...rbac(rules), name: 'named' });
  await withRig(
    startServer,
    ({ ads, port }, accessLog) => {
      const config = { type_urls: [`type.googleapis.com/${RBAC}`] };
      const filters = [discovered('named', config), rbac(denyPrefix(NOTHING))];
      put(ads, LISTENER, 'main', listener('main', port, filters, { ...UPGRADES, access_log: accessLog }));
      put(ads, EXTENSION, 'named', named(denyPrefix(NOTHING)));
      put(ads, ROUTES, 'routes', routes('routes', rewritten));
    },
    async ({ ads, port }, log) => {
      await until('it serves', async () => (await fetchStatus(port, '/')) === 200, 10_000);
      const open = await openThree(port);
      const asked = new RawConnection(port);
      asked.send(get('/asked'));
      await until('it streams', () => asked.text.includes('tick'));
      put(ads, ROUTES, 'routes', routes('routes', { ...rewritten, ...perRoute(denyPrefix('/socket')) }));
      await until('the upgraded connection ends', () => open.socket.isClosed, LATEST_MS);
      // What the router made of it is not what was asked for.
      put(ads, EXTENSION, 'named', named(denyPrefix('/rewritten')));
      await until('the named rules are others', async () => (await fetchStatus(port, '/rewritten')) === 403);
      await sleep(700);
      assert.equal(asked.isClosed, false);
      put(ads, EXTENSION, 'named', named(denyPrefix('/asked')));
      await until('the rewritten one ends', () => asked.isClosed, LATEST_MS);
      assert.deepEqual([open.stream.isClosed, open.kept.isClosed], [false, false]);
      put(ads, EXTENSION, 'named', named(denyPrefix('/')));
      await until('everything ends', () => open.stream.isClosed, LATEST_MS);
      assert.match(log(), /\/rewritten 200 policy_changed/);
      open.kept.send(get('/kept'));
      await until('the next request is denied', () => open.kept.text.includes(' 403 '));
    },
  );
});

test('HTTP: what has not been answered yet is answered', async () => {
  const silent = (): Promise<Server> =>
    new Promise((resolve) => {
      const server = createServer((socket) => void socket.on('error', () => undefined).resume());
      server.listen(0, '127.0.0.1', () => resolve(server));
    });
  await withRig(
    silent,
    ({ ads, port }) => put(ads, LISTENER, 'main', listener('main', port, [rbac(denyPrefix(NOTHING))])),
    async ({ ads, proxy, port }) => {
      await until('it listens', async () => (await stat(proxy, 'listener_manager.total_listeners_active')) === 1);
      const open = new RawConnection(port);
      open.send(get('/waits'));
      await until('it waits', async () => (await stat(proxy, 'http.main.downstream_rq_active')) === 1);
      put(ads, LISTENER, 'main', listener('main', port, [rbac(denyPrefix('/waits'))]));
      await until('it is answered', () => open.text.includes('RBAC: access denied'), LATEST_MS);
      assert.equal(await stat(proxy, 'http.main.rbac.denied'), 1);
      open.socket.destroy();
    },
  );
});

/** A listener of one chain for each client address. */
function tcpListener(
  port: number,
  chains: Readonly<Record<string, Json>>,
  accessLog: readonly Json[],
  more: Json = {},
) {
  const filter_chains = Object.entries(chains).map(([address, rules]) => ({
    name: address,
    filter_chain_match: { source_prefix_ranges: [{ address_prefix: address, prefix_len: 32 }] },
    filters: [
      { name: 'rbac', typed_config: typed(NETWORK_RBAC, { stat_prefix: 'tcp.', rules }) },
      { name: 'tcp', typed_config: typed(TCP_PROXY, { stat_prefix: 'tcp', cluster: 'one', access_log: accessLog }) },
    ],
  }));
  return {
    name: 'main',
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains,
    ...more,
  };
}

const rule = (action: string): Json => ({
  action,
  policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } },
});

for (const [how, more] of [
  ['in place', {}],
  ['by replacement', { tcp_backlog_size: 77 }],
] as const) {
  test(`TCP: a connection that new rules deny ends, others of the listener stay (${how})`, async () => {
    let logs: readonly Json[] = [];
    await withRig(
      startEcho,
      ({ ads, port }, accessLog) => {
        logs = accessLog;
        put(ads, LISTENER, 'main', tcpListener(port, { '127.0.0.2': rule('ALLOW'), '127.0.0.3': rule('ALLOW') }, logs));
      },
      async ({ ads, proxy, port }, log) => {
        await until('it listens', async () => (await stat(proxy, 'listener_manager.total_listeners_active')) === 1);
        const [denied, allowed] = [new RawConnection(port, '127.0.0.2'), new RawConnection(port, '127.0.0.3')];
        for (const one of [denied, allowed]) {
          one.send('hello');
          await until('it echoes', () => one.text === 'hello');
        }
        const now = { '127.0.0.2': rule('DENY'), '127.0.0.3': { ...rule('DENY'), policies: {} } };
        put(ads, LISTENER, 'main', tcpListener(port, now, logs, more));
        await until('the denied one ends', () => denied.isClosed, LATEST_MS);
        allowed.send('again');
        await until('the other one goes on', () => allowed.text === 'helloagain');
        await until('its line is written', () => log().includes('policy_changed'));
        assert.equal(log().trim().split('\n').length, 1);
        allowed.socket.destroy();
      },
    );
  });
}

test('mTLS: plain connections end when it becomes strict; who shows what is now asked for stays', async () => {
  const ca = makeCa();
  const certificate = makeCertificate({ issuer: ca, sans: [{ dns: 'server.example' }] });
  const clientOf = (name: string) => makeCertificate({ issuer: ca, sans: [{ uri: `spiffe://mesh/${name}` }] });
  const secured = (names: readonly string[]): Json => ({
    name: 'tls',
    typed_config: typed(TLS, {
      require_client_certificate: true,
      common_tls_context: {
        tls_certificates: [
          {
            certificate_chain: { inline_string: certificate.pem },
            private_key: { inline_string: certificate.keyPem },
          },
        ],
        validation_context: {
          trusted_ca: { inline_string: ca.pem },
          match_typed_subject_alt_names: names.map((name) => ({
            san_type: 'URI',
            matcher: { exact: `spiffe://mesh/${name}` },
          })),
        },
      },
    }),
  });
  const inbound = (port: number, names: readonly string[], isStrict: boolean): Json => {
    const filters = [{ name: 'tcp', typed_config: typed(TCP_PROXY, { stat_prefix: 'tcp', cluster: 'one' }) }];
    const protocols = { application_protocols: ['istio'] };
    const chains: Json[] = [
      {
        name: 'tls',
        filter_chain_match: { transport_protocol: 'tls', ...(isStrict ? {} : protocols) },
        transport_socket: secured(names),
        filters,
      },
    ];
    if (!isStrict) chains.push({ name: 'plain', filter_chain_match: { transport_protocol: 'raw_buffer' }, filters });
    return {
      name: 'main',
      address: { socket_address: { address: '127.0.0.1', port_value: port } },
      listener_filters: [
        {
          name: 'inspector',
          typed_config: typed('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector'),
          // Only a plain client that speaks first is known at once.
        },
      ],
      filter_chains: chains,
    };
  };
  await withRig(
    startEcho,
    ({ ads, port }) => put(ads, LISTENER, 'main', inbound(port, ['a', 'b'], false)),
    async ({ ads, proxy, port }) => {
      await until('it listens', async () => (await stat(proxy, 'listener_manager.total_listeners_active')) === 1);
      const plain = new RawConnection(port);
      plain.send('hello');
      await until('it echoes', () => plain.text === 'hello');
      const [a, b] = [await secure(port, ca.pem, clientOf('a')), await secure(port, ca.pem, clientOf('b'))];
      put(ads, LISTENER, 'main', inbound(port, ['a', 'b'], true));
      await until('the plain one ends', () => plain.isClosed, LATEST_MS);
      assert.deepEqual([a.closed, b.closed], [false, false]);
      put(ads, LISTENER, 'main', inbound(port, ['a'], true));
      await until('whose name is not wanted any more ends', () => b.closed, LATEST_MS);
      a.write('still');
      await until('the other one goes on', () => a.read()?.toString() === 'still');
      a.destroy();
    },
  );
});

function secure(port: number, ca: string, { pem, keyPem }: { pem: string; keyPem: string }): Promise<TLSSocket> {
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    ca,
    cert: pem,
    key: keyPem,
    ALPNProtocols: ['istio'],
    checkServerIdentity: () => undefined,
  });
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.write('x');
    socket.once('readable', () => {
      socket.read();
      resolve(socket);
    });
  });
}
