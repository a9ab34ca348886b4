// Which clusters a dynamic forward proxy makes, how many, for how long, and that it uses no one else's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../../base/clock.ts';
import type { LoadBalancerContext } from '../cluster.ts';
import type { ClusterConfig, SubClustersConfig } from '../cluster-config.ts';
import { SubClusterLoadBalancer, type SubClusterTable } from './sub-clusters.ts';

const TEMPLATE = {
  name: 'DFPCluster:name.invalid:0',
  statName: 'DFPCluster:name.invalid:0',
  discovery: { kind: 'DNS', names: [{ name: 'name.invalid', port: 0, endpoint: { hostname: 'name.invalid' } }] },
} as unknown as SubClustersConfig['template'];

type Made = NonNullable<ReturnType<SubClusterTable['get']>>;

/** A table whose clusters serve once `warm` says so. */
function makeTable() {
  const serving = new Map<string, Made>();
  const warming = new Map<string, Made>();
  const waiters = new Map<string, Set<{ onCluster(): void }>>();
  const log: string[] = [];
  const table: SubClusterTable = {
    get: (name) => serving.get(name) ?? null,
    latest: (name) => warming.get(name) ?? serving.get(name) ?? null,
    set: (config: ClusterConfig) => {
      log.push(`set ${config.name}`);
      const lb = { chooseHost: () => `host of ${config.origin?.parent}` } as never;
      warming.set(config.name, { config, lb });
    },
    remove: (name) => {
      log.push(`remove ${name}`);
      warming.delete(name);
      return serving.delete(name);
    },
    awaitCluster: (name, waiter) => waiters.set(name, (waiters.get(name) ?? new Set()).add(waiter)),
    giveUp: (name, waiter) => waiters.get(name)?.delete(waiter),
  };
  const warm = (): void => {
    for (const [name, made] of warming) {
      serving.set(name, made);
      for (const waiter of waiters.get(name) ?? []) waiter.onCluster();
      waiters.delete(name);
    }
    warming.clear();
  };
  return { table, warm, log, serving };
}

function makeClock() {
  const clock = new Clock({ now: () => 0 } as never);
  let nowMs = 0;
  Object.defineProperty(clock, 'nowMs', { get: () => nowMs });
  const timers: { fire: () => void; atMs: number }[] = [];
  clock.timer = ((onFire: (owner: unknown) => void, owner: unknown) => {
    const timer = { atMs: -1, fire: () => onFire(owner) };
    timers.push(timer);
    const arm = (ms: number): void => void (timer.atMs = nowMs + ms);
    return { arm, disarm: () => void (timer.atMs = -1) };
  }) as never;
  const pass = (ms: number): void => {
    const untilMs = nowMs + ms;
    for (let due = timers.filter(({ atMs }) => atMs >= 0 && atMs <= untilMs); due.length > 0; ) {
      const [next] = due.sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      nowMs = next.atMs;
      next.atMs = -1;
      next.fire();
      due = timers.filter(({ atMs }) => atMs >= 0 && atMs <= untilMs);
    }
    nowMs = untilMs;
  };
  return { clock, pass };
}

function rig(change: Partial<SubClustersConfig> = {}, shared = makeTable(), parent = 'dfp') {
  const { clock, pass } = makeClock();
  const config = { maxClusters: 2, ttlMs: 1000, lbPolicy: 'RANDOM', template: TEMPLATE, fingerprint: 'f', ...change };
  const balancer = new SubClusterLoadBalancer(config, { parent, table: shared.table, clock, defaultPort: 80 });
  balancer.start();
  const told: string[] = [];
  const waiter = (name: string) => ({ onCluster: () => void told.push(name) });
  const load = (authority: string) => balancer.load(balancer.nameOf(authority), waiter(authority));
  const touch = (authority: string) => balancer.touch(balancer.nameOf(authority));
  const choose = (authority: string) => balancer.chooseHost({ requestHeaders: { authority } } as LoadBalancerContext);
  return { ...shared, balancer, pass, told, waiter, load, touch, choose };
}

