// Scopes that come by themselves: keys that move and conflict, routes that change without a gap, and routes on demand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatStore } from '../../telemetry/metrics.ts';
import { headerKey } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import type { OnDemandRoutes, RouteTable } from '../route/route.ts';
import { type Holder, Holders, type Want } from './holders.ts';
import { ADS_KEY, type ConfigPlace } from './place.ts';
import { type ScopeChange, type ScopeConfig, type ScopeRefusal, ScopeSets } from './scope-sets.ts';

const PLACE: ConfigPlace = { key: ADS_KEY, source: { kind: 'ads' }, message: { ads: {} }, initialFetchTimeoutMs: 0 };
const KEY = headerKey('x-key');
const CONFIG = {
  name: 'scopes',
  fragments: [{ header: KEY, separator: '', pick: { index: 0 } }],
  place: PLACE,
  routesPlace: PLACE,
};

const scope = (name: string, key: string, routesName: string, more: Partial<ScopeConfig> = {}): ScopeChange => ({
  name,
  scope: { name, key: [key], routesName, table: null, isOnDemand: false, ...more },
});
const gone = (name: string): ScopeChange => ({ name, scope: null });

/** Names itself as the virtual host of every request; `onDemand`: it has none, but somebody to ask. */
function tableOf(name: string, onDemand: OnDemandRoutes | null = null): RouteTable {
  const host = onDemand === null ? { name } : null;
  return {
    ...{ name, virtualHosts: [], internalOnlyHeaders: [`x-${name}`], onDemand },
    virtualHost: () => host as never,
    match: () => null,
  };
}

function headersOf(key: string): Headers {
  const headers = new Headers();
  headers.add(KEY, key);
  return headers;
}

class Rig {
  readonly log: string[] = [];
  readonly stats = new StatStore();
  readonly routes: Holders<RouteTable>;
  readonly sets: ScopeSets;
  holder: Holder<RouteTable>;

  constructor() {
    const note = (what: string) => (want: Want) => void this.log.push(`${what} ${want.name}`);
    const sink = { want: note('want'), unwant: note('unwant') };
    this.routes = new Holders('routes', sink);
    this.sets = new ScopeSets(sink, this.routes, this.stats, () => 0);
    this.holder = this.sets.use(CONFIG, 'http.x.');
  }

  take(...changes: ScopeChange[]): ScopeRefusal[] {
    return this.sets.take(ADS_KEY, changes, true);
  }

  come(name: string, table: RouteTable | null = tableOf(name)): void {
    this.routes.set(name, ADS_KEY, table);
  }

  find(key: string): string {
    return this.holder.current?.virtualHost(headersOf(key))?.name ?? 'none';
  }

  stat(name: string): number | undefined {
    return this.stats.find(`http.x.scoped_rds.scopes.${name}`);
  }
}

/** With scopes a and b, and their routes. */
function started(): Rig {
  const rig = new Rig();
  rig.take(scope('a', 'A', 'ra'), scope('b', 'B', 'rb'));
  rig.sets.settle(ADS_KEY);
  rig.come('ra');
  rig.come('rb');
  return rig;
}

test('scopes and the routes that they name are waited for', () => {
  const rig = new Rig();
  rig.take(
    scope('a', 'A', 'ra'),
    scope('o', 'O', 'ro', { isOnDemand: true }),
    scope('i', 'I', '', { table: tableOf('in') }),
  );
  assert.equal(rig.holder.isSettled, false);
  rig.sets.settle(ADS_KEY);
  assert.equal(rig.holder.isSettled, false);
  rig.come('ra');
  assert.equal(rig.holder.isSettled, true);
  assert.deepEqual(
    ['A', 'O', 'I', 'X'].map((key) => rig.find(key)),
    ['ra', 'none', 'in', 'none'],
  );
  assert.deepEqual(rig.log, ['want *', 'want ra']);
  assert.deepEqual(
    ['all_scopes', 'active_scopes', 'on_demand_scopes', 'config_reload'].map((one) => rig.stat(one)),
    [3, 1, 1, 1],
  );
  assert.deepEqual(rig.holder.current?.internalOnlyHeaders, ['x-ra', 'x-in']);
  rig.routes.release(rig.holder);
  assert.deepEqual(rig.log.slice(2), ['unwant *', 'unwant ra']);
});

