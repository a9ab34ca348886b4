// Tests ORIGINAL_DST clusters: where hosts come from and in which order, the proxy itself, and when hosts go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeConnection, requestHeaders } from '../../../../test/support/filter-harness.ts';
import { clusterConfig, RouterHarness } from '../../../../test/support/router-harness.ts';
import type { Address } from '../../../base/byte-stream.ts';
import { parseAddress } from '../../../net/address.ts';
import { Random } from '../../../base/clock.ts';
import { type ConnectionInfo, type FilterStateObject, StreamInfo } from '../../stream-info.ts';
import type { LoadBalancerContext } from '../cluster.ts';
import type { OriginalDstConfig } from '../cluster-config.ts';

const RESTORED: Address = { family: 'ipv4', address: '10.0.0.9', port: 9000 };
const KEY = 'envoy.network.transport_socket.original_dst_address';

function setUp(change: Partial<OriginalDstConfig> = {}) {
  const discovery = {
    kind: 'ORIGINAL_DST',
    headerName: '',
    metadataKey: null,
    portOverride: 0,
    cleanupIntervalMs: 5000,
    ...change,
  } as const;
  const config = clusterConfig({
    discovery,
    lb: { kind: 'cluster-provided' },
    endpoints: { endpoints: [], overprovisioningFactor: 140 },
  });
  const h = new RouterHarness([config]);
  const cluster = h.clusters.get('up');
  assert.ok(cluster);
  const choose = (context: Partial<LoadBalancerContext>): string | null => {
    const host = cluster.lb.chooseHost({
      hash: null,
      random: new Random(1),
      requestHeaders: null,
      connection: null,
      info: null,
      hostSelectionMaxAttempts: 0,
      shouldSelectAnother: () => false,
      ...context,
    });
    return host?.name ?? null;
  };
  return { h, cluster, choose };
}

function connection(change: Partial<ConnectionInfo> = {}): ConnectionInfo {
  return { ...makeConnection(), localAddress: RESTORED, isLocalAddressRestored: true, ...change };
}

function state(value: string): Map<string, FilterStateObject> {
  return new Map([[KEY, { value, typed: null, isReadOnly: true, lifeSpan: 'connection' }]]);
}

test('the restored local address is the host; what is not restored is none', () => {
  const { choose, cluster, h } = setUp();
  assert.equal(choose({ connection: connection() }), '10.0.0.9:9000');
  assert.equal(choose({ connection: connection({ isLocalAddressRestored: false }) }), null);
  assert.equal(choose({}), null);
  assert.equal(cluster.hosts[0]?.hostname, 'up10.0.0.9:9000');
  assert.equal(choose({ connection: connection() }), '10.0.0.9:9000');
  assert.equal(cluster.hosts.length, 1);
  assert.equal(h.stat('cluster.up.membership_total'), 1);
  assert.equal(h.stat('cluster.up.membership_change'), 1);
});

test('filter state goes before metadata, metadata before the header, the header before the connection', () => {
  const { choose, h } = setUp({ headerName: 'x-dst', metadataKey: { namespace: 'n', path: ['a', 'b'] } });
  const headers = requestHeaders('/', ['x-dst: 10.0.0.3:3']);
  const info = new StreamInfo(connection(), 0, 0);
  assert.equal(choose({ connection: connection(), requestHeaders: headers }), '10.0.0.3:3');
  info.setMetadata('n', { a: { b: ['10.0.0.2:2', 'x'] } });
  assert.equal(choose({ info, connection: connection(), requestHeaders: headers }), '10.0.0.2:2');
  const stated = connection({ filterState: state('10.0.0.1:1') });
  assert.equal(choose({ info, connection: stated, requestHeaders: headers }), '10.0.0.1:1');
  info.setMetadata('n', { a: { b: 'nonsense' } });
  assert.equal(choose({ info, connection: connection(), requestHeaders: headers }), '10.0.0.3:3');
  assert.equal(h.stat('cluster.up.original_dst_host_invalid'), 1);
});

test('an invalid header is counted, and the connection decides', () => {
  const { choose, h } = setUp({ headerName: 'x-dst' });
  for (const value of ['nowhere', 'example.com:80', '1.2.3.4', '1.2.3.4:99999', '']) {
    const headers = requestHeaders('/', [`x-dst: ${value}`]);
    assert.equal(choose({ connection: connection(), requestHeaders: headers }), '10.0.0.9:9000', value);
  }
  assert.equal(h.stat('cluster.up.original_dst_host_invalid'), 5);
});

test('the port may be overridden', () => {
  const { choose } = setUp({ portOverride: 443 });
  assert.equal(choose({ connection: connection() }), '10.0.0.9:443');
});

test('the proxy itself is no destination', () => {
  const { choose, h, cluster } = setUp();
  h.clusters.isOwnAddress = ({ port }) => port === 9000;
  assert.equal(choose({ connection: connection() }), null);
  assert.equal(cluster.hosts.length, 0);
});

test('hosts that nobody chose for an interval go, unless they are in use', () => {
  const { choose, cluster, h } = setUp();
  choose({ connection: connection() });
  const other = connection({ localAddress: { ...RESTORED, port: 1 } });
  choose({ connection: other });
  const host = cluster.hosts[0];
  assert.ok(host);
  host.cxActive = 1;
  h.clock.advance(5004);
  assert.equal(cluster.hosts.length, 2, 'chosen since the last time');
  h.clock.advance(5004);
  assert.deepEqual(
    cluster.hosts.map((one) => one.name),
    ['10.0.0.9:9000'],
  );
  host.cxActive = 0;
  h.clock.advance(5004);
  assert.equal(cluster.hosts.length, 0);
  assert.equal(h.stat('cluster.up.membership_total'), 0);
});

test('addresses are numbers with a port', () => {
  assert.deepEqual(parseAddress('[::0:1]:80'), { family: 'ipv6', address: '::1', port: 80 });
  for (const bad of ['::1:80', '[1.2.3.4]:80', '1.2.3.4:', ':80', '[::1]', '1.2.3.4:80 ']) {
    assert.equal(parseAddress(bad), null, bad);
  }
});
