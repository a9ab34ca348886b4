// A tap that is attached when workers die is attached in those that take their places.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { TAP_REQUEST, type TapAnswer } from '../../src/proxy/workers/taps.ts';
import { freePort } from '../support/free-ports.ts';
import { startThreaded } from '../support/threaded-proxy.ts';
import { bootstrap, get, RawConnection, until } from './heddle.ts';

const typed = (name: string, type: string, fields: object = {}): object => ({
  name,
  typed_config: { '@type': `type.googleapis.com/envoy.extensions.filters.http.${type}`, ...fields },
});

test('a tap outlives the workers', { timeout: 30_000 }, async () => {
  const port = await freePort();
  const direct = { match: { prefix: '/' }, direct_response: { status: 200 } };
  const config = bootstrap(
    { listener: port, upstream: 1 },
    {
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [direct] }] },
      http_filters: [
        typed('tap', 'tap.v3.Tap', { common_config: { admin_config: { config_id: 'x' } } }),
        typed('router', 'router.v3.Router'),
      ],
    },
  );
  const { crew, stat, stop } = await startThreaded(config, 2);
  const tap = { match: { any_match: true }, output_config: { sinks: [{ streaming_admin: {} }] } };
  const type = registry.message(TAP_REQUEST);
  const request = encodeBinary(type, fromJson(type, { config_id: 'x', tap_config: tap }, new Report()));
  let traces = 0;
  const took = (_piece: Uint8Array, taken: () => void): void => {
    traces++;
    taken();
  };
  const visit = async (path: string): Promise<void> => {
    const client = new RawConnection(port);
    client.send(get(path));
    await until('the answer', () => client.text.includes('200 OK'));
    client.reset();
  };
  const answers = await new Promise<readonly TapAnswer[]>((resolve) =>
    crew.attachTap({ number: 1, configId: 'x', request }, took, resolve),
  );
  assert.deepEqual(answers, Array(2).fill({ isKnown: true, problem: '' }));
  for (let i = 0; i < 6; i++) await visit('/before');
  await until('all traces', () => traces === 6);
  crew.kill(0);
  crew.kill(1);
  await until('the restarts', async () => (await stat('heddle.worker_restarts')) === 2);
  for (let i = 0; i < 6; i++) await visit('/after');
  await until('all traces of the next workers', () => traces === 12);
  crew.detachTap();
  await visit('/alone');
  await stat('heddle.worker_restarts');
  assert.equal(traces, 12);
  await stop();
});
