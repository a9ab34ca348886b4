// What a DNS cache knows, whom it tells, and what it forgets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock, Random } from '../../base/clock.ts';
import { makeCidr } from '../../base/ip.ts';
import { LocalCells } from '../../base/local-cells.ts';
import { DEFAULT_RESOLVER, type Resolution, type ResolveCallback } from '../../net/resolver/resolver.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import { DnsCache } from './dns-cache.ts';
import { DNS_CACHE_DEFAULTS, type DnsCacheConfig } from './dns-cache-config.ts';
import { DnsCaches } from './dns-caches.ts';
import type { DnsEntry } from './dns-entry.ts';

const CONFIG: DnsCacheConfig = {
  ...DNS_CACHE_DEFAULTS,
  name: 'c',
  fingerprint: 'f',
  family: 'V4_ONLY',
  failureBaseMs: 0,
  failureMaxMs: 0,
  refreshesFailures: true,
  preresolved: [],
  denied: null,
  resolver: DEFAULT_RESOLVER,
};

function rig(change: Partial<DnsCacheConfig> = {}) {
  const asked: { readonly name: string; answer: ResolveCallback; isCancelled: boolean }[] = [];
  const clock = new Clock({ now: () => 0 } as never);
  let nowMs = 0;
  Object.defineProperty(clock, 'nowMs', { get: () => nowMs });
  const timers: { fire: () => void; atMs: number }[] = [];
  clock.timer = ((onFire: (owner: unknown) => void, owner: unknown) => {
    const timer = { atMs: -1, fire: () => onFire(owner) };
    timers.push(timer);
    return {
      arm: (ms: number) => {
        timer.atMs = nowMs + ms;
      },
      disarm: () => {
        timer.atMs = -1;
      },
      get isArmed() {
        return timer.atMs >= 0;
      },
    };
  }) as never;
  const stats = new StatStore();
  const resolver = {
    resolve: (name: string, _family: unknown, answer: ResolveCallback) => {
      const one = { name, answer, isCancelled: false };
      asked.push(one);
      return {
        cancel: () => {
          one.isCancelled = true;
        },
      };
    },
    close: () => {},
  };
  const parts = { clock, random: new Random(), stats, shared: new LocalCells(), resolver };
  const told: string[] = [];
  const cache = new DnsCache({ ...CONFIG, ...change }, parts);
  const waiter = (name: string) => ({ onResolved: (entry: DnsEntry) => told.push(`${name}: ${textOf(entry)}`) });
  const pass = (ms: number) => {
    const untilMs = nowMs + ms;
    for (;;) {
      const next = timers.filter((one) => one.atMs >= 0 && one.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      nowMs = next.atMs;
      next.atMs = -1;
      next.fire();
    }
    nowMs = untilMs;
  };
  const stat = (name: string): number => {
    for (const group of stats.scopes()) {
      for (const one of group.stats()) if (one.name === `dns_cache.c.${name}` && 'value' in one) return one.value;
    }
    return Number.NaN;
  };
  return { cache, asked, told, waiter, pass, stat, parts };
}

function textOf(entry: DnsEntry): string {
  const list = entry.addresses.map(({ address, port }) => `${address}:${port}`).join(' ');
  return list === '' ? entry.details : list;
}

function found(...addresses: string[]): Resolution {
  const list = addresses.map((address) => ({ family: 'ipv4', address, ttlS: 30 }) as const);
  return { isFailed: false, details: 'cares_success:Successful completion', addresses: list };
}
const FAILED: Resolution = { isFailed: true, details: 'cares_failure:no way', addresses: [] };

test('one question serves all who wait, and what is known is told at once', () => {
  const { cache, asked, told, waiter, stat } = rig();
  assert.equal(cache.load('a.test:80', 80, waiter('one')), null);
  assert.equal(cache.load('a.test:80', 80, waiter('two')), null);
  assert.deepEqual(
    asked.map(({ name }) => name),
    ['a.test'],
  );
  asked[0]?.answer(found('10.0.0.1'));
  assert.deepEqual(told, ['one: 10.0.0.1:80', 'two: 10.0.0.1:80']);
  const known = cache.load('a.test:80', 80, waiter('three'));
  assert.equal(typeof known === 'object' && known !== null ? textOf(known) : known, '10.0.0.1:80');
  assert.deepEqual([stat('num_hosts'), stat('dns_query_attempt'), stat('host_address_changed')], [1, 1, 1]);
});

test('who gives up is not told, and its place is free again', () => {
  const { cache, asked, told, waiter, stat } = rig({ maxPending: 1 });
  const gone = waiter('gone');
  cache.load('a.test:80', 80, gone);
  assert.equal(cache.checkPending(), false);
  assert.equal(stat('dns_rq_pending_overflow'), 1);
  cache.cancel('a.test:80', gone);
  assert.equal(cache.checkPending(), true);
  asked[0]?.answer(found('10.0.0.1'));
  assert.deepEqual(told, []);
});

test('a full cache takes nobody in', () => {
  const { cache, asked, waiter, stat } = rig({ maxHosts: 1 });
  cache.load('a.test:80', 80, waiter('one'));
  // Not even one who would wait for what is being asked for.
  assert.equal(cache.load('a.test:80', 80, waiter('two')), 'overflow');
  assert.equal(cache.load('b.test:80', 80, waiter('three')), 'overflow');
  asked[0]?.answer(found('10.0.0.1'));
  assert.equal(typeof cache.load('a.test:80', 80, waiter('four')), 'object');
  assert.equal(stat('host_overflow'), 2);
});

test('addresses stay through failures, and a host that nobody uses goes', () => {
  const { cache, asked, waiter, pass, stat } = rig({ hostTtlMs: 100_000 });
  const seen: string[] = [];
  cache.addUser({
    onHost: (entry) => seen.push(textOf(entry)),
    onHostGone: ({ key }) => seen.push(`gone ${key}`),
  });
  cache.load('a.test:80', 80, waiter('one'));
  asked[0]?.answer(found('10.0.0.1'));
  pass(30_000);
  asked[1]?.answer(FAILED);
  pass(60_000);
  asked[2]?.answer(found('10.0.0.2', '10.0.0.3'));
  assert.deepEqual(seen, ['10.0.0.1:80', '10.0.0.2:80 10.0.0.3:80']);
  pass(30_000);
  assert.equal(seen.at(-1), 'gone a.test:80');
  assert.deepEqual([stat('num_hosts'), stat('host_removed'), stat('dns_query_failure')], [0, 1, 1]);
});

test('a time-out is a failure, and gives the question up', () => {
  const { cache, asked, told, waiter, pass, stat } = rig({ timeoutMs: 200 });
  cache.load('a.test:80', 80, waiter('one'));
  pass(250);
  assert.deepEqual(told, ['one: dns_resolution_failure{resolve_timeout}']);
  assert.equal(asked[0]?.isCancelled, true);
  assert.deepEqual([stat('dns_query_timeout'), stat('dns_query_failure')], [1, 1]);
});

test('what failed is asked for when it is wanted, where failures are not refreshed', () => {
  const { cache, asked, told, waiter, pass } = rig({ refreshesFailures: false });
  cache.load('a.test:80', 80, waiter('one'));
  asked[0]?.answer(FAILED);
  pass(600_000);
  assert.equal(asked.length, 1);
  assert.equal(cache.load('a.test:80', 80, waiter('two')), null);
  asked[1]?.answer(found('10.0.0.1'));
  assert.deepEqual(told, ['one: dns_resolution_failure{cares_failure:no_way}', 'two: 10.0.0.1:80']);
});

test('denied addresses are not there, however they are written', () => {
  const ranges = [makeCidr('127.0.0.0', 8), makeCidr('169.254.0.0', 16)].filter((one) => one !== null);
  const { cache, asked, told, waiter, stat } = rig({ denied: { ranges, isInverted: false } });
  cache.load('a.test:80', 80, waiter('one'));
  const mapped = { family: 'ipv6', address: '::ffff:127.0.0.1', ttlS: 30 } as const;
  asked[0]?.answer({ ...found('127.0.0.1'), addresses: [...found('169.254.169.254').addresses, mapped] });
  assert.deepEqual(told, ['one: dns_resolution_failure{address_denied}']);
  assert.equal(stat('dns_address_filter_out'), 2);
  cache.load('b.test:80', 80, waiter('two'));
  asked[1]?.answer(found('127.0.0.1', '10.0.0.1'));
  assert.equal(told.at(-1), 'two: 10.0.0.1:80');
});

test('a cache that goes lets nobody wait', () => {
  const { cache, asked, told, waiter } = rig();
  cache.load('a.test:80', 80, waiter('one'));
  cache.close();
  assert.equal(told.length, 1);
  assert.equal(asked[0]?.isCancelled, true);
});

test('caches are shared by name, and their settings may only change when nobody uses them', () => {
  const { parts } = rig();
  const caches = new DnsCaches(parts, () => parts.resolver);
  assert.equal(caches.claim('c', 'f', '1'), true);
  assert.equal(caches.claim('c', 'other', '1'), false);
  assert.equal(caches.claim('c', 'f', '1'), true);
  const first = caches.acquire(CONFIG);
  assert.equal(caches.acquire(CONFIG), first);
  assert.equal(caches.claim('c', 'other', '2'), false);
  caches.release(first);
  assert.equal(caches.claim('c', 'other', '2'), false);
  caches.release(first);
  assert.equal(caches.claim('c', 'other', '3'), true);
  assert.notEqual(caches.acquire({ ...CONFIG, fingerprint: 'other' }), first);
});
