// Network filters that are only named: the listener waits for them, connections follow them, by Envoy and by Heddle.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { AdsServer } from '../support/ads-server.ts';
import { findEnvoy } from '../support/find-envoy.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { type Json, stat, until } from './heddle.ts';
import { ADS, EXTENSION, LISTENER, put, startRig, typed } from './xds-types-rig.ts';

const RBAC = 'envoy.extensions.filters.network.rbac.v3.RBAC';
const WASM = 'envoy.extensions.filters.network.wasm.v3.Wasm';
const ECHO = 'envoy.extensions.filters.network.echo.v3.Echo';
const SNI_CLUSTER = 'envoy.extensions.filters.network.sni_cluster.v3.SniCluster';
const PREFIX = 'extension_config_discovery.network_filter.guard.';

const listener = (port: number, more: Json = {}): Json => ({
  name: 'main',
  address: { socket_address: { address: '127.0.0.1', port_value: port } },
  filter_chains: [
    {
      filters: [
        {
          name: 'guard',
          config_discovery: { config_source: ADS, type_urls: [RBAC, WASM].map((type) => `a/${type}`), ...more },
        },
        { name: 'echo', typed_config: typed(ECHO) },
      ],
    },
  ],
});

const rbac = (action: 'ALLOW' | 'DENY'): Json => ({
  name: 'guard',
  typed_config: typed(RBAC, {
    stat_prefix: 'guard.',
    rules: { action, policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } } },
  }),
});

/** What comes back of one connection that sends something: 'echo', 'closed', or why there is none. */
function tell(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('hello'));
    socket.on('data', (chunk) => resolve(chunk.toString() === 'hello' ? 'echo' : 'strange'));
    socket.on('end', () => resolve('closed'));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED' ? 'refused' : 'closed'));
    socket.on('close', () => resolve('closed'));
    setTimeout(() => resolve('silence'), 3000).unref();
  }).then((told) => String(told));
}

async function follow(kind: ProxyKind, form: string, args: readonly string[]): Promise<void> {
  const prepare = (ads: AdsServer, port: number): void => {
    put(ads, LISTENER, 'main', listener(port));
    put(ads, EXTENSION, 'guard', rbac('ALLOW'));
  };
  const { ads, proxy, port, stop } = await startRig(kind, form, prepare, {}, args);
  const becomes = (what: string): Promise<void> =>
    until(`a connection is told: ${what}`, async () => (await tell(port)) === what, 10_000);
  try {
    await becomes('echo');
    const old = connect(port, '127.0.0.1');
    await new Promise((resolve) => old.once('connect', resolve));
    old.write('a');
    await new Promise((resolve) => old.once('data', resolve));
    put(ads, EXTENSION, 'guard', rbac('DENY'));
    await becomes('closed');
    if (kind === 'heddle') await until('rules of now hold for who was let in', () => old.closed);
    else {
      const answered = new Promise((resolve) => old.once('data', (chunk) => resolve(chunk.toString())));
      old.write('b');
      assert.equal(await answered, 'b', 'who was let in stays');
      old.destroy();
    }
    assert.equal(ads.nacks.length, 0);
    put(ads, EXTENSION, 'guard', { name: 'guard', typed_config: typed(SNI_CLUSTER) });
    await ads.until(() => ads.nacks.length > 0);
    // Envoy names the types that it expects in any order.
    const expected = `Error: filter config has type URL ${SNI_CLUSTER} but expect envoy.`;
    assert.ok(ads.nacks[0]?.error?.includes(expected), ads.nacks[0]?.error ?? '');
    assert.equal(await tell(port), 'closed');
    assert.ok((await stat(proxy, `${PREFIX}config_fail`)) > 0);
    assert.ok((await stat(proxy, `${PREFIX}config_reload`)) >= 2);
    put(ads, EXTENSION, 'guard', rbac('ALLOW'));
    await becomes('echo');
    if (form !== 'DELTA_GRPC') return;
    ads.remove(EXTENSION, 'guard');
    await becomes('closed');
    assert.ok((await stat(proxy, `listener.127.0.0.1_${port}.network_extension_config_missing`)) > 0);
  } finally {
    await stop();
  }
}

async function fallBack(kind: ProxyKind): Promise<void> {
  const fallback = { default_config: rbac('DENY')['typed_config'], apply_default_config_without_warming: true };
  const prepare = (ads: AdsServer, port: number): void => put(ads, LISTENER, 'main', listener(port, fallback));
  const { ads, port, stop } = await startRig(kind, 'GRPC', prepare);
  try {
    await until('the fallback serves', async () => (await tell(port)) === 'closed', 10_000);
    put(ads, EXTENSION, 'guard', rbac('ALLOW'));
    await until('what was named serves', async () => (await tell(port)) === 'echo');
  } finally {
    await stop();
  }
}

for (const kind of findEnvoy().path === null ? (['heddle'] as const) : (['envoy', 'heddle'] as const)) {
  for (const form of ['GRPC', 'DELTA_GRPC']) {
    test(`a network filter follows what it is named for (${kind}, ${form})`, () => follow(kind, form, []));
  }
  test(`a network filter has a fallback (${kind})`, () => fallBack(kind));
}
test('a network filter follows what it is named for (heddle, two workers)', () =>
  follow('heddle', 'DELTA_GRPC', ['--concurrency', '2']));

test('a guard that is named and not built lets nobody in', async () => {
  const prepare = (ads: AdsServer, port: number): void => {
    put(ads, LISTENER, 'main', listener(port));
    put(ads, EXTENSION, 'guard', { name: 'guard', typed_config: typed(WASM, { config: { name: 'a' } }) });
  };
  const { ads, port, stop } = await startRig('heddle', 'GRPC', prepare);
  try {
    await until('nobody is let in', async () => (await tell(port)) === 'closed', 10_000);
    const open = { config: { failure_policy: 'FAIL_OPEN' } };
    put(ads, EXTENSION, 'guard', { name: 'guard', typed_config: typed(WASM, open) });
    await until('it is inert', async () => (await tell(port)) === 'echo');
    assert.equal(ads.nacks.length, 0);
  } finally {
    await stop();
  }
});
