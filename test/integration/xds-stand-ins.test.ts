// What is taken from a server although it is not built: it is logged once, counted and marked, wherever it comes from.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stat, until } from './heddle.ts';
import { ADS, answer, EXTENSION, LISTENER, listener, put, startRig, typed } from './xds-types-rig.ts';

const INERT = 'listener_manager.inert_filters';
const DENY = 'listener_manager.deny_all_filters';
const WASM = 'envoy.extensions.filters.http.wasm.v3.Wasm';
const NETWORK_WASM = 'envoy.extensions.filters.network.wasm.v3.Wasm';
const ZIPKIN = 'envoy.config.trace.v3.ZipkinConfig';

test('a listener with a tracer serves, and says that nothing is traced', async () => {
  const typed_config = typed(ZIPKIN, { collector_cluster: 'one', collector_endpoint: '/api/v2/spans' });
  const tracing = { provider: { name: 'envoy.tracers.zipkin', typed_config }, random_sampling: { value: 100 } };
  const args = ['--concurrency', '2'];
  const prepare = (ads: Parameters<typeof put>[0], port: number): void =>
    put(ads, LISTENER, 'main', listener('main', port, [], { tracing }));
  const { ads, proxy, port, stop } = await startRig('heddle', 'DELTA_GRPC', prepare, {}, args);
  try {
    await until('it serves', async () => (await answer(port)) === 'none', 10_000);
    assert.equal(await stat(proxy, INERT), 1);
    assert.ok((await stat(proxy, 'http.main.tracing.random_sampling')) >= 1);
    assert.equal(proxy.output.split('listener "main": envoy.tracers.zipkin is accepted but does nothing').length, 2);
    const { body } = await proxy.admin('/config_dump?resource=dynamic_listeners');
    assert.match(body, /"heddle\.stand_ins": \{\s*"envoy\.tracers\.zipkin": "inert"/);
    put(ads, LISTENER, 'main', listener('main', port));
    await until('it is gone', async () => (await stat(proxy, INERT)) === 0);
    assert.equal(ads.nacks.length, 0);
  } finally {
    await stop();
  }
});

test('filters that are only named are counted as what they are now', async () => {
  const named = (name: string, type: string): object => ({
    name,
    config_discovery: { config_source: ADS, type_urls: [`a/${type}`] },
  });
  const open = { config: { failure_policy: 'FAIL_OPEN' } };
  const { ads, proxy, port, stop } = await startRig(
    'heddle',
    'DELTA_GRPC',
    (server, main) => {
      const made = listener('main', main, [named('http-wasm', WASM) as never]);
      const [chain] = made['filter_chains'] as [{ filters: object[] }];
      chain.filters.unshift(named('tcp-wasm', NETWORK_WASM));
      put(server, LISTENER, 'main', made);
      put(server, EXTENSION, 'http-wasm', { name: 'http-wasm', typed_config: typed(WASM, open) });
      put(server, EXTENSION, 'tcp-wasm', { name: 'tcp-wasm', typed_config: typed(NETWORK_WASM, open) });
    },
    {},
    ['--concurrency', '2'],
  );
  const becomes = (inert: number, deny: number): Promise<void> =>
    until(`${inert} inert, ${deny} deny`, async () => {
      return (await stat(proxy, INERT)) === inert && (await stat(proxy, DENY)) === deny;
    });
  try {
    await until('it serves', async () => (await answer(port)) === 'none', 10_000);
    await becomes(2, 0);
    put(ads, EXTENSION, 'http-wasm', { name: 'http-wasm', typed_config: typed(WASM) });
    await becomes(1, 1);
    await until('nobody is let in', async () => (await answer(port)) === '403');
    const { body } = await proxy.admin('/config_dump?resource=dynamic_listeners');
    const [, marks = ''] = /"heddle\.stand_ins": (\{[^}]*\})/.exec(body) ?? [];
    assert.deepEqual(JSON.parse(marks), { 'http-wasm': 'deny', 'tcp-wasm': 'inert' });
    assert.equal(proxy.output.split('filter "http-wasm": envoy.filters.http.wasm is accepted').length, 2);
    assert.equal(proxy.output.split('filter "http-wasm": envoy.filters.http.wasm is not supported yet').length, 2);
    ads.remove(EXTENSION, 'http-wasm');
    await becomes(1, 0);
    ads.remove(EXTENSION, 'tcp-wasm');
    await becomes(0, 0);
  } finally {
    await stop();
  }
});
