// Network filters that read bytes: what passes, what is held, and in which order it goes on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryProxy } from '../../../test/simulation/memory-proxy.ts';
import type { NetworkConnection, NetworkFilter, NetworkFilterFactory, NetworkFilterStatus } from './filter.ts';
import type { FilterChainConfig } from './filter-chain.ts';

function factoryOf(filter: NetworkFilter): NetworkFilterFactory {
  return { name: '', configType: '', fields: {}, isTerminal: false, decode: () => null, create: () => filter };
}

/** Writes down what it sees and sends it back. */
class Terminal implements NetworkFilter {
  seen: string[] = [];
  connection: NetworkConnection | null = null;
  start(connection: NetworkConnection): void {
    this.connection = connection;
    const { stream } = connection;
    stream.handler = {
      onData: (chunk, start, end) => void this.seen.push(chunk.latin1Slice(start, end)),
      onEnd: () => {
        this.seen.push('<end>');
        stream.end();
      },
      onDrain() {},
      onClose: (failure) => {
        this.seen.push('<close>');
        connection.closed(failure);
      },
    };
  }
}

/** Holds after each of the given calls of `onData`; `seen` are all its calls. */
class Holding implements NetworkFilter {
  seen: string[] = [];
  destroyed = 0;
  readonly #holds: readonly number[];
  readonly #holdsNew: boolean;
  connection: NetworkConnection | null = null;
  constructor(holds: readonly number[], holdsNew = false) {
    this.#holds = holds;
    this.#holdsNew = holdsNew;
  }
  onNewConnection(connection: NetworkConnection): NetworkFilterStatus {
    this.connection = connection;
    return this.#holdsNew ? 'stop' : 'continue';
  }
  onData(_c: NetworkConnection, chunk: Buffer, start: number, end: number, endStream: boolean): NetworkFilterStatus {
    this.seen.push(chunk.latin1Slice(start, end) + (endStream ? '<end>' : ''));
    return this.#holds.includes(this.seen.length) ? 'stop' : 'continue';
  }
  onDestroy(): void {
    this.destroyed++;
  }
}

function serve(filters: readonly NetworkFilter[]): MemoryProxy {
  const rig = new MemoryProxy();
  const [config] = rig.proxy.config.listeners;
  assert.ok(config !== undefined);
  const chain: FilterChainConfig = {
    name: '',
    fingerprint: 'test',
    metadata: null,
    transport: null,
    transportTimeoutMs: 0,
    filters: filters.map((filter) => ({ name: '', factory: factoryOf(filter), config: null })),
  };
  rig.run(() => rig.proxy.worker.listeners.set({ ...config, chains: [{ match: null, chain }] }));
  return rig;
}

test('bytes pass all filters, then the terminal one; so does the end', () => {
  const [a, b, terminal] = [new Holding([]), new Holding([]), new Terminal()];
  const rig = serve([a, b, terminal]);
  const client = rig.exchange('one');
  client.send('two');
  client.end();
  assert.deepEqual(a.seen, ['one', 'two', '<end>']);
  assert.deepEqual(b.seen, ['one', 'two', '<end>']);
  assert.deepEqual(terminal.seen, ['one', 'two', '<end>', '<close>']);
  assert.deepEqual([a.destroyed, b.destroyed], [1, 1]);
  rig.stop();
});

test('what a filter holds goes to those behind it once it continues, and what came meanwhile to all', () => {
  const [a, b, terminal] = [new Holding([1]), new Holding([]), new Terminal()];
  const rig = serve([a, b, terminal]);
  const client = rig.exchange('one');
  client.send('two');
  client.end();
  assert.deepEqual([a.seen, b.seen, terminal.seen], [['one'], [], []]);
  rig.run(() => a.connection?.continueReading());
  assert.deepEqual(a.seen, ['one', 'two', '<end>']);
  assert.deepEqual(b.seen, ['one', 'two', '<end>']);
  assert.deepEqual(terminal.seen, ['one', 'two', '<end>', '<close>']);
  rig.stop();
});

test('two filters may hold one after the other', () => {
  const [a, b, terminal] = [new Holding([1]), new Holding([1]), new Terminal()];
  const rig = serve([a, b, terminal]);
  rig.exchange('one');
  rig.run(() => a.connection?.continueReading());
  assert.deepEqual([b.seen, terminal.seen], [['one'], []]);
  rig.run(() => b.connection?.continueReading());
  assert.deepEqual(terminal.seen, ['one']);
  assert.deepEqual(a.seen, ['one']);
  rig.stop();
});

test('a connection may be held before anybody reads; it may end while it is', () => {
  const [gate, terminal] = [new Holding([], true), new Terminal()];
  const rig = serve([gate, terminal]);
  const client = rig.exchange('one');
  assert.equal(terminal.connection, null);
  rig.run(() => gate.connection?.continueReading());
  assert.deepEqual(terminal.seen, ['one']);
  client.reset();
  assert.deepEqual(terminal.seen, ['one', '<close>']);
  const refused = rig.exchange('two');
  rig.run(() => gate.connection?.close('no-flush', 'refused'));
  assert.equal(refused.isGone, true);
  rig.run(() => gate.connection?.continueReading());
  assert.equal(gate.destroyed, 2);
  assert.equal(rig.stat('listener.127.0.0.1_10000.downstream_cx_active'), 0);
  rig.stop();
});