test('a name becomes a cluster of its own, for which its first requests wait', () => {
  const { load, touch, choose, warm, told, log, table } = rig();
  assert.equal(load('a.test'), 'waiting');
  assert.equal(load('a.test:80'), 'waiting');
  assert.deepEqual([touch('a.test'), choose('a.test')], [false, null]);
  warm();
  assert.deepEqual(told, ['a.test', 'a.test:80']);
  assert.deepEqual(log, ['set DFPCluster:a.test:80']);
  assert.deepEqual([touch('a.test'), choose('a.test:80')], [true, 'host of dfp']);
  const { config } = table.get('DFPCluster:a.test:80') as Made;
  assert.deepEqual([config.statName, config.addedViaApi, config.origin?.lbPolicy], [config.name, true, 'RANDOM']);
  const [name] = (config.discovery as unknown as SubClustersConfig['template']['discovery']).names;
  assert.deepEqual([name?.name, name?.port, name?.endpoint.hostname], ['a.test', 80, 'a.test']);
});

test('names are host and port, however they are written', () => {
  const { balancer } = rig();
  const of = (...args: Parameters<typeof balancer.nameOf>): string => balancer.nameOf(...args).cluster;
  assert.equal(of('[::1]:81'), 'DFPCluster:::1:81');
  assert.equal(of('a.test:99999'), 'DFPCluster:a.test:99999:80');
  assert.equal(of('a.test:1', 'b.test:2'), 'DFPCluster:b.test:2:1');
  assert.equal(of('a.test:1', undefined, 3), 'DFPCluster:a.test:3');
});

test('who gives up is not told', () => {
  const { balancer, warm, told, waiter } = rig();
  const name = balancer.nameOf('a.test');
  const one = waiter('one');
  balancer.load(name, one);
  balancer.giveUp(name, one);
  warm();
  assert.deepEqual(told, []);
});

test('there are no more than may be, and those that are there serve on', () => {
  const { load, touch, warm } = rig();
  load('a.test');
  load('b.test');
  assert.equal(load('c.test'), 'overflow');
  warm();
  assert.equal(touch('a.test'), true);
  assert.equal(load('c.test'), 'overflow');
});

test('one that nobody used goes, and others can come', () => {
  const { load, touch, warm, pass, log } = rig();
  load('a.test');
  load('b.test');
  warm();
  pass(1050);
  touch('b.test');
  pass(950);
  assert.deepEqual(log.slice(2), ['remove DFPCluster:a.test:80'], 'looks are every TTL');
  assert.equal(touch('a.test'), false);
  assert.equal(load('c.test'), 'waiting');
});

test('its clusters go with it', () => {
  const { balancer, load, warm, log, pass } = rig();
  load('a.test');
  warm();
  load('b.test');
  balancer.close();
  assert.deepEqual(log.slice(2), ['remove DFPCluster:a.test:80', 'remove DFPCluster:b.test:80']);
  pass(5000);
  assert.equal(log.length, 4);
});

test("another proxy's cluster of that name is used only where it is the same", () => {
  const shared = makeTable();
  const one = rig({}, shared, 'one');
  one.load('a.test');
  shared.warm();
  const twin = rig({}, shared, 'twin');
  assert.equal(twin.touch('a.test'), false, 'it is not counted yet');
  assert.equal(twin.load('a.test'), 'serving');
  assert.equal(twin.choose('a.test'), 'host of one');
  const other = rig({ fingerprint: 'other' }, shared, 'other');
  assert.equal(other.choose('a.test'), null);
  assert.equal(other.load('a.test'), 'waiting');
  shared.warm();
  assert.equal(other.choose('a.test'), 'host of other');
  assert.deepEqual([one.touch('a.test'), one.choose('a.test')], [false, null]);
  one.balancer.close();
  assert.equal(other.choose('a.test'), 'host of other', 'what is not its own stays');
});

test('filter state goes before the request, and without a cluster there is no host', () => {
  const { balancer, load, warm } = rig();
  load('a.test:81');
  warm();
  const value = (text: string) => ({ value: text });
  const filterState = new Map([
    ['envoy.upstream.dynamic_host', value('a.test')],
    ['envoy.upstream.dynamic_port', value('81')],
  ]);
  const context = { requestHeaders: { authority: 'b.test' }, info: { filterState } } as unknown as LoadBalancerContext;
  assert.equal(balancer.chooseHost(context), 'host of dfp');
  const told: string[] = [];
  const tell = (authority: string): void => {
    const none = { requestHeaders: { authority } } as LoadBalancerContext;
    balancer.findHost(none, (host, details) => void told.push(`${host} ${details}`));
  };
  tell('b.test');
  tell('');
  assert.deepEqual(told, ['null no_healthy_upstream', 'null empty_host_header']);
});