test('keys move from one to another, and cannot be of two', () => {
  const rig = started();
  assert.deepEqual(rig.take(scope('a', 'B', 'ra'), scope('b', 'A', 'rb')), []);
  assert.deepEqual([rig.find('A'), rig.find('B')], ['rb', 'ra']);
  const [refusal, ...more] = rig.take(scope('c', 'A', 'rc'), scope('a', 'C', 'ra'));
  const conflict = "scope key conflict found, first scope is 'b', second scope is 'c'";
  assert.deepEqual(refusal, { name: 'c', reason: `Error adding/updating scoped route(s): ${conflict}` });
  assert.deepEqual(more, []);
  assert.deepEqual(
    ['A', 'B', 'C'].map((key) => rig.find(key)),
    ['rb', 'none', 'ra'],
  );
  assert.equal(rig.take(scope('a', 'A', 'ra')).length, 1);
  assert.equal(rig.find('C'), 'ra', 'what it was before stays');
  assert.equal(rig.stat('config_reload'), 2);
  assert.deepEqual(rig.take(gone('b'), scope('a', 'A', 'ra')), []);
  assert.deepEqual([rig.find('A'), rig.find('C')], ['ra', 'none']);
});

test('routes serve until others are there', () => {
  const rig = started();
  let changes = 0;
  rig.holder.listen(() => void changes++);
  rig.take(scope('a', 'A', 'late'));
  assert.equal(rig.find('A'), 'ra');
  assert.deepEqual(rig.log.slice(-2), ['want late', 'unwant ra']);
  changes = 0;
  rig.come('late');
  assert.equal(rig.find('A'), 'late');
  assert.ok(changes > 0, 'whoever goes by it is told');
  rig.come('late', null);
  assert.equal(rig.find('A'), 'none');
});

test('routes come on demand, and their virtual hosts after them', () => {
  const rig = started();
  const asked: ((isThere: boolean) => void)[] = [];
  let gaveUp = 0;
  const host: OnDemandRoutes = {
    ask(_, told) {
      asked.push(told);
      return () => void gaveUp++;
    },
  };
  rig.take(...['o', 'p', 'q', 'r'].map((name) => scope(name, name, `r${name}`, { isOnDemand: true })));
  const told: string[] = [];
  const ask = (key: string): (() => void) | null =>
    rig.holder.current?.onDemand?.ask(headersOf(key), (isThere) => void told.push(`${key} ${isThere}`)) ?? null;
  assert.equal(ask('none'), null);
  assert.equal(ask('A'), null, 'its routes are there');
  assert.ok(ask('o') !== null && ask('o') !== null && ask('p') !== null && ask('q') !== null);
  assert.deepEqual(rig.log.slice(-3), ['want ro', 'want rp', 'want rq']);
  rig.come('ro');
  assert.deepEqual(told, ['o true', 'o true']);
  rig.come('rp', null);
  assert.deepEqual(told.slice(2), ['p false']);
  assert.equal(ask('p'), null, 'there are none');
  rig.come('rq', tableOf('rq', host));
  assert.equal(asked.length, 1);
  asked[0]?.(true);
  assert.deepEqual(told.slice(3), ['q true']);
  const cancel = ask('r');
  rig.come('rr', tableOf('rr', host));
  cancel?.();
  assert.equal(gaveUp, 1);
  // Others use the same routes already.
  rig.take(scope('s', 's', 'ra', { isOnDemand: true }));
  assert.equal(ask('s'), null);
  assert.equal(rig.find('s'), 'ra');
});
