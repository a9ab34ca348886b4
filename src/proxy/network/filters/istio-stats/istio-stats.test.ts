// Istio's metrics of TCP connections: when they are counted, with which labels, and which bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TlsFacts } from '../../../../base/byte-stream.ts';
import { openCapture } from '../../../../../test/captures/captures.ts';
import { NetworkHarness, type Talk } from '../../../../../test/support/network-harness.ts';
import type { Cluster } from '../../../cluster/cluster.ts';
import { localNode } from '../../../istio/node.ts';
import { exchangeBytes } from '../../../istio/peer-exchange.ts';
import { peerOfNode } from '../../../istio/peer.ts';
import { peerStates, UPSTREAM_PEER } from '../../../istio/peer-state.ts';
import { makeMetadataExchange } from '../metadata-exchange/metadata-exchange.ts';
import { makeNetworkIstioStats } from './istio-stats.ts';

const client = localNode(openCapture('01-plain-sidecar/client').node as never, '', '');
const server = localNode(openCapture('01-plain-sidecar/server').node as never, '', '');
const MONGO = { services: [{ host: 'mongo.bookinfo.svc.cluster.local', name: 'mongo', namespace: 'bookinfo' }] };
const clusters = {
  get: (name: string) => (name === 'up' ? ({ metadata: new Map([['istio', MONGO]]) } as unknown as Cluster) : null),
};
const stats = makeNetworkIstioStats({ clusters, node: client });

/** The series of a metric: labels and value. */
function series(harness: NetworkHarness, metric: string): { labels: Record<string, string>; value: number }[] {
  const found: { labels: Record<string, string>; value: number }[] = [];
  for (const scope of harness.stats.scopes()) {
    for (const stat of scope.stats()) {
      if (stat.tagged?.name !== `istiocustom.istio_${metric}` || stat.kind !== 'counter') continue;
      const labels = Object.fromEntries(stat.tagged.tags.map(({ name, value }) => [name, value]));
      found.push({ labels, value: stat.value });
    }
  }
  return found;
}
const valueOf = (harness: NetworkHarness, metric: string): number | undefined => series(harness, metric)[0]?.value;
const tcp = (harness: NetworkHarness): (number | undefined)[] =>
  ['connections_opened_total', 'connections_closed_total', 'sent_bytes_total', 'received_bytes_total'].map((name) =>
    valueOf(harness, `tcp_${name}`),
  );

function upstream(talk: Talk, isKnown: boolean): void {
  const { info } = talk.connection;
  info.clusterName = 'up';
  info.upstreamFilterState = isKnown ? peerStates(UPSTREAM_PEER, peerOfNode(server, new Set())) : new Map();
}

test('a connection counts once its peer is known, and then again and again', () => {
  const harness = new NetworkHarness([[stats, {}]]);
  const talk = harness.connect();
  upstream(talk, false);
  talk.send('abc');
  harness.advance(5000);
  assert.deepEqual(tcp(harness), [undefined, undefined, undefined, undefined]);
  upstream(talk, true);
  harness.advance(5000);
  assert.deepEqual(tcp(harness), [1, 0, 5, 3]);
  talk.send('d');
  harness.advance(5000);
  assert.deepEqual(tcp(harness), [1, 0, 8, 4]);
  talk.end();
  assert.deepEqual(tcp(harness), [1, 1, 8, 4]);
  harness.advance(60_000);
  assert.deepEqual(tcp(harness), [1, 1, 8, 4]);
  const [{ labels } = { labels: {} as Record<string, string> }] = series(harness, 'tcp_connections_opened_total');
  assert.deepEqual(Object.keys(labels).slice(-4), [
    'destination_cluster',
    'request_protocol',
    'response_flags',
    'connection_security_policy',
  ]);
  const { reporter, destination_workload, destination_service, request_protocol, response_flags } = labels;
  assert.deepEqual(
    [reporter, destination_workload, destination_service, request_protocol, response_flags],
    ['source', 'reviews-v1', 'mongo.bookinfo.svc.cluster.local', 'tcp', '-'],
  );
  assert.equal(labels['connection_security_policy'], 'unknown');
});

test('one that ends before its peer was known counts at its end', () => {
  const harness = new NetworkHarness([[stats, { tcp_reporting_duration: { seconds: 0, nanos: 0 } }]]);
  const talk = harness.connect();
  upstream(talk, false);
  talk.send('abc');
  harness.advance(60_000);
  assert.deepEqual(tcp(harness), [undefined, undefined, undefined, undefined]);
  talk.close();
  assert.deepEqual(tcp(harness), [1, 1, 5, 3]);
  assert.equal(series(harness, 'tcp_sent_bytes_total')[0]?.labels['destination_workload'], 'unknown');
});

test('behind a metadata exchange the peer is known with its first bytes, which are not counted', () => {
  const tls = { alpn: 'istio-peer-exchange', peerCertificate: null, localCertificate: null } as unknown as TlsFacts;
  const exchange = makeMetadataExchange({ node: server });
  const own = makeNetworkIstioStats({ clusters, node: server });
  const harness = new NetworkHarness([
    [exchange, { protocol: 'istio-peer-exchange' }],
    [own, { reporter: 'SERVER_GATEWAY' }],
  ]);
  const talk = harness.connect({ tls });
  talk.send(`${exchangeBytes(client, new Set()).latin1Slice()}hello`);
  harness.advance(5000);
  assert.deepEqual(tcp(harness), [1, 0, 7, 5]);
  const [{ labels } = { labels: {} as Record<string, string> }] = series(harness, 'tcp_received_bytes_total');
  assert.equal(labels['source_workload'], 'productpage-v1');
  assert.equal(labels['reporter'], 'waypoint');
  assert.equal(labels['connection_security_policy'], 'none');
});

test('expressions and metrics of one’s own', () => {
  const harness = new NetworkHarness([
    [
      stats,
      {
        metrics: [{ dimensions: { sni: 'connection.requested_server_name', path: 'request.path' } }],
        definitions: [{ name: 'ended', value: '1' }],
      },
    ],
  ]);
  const talk = harness.connect({ serverName: 'a.b' });
  upstream(talk, true);
  harness.advance(5000);
  talk.close();
  const [{ labels } = { labels: {} as Record<string, string> }] = series(harness, 'tcp_connections_closed_total');
  assert.deepEqual([labels['sni'], labels['path']], ['a.b', 'unknown']);
  assert.equal(valueOf(harness, 'ended'), 1);
});
