// What a control plane does wrong, told to Envoy and to Heddle: both count it alike, and go on alike.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { findEnvoy } from '../support/find-envoy.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { until } from './heddle.ts';
import { answer, CLUSTER, cluster, LISTENER, listener, put, ROUTES, routes } from './xds-types-rig.ts';
import { good, raw, type Form, HostileRig } from './xds-hostile-rig.ts';

const envoy = findEnvoy();
const skip = envoy.path === null ? envoy.reason : false;

/** What both count. */
const COUNTS = [
  'cluster_manager.cds.update_rejected',
  'cluster_manager.cds.update_success',
  'cluster_manager.cds.update_failure',
  'listener_manager.lds.update_rejected',
  'listener_manager.lds.update_success',
  'listener_manager.lds.update_failure',
  'http.main.rds.routes.update_rejected',
  'http.main.rds.routes.update_failure',
  'control_plane.connected_state',
] as const;

type Step = { readonly name: string; act(rig: HostileRig): void };

const ONE = good(CLUSTER, 'one', cluster('one'));
const half = (): Buffer => Buffer.from(good(CLUSTER, 'half', cluster('half'))[1].bytes.subarray(0, 10));

const STEPS: readonly Step[] = [
  { name: 'half a resource', act: (rig) => rig.say(rig.response(CLUSTER, [ONE, ['half', raw(CLUSTER, half())]])) },
  {
    name: 'a resource of another type',
    act: (rig) =>
      rig.say(rig.response(CLUSTER, [ONE, ['l', raw(LISTENER, good(LISTENER, 'l', listener('l', 1))[1].bytes)]])),
  },
  {
    name: 'a cluster that is refused, and a good one',
    act: (rig) =>
      rig.say(
        rig.response(CLUSTER, [
          ONE,
          good(CLUSTER, 'bad', cluster('bad', { lb_subset_config: {}, lb_policy: 'CLUSTER_PROVIDED' })),
        ]),
      ),
  },
  { name: 'one name twice', act: (rig) => rig.say(rig.response(CLUSTER, [ONE, ONE])) },
  {
    name: 'an address of another listener',
    act: (rig) => {
      const main = good(LISTENER, 'main', listener('main', rig.port));
      rig.say(rig.response(LISTENER, [main, good(LISTENER, 'double', listener('double', rig.port))]));
    },
  },
  {
    name: 'routes with a wrong expression',
    act: (rig) => {
      const match = { safe_regex: { regex: '(' } };
      const json = routes('routes', { routes: [{ match, route: { cluster: 'one' } }] });
      rig.say(rig.response(ROUTES, [good(ROUTES, 'routes', json)]));
    },
  },
  {
    name: 'a type that nobody asked for',
    act: (rig) => rig.say({ ...rig.response(CLUSTER, [ONE]), type_url: 'x/y.Z' }),
  },
  { name: 'a stream that ends', act: (rig) => rig.ads.closeStreams(14, 'gone') },
];

async function counts(rig: HostileRig): Promise<Record<string, number>> {
  const { body } = await rig.proxy.admin('/stats');
  const values = new Map(body.split('\n').map((line) => line.split(': ') as [string, string]));
  return Object.fromEntries(COUNTS.map((name) => [name, Number(values.get(name) ?? 0)]));
}

/** How the counts grow with each step; what they are is said of those that say what is. */
async function grow(kind: ProxyKind, form: Form): Promise<readonly unknown[]> {
  const rig = await HostileRig.start(kind, form);
  try {
    const seen: unknown[] = [];
    let before = await counts(rig);
    for (const { name, act } of STEPS) {
      const streams = rig.ads.streamCount;
      act(rig);
      if (name === 'a stream that ends') await until('another stream', () => rig.ads.streamCount > streams);
      await sleep(250);
      const now = await counts(rig);
      const changes = Object.entries(now).flatMap(([count, value]) => {
        const by = count.endsWith('_state') ? value : value - (before[count] ?? 0);
        return by === 0 ? [] : [`${count} ${by}`];
      });
      seen.push([name, ...changes, await answer(rig.port)]);
      before = now;
    }
    put(rig.ads, ROUTES, 'routes', routes('routes', { response_headers_to_add: [] }));
    return seen;
  } finally {
    await rig.stop();
  }
}

for (const form of ['GRPC', 'DELTA_GRPC'] as const) {
  test(`what is wrong is counted as by Envoy (${form})`, { skip }, async () => {
    const [theirs, ours] = await Promise.all([grow('envoy', form), grow('heddle', form)]);
    assert.deepEqual(ours, theirs);
  });
}
