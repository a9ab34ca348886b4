// Filters, runtime values and name tables from a control plane: first answers, changes, refusals and their end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findEnvoy } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { type Json, stat, until } from './heddle.ts';
import {
  ADS,
  answer,
  CLUSTER,
  cluster,
  discovered,
  EXTENSION,
  HEADER_MUTATION,
  LISTENER,
  listener,
  mutation,
  NAME_TABLE,
  PROXY_CONFIG,
  put,
  ROUTES,
  routes,
  type Rig,
  RUNTIME,
  startRig,
  typed,
} from './xds-types-rig.ts';

const WAYS = [['GRPC'], ['DELTA_GRPC'], ['DELTA_GRPC', '--concurrency', '2']] as const;

for (const [type, ...args] of WAYS) {
  const how = [type, ...args].join(' ');

  test(`a filter that is only named comes from the server, and changes (${how})`, async () => {
    const rig = await startRig(
      'heddle',
      type,
      (ads, port) => {
        put(ads, LISTENER, 'main', listener('main', port, [discovered('versions')]));
        put(ads, EXTENSION, 'versions', mutation('versions', 'first'));
      },
      {},
      args,
    );
    const { ads, proxy, port } = rig;
    try {
      await until('the filter serves', async () => (await answer(port)) === 'first', 10_000);
      put(ads, EXTENSION, 'versions', mutation('versions', 'second'));
      await until('the filter changes', async () => (await answer(port)) === 'second');
      assert.equal(ads.nacks.length, 0);
      const fault = 'envoy.extensions.filters.http.fault.v3.HTTPFault';
      put(ads, EXTENSION, 'versions', { name: 'versions', typed_config: typed(fault) });
      await ads.until(() => ads.nacks.length > 0);
      assert.match(ads.nacks[0]?.error ?? '', new RegExp(`has type URL ${fault} but expect ${HEADER_MUTATION}`));
      assert.equal(await answer(port), 'second');
      const prefix = 'extension_config_discovery.http_filter.versions.';
      assert.ok((await stat(proxy, `${prefix}config_fail`)) > 0);
      assert.ok((await stat(proxy, `${prefix}config_reload`)) >= 2);
      if (type === 'DELTA_GRPC') {
        ads.remove(EXTENSION, 'versions');
        await until('nothing passes without the filter', async () => (await answer(port)) === '500');
      }
    } finally {
      await rig.stop();
    }
  });

  test(`a filter's default serves until it comes; the listener waits where it must (${how})`, async () => {
    const instead = { default_config: mutation('', 'default')['typed_config'] };
    const rig = await startRig(
      'heddle',
      type,
      (ads, port) => {
        const more = { ...instead, apply_default_config_without_warming: true };
        put(ads, LISTENER, 'main', listener('main', port, [discovered('late', more)]));
      },
      {},
      args,
    );
    const { ads, port } = rig;
    try {
      await until('the default serves', async () => (await answer(port)) === 'default', 10_000);
      put(ads, EXTENSION, 'late', mutation('late', 'come'));
      await until('the filter serves', async () => (await answer(port)) === 'come');
    } finally {
      await rig.stop();
    }
  });

  test(`runtime values come from the server before anything else (${how})`, async () => {
    const rig = await startRig(
      'heddle',
      type,
      (ads, port) => {
        put(ads, LISTENER, 'main', listener('main', port));
        put(ads, RUNTIME, 'values', { name: 'values', layer: { half: { key: 100 }, text: 'yes' } });
        const runtime_fraction = { default_value: { numerator: 0 }, runtime_key: 'half.key' };
        const direct = { match: { prefix: '/', runtime_fraction }, direct_response: { status: 418 } };
        const rest = { match: { prefix: '/' }, route: { cluster: 'one' } };
        put(ads, ROUTES, 'routes', routes('routes', { routes: [direct, rest] }));
      },
      {
        layered_runtime: {
          layers: [
            { name: 'fetched', rtds_layer: { name: 'values', rtds_config: ADS } },
            { name: 'admin', admin_layer: {} },
          ],
        },
      },
      args,
    );
    const { ads, proxy, port } = rig;
    try {
      await until('the value holds', async () => (await answer(port)) === '418', 10_000);
      assert.match((await proxy.admin('/runtime')).body, /"half\.key": \{\s*"final_value": "100"/);
      put(ads, RUNTIME, 'values', { name: 'values', layer: { half: { key: 0 } } });
      await until('the value changes', async () => (await answer(port)) === 'none');
      await until('and shows', async () => !(await proxy.admin('/runtime')).body.includes('text'));
      const names = ads.requests.map((request) => request.type);
      assert.equal(names[0], RUNTIME, 'it is asked for first');
      assert.ok((await stat(proxy, 'runtime.update_success')) >= 2);
    } finally {
      await rig.stop();
    }
  });
}

test('Istio’s own types are asked for only when the node says so', async () => {
  const metadata = { DNS_CAPTURE: 'true', PROXY_CONFIG_XDS_AGENT: true };
  const table = { table: { 'web.shop': { ips: ['10.0.0.1'], registry: 'Kubernetes' } } };
  const isTold = { node: { id: 'proxy', cluster: 'test', metadata } };
  for (const more of [isTold, {}]) {
    const rig = await startRig(
      'heddle',
      'DELTA_GRPC',
      (ads, port) => {
        put(ads, LISTENER, 'main', listener('main', port));
        put(ads, NAME_TABLE, '', table);
      },
      more,
      // Several tests at once cannot all have the usual port.
      more === isTold ? ['--dns-address', '127.0.0.1:0'] : [],
    );
    const { ads, port, proxy } = rig;
    try {
      await until('the proxy serves', async () => (await answer(port)) === 'none', 10_000);
      const asked = [NAME_TABLE, PROXY_CONFIG].filter((type) => ads.of(type).length > 0);
      assert.deepEqual(asked, more === isTold ? [NAME_TABLE, PROXY_CONFIG] : []);
      if (more === isTold) await ads.until(() => ads.isAcked(NAME_TABLE));
      const { body } = await proxy.admin('/config_dump');
      assert.equal(body.includes('"web.shop"'), more === isTold);
    } finally {
      await rig.stop();
    }
  }
});

type Dump = Readonly<Record<string, unknown>>;

async function resources(rig: Rig, field: string): Promise<readonly Dump[]> {
  const { body } = await rig.proxy.admin(`/config_dump?resource=${field}`);
  return (JSON.parse(body) as { configs?: Dump[] }).configs ?? [];
}

/** Without what differs from run to run. */
function lasting(dumps: readonly Dump[]): unknown {
  return JSON.parse(JSON.stringify(dumps, (key, value) => (key === 'last_updated' ? 'a time' : value)));
}

test('/config_dump shows what came as Envoy does, and what was refused', async (t) => {
  const rigs: Rig[] = [];
  try {
    const port = await freePort();
    for (const kind of ['heddle', 'envoy'] as const) {
      if (kind === 'envoy' && findEnvoy().path === null) continue;
      const rig = await startRig(kind, 'GRPC', (ads) => {
        put(ads, LISTENER, 'main', listener('main', port, [discovered('versions')]));
        put(ads, EXTENSION, 'versions', mutation('versions', 'first'));
      });
      rigs.push(rig);
      await until('all of it is there', async () => (await resources(rig, 'ecds_filters')).length > 0, 10_000);
      await until('routes, too', async () => (await resources(rig, 'dynamic_route_configs')).length > 0);
      put(rig.ads, CLUSTER, 'warm', cluster('warm'));
      await until('a cluster warms', async () => (await resources(rig, 'dynamic_warming_clusters')).length > 0);
    }
    const [heddle, envoy] = rigs;
    assert.ok(heddle !== undefined);
    if (envoy === undefined) t.diagnostic('compared with nothing: there is no Envoy');
    else {
      const fields = ['dynamic_active_clusters', 'dynamic_warming_clusters', 'dynamic_listeners', 'ecds_filters'];
      for (const field of [...fields, 'dynamic_route_configs']) {
        assert.deepEqual(lasting(await resources(heddle, field)), lasting(await resources(envoy, field)), field);
      }
    }
    const regex_rewrite = { pattern: { regex: '(' }, substitution: '' };
    const wrong = { match: { prefix: '/' }, redirect: { regex_rewrite } };
    put(heddle.ads, ROUTES, 'routes', routes('routes', { routes: [wrong] }));
    await heddle.ads.until(() => heddle.ads.nacks.length > 0);
    const [refused] = await resources(heddle, 'dynamic_route_configs');
    const { details, version_info } = (refused?.['error_state'] ?? {}) as Dump;
    assert.match(String(details), /regex_rewrite/);
    assert.notEqual(version_info, refused?.['version_info']);
    assert.equal((await heddle.proxy.admin('/init_dump')).body.trim(), '{}');
    assert.match((await heddle.proxy.admin('/clusters')).body, /^one::added_via_api::true$/m);
    heddle.ads.stop();
    const age = 'heddle.xds.without_control_plane_ms';
    await until('the loss shows', async () => (await stat(heddle.proxy, age)) > 0, 10_000);
    const { status, body } = await heddle.proxy.admin('/ready');
    const text = /^200 LIVE\nno control plane for \d+ s; the last good configuration came \d+ s ago\n$/;
    assert.match(`${status} ${body}`, text);
    const [response, good] = ['last_response_age_ms', 'configuration_age_ms'].map((name) => `heddle.xds.${name}`);
    // The last response was refused.
    assert.ok((await stat(heddle.proxy, good ?? '')) >= (await stat(heddle.proxy, response ?? '')));
  } finally {
    for (const rig of rigs) await rig.stop();
  }
});

test('scopes choose the route configuration by headers, as in Envoy', async () => {
  const answers: string[][] = [];
  const status = (code: number): Json => ({
    routes: [{ match: { prefix: '/' }, direct_response: { status: code } }],
  });
  const scoped_routes = {
    name: 'scopes',
    scope_key_builder: {
      fragments: [
        {
          header_value_extractor: { name: 'x-where', element_separator: ';', element: { separator: '=', key: 'zone' } },
        },
        { header_value_extractor: { name: 'x-who', element_separator: ',', index: 1 } },
      ],
    },
    scoped_route_configurations_list: {
      scoped_route_configurations: [
        {
          name: 'inline',
          route_configuration: routes('inline', status(211)),
          key: { fragments: [{ string_key: 'a' }, { string_key: 'me' }] },
        },
        {
          name: 'other',
          route_configuration: routes('other', status(222)),
          key: { fragments: [{ string_key: 'b' }, { string_key: 'me' }] },
        },
      ],
    },
  };
  for (const kind of ['heddle', 'envoy'] as const) {
    if (kind === 'envoy' && findEnvoy().path === null) continue;
    const rig = await startRig(kind, 'DELTA_GRPC', (ads, port) => {
      put(ads, LISTENER, 'main', listener('main', port, [], { rds: undefined, scoped_routes }));
    });
    try {
      const ask = async (where: string, who: string): Promise<string> => {
        const headers = { 'x-where': where, 'x-who': who, connection: 'close' };
        const response = await fetch(`http://127.0.0.1:${rig.port}/`, { headers });
        await response.text();
        return String(response.status);
      };
      await until('the listener is there', async () => (await answer(rig.port)) === '404', 10_000);
      const asked: string[] = [];
      for (const where of ['zone=a', 'zone=b', 'x=y;zone=a', 'zone', 'zone=c', 'ZONE=a', 'zone=a;zone=b']) {
        for (const who of ['x,me', 'me', 'x,me,y', 'x, me']) asked.push(`${where} ${who} ${await ask(where, who)}`);
      }
      answers.push(asked);
    } finally {
      await rig.stop();
    }
  }
  const [ours = [], theirs = ours] = answers;
  assert.deepEqual(ours, theirs);
  assert.ok(ours.includes('x=y;zone=a x,me 211'), ours.join('\n'));
});
