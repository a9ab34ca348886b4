// Probes, the health of an application, readiness, and what is read of annotations; against sockets of the test.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { liveEngine } from '../../../test/support/live-engine.ts';
import { Clock, Random } from '../../base/clock.ts';
import { GrpcServer } from '../../grpc/server.ts';
import { unaryMethod, type AnyServerMethod } from '../../grpc/service.ts';
import { registry } from '../../proto/registry.ts';
import { MetricRegistry } from '../../telemetry/prometheus.ts';
import { agentMetrics } from '../metrics.ts';
import { activeConnections, drainProxy } from '../process/drain.ts';
import { readAppProbers } from './app-probers.ts';
import { mergedStats, readScrape } from './merged-stats.ts';
import { type Probe, runProbe } from './probe.ts';
import { Readiness } from './readiness.ts';
import { readWorkloadHealth, WorkloadHealth } from './workload-health.ts';

const { clock, engine, resolver } = liveEngine();
const closers: (() => void)[] = [() => resolver.close()];
after(() => {
  for (const close of closers) close();
});
const parts = { engine, resolver, host: '127.0.0.1' };

async function serve(answer: (path: string) => readonly [number, string]): Promise<number> {
  const server: Server = createServer((request, response) => {
    const [status, body] = answer(request.url ?? '');
    response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end(body);
  });
  closers.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

const until = async (test: () => boolean): Promise<void> => {
  for (let i = 0; i < 300 && !test(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(test());
};

test('applications are probed by HTTP, TCP, gRPC and commands', async () => {
  const port = await serve((path) =>
    path === '/moved' ? [302, ''] : path === '/long' ? [200, 'x'.repeat(20_000)] : [418, 'tea'],
  );
  const health = new GrpcServer({ engine, random: new Random(1) });
  const method = unaryMethod(
    '/grpc.health.v1.Health/Check',
    registry.message('grpc.health.v1.HealthCheckRequest') as never,
    registry.message('grpc.health.v1.HealthCheckResponse') as never,
    (request: { readonly service?: string }, _call, reply) => {
      reply({ status: request.service === 'good' ? 'SERVING' : 'NOT_SERVING' });
      return undefined;
    },
  );
  health.add(method as AnyServerMethod);
  const listener = health.listen({ family: 'ipv4', address: '127.0.0.1', port: 0 });
  assert.ok(!('errno' in listener));
  closers.push(() => health.stop());
  const http = (path: string): Probe => ({ kind: 'http', path, port, isTls: false, host: '', headers: {} });
  const rows: readonly (readonly [Probe, number, RegExp])[] = [
    [http('tea'), 418, /418/],
    // Where it leads is not asked.
    [http('/moved'), 200, /^$/],
    [http('/long'), 200, /./],
    [{ ...http('/'), port: 1 } as Probe, 500, /ECONNREFUSED/],
    [{ ...http('/'), isTls: true } as Probe, 500, /./],
    [{ kind: 'tcp', port, host: '' }, 200, /^$/],
    [{ kind: 'tcp', port: 1, host: '' }, 500, /refused/i],
    [{ kind: 'grpc', port: listener.address.port, service: 'good' }, 200, /^$/],
    [{ kind: 'grpc', port: listener.address.port, service: 'bad' }, 500, /NOT_SERVING/],
    [{ kind: 'grpc', port, service: '' }, 500, /gRPC status/],
    [{ kind: 'exec', command: ['true'] }, 200, /^$/],
    [{ kind: 'exec', command: ['false'] }, 500, /false/],
  ];
  for (const [probe, status, reason] of rows) {
    const result = await runProbe(probe, parts, 1000);
    assert.equal(result.status, status, JSON.stringify(probe));
    assert.match(result.reason, reason);
    assert.ok(result.body.length <= 10_240);
  }
});

test('the health of an application is told when it changes', async () => {
  let status = 500;
  const port = await serve(() => [status, '']);
  const config = readWorkloadHealth({ httpGet: { port, path: '/' }, failureThreshold: 2 });
  assert.ok(typeof config !== 'string');
  const told: string[] = [];
  let proxyProblem: string | null = 'starting';
  const health = new WorkloadHealth(
    { ...config, periodMs: 10 },
    {
      ...{ ...parts, clock },
      proxyProblem: () => Promise.resolve(proxyProblem),
      report: ({ isHealthy, message }) => void told.push(`${isHealthy} ${message}`),
    },
  );
  await new Promise((resolve) => setTimeout(resolve, 60));
  status = 200;
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual(told, []);
  proxyProblem = null;
  await until(() => told.length === 1);
  status = 503;
  await until(() => told.length === 2);
  status = 200;
  await until(() => told.length === 3);
  health.close();
  assert.deepEqual(told, ['true ', 'false status 503', 'true ']);
});

test('a proxy is ready when it has its configuration and serves', async () => {
  const stats = new Map<string, number>();
  const answer = (): string => [...stats].map(([name, value]) => `${name}: ${value}\n`).join('');
  const asked: string[] = [];
  const readiness = new Readiness((_method, path) => {
    asked.push(path);
    return Promise.resolve(
      stats.size === 0 ? { error: 'gone' } : { status: 200, headers: {}, body: Buffer.from(answer()), isCut: false },
    );
  });
  assert.match((await readiness.check()) ?? '', /config not received .*gone/);
  stats.set('cluster_manager.cds.update_success', 1);
  assert.match((await readiness.check()) ?? '', /cds updates: 1 successful, 0 rejected; lds updates: 0 successful/);
  // What was refused has come all the same.
  stats.set('listener_manager.lds.update_rejected', 1).set('server.state', 2);
  assert.match((await readiness.check()) ?? '', /current state is: PRE_INITIALIZING/);
  stats.set('server.state', 0).set('listener_manager.workers_started', 0);
  assert.equal(await readiness.check(), 'workers have not yet started');
  stats.set('listener_manager.workers_started', 1);
  assert.equal(await readiness.check(), null);
  const before = asked.length;
  assert.equal(await readiness.check(), null);
  assert.equal(asked.length, before);
  readiness.isDraining = true;
  assert.match((await readiness.check()) ?? '', /DRAINING/);
});

test('metrics of all come on one page, and what is missing is counted', async () => {
  const proxyPort = await serve((path) => (path === '/stats/prometheus?usedonly=' ? [200, 'proxy 1\n'] : [404, '']));
  const metricRegistry = new MetricRegistry();
  const metrics = agentMetrics(metricRegistry);
  const logs: string[] = [];
  const log = (_level: string, text: string): void => void logs.push(text);
  const application = readScrape('{"port": "1"}', 15_020);
  assert.ok(application !== null && !('error' in application));
  const common = { registry: metricRegistry, metrics, host: '127.0.0.1', proxyPort, log };
  const { body, contentType } = await mergedStats({ ...common, application }, 'usedonly=', {});
  assert.match(body, /istio_agent_scrapes_total 1\n[\s\S]*proxy 1\n$/);
  assert.equal(contentType, 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(logs.join(), /metrics of application: .*ECONNREFUSED/);
  assert.equal(metrics.scrapeFailures.cell('application').value, 1);
  assert.equal(readScrape('{"scrape": "false", "port": "x"}', 1), null);
  for (const text of ['{', '{"port": "x"}', '{"port": "15020"}']) {
    assert.ok('error' in (readScrape(text, 15_020) ?? {}), text);
  }
});

test('probers that are broken are said', () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ['{', /no JSON/],
    ['{"/app-health/x": {}}', /none of a probe/],
    ['{"/app-health/x/livez": {}}', /one of httpGet/],
    ['{"/app-health/x/livez": {"tcpSocket": {"port": 1}, "grpc": {"port": 1}}}', /one of httpGet/],
    ['{"/app-health/x/livez": {"tcpSocket": {"port": "http"}}}', /must be a number/],
  ];
  for (const [text, expected] of rows) {
    const read = readAppProbers(text);
    assert.ok('error' in read, text);
    assert.match(read.error, expected);
  }
});

test('a proxy is drained until nobody is connected, where that is asked for', async () => {
  const counts = [2, 1, 0];
  const asked: string[] = [];
  const ask = (method: string, path: string) => {
    asked.push(`${method} ${path}`);
    const lines = `listener.0.0.0.0_80.downstream_cx_active: ${counts[0]}\nlistener.admin.downstream_cx_active: 5\n`;
    if (method === 'GET') counts.shift();
    return Promise.resolve({ status: 200, headers: {}, body: Buffer.from(lines), isCut: false });
  };
  const manual = new Clock({ manual: true });
  const drain = { terminationMs: 5, exitsOnZeroConnections: true, minimumMs: 1000 };
  const parts = { clock: manual, ask, log: () => {}, ownPorts: [15_021], isOver: () => false };
  const done = drainProxy(parts, drain, false);
  for (let i = 0; i < 60 && counts.length > 0; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    manual.advance(100);
  }
  await done;
  assert.equal(asked[0], 'POST /drain_listeners?graceful&skip_exit');
  assert.equal(asked.length, 4);
  const own = ['admin', 'admin.main_thread', '0.0.0.0_15021', '0.0.0.0_80.worker_0', 'worker_0'];
  const stats = own.map((name) => `listener.${name}.downstream_cx_active: 1\n`).join('');
  assert.equal(activeConnections(stats, [15_021]), 0);
  assert.equal(activeConnections('listener.0.0.0.0_15006.downstream_cx_active: 3\n', [15_021]), 3);
});
