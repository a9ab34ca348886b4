// Virtual hosts of route configurations: what comes, changes and goes, what cannot be, and hosts that are asked for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatStore } from '../../telemetry/metrics.ts';
import { Headers } from '../../wire/headers.ts';
import { OpenTable } from '../route/open-table.ts';
import type { VirtualHost } from '../route/route.ts';
import type { CompiledTable, HostEntry } from '../route/route-table.ts';
import type { Want } from './holders.ts';
import { ADS_KEY, type ConfigPlace } from './place.ts';
import { type HostChange, HostFeed, type HostRefusal, VirtualHosts } from './virtual-hosts.ts';

const PLACE: ConfigPlace = { key: ADS_KEY, source: { kind: 'ads' }, message: { ads: {} }, initialFetchTimeoutMs: 0 };

function entryOf(name: string, domains: readonly string[]): HostEntry {
  return { host: { name, domains } as unknown as VirtualHost, entries: [], tree: null, tlsRedirect: null };
}

function openTable(name: string): OpenTable {
  const more = { ignorePort: false, ignorePathParameters: false, hostHeader: null };
  const open = new OpenTable({ name, internalOnlyHeaders: [], ...more }, PLACE, () => assert.fail());
  open.addOwn(entryOf('own', ['own.test']));
  return open;
}

function headersOf(authority: string): Headers {
  const headers = new Headers();
  headers.authority = authority;
  return headers;
}

/** In these tests the bytes of a host are its domains; 'bad' cannot be decoded. */
const change = (name: string, text: string | null, aliases: readonly string[] = []): HostChange => ({
  ...{ name, bytes: text === null ? null : Buffer.from(text), generation: 1, isAbsent: false },
  aliases: [name, ...aliases],
});
const absent = (name: string): HostChange => ({ ...change(name, null), isAbsent: true });

class Rig {
  readonly log: string[] = [];
  readonly stats = new StatStore();
  readonly hosts: VirtualHosts;
  decoded = 0;

  constructor() {
    const note = (what: string) => (want: Want) => void this.log.push(`${what} ${want.name}`);
    this.hosts = new VirtualHosts({ want: note('want'), unwant: note('unwant') }, this.stats);
    this.hosts.decode = (_, { name, bytes }) => {
      this.decoded++;
      const text = Buffer.from(bytes).toString();
      return text === 'bad' ? 'is bad' : entryOf(name, text.split(' '));
    };
  }

  follow(name: string): { readonly feed: HostFeed; readonly tables: (CompiledTable | null)[] } {
    const open = openTable(name);
    const tables: (CompiledTable | null)[] = [];
    const entries = this.hosts.entriesNow(open);
    assert.ok(typeof entries !== 'string');
    const feed = this.hosts.follow(open, entries, `vhds.${name}.`, (table) => void tables.push(table));
    assert.ok(feed instanceof HostFeed);
    return { feed, tables };
  }

  take(...changes: HostChange[]): HostRefusal[] {
    const refused: HostRefusal[] = [];
    for (const _ of this.hosts.take(ADS_KEY, changes, refused));
    return refused;
  }
}

const found = (tables: readonly (CompiledTable | null)[], host: string): string => {
  const table = tables.filter((one) => one !== null).at(-1);
  return table?.virtualHost(headersOf(host))?.name ?? 'none';
};

test('a table serves once its first hosts are there, and anew with each change', () => {
  const rig = new Rig();
  const { tables } = rig.follow('a');
  assert.deepEqual(rig.log, ['want a/']);
  assert.deepEqual(rig.take(change('a/1', 'one.test'), change('b/1', 'other.test')), []);
  assert.equal(tables.length, 0);
  rig.hosts.settle(ADS_KEY, 'a/');
  assert.equal(tables.length, 1);
  assert.deepEqual(
    ['own.test', 'one.test', 'other.test'].map((host) => found(tables, host)),
    ['own', 'a/1', 'none'],
  );
  rig.take(change('a/1', 'uno.test'), change('a/2', 'two.test'));
  assert.deepEqual(
    ['one.test', 'uno.test', 'two.test'].map((host) => found(tables, host)),
    ['none', 'a/1', 'a/2'],
  );
  const { decoded } = rig;
  rig.take(change('a/2', 'two.test'));
  assert.equal(rig.decoded, decoded, 'equal bytes are no change');
  rig.take(change('a/1', null), change('a/9', null));
  assert.equal(found(tables, 'uno.test'), 'none');
  assert.equal(tables.filter((table) => table !== null).length, 3);
  // What came for others is there when somebody uses it.
  const late = rig.follow('b');
  rig.hosts.settle(ADS_KEY, 'b/');
  assert.equal(found(late.tables, 'other.test'), 'b/1');
  const reloads = (name: string): number | undefined => rig.stats.find(`vhds.${name}.config_reload`);
  assert.deepEqual([reloads('a'), reloads('b')], [4, 0]);
});

