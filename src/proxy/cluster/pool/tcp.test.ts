// Tests the TCP pool by hosts of a cluster: who gets which connection, what is given up, and when a host is done.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterConfig, endpoint, RouterHarness } from '../../../../test/support/router-harness.ts';
import type { Failure } from '../../../base/failure.ts';
import type { UpstreamSource } from '../../stream-info.ts';
import type { ConnectionCallbacks, StreamRequest, UpstreamConnection } from '../cluster.ts';
import type { ClusterConfig } from '../cluster-config.ts';

class Wish implements ConnectionCallbacks {
  connection: UpstreamConnection | null = null;
  failure: Failure | null = null;
  request: StreamRequest | null = null;

  onConnected(connection: UpstreamConnection): void {
    this.connection = connection;
  }
  onConnectFailed(reason: Failure): void {
    this.failure = reason;
  }
}

function rig(change: Partial<ClusterConfig> = {}) {
  const harness = new RouterHarness([clusterConfig(change)]);
  const cluster = harness.clusters.get('up')!;
  const wish = (source: UpstreamSource | null = null): Wish => {
    const made = new Wish();
    made.request = cluster.hosts[0]!.newConnection('DEFAULT', { source }, made);
    return made;
  };
  const stat = (name: string): number => harness.stat(`cluster.up.${name}`);
  return { harness, cluster, wish, stat, dialer: harness.dialer };
}

test('the first connection that stands serves the first wish', () => {
  const { wish, dialer, stat } = rig();
  const wishes = [wish(), wish()];
  assert.equal(dialer.dials.length, 2);
  const [first] = dialer.dials.splice(0, 1);
  dialer.accept();
  assert.notEqual(wishes[0]!.connection, null);
  assert.equal(wishes[1]!.connection, null);
  assert.deepEqual([stat('upstream_rq_active'), stat('upstream_rq_pending_active')], [1, 1]);
  dialer.dials.push(first!);
  dialer.accept();
  wishes[1]!.connection!.closed('remote');
  wishes[1]!.connection!.closed('local');
  assert.deepEqual([stat('upstream_cx_active'), stat('upstream_cx_destroy_remote_with_active_rq')], [1, 1]);
});

test('a wish that is given up takes a dial along', () => {
  const { wish, dialer, stat } = rig();
  const [first, second] = [wish(), wish()];
  first.request?.cancel();
  assert.equal(dialer.cancelled, 1);
  assert.deepEqual([stat('upstream_rq_cancelled'), stat('upstream_cx_destroy_local')], [1, 1]);
  dialer.accept();
  assert.notEqual(second.connection, null);
  assert.equal(first.connection, null);
});

test('a failed dial fails all wishes, and a connection that nobody waits for any more is closed', () => {
  const { wish, dialer, stat } = rig();
  const wishes = [wish(), wish()];
  dialer.refuse();
  assert.deepEqual(
    wishes.map(({ failure }) => failure?.code),
    ['connect_failed', 'connect_failed'],
  );
  assert.equal(dialer.accept().isClosed, true);
  assert.deepEqual([stat('upstream_cx_active'), stat('upstream_rq_pending_failure_eject')], [0, 2]);
});

test('beyond the limit of a host wishes wait for a connection to end', () => {
  const { wish, dialer, stat } = rig({ maxConnectionsPerHost: 1 });
  const first = wish();
  dialer.accept();
  const second = wish();
  assert.equal(dialer.dials.length, 0);
  assert.equal(stat('upstream_cx_overflow'), 1);
  first.connection!.closed('local');
  dialer.accept();
  assert.notEqual(second.connection, null);
});

test('a connection with a source of its own shares with nobody, and its pool goes with it', () => {
  const { wish, dialer, stat, harness } = rig();
  const address = { family: 'ipv4', address: '10.1.1.1', port: 0 } as const;
  const own = wish({ address, mark: 0, isTransparent: false });
  const other = wish();
  dialer.accept();
  assert.notEqual(own.connection, null);
  assert.equal(other.connection, null);
  dialer.accept();
  own.connection!.closed('local');
  other.connection!.closed('local');
  assert.equal(stat('upstream_cx_active'), 0);
  harness.clusters.remove('up');
  assert.equal(stat('upstream_cx_total'), 0);
});

test('a removed cluster keeps its statistics until its last connection is gone', () => {
  const { wish, dialer, stat, harness } = rig();
  const kept = wish();
  dialer.accept();
  harness.clusters.remove('up');
  assert.deepEqual([stat('upstream_cx_total'), stat('upstream_cx_active')], [1, 1]);
  kept.connection!.closed('remote');
  assert.equal(stat('upstream_cx_total'), 0);
});

test('a connection may outlive its host and its cluster', () => {
  const { wish, dialer, stat, cluster, harness } = rig();
  const kept = wish();
  dialer.accept();
  cluster.setEndpoints({ endpoints: [endpoint(2)], overprovisioningFactor: 140 });
  assert.equal(stat('upstream_cx_active'), 1);
  harness.clusters.remove('up');
  kept.connection!.closed('remote');
  assert.equal(stat('upstream_cx_total'), 0);
});
