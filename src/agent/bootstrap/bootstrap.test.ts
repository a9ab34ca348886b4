// The bootstrap as protobuf has it, for a stock Envoy and for Heddle; the node as istiod knows it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson } from '../../proto/json-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { readSettings } from '../config/environment.ts';
import type { AgentSettings } from '../config/settings.ts';
import { type BootstrapOptions, makeBootstrap } from './bootstrap.ts';
import { nodeOf } from './node.ts';

const ENVOY: BootstrapOptions = { proxy: { kind: 'envoy' }, xdsSocket: '/run/XDS', sdsSocket: '/run/sds' };
const HEDDLE: BootstrapOptions = { proxy: { kind: 'heddle', version: '1' }, xdsSocket: null, sdsSocket: '/run/sds' };

function settings(more: Record<string, string> = {}, annotations = ''): AgentSettings {
  const variables = {
    ...{ POD_NAME: 'cart-1', POD_NAMESPACE: 'shop', SERVICE_ACCOUNT: 'cart', INSTANCE_IP: '10.0.0.1' },
    ISTIO_METAJSON_LABELS: '{"app": "cart", "istio-locality": "r.z.s"}',
    ...more,
  };
  const readText = (path: string) => (path.endsWith('annotations') ? annotations : null);
  const made = readSettings({}, { variables, addresses: [], readText });
  assert.ok(!('error' in made), JSON.stringify(made));
  return made;
}

test('both bootstraps are messages of Envoy without unknown fields', () => {
  const annotations = 'sidecar.istio.io/statsHistogramBuckets="{\\"istiocustom\\": [1, 5]}"\n';
  for (const options of [ENVOY, HEDDLE]) {
    for (const made of [settings({}, annotations), settings({ INSTANCE_IP: '::2', CA_ADDR: '[::1]:5' })]) {
      const report = new Report();
      fromJson(registry.message('envoy.config.bootstrap.v3.Bootstrap'), makeBootstrap(made, options), report);
      assert.equal(report.toString(), '');
    }
  }
});

test('the node says who the proxy is, and what kind', () => {
  const made = settings({ ISTIO_META_OWNER: 'o', ISTIO_META_WORKLOAD_NAME: 'cart', ISTIO_META_NAMESPACE: 'other' });
  const { metadata, ...node } = nodeOf(made, ENVOY.proxy);
  assert.deepEqual(node, {
    id: 'sidecar~10.0.0.1~cart-1.shop~shop.svc.cluster.local',
    cluster: 'cart.shop',
    locality: { region: 'r', zone: 'z', sub_zone: 's' },
  });
  assert.equal(metadata['HEDDLE_PROXY'], 'envoy');
  assert.equal(metadata['HEDDLE_VERSION'], undefined);
  assert.equal(metadata['OWNER'], 'o');
  assert.equal(metadata['WORKLOAD_NAME'], 'cart');
  // What is known for sure wins.
  assert.equal(metadata['NAMESPACE'], 'shop');
  assert.equal(metadata['INSTANCE_IPS'], '10.0.0.1');
  assert.equal(nodeOf(made, HEDDLE.proxy).metadata['HEDDLE_VERSION'], '1');
});

test('statistics are kept as pods and mesh choose them', () => {
  const annotations = 'sidecar.istio.io/statsInclusionPrefixes="http.{pod_ip}_,x"\n';
  const proxyConfig = 'proxyStatsMatcher: {inclusionSuffixes: [mine], inclusionPrefixes: [not]}\nextraStatTags: [t]';
  const made = makeBootstrap(settings({ PROXY_CONFIG: proxyConfig }, annotations), ENVOY) as {
    readonly stats_config: {
      readonly stats_tags: readonly { readonly tag_name: string }[];
      readonly stats_matcher: { readonly inclusion_list: { readonly patterns: readonly object[] } };
    };
  };
  const { patterns } = made.stats_config.stats_matcher.inclusion_list;
  const texts = patterns.map((pattern) => JSON.stringify(pattern));
  for (const wanted of [{ prefix: 'http.10.0.0.1_' }, { prefix: 'x' }, { suffix: 'mine' }, { prefix: 'server' }]) {
    assert.ok(texts.includes(JSON.stringify(wanted)), texts.join());
  }
  assert.ok(!texts.includes(JSON.stringify({ prefix: 'not' })));
  assert.ok(made.stats_config.stats_tags.some(({ tag_name }) => tag_name === 't'));
});

test('without redirect the ports of a pod are on its own address, and the admin interface may be a file', () => {
  const variables = {
    INSTANCE_IP: '127.64.3.2',
    ISTIO_METAJSON_EXPLICIT: '{}',
    HEDDLE_ADMIN_SOCKET: '/run/cart.admin',
  };
  const made = settings(variables);
  for (const options of [ENVOY, HEDDLE]) {
    const report = new Report();
    const bootstrap = makeBootstrap(made, options) as {
      readonly admin: object;
      readonly static_resources: {
        readonly listeners: readonly { readonly address: { readonly socket_address: object } }[];
        readonly clusters: readonly { readonly name: string; readonly load_assignment: object }[];
      };
    };
    fromJson(registry.message('envoy.config.bootstrap.v3.Bootstrap'), bootstrap, report);
    assert.equal(report.toString(), '');
    assert.deepEqual(bootstrap.admin, { address: { pipe: { path: '/run/cart.admin', mode: 0o600 } } });
    const { listeners, clusters } = bootstrap.static_resources;
    assert.deepEqual(
      listeners.map(({ address }) => address.socket_address),
      [15_090, 15_021].map((port_value) => ({ address: '127.64.3.2', port_value })),
    );
    const at = (name: string) => JSON.stringify(clusters.find((cluster) => cluster.name === name)?.load_assignment);
    assert.match(at('prometheus_stats'), /"address":\{"pipe":\{"path":"\/run\/cart\.admin"\}\}/);
    assert.match(at('agent'), /"address":"127\.64\.3\.2","port_value":15020/);
  }
  const { metadata } = nodeOf(made, ENVOY.proxy);
  assert.equal(metadata['INTERCEPTION_MODE'], 'NONE');
  assert.deepEqual(metadata['EXPLICIT'], {});
});
