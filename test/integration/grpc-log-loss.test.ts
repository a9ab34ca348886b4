// Access log services that fail: the proxy goes on, keeps little, comes back, and counts what it lost.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { freePort } from '../support/free-ports.ts';
import { LogService } from '../support/log-service.ts';
import { type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { address, cluster, HTTP2, typed } from './grpc-access-log-rig.ts';
import { type Json, scratchFolder, stat, until } from './heddle.ts';

const COUNTS = 'access_logs.grpc_access_log.';

type Rig = { readonly proxy: ProxyProcess; readonly port: number; readonly logPort: number };

async function start(common: Json, clusters: (port: number) => Json[], ...flags: string[]): Promise<Rig> {
  const [port, logPort] = [await freePort(), await freePort()];
  const service = common['grpc_service'] as ((port: number) => Json) | undefined;
  const log = typed('envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig', {
    common_config: {
      log_name: 'log',
      buffer_flush_interval: '0.05s',
      ...common,
      grpc_service: service === undefined ? { envoy_grpc: { cluster_name: 'log' } } : service(logPort),
    },
  });
  const manager = typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'test',
    access_log: [{ name: 'als', typed_config: log }],
    route_config: {
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] },
      ],
    },
    http_filters: [{ name: 'router', typed_config: typed('envoy.extensions.filters.http.router.v3.Router') }],
  });
  const config = {
    admin: { address: address(0) },
    static_resources: {
      listeners: [
        {
          name: 'front',
          address: address(port),
          filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }],
        },
      ],
      clusters: clusters(logPort),
    },
  };
  return { proxy: await startProxy('heddle', JSON.stringify(config), scratchFolder(), flags), port, logPort };
}

const overHttp2 = (port: number): Json[] => [cluster('log', port, HTTP2)];

/** Sends so many requests over one connection, and waits for their answers. */
async function ask(port: number, count: number, path = '/'): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  let answers = 0;
  let rest = '';
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => {
      const text = rest + chunk.toString('latin1');
      const parts = text.split('HTTP/1.1 200');
      answers += parts.length - 1;
      rest = (parts.at(-1) as string).slice(-12);
      if (answers === count) resolve();
    });
    const request = `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
    for (let i = 0; i < count; i++) socket.write(request);
  });
  socket.destroy();
}

function residentMiB(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) / 1024;
}

test('a service that goes away and comes back gets the entries of then', { timeout: 60_000 }, async () => {
  const { proxy, port, logPort } = await start({}, overHttp2);
  try {
    const first = new LogService(logPort);
    await ask(port, 3);
    await until('three entries', () => first.entries('http_logs').length === 3);
    first.stop();
    await ask(port, 5);
    await until('all to be sent', async () => (await stat(proxy, `${COUNTS}grpc_entries_flushed`)) === 8);
    const second = new LogService(logPort);
    await ask(port, 2, '/again');
    await until('entries again', () => second.entries('http_logs').length > 0);
    const [message] = second.messages;
    assert.ok(message?.message['identifier'], 'a new stream says who tells');
    assert.equal(await stat(proxy, `${COUNTS}logs_dropped`), 0);
    second.stop();
  } finally {
    await proxy.stop();
  }
});

test('a service that does not read costs entries, no memory', { timeout: 60_000 }, async () => {
  const { proxy, port, logPort } = await start({ buffer_size_bytes: 50_000 }, overHttp2);
  const service = new LogService(logPort);
  try {
    service.isSlow = true;
    const path = `/${'x'.repeat(8000)}`;
    await ask(port, 200, path);
    const before = residentMiB(proxy.pid);
    for (let i = 0; i < 10; i++) await ask(port, 500, path);
    const dropped = await stat(proxy, `${COUNTS}logs_dropped`);
    const written = await stat(proxy, `${COUNTS}logs_written`);
    assert.ok(dropped > 3000, `${dropped} were dropped`);
    assert.equal(dropped + written, 5200);
    const grown = residentMiB(proxy.pid) - before;
    assert.ok(grown < 40, `${grown} MiB more`);
    // It reads on: what waited comes, and new entries too.
    service.isSlow = false;
    for (const call of service.calls) call.resumeReading();
    // Entries are dropped until the service has caught up.
    await until('a new entry', async () => {
      await ask(port, 1, '/after');
      return service.entries('http_logs').some((one) => (one['request'] as { path?: string }).path === '/after');
    });
  } finally {
    await proxy.stop();
    service.stop();
  }
});

test('every worker tells of its own requests', { timeout: 60_000 }, async () => {
  const { proxy, port, logPort } = await start({}, overHttp2, '--concurrency', '2');
  const service = new LogService(logPort);
  try {
    for (let i = 0; i < 20; i++) await ask(port, 2);
    await until('all entries', () => service.entries('http_logs').length === 40);
    assert.equal(await stat(proxy, `${COUNTS}logs_written`), 40);
    assert.ok(service.heads.length <= 2);
  } finally {
    await proxy.stop();
    service.stop();
  }
});

test('a target of the gRPC library', { timeout: 60_000 }, async () => {
  const target = (port: number): Json => ({
    google_grpc: { target_uri: `dns:///localhost:${port}`, stat_prefix: 'library' },
  });
  const { proxy, port, logPort } = await start({ grpc_service: target as never }, () => []);
  const service = new LogService(logPort);
  try {
    await ask(port, 2);
    await until('the entries', () => service.entries('http_logs').length === 2, 10_000);
    assert.ok(service.heads[0]?.includes(`:authority: localhost:${logPort}`));
    assert.ok((await stat(proxy, 'grpc.library.streams_total')) >= 1);
  } finally {
    await proxy.stop();
    service.stop();
  }
});