test('what cannot be is refused alone, in every table that uses it', () => {
  const rig = new Rig();
  const one = rig.follow('a');
  const two = rig.follow('a');
  rig.hosts.settle(ADS_KEY, 'a/');
  rig.take(change('a/1', 'one.test'));
  const refused = rig.take(
    ...[change('a/2', 'bad'), change('a/3', 'three.test'), change('a/4', 'four.test one.test')],
    ...[change('a/1', 'one.test'), change('a/5', 'five.test own.test')],
  );
  const twice = (domain: string): string =>
    `Only unique values for domains are permitted. Duplicate entry of domain ${domain} in route a`;
  assert.deepEqual(refused, [
    { name: 'a/2', reason: 'is bad' },
    { name: 'a/4', reason: twice('one.test') },
    { name: 'a/5', reason: twice('own.test') },
  ]);
  for (const { tables } of [one, two]) {
    const hosts = ['one.test', 'three.test', 'four.test', 'five.test'];
    assert.deepEqual(
      hosts.map((host) => found(tables, host)),
      ['a/1', 'a/3', 'none', 'none'],
    );
  }
  // What held a domain goes with the update that gives it to another.
  assert.deepEqual(rig.take(change('a/1', null), change('a/4', 'one.test')), []);
  assert.equal(found(one.tables, 'one.test'), 'a/4');
});

test('hosts are asked for once, and whoever waits is told', () => {
  const rig = new Rig();
  const { feed, tables } = rig.follow('a');
  rig.hosts.settle(ADS_KEY, 'a/');
  const told: string[] = [];
  const ask = (host: string): (() => void) | null =>
    feed.ask(headersOf(host), (isThere) => void told.push(`${host} ${isThere}`));
  ask('One.test');
  const cancel = ask('one.test');
  ask('one.test');
  cancel?.();
  assert.equal(ask(''), null);
  assert.equal(ask('a/b'), null);
  assert.deepEqual(rig.log, ['want a/', 'want a/one.test']);
  rig.take(change('a/first', 'one.test', ['a/one.test']));
  assert.deepEqual(told, ['One.test true', 'one.test true']);
  assert.equal(found(tables, 'one.test'), 'a/first');
  ask('two.test');
  rig.take(absent('a/two.test'));
  assert.equal(ask('two.test'), null, 'the server says when there is one');
  ask('three.test');
  rig.take(change('a/three.test', null));
  ask('four.test');
  feed.close();
  assert.deepEqual(told.slice(2), ['two.test false', 'three.test false', 'four.test false']);
  const hosts = ['one', 'two', 'three', 'four'].map((name) => `unwant a/${name}.test`);
  assert.deepEqual(rig.log.slice(-5), [...hosts, 'unwant a/']);
});

test('clients that invent hosts do not fill the memory', () => {
  const rig = new Rig();
  const { feed } = rig.follow('a');
  rig.hosts.settle(ADS_KEY, 'a/');
  let answers = 0;
  const ask = (host: string): (() => void) | null => feed.ask(headersOf(host), () => void answers++);
  const cancels = Array.from({ length: 10_000 }, (_, i) => ask(`h${i}`));
  assert.equal(ask('more'), null, 'all of them are waited for');
  cancels[7]?.();
  rig.take(absent('a/h3'), change('a/h4', 'h4'));
  assert.equal(answers, 2);
  assert.ok(ask('more') !== null);
  assert.deepEqual(rig.log.slice(-2), ['unwant a/h3', 'want a/more']);
  assert.ok(ask('most') !== null);
  assert.deepEqual(rig.log.slice(-2), ['unwant a/h7', 'want a/most']);
  assert.equal(ask('one more'), null, 'what exists is kept');
});
