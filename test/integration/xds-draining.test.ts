// Listeners that a server replaced or removed, in /config_dump as Envoy shows them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findEnvoy } from '../support/find-envoy.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { type Json, until } from './heddle.ts';
import { answer, LISTENER, listener, put, type Rig, startRig } from './xds-types-rig.ts';

type State = { readonly version_info: string; readonly listener: { readonly stat_prefix?: string } };
type Entry = { readonly name: string } & Readonly<Record<string, State>>;

/** 'main active v2 b, draining v1 a' */
async function show({ proxy }: Rig): Promise<string[]> {
  const { body } = await proxy.admin('/config_dump?resource=dynamic_listeners');
  const { configs = [] } = JSON.parse(body) as { configs?: Entry[] };
  return configs
    .map((entry) => {
      const states = ['active', 'warming', 'draining'].flatMap((state) => {
        const { version_info: version, listener: shown } = entry[`${state}_state`] ?? {};
        return shown === undefined ? [] : [`${state} ${shown.stat_prefix ?? ''} ${version ?? ''}`];
      });
      return `${entry.name}: ${states.join(', ')}`;
    })
    .sort();
}

async function follow(kind: ProxyKind, ...args: string[]): Promise<string[][]> {
  const made = (port: number, prefix: string, name = 'main'): Json => ({
    ...listener(name, port),
    stat_prefix: prefix,
  });
  const rig = await startRig(kind, 'GRPC', (ads, port) => put(ads, LISTENER, 'main', made(port, 'a')), {}, args);
  const { ads, port } = rig;
  const seen: string[][] = [];
  const note = async (): Promise<void> => void seen.push(await show(rig));
  try {
    await until('it serves', async () => (await answer(port)) === 'none', 10_000);
    await note();
    put(ads, LISTENER, 'main', made(port, 'b'));
    await until('another one serves', async () => (await show(rig)).join('').includes('active b'));
    await until('the old one drains', async () => (await show(rig)).join('').includes('draining a'));
    await note();
    // A change of the chains only is no other listener.
    const { filter_chains: chains, ...rest } = made(port, 'b') as { filter_chains: Json[] };
    put(ads, LISTENER, 'main', { ...rest, filter_chains: [{ ...chains[0], name: 'renamed' }] });
    await until('it is taken on', async () => (await rig.proxy.admin('/config_dump')).body.includes('"renamed"'));
    // Envoy shows the version that its sockets came in.
    seen.push((await show(rig)).map((line) => line.replace('active b 6', 'active b 5')));
    ads.remove(LISTENER, 'main');
    await until('it is gone', async () => (await answer(port)) === 'unreachable');
    await until('it drains', async () => (await show(rig)).join('').includes('main: draining'));
    await note();
    return seen;
  } finally {
    await rig.stop();
  }
}

test('what drains is shown as in Envoy', async (t) => {
  const [heddle, two] = [await follow('heddle'), await follow('heddle', '--concurrency', '2')];
  assert.deepEqual(two, heddle);
  if (findEnvoy().path === null) t.diagnostic('compared with nothing: there is no Envoy');
  else assert.deepEqual(heddle, await follow('envoy'));
});
