// Several workers on one process: they serve together, count together, share limits, and end together.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-ports.ts';
import { startProxy, type ProxyProcess } from '../support/proxy-process.ts';
import {
  bootstrap,
  ended,
  get,
  type Json,
  RawConnection,
  runHeddle,
  scratchFolder,
  spawnHeddle,
  startHeddle,
  startUpstream,
  stat,
  stopHeddle,
  until,
  writeConfig,
} from './heddle.ts';

const WORKERS = 3;
const CONCURRENCY = ['--concurrency', String(WORKERS)];

function typed(type: string, fields: Json): Json {
  return { '@type': `type.googleapis.com/envoy.extensions.${type}`, ...fields };
}

/** The bootstrap with changes to its only listener and cluster. */
function changed(ports: { listener: number; upstream: number }, hcm: Json, listener: Json, cluster: Json): Json {
  const base = bootstrap(ports, hcm) as { static_resources: { listeners: Json[]; clusters: Json[] } };
  const { listeners, clusters } = base.static_resources;
  return {
    ...base,
    layered_runtime: { layers: [{ name: 'admin', admin_layer: {} }] },
    static_resources: {
      listeners: listeners.map((one) => ({ ...one, ...listener })),
      clusters: clusters.map((one) => ({ ...one, ...cluster })),
    },
  };
}

/** Whatever a test that failed has left running. */
const running = new Set<() => Promise<void>>();
after(async () => {
  for (const stop of running) await stop();
});

type Rig = { readonly proxy: ProxyProcess; readonly port: number; stop(): Promise<void> };

async function start(parts: { hcm?: Json; listener?: Json; cluster?: Json } = {}, ...args: string[]): Promise<Rig> {
  const upstream = await startUpstream();
  const port = await freePort();
  const config = changed(
    { listener: port, upstream: upstream.port },
    parts.hcm ?? {},
    parts.listener ?? {},
    parts.cluster ?? {},
  );
  const proxy = await startProxy('heddle', JSON.stringify(config), scratchFolder(), [...CONCURRENCY, ...args]);
  const stop = async (): Promise<void> => {
    if (running.delete(stop)) await stopHeddle({ proxy, port, upstream });
  };
  running.add(stop);
  return { proxy, port, stop };
}

/** Opens a connection and waits for the answer to one request on it. */
async function ask(port: number, path = '/'): Promise<RawConnection> {
  const client = new RawConnection(port);
  client.send(get(path));
  await until('an answer', () => client.text.includes('\r\n\r\n') || client.isClosed);
  return client;
}

async function perWorker(proxy: ProxyProcess, name: string): Promise<number[]> {
  const { body } = await proxy.admin(`/stats?filter=worker_\\d\\.${name}$`);
  return [...body.matchAll(/worker_\d\.\w+: (\d+)/g)].map(([, value]) => Number(value));
}

