// What is taken from a server although it is not built: it is logged once, counted and marked, wherever it comes from.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stat, until } from './heddle.ts';
import { answer, LISTENER, listener, put, startRig, typed } from './xds-types-rig.ts';

const INERT = 'listener_manager.inert_filters';
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
