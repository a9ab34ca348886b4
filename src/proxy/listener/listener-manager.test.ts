// Listeners that change under traffic: in place, by replacement, and hand-off by original destination.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Address } from '../../base/byte-stream.ts';
import { get, LISTENER, MemoryProxy, response } from '../../../test/simulation/memory-proxy.ts';
import type { HttpManagerParts } from '../http/http-manager.ts';
import type { NetworkConnection, NetworkFilterFactory } from '../network/filter.ts';
import type { FilterChainConfig } from '../network/filter-chain.ts';
import type { ListenerFilter, ListenerFilterFactory } from './filter.ts';
import { MATCH_ALL } from './filter-chain-match.ts';
import type { ListenerConfig } from './listener-config.ts';

function configOf(rig: MemoryProxy): ListenerConfig {
  const [config] = rig.proxy.config.listeners;
  assert.ok(config !== undefined);
  return config;
}

/** A chain of one filter. */
function chainOf(name: string, start: (connection: NetworkConnection) => void): FilterChainConfig {
  const factory: NetworkFilterFactory = {
    name: 'test',
    configType: 'test.Test',
    fields: {},
    isTerminal: true,
    decode: () => null,
    create: () => ({ start }),
  };
  const filters = [{ name: 'test', factory, config: null }];
  return { name, fingerprint: name, metadata: null, transport: null, transportTimeoutMs: 0, filters };
}

/** A chain that says its name and closes. */
function namedChain(name: string): FilterChainConfig {
  return chainOf(name, (connection) => {
    const { stream } = connection;
    stream.handler = { onData() {}, onEnd() {}, onDrain() {}, onClose: (failure) => connection.closed(failure) };
    stream.writeLatin1(name);
    connection.close('flush', 'said its name');
  });
}

/** A chain that sends everything back. */
function echoChain(name: string): FilterChainConfig {
  return chainOf(name, (connection) => {
    const { stream } = connection;
    stream.handler = {
      onData: (chunk, start, end) => stream.writeBorrowed(chunk, start, end),
      onEnd: () => stream.end(),
      onDrain() {},
      onClose: (failure) => connection.closed(failure),
    };
  });
}

/** The same chain with other statistics. */
function countingElsewhere({ match, chain }: ListenerConfig['chains'][number]): ListenerConfig['chains'][number] {
  const filters = chain.filters.map((filter) => {
    const parts = filter.config as HttpManagerParts;
    return { ...filter, config: { ...parts, config: { ...parts.config, statPrefix: 'other' } } };
  });
  return { match, chain: { ...chain, fingerprint: 'other', filters } };
}

/** A listener filter that restores an original destination, after it has seen so many bytes. */
function restoring(original: Address, bytes = 0): ListenerFilterFactory {
  const filter: ListenerFilter = {
    maxReadBytes: 16,
    onAccept(socket) {
      if (bytes > 0) return 'more';
      socket.localAddress = original;
      socket.isLocalAddressRestored = true;
      return 'continue';
    },
    onData(socket, seen) {
      if (seen.length < bytes) return 'more';
      socket.localAddress = original;
      socket.isLocalAddressRestored = true;
      return 'continue';
    },
  };
  return { name: 'test', configType: 'test', fields: {}, decode: () => null, create: () => () => filter };
}

test('an equal version changes nothing; another chain is taken on in place and the connections of others stay', () => {
  const rig = new MemoryProxy();
  const { listeners } = rig.proxy.worker;
  const config = configOf(rig);
  const idle = rig.exchange(get('/'));
  assert.equal(listeners.set(config), 'unchanged');
  const onPort = { ...MATCH_ALL, destinationPort: LISTENER.port };
  rig.run(() => {
    const chains = [...config.chains, { match: onPort, chain: namedChain('port') }];
    assert.equal(listeners.set({ ...config, chains }), 'updated-in-place');
  });
  assert.equal(idle.isGone, false);
  assert.equal(rig.connect().text, 'port');
  idle.send(get('/again'));
  assert.deepEqual(idle.answers, ['200 ok', '200 ok']);
  assert.equal(rig.stat('listener_manager.listener_in_place_updated'), 1);
  assert.equal(rig.stat('listener_manager.listener_modified'), 1);
  assert.equal(rig.stat('listener_manager.total_filter_chains_draining'), 0);
  rig.stop();
});

test('an address is one listener’s alone, as long as it has it', () => {
  const rig = new MemoryProxy();
  const { listeners } = rig.proxy.worker;
  const config = configOf(rig);
  const other = { ...config, name: 'other', fingerprint: 'other' };
  rig.run(() => {
    const outcome = listeners.set(other);
    assert.ok(typeof outcome === 'object');
    assert.match(outcome.error, /^error adding listener: 'other' has duplicate address '127\.0\.0\.1:10000' as /);
  });
  assert.deepEqual(
    listeners.statuses().map(({ name }) => name),
    ['test'],
  );
  assert.deepEqual(rig.exchange(get('/')).answers, ['200 ok']);
  rig.run(() => {
    listeners.remove('test');
    assert.equal(listeners.set(other), 'added');
  });
  assert.deepEqual(rig.exchange(get('/')).answers, ['200 ok']);
  rig.stop();
});