test('workers serve one address, and the admin interface shows them as one proxy', async () => {
  const { proxy, port, stop } = await start();
  const clients: RawConnection[] = [];
  for (let i = 0; i < 40; i++) clients.push(await ask(port, `/${i}`));
  const each = await perWorker(proxy, 'downstream_cx_active');
  assert.equal(each.length, WORKERS);
  assert.equal(
    each.reduce((a, b) => a + b),
    40,
  );
  assert.ok(each.filter((count) => count > 0).length > 1, `only one worker got connections: ${each}`);
  assert.equal(await stat(proxy, 'http.test.downstream_rq_total'), 40);
  assert.equal(await stat(proxy, 'http.test.downstream_cx_active'), 40);
  assert.equal(await stat(proxy, 'cluster.up.upstream_rq_200'), 40);
  assert.equal(await stat(proxy, 'server.total_connections'), 40);
  assert.equal(await stat(proxy, 'server.concurrency'), WORKERS);
  // What each of them counts alike.
  assert.equal(await stat(proxy, 'cluster.up.membership_total'), 1);
  assert.equal(await stat(proxy, 'cluster.up.membership_change'), 1);
  assert.equal(await stat(proxy, 'cluster_manager.active_clusters'), 1);
  assert.equal(await stat(proxy, 'listener_manager.total_listeners_active'), 1);
  assert.equal(await stat(proxy, 'listener_manager.listener_added'), 1);
  assert.equal(await stat(proxy, 'runtime.load_success'), 2);
  const { body: clusters } = await proxy.admin('/clusters');
  assert.match(clusters, /up::127\.0\.0\.1:\d+::rq_total::40\n/);
  assert.equal(clusters.match(/::rq_total::/g)?.length, 1);
  assert.match((await proxy.admin('/listeners')).body, new RegExp(`^front::127\\.0\\.0\\.1:${port}\n$`));
  assert.equal(JSON.parse((await proxy.admin('/server_info')).body).command_line_options.concurrency, WORKERS);
  assert.match((await proxy.admin('/config_dump')).body, /ListenersConfigDump/);
  assert.match((await proxy.admin('/stats/prometheus')).body, /envoy_cluster_upstream_rq_total\{.*"up"\} 40\n/);
  await proxy.admin('/reset_counters', 'POST');
  assert.equal(await stat(proxy, 'http.test.downstream_rq_total'), 0);
  assert.equal(await stat(proxy, 'http.test.downstream_cx_active'), 40);
  for (const client of clients) client.reset();
  await until('the end of all', async () => (await stat(proxy, 'http.test.downstream_cx_active')) === 0);
  await stop();
});

test('histograms of all workers are one', async () => {
  const { proxy, port, stop } = await start();
  for (let i = 0; i < 20; i++) (await ask(port)).reset();
  const count = async (): Promise<string> =>
    (await proxy.admin('/stats/prometheus?filter=upstream_rq_time')).body.match(
      /upstream_rq_time_count.* (\d+)/,
    )?.[1] ?? '';
  await until('the end of an interval', async () => (await count()) === '20', 8_000);
  await stop();
});

test('runtime changes reach all workers, and a limit of connections is that of all', async () => {
  const { proxy, port, stop } = await start();
  await proxy.admin('/runtime_modify?envoy.resource_limits.listener.front.connection_limit=4', 'POST');
  await sleep(50);
  const clients: RawConnection[] = [];
  for (let i = 0; i < 12; i++) clients.push(await ask(port));
  assert.equal(clients.filter((client) => client.text.startsWith('HTTP/1.1 200')).length, 4);
  assert.equal(await stat(proxy, `listener.127.0.0.1_${port}.downstream_cx_overflow`), 8);
  clients.find((client) => !client.isClosed)?.reset();
  await until('a free place', async () => (await stat(proxy, 'server.total_connections')) === 3);
  assert.match((await ask(port)).text, /^HTTP\/1\.1 200/);
  await stop();
});

test('exact balance gives each worker as many connections as the others', async () => {
  const { proxy, port, stop } = await start({ listener: { connection_balance_config: { exact_balance: {} } } });
  const clients: RawConnection[] = [];
  for (let i = 0; i < 30; i++) clients.push(await ask(port, `/${i}`));
  assert.deepEqual(await perWorker(proxy, 'downstream_cx_active'), [10, 10, 10]);
  for (const [i, client] of clients.entries()) assert.ok(client.text.endsWith(`/${i}`));
  for (const client of clients.splice(0, 9)) client.reset();
  await until('the end of nine', async () => (await stat(proxy, 'http.test.downstream_cx_active')) === 21);
  for (let i = 0; i < 9; i++) clients.push(await ask(port));
  assert.deepEqual(await perWorker(proxy, 'downstream_cx_active'), [10, 10, 10]);
  // Many at once, each of which sends at once.
  const burst = Array.from({ length: 30 }, () => new RawConnection(port));
  for (const client of burst) client.send(get('/burst'));
  await until('all answers', () => burst.every((client) => client.text.endsWith('/burst')));
  const each = await perWorker(proxy, 'downstream_cx_active');
  assert.ok(Math.max(...each) - Math.min(...each) <= 2, String(each));
  await stop();
});

