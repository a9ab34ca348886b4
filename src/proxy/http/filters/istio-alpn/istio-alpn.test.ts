// Which ALPN names istio.alpn offers upstream, with the configuration that istiod sends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterHarness, type FakeStream } from '../../../../../test/support/filter-harness.ts';
import type { Cluster } from '../../../cluster/cluster.ts';
import type { UpstreamProtocol } from '../../../cluster/cluster-config.ts';
import type { Metadata, Protocol } from '../../../stream-info.ts';
import { makeIstioAlpn } from './istio-alpn.ts';

/** As in every capture of istiod. */
const CONFIG = {
  alpn_override: [
    { alpn_override: ['istio-http/1.0', 'istio', 'http/1.0'] },
    { upstream_protocol: 'HTTP11', alpn_override: ['istio-http/1.1', 'istio', 'http/1.1'] },
    { upstream_protocol: 'HTTP2', alpn_override: ['istio-h2', 'istio', 'h2'] },
  ],
};

function rig(httpProtocol: UpstreamProtocol, metadata: Metadata | null = null, config: object = CONFIG) {
  const cluster = { name: 'up', metadata, httpProtocol } as Cluster;
  const factory = makeIstioAlpn({ clusters: { get: (name) => (name === 'up' ? cluster : null) } });
  return new FilterHarness(factory, config);
}

function offered(stream: FakeStream): string | undefined {
  assert.equal(stream.decodeHeaders(), 'continue');
  return stream.info.filterState?.get('envoy.network.application_protocols')?.value;
}

function ask(httpProtocol: UpstreamProtocol, downstream: Protocol, metadata: Metadata | null = null) {
  const stream = rig(httpProtocol, metadata).request('/');
  stream.info.protocol = downstream;
  return offered(stream);
}

test('the protocol of the upstream connection decides', () => {
  assert.equal(ask('http1', 'HTTP/2'), 'istio-http/1.1,istio,http/1.1');
  assert.equal(ask('http2', 'HTTP/1.1'), 'istio-h2,istio,h2');
  assert.equal(ask('auto', 'HTTP/1.1'), 'istio-h2,istio,h2');
  assert.equal(ask('downstream', 'HTTP/1.1'), 'istio-http/1.1,istio,http/1.1');
  assert.equal(ask('downstream', 'HTTP/1.0'), 'istio-http/1.0,istio,http/1.0');
  assert.equal(ask('downstream', 'HTTP/2'), 'istio-h2,istio,h2');
});

test('a cluster may be left out', () => {
  const metadata: Metadata = new Map([['istio', { alpn_override: 'false' }]]);
  assert.equal(ask('http1', 'HTTP/1.1', metadata), undefined);
  assert.equal(ask('http1', 'HTTP/1.1', new Map([['istio', { alpn_override: 'true' }]])), CONFIG_HTTP11);
});
const CONFIG_HTTP11 = 'istio-http/1.1,istio,http/1.1';

test('without a route, a cluster or an entry nothing is written', () => {
  const stream = rig('http1').request('/');
  stream.route = null;
  assert.equal(offered(stream), undefined);
  const redirect = rig('http1').request('/');
  redirect.route = { name: '', virtualHostName: '', clusterName: '', forward: null };
  assert.equal(offered(redirect), undefined);
  const unknown = rig('http1').request('/');
  unknown.route = { name: '', virtualHostName: '', clusterName: 'gone', forward: {} };
  assert.equal(offered(unknown), undefined);
  const partly = rig('http2', null, { alpn_override: [{ upstream_protocol: 'HTTP11', alpn_override: ['a'] }] });
  assert.equal(offered(partly.request('/')), undefined);
});

test('of several entries for one protocol the first counts, and an empty configuration does nothing', () => {
  const twice = { alpn_override: [{ alpn_override: ['a'] }, { alpn_override: ['b'] }] };
  const stream = rig('downstream', null, twice).request('/');
  stream.info.protocol = 'HTTP/1.0';
  assert.equal(offered(stream), 'a');
  assert.equal(rig('http1', null, {}).filter.decodeHeaders, undefined);
});
