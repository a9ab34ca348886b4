// Two of Heddle's sidecars with Istio's filters between a client and a server: what each says, learns and counts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CLIENT_ID, IstioRig, labelsOf, metric, SERVER_ID, SERVICE, valueOf } from './istio-rig.ts';

async function eventually<T>(get: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (let i = 0; i < 100; i++) {
    const value = await get();
    if (holds(value)) return value;
    await sleep(20);
  }
  return get();
}

for (const args of [[], ['--concurrency', '2']]) {
  test(`requests are counted on both sides ${args.join(' ')}`, async () => {
    const rig = await IstioRig.start({ args });
    try {
      for (let i = 0; i < 10; i++) {
        const { status, headers, body } = await rig.get(`/${i}`);
        assert.deepEqual([status, body], [200, `/${i}`]);
        assert.equal(headers.get('x-envoy-peer-metadata'), null);
        assert.equal(headers.get('x-envoy-peer-metadata-id'), null);
      }
      for (const head of rig.seen) assert.equal(head['x-envoy-peer-metadata'], undefined);
      const ten = (lines: string[]): boolean => valueOf(lines[0]) === 10;
      const ofClient = await eventually(() => metric(rig.client, 'istio_requests_total'), ten);
      const ofServer = await eventually(() => metric(rig.server, 'istio_requests_total'), ten);
      assert.equal(ofClient.length, 1, ofClient.join('\n'));
      assert.equal(ofServer.length, 1, ofServer.join('\n'));
      assert.deepEqual([valueOf(ofClient[0]), valueOf(ofServer[0])], [10, 10]);
      const both = {
        source_workload: 'productpage-v1',
        source_principal: CLIENT_ID,
        source_workload_namespace: 'bookinfo',
        destination_workload: 'reviews-v1',
        destination_principal: SERVER_ID,
        destination_service: SERVICE,
        destination_service_name: 'reviews',
        request_protocol: 'http',
        response_code: '200',
        response_flags: '-',
      };
      for (const line of [ofClient[0], ofServer[0]]) {
        const labels = labelsOf(line as string);
        for (const [name, value] of Object.entries(both)) assert.equal(labels[name], value, name);
      }
      assert.equal(labelsOf(ofClient[0] as string)['connection_security_policy'], 'unknown');
      assert.equal(labelsOf(ofServer[0] as string)['connection_security_policy'], 'mutual_tls');
    } finally {
      await rig.stop();
    }
  });
}

test('connections are counted on both sides, without what the sidecars say to each other', async () => {
  const rig = await IstioRig.start();
  try {
    const talk = await rig.talk('hello, world');
    assert.equal(talk.answer, 'hello, world');
    for (const [proxy, reporter] of [
      [rig.client, 'source'],
      [rig.server, 'destination'],
    ] as const) {
      const received = await eventually(
        () => metric(proxy, 'istio_tcp_received_bytes_total'),
        (lines) => valueOf(lines[0]) > 0,
      );
      assert.deepEqual(received.map(valueOf), [12], received.join('\n'));
      const labels = labelsOf(received[0] as string);
      assert.equal(labels['reporter'], reporter);
      assert.equal(labels['source_workload'], 'productpage-v1');
      assert.equal(labels['destination_workload'], 'reviews-v1');
      assert.equal(labels['source_principal'], CLIENT_ID);
      assert.equal(labels['destination_principal'], SERVER_ID);
      assert.equal(labels['destination_service'], SERVICE);
      assert.equal(labels['request_protocol'], 'tcp');
      assert.equal(labels['response_code'], undefined);
      assert.deepEqual((await metric(proxy, 'istio_tcp_sent_bytes_total')).map(valueOf), [12]);
      assert.deepEqual((await metric(proxy, 'istio_tcp_connections_opened_total')).map(valueOf), [1]);
      assert.deepEqual((await metric(proxy, 'istio_tcp_connections_closed_total')).map(valueOf), [0]);
      const { body } = await proxy.admin('/stats?filter=metadata_exchange');
      assert.match(body, /^metadata_exchange.alpn_protocol_found: 1$/m);
      assert.match(body, /^metadata_exchange.metadata_added: 1$/m);
    }
    await talk.end();
    const closed = await eventually(
      () => metric(rig.server, 'istio_tcp_connections_closed_total'),
      (lines) => valueOf(lines[0]) === 1,
    );
    assert.deepEqual(closed.map(valueOf), [1]);
  } finally {
    await rig.stop();
  }
});

test('a server that is not there, and labels of one’s own', async () => {
  const rig = await IstioRig.start({ statsFields: { metrics: [{ dimensions: { path: 'request.url_path' } }] } });
  try {
    await rig.server.stop();
    assert.equal((await rig.get('/gone?x=y')).status, 503);
    const lines = await eventually(
      () => metric(rig.client, 'istio_requests_total'),
      ({ length }) => length > 0,
    );
    const labels = labelsOf(lines[0] as string);
    assert.equal(labels['response_code'], '503');
    assert.equal(labels['response_flags'], 'UF');
    assert.equal(labels['path'], '/gone');
    assert.equal(labels['destination_workload'], 'unknown');
    assert.equal(labels['destination_service_name'], 'reviews');
  } finally {
    await rig.stop();
  }
});