test('circuit breakers count the connections and requests of all workers', async () => {
  const listener = { connection_balance_config: { exact_balance: {} } };
  const thresholds = [{ max_connections: 4, max_pending_requests: 3, max_requests: 100 }];
  const { proxy, port, stop } = await start({ listener, cluster: { circuit_breakers: { thresholds } } });
  const clients: RawConnection[] = [];
  // The first ones go to one worker each: an empty pool may always have one connection.
  for (let i = 0; i < 12; i++) {
    clients.push(new RawConnection(port));
    clients.at(-1)?.send(get('/slower'));
    await until('the request', async () => (await stat(proxy, 'http.test.downstream_rq_total')) === i + 1);
  }
  assert.equal(await stat(proxy, 'cluster.up.upstream_cx_active'), 4);
  assert.equal(await stat(proxy, 'cluster.up.upstream_rq_pending_active'), 3);
  assert.equal(await stat(proxy, 'cluster.up.circuit_breakers.default.cx_open'), 1);
  assert.equal(await stat(proxy, 'cluster.up.circuit_breakers.default.rq_pending_open'), 1);
  assert.equal(await stat(proxy, 'cluster.up.upstream_rq_pending_overflow'), 5);
  await until('all answers', () => clients.every((client) => client.text.includes('\r\n\r\n')));
  assert.equal(clients.filter((client) => client.text.startsWith('HTTP/1.1 200')).length, 7);
  assert.equal(await stat(proxy, 'cluster.up.circuit_breakers.default.rq_pending_open'), 0);
  await stop();
});

test('a rate limit is that of all workers', async () => {
  const limit = typed('filters.http.local_ratelimit.v3.LocalRateLimit', {
    stat_prefix: 'limit',
    token_bucket: { max_tokens: 5, tokens_per_fill: 1, fill_interval: '3600s' },
    filter_enabled: { default_value: { numerator: 100 } },
    filter_enforced: { default_value: { numerator: 100 } },
  });
  const router = typed('filters.http.router.v3.Router', {});
  const http_filters = [
    { name: 'limit', typed_config: limit },
    { name: 'router', typed_config: router },
  ];
  const { proxy, port, stop } = await start({ hcm: { http_filters } });
  let admitted = 0;
  for (let i = 0; i < 30; i++) {
    const client = await ask(port);
    if (client.text.startsWith('HTTP/1.1 200')) admitted++;
    else assert.match(client.text, /^HTTP\/1\.1 429/);
    client.reset();
  }
  assert.equal(admitted, 5);
  assert.equal(await stat(proxy, 'limit.http_local_rate_limit.rate_limited'), 25);
  await stop();
});

test('a unix socket and a socket without SO_REUSEPORT are shared by the workers', async () => {
  const path = join(scratchFolder(), 'front.sock');
  const { proxy, stop } = await start({ listener: { address: { pipe: { path, mode: 0o600 } } } });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  for (let i = 0; i < 20; i++) {
    const socket = connect(path);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.write(get(`/${i}`));
    await until('an answer', () => text.endsWith(`/${i}`));
    socket.destroy();
  }
  assert.equal(await stat(proxy, 'http.test.downstream_rq_total'), 20);
  await stop();
  const shared = await start({ listener: { enable_reuse_port: false } });
  for (let i = 0; i < 20; i++) (await ask(shared.port)).reset();
  assert.equal(await stat(shared.proxy, 'http.test.downstream_rq_total'), 20);
  await shared.stop();
});

test('access log lines of all workers are whole, in a file and on a pipe', async () => {
  const path = join(scratchFolder(), 'access.log');
  const log_format = { text_format_source: { inline_string: `[%REQ(:PATH)% ${'x'.repeat(3_000)}]\n` } };
  const logTo = (file: string): Json => ({
    name: 'f',
    typed_config: typed('access_loggers.file.v3.FileAccessLog', { path: file, log_format }),
  });
  const { proxy, port, stop } = await start({ hcm: { access_log: [logTo(path), logTo('/dev/stdout')] } });
  const clients = Array.from({ length: 12 }, () => new RawConnection(port));
  for (let round = 0; round < 20; round++) {
    for (const [i, client] of clients.entries()) client.send(get(`/${i}-${round}`));
    await until('all answers', () => clients.every((client, i) => client.text.endsWith(`/${i}-${round}`)));
  }
  const whole = /^\[\/\d+-\d+ x{3000}\]$/;
  await until('all lines', () => existsSync(path) && readFileSync(path, 'utf8').split('\n').length > 240);
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  assert.equal(lines.length, 240);
  for (const line of lines) assert.match(line, whole);
  await until('all lines on the pipe', () => proxy.output.split('\n').length > 240);
  for (const line of proxy.output.trimEnd().split('\n')) assert.match(line, whole);
  await stop();
});