test('a chain that is gone drains: idle connections end, others with their exchange, the rest at the end', () => {
  const rig = new MemoryProxy();
  const { listeners } = rig.proxy.worker;
  const config = configOf(rig);
  rig.upstream.reply = () => '';
  const idle = rig.connect();
  const busy = rig.exchange(get('/'));
  const stuck = rig.exchange(get('/'));
  rig.run(() => listeners.set({ ...config, chains: [{ match: null, chain: namedChain('new') }] }));
  assert.equal(idle.isGone, true);
  assert.equal(rig.stat('listener_manager.total_filter_chains_draining'), 1);
  assert.equal(rig.connect().text, 'new');
  rig.upstream.connections[0]?.send(response('ok'));
  assert.match(busy.text, /\r\nconnection: close\r\n/);
  rig.advance(2_000);
  assert.deepEqual([busy.isGone, stuck.isGone], [true, false]);
  rig.advance(600_000);
  assert.equal(stuck.isGone, true);
  assert.equal(rig.stat('listener_manager.total_filter_chains_draining'), 0);
  rig.stop();
});

test('an idle connection goes on under a chain that counts elsewhere', () => {
  const rig = new MemoryProxy();
  const { listeners } = rig.proxy.worker;
  const config = configOf(rig);
  const idle = rig.exchange(get('/'));
  rig.run(() => listeners.set({ ...config, chains: config.chains.map(countingElsewhere) }));
  assert.equal(idle.isGone, false);
  idle.send(get('/again'));
  assert.deepEqual([idle.answers, idle.isGone], [['200 ok', '200 ok'], false]);
  assert.doesNotMatch(idle.text, /connection: close/);
  idle.close();
  assert.equal(rig.stat('http.test.downstream_cx_active'), 0);
  assert.equal(rig.stat('http.other.downstream_cx_active'), 0);
  rig.stop();
});

test('a chain that nothing succeeds drains: a request that is on its way is answered, and is the last', () => {
  const rig = new MemoryProxy();
  const { listeners } = rig.proxy.worker;
  const [idle, silent, fresh] = [rig.exchange(get('/')), rig.exchange(get('/')), rig.connect()];
  const onPort = { ...MATCH_ALL, destinationPort: 1 };
  rig.run(() => listeners.set({ ...configOf(rig), chains: [{ match: onPort, chain: namedChain('port') }] }));
  assert.deepEqual([idle.isGone, silent.isGone, fresh.isGone], [false, false, false]);
  idle.send(get('/again'));
  fresh.send(get('/'));
  for (const one of [idle, fresh]) assert.match(one.text, /\r\nconnection: close\r\n/);
  rig.advance(2_000);
  assert.deepEqual([idle.isGone, silent.isGone, fresh.isGone], [true, false, true]);
  rig.advance(600_000);
  assert.equal(silent.isGone, true);
  rig.stop();
});

test('a version that differs otherwise takes the socket over while the old one drains', () => {
  const rig = new MemoryProxy({ options: { drainTimeMs: 1000, drainStrategy: 'immediate' } });
  const { listeners } = rig.proxy.worker;
  const config = configOf(rig);
  const kept = rig.exchange(get('/'));
  const chains = [{ match: null, chain: echoChain('echo') }];
  rig.run(() => assert.equal(listeners.set({ ...config, fingerprint: 'other', backlog: 7, chains }), 'updated'));
  const echoed = rig.exchange('hello');
  assert.equal(echoed.text, 'hello');
  // What now stands there speaks no HTTP: by whose rules should it judge another request?
  assert.deepEqual([kept.answers, kept.isGone], [['200 ok'], true]);
  assert.equal(rig.stat('listener_manager.total_listeners_draining'), 1);
  rig.advance(2_000);
  assert.equal(rig.stat('listener_manager.total_listeners_draining'), 0);
  assert.equal(echoed.isGone, false);
  rig.stop();
});

test('a removed listener takes nothing new; its connections have the drain time', () => {
  const rig = new MemoryProxy({ options: { drainTimeMs: 1000 } });
  const { listeners } = rig.proxy.worker;
  rig.upstream.reply = () => '';
  const busy = rig.exchange(get('/'));
  rig.run(() => assert.equal(listeners.remove('test'), true));
  assert.throws(() => rig.connect(), /does not listen/);
  assert.equal(busy.isGone, false);
  rig.advance(1_100);
  assert.equal(busy.isGone, true);
  assert.equal(rig.stat('listener_manager.listener_removed'), 1);
  assert.equal(rig.stat('listener_manager.total_listeners_active'), 0);
  rig.stop();
});