test('SIGTERM ends all workers at once, and their access logs are complete', async () => {
  const upstream = await startUpstream();
  const port = await freePort();
  const path = join(scratchFolder(), 'access.log');
  const log_format = { text_format_source: { inline_string: '%REQ(:PATH)%\n' } };
  const log = { name: 'f', typed_config: typed('access_loggers.file.v3.FileAccessLog', { path, log_format }) };
  const config = writeConfig(bootstrap({ listener: port, upstream: upstream.port }, { access_log: [log] }));
  const child = spawnHeddle(['-c', config, ...CONCURRENCY]);
  const end = ended(child);
  await until('the listeners', async () => (await ask(port)).text !== '', 60_000);
  const before = readFileSync(path, 'utf8').length;
  assert.equal(before, 0);
  const clients: RawConnection[] = [];
  for (let i = 0; i < 20; i++) clients.push(await ask(port, '/served'));
  clients[0]?.send(get('/slow'));
  const started = performance.now();
  child.kill('SIGTERM');
  assert.equal((await end).code, 0);
  assert.ok(performance.now() - started < 20_000);
  assert.equal(readFileSync(path, 'utf8').match(/^\/served$/gm)?.length, 20);
  await upstream.stop();
});

test('drained listeners take no more connections, those that are there stay', async () => {
  const { proxy, port, stop } = await start();
  const clients: RawConnection[] = [];
  for (let i = 0; i < 9; i++) clients.push(await ask(port));
  assert.equal((await proxy.admin('/drain_listeners', 'POST')).body, 'OK\n');
  await until('refusal', async () => {
    const late = new RawConnection(port);
    await sleep(30);
    return late.isClosed && late.text === '';
  });
  for (const client of clients) client.send(get('/again'));
  await until('answers', () => clients.every((client) => client.text.endsWith('/again')));
  assert.equal(await stat(proxy, 'listener_manager.listener_stopped'), 1);
  await stop();
});

test('a failed health check shows in the answers of all workers', async () => {
  const { proxy, port, stop } = await start();
  await proxy.admin('/healthcheck/fail', 'POST');
  await sleep(50);
  for (let i = 0; i < 10; i++) assert.match((await ask(port)).text, /\r\nconnection: close\r\n/);
  assert.equal((await proxy.admin('/ready')).status, 503);
  await proxy.admin('/healthcheck/ok', 'POST');
  await sleep(50);
  for (let i = 0; i < 10; i++) assert.doesNotMatch((await ask(port)).text, /\r\nconnection: close\r\n/);
  await stop();
});

test('a port that is taken and a configuration that is wrong stop the start', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  const config = writeConfig(bootstrap({ listener: port, upstream: 1 }));
  const failed = await runHeddle('-c', config, ...CONCURRENCY);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /listener "front": cannot bind '127\.0\.0\.1:\d+': Address already in use/);
  taken.close();
  const wrong = await runHeddle('-c', writeConfig(bootstrap({ listener: 1, upstream: 2 }, { codec_type: 'HTTP3' })));
  assert.equal(wrong.code, 1);
});

test('one worker is the default and needs no thread', async () => {
  const { proxy, port, upstream } = await startHeddle();
  const client = await ask(port);
  assert.match(client.text, /^HTTP\/1\.1 200/);
  assert.deepEqual(await perWorker(proxy, 'downstream_cx_total'), [1]);
  await stopHeddle({ proxy, port, upstream });
});