test('a connection goes to the listener of its original destination, with the bytes that were looked at', () => {
  const rig = new MemoryProxy();
  const { listeners } = rig.proxy.worker;
  const config = configOf(rig);
  const wanted: Address = { family: 'ipv4', address: '10.1.2.3', port: 443 };
  const at = (address: Address) => [{ address, ipv4Compat: false, pipeMode: 0, socketOptions: [] }];
  const other = { ...config, bindToPort: false, listenerFilters: [], chains: [{ match: null, chain: echoChain('e') }] };
  rig.run(() => {
    const filters = [{ name: '', factory: restoring(wanted, 4), config: null, isDisabled: null }];
    listeners.set({ ...config, fingerprint: 'a', handsOff: true, listenerFilters: filters });
    const any: Address = { family: 'ipv4', address: '0.0.0.0', port: 443 };
    const wildcard = [{ match: null, chain: namedChain('any') }];
    listeners.set({ ...other, name: 'any', fingerprint: 'w', addresses: at(any), chains: wildcard });
  });
  const client = rig.connect();
  client.send('abc');
  assert.equal(rig.stat('listener.127.0.0.1_10000.downstream_pre_cx_active'), 1);
  client.send('def');
  assert.equal(client.text, 'any');
  rig.run(() => listeners.set({ ...other, name: 'exact', fingerprint: 'e', addresses: at(wanted) }));
  assert.equal(rig.exchange('abcdef').text, 'abcdef');
  assert.equal(rig.stat('listener.10.1.2.3_443.downstream_cx_active'), 1);
  assert.equal(rig.stat('listener.127.0.0.1_10000.downstream_pre_cx_active'), 0);
  rig.stop();
});

test('an original destination that is the proxy itself is not taken for one', () => {
  const rig = new MemoryProxy();
  const config = configOf(rig);
  let restored: boolean | undefined;
  const chain = echoChain('e');
  const create = chain.filters[0]?.factory.create;
  const filters = [{ name: '', factory: restoring(LISTENER), config: null, isDisabled: null }];
  const seeing: FilterChainConfig = {
    ...chain,
    filters: [
      {
        name: '',
        config: null,
        factory: {
          ...(chain.filters[0]?.factory as NetworkFilterFactory),
          create: (settings, context) => {
            const filter = create?.(settings, context);
            return {
              start(connection) {
                restored = connection.connection.isLocalAddressRestored;
                filter?.start?.(connection);
              },
            };
          },
        },
      },
    ],
  };
  const chains = [{ match: null, chain: seeing }];
  rig.run(() => rig.proxy.worker.listeners.set({ ...config, fingerprint: 'a', listenerFilters: filters, chains }));
  assert.equal(rig.exchange('x').text, 'x');
  assert.equal(restored, false);
  rig.stop();
});

test('listener filters that wait have their time; then the socket closes, or goes on if it may', () => {
  const rig = new MemoryProxy();
  const config = configOf(rig);
  const never = restoring(LISTENER, 10);
  const listenerFilters = [{ name: '', factory: never, config: null, isDisabled: null }];
  const chains = [{ match: null, chain: namedChain('late') }];
  const base = { ...config, listenerFilters, listenerFiltersTimeoutMs: 1000, chains };
  rig.run(() => rig.proxy.worker.listeners.set({ ...base, fingerprint: 'a' }));
  const closed = rig.connect();
  rig.advance(1_100);
  assert.equal(closed.isGone, true);
  assert.equal(rig.stat('listener.127.0.0.1_10000.downstream_pre_cx_timeout'), 1);
  rig.run(() => rig.proxy.worker.listeners.set({ ...base, fingerprint: 'b', continueOnListenerFiltersTimeout: true }));
  const served = rig.connect();
  rig.advance(1_100);
  assert.equal(served.text, 'late');
  const left = rig.connect();
  left.close();
  assert.equal(rig.stat('listener.127.0.0.1_10000.downstream_listener_filter_remote_close'), 1);
  rig.stop();
});

test('stopping and draining may be for inbound listeners only', () => {
  const rig = new MemoryProxy({ options: { drainTimeMs: 1000, drainStrategy: 'immediate' } });
  const { listeners } = rig.proxy.worker;
  const kept = rig.exchange(get('/'));
  rig.run(() => listeners.drainInbound());
  rig.run(() => listeners.stopAccepting(true));
  kept.send(get('/again'));
  assert.doesNotMatch(kept.text, /connection: close/);
  assert.equal(rig.connect().isGone, false);
  rig.run(() => listeners.set({ ...configOf(rig), fingerprint: 'in', trafficDirection: 'INBOUND' }));
  const inbound = rig.exchange(get('/'));
  rig.run(() => listeners.drainInbound());
  inbound.send(get('/again'));
  assert.match(inbound.text, /\r\nconnection: close\r\n/);
  rig.run(() => listeners.stopAccepting(true));
  assert.throws(() => rig.connect(), /does not listen/);
  rig.stop();
});
