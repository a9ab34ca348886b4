// Fields that the proxy does not know in what a server sends: let through and counted as in Envoy, but not in guards.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { addUnknownField } from '../../src/proto/unknown-fields.ts';
import type { AdsServer } from '../support/ads-server.ts';
import { findEnvoy } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyKind, startProxy } from '../support/proxy-process.ts';
import { bootstrap, type Json, runHeddle, scratchFolder, stat, until, writeConfig } from './heddle.ts';
import {
  answer,
  CLUSTER,
  cluster,
  ENDPOINTS,
  endpoints,
  LISTENER,
  listener,
  put,
  routes,
  startRig,
  typed,
} from './xds-types-rig.ts';

const RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC';
const CORS = 'envoy.extensions.filters.http.cors.v3.Cors';
const UPSTREAM_TLS = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
const STRUCT = 'udpa.type.v1.TypedStruct';
const STAT = 'server.dynamic_unknown_fields';

type Tree = { [field: string]: Tree };

/** Adds field number 9999 with the value 1 to the message at each path; '*' goes into an Any. */
function putWith(ads: AdsServer, type: string, name: string, json: Json, paths: readonly string[]): void {
  const report = new Report();
  const message = fromJson(registry.message(type) as never, json, report) as unknown as Tree;
  assert.deepEqual(report.problems, []);
  for (const path of paths) {
    let at = message;
    for (const step of path.split('.').filter((one) => one !== '')) at = at[step === '*' ? 'message' : step] as Tree;
    addUnknownField(at, { number: 9999, wireType: 0, bytes: Buffer.from([0xf8, 0xf0, 0x04, 1]) });
  }
  ads.put(type, name, message);
}

const MANAGER = 'filter_chains.0.filters.0.typed_config.*';

async function letThrough(kind: ProxyKind, args: readonly string[], expected: number): Promise<void> {
  const struct = { name: 'cors', typed_config: typed(STRUCT, { type_url: `a/${CORS}`, value: { tomorrow: 1 } }) };
  const prepare = (ads: AdsServer, port: number): void => {
    // Of the listener, the manager, its router, a TypedStruct, and one that is there already.
    const paths = ['', MANAGER, `${MANAGER}.http_filters.1.typed_config.*`, 'filter_chains.0'];
    putWith(ads, LISTENER, 'main', listener('main', port, [struct]), paths);
    putWith(ads, CLUSTER, 'one', cluster('one'), ['eds_cluster_config']);
    putWith(ads, CLUSTER, 'two', cluster('two'), ['eds_cluster_config']);
    put(ads, ENDPOINTS, 'two', endpoints('two', 1));
  };
  const { ads, proxy, port, stop } = await startRig(kind, 'GRPC', prepare, {}, args);
  try {
    await until('the listener serves', async () => (await answer(port)) === 'none', 10_000);
    assert.deepEqual(
      ads.nacks.map(({ error }) => error),
      [],
    );
    assert.equal(await stat(proxy, STAT), expected);
    if (kind === 'heddle' && expected > 0) {
      assert.match(proxy.output, /Unknown field: unknown field number 9999 in envoy.config.listener.v3.Listener \(/);
      const path =
        'filter_chains\\[0\\]\\.filters\\[0\\]\\.typed_config\\.http_filters\\[0\\]\\.typed_config\\.value\\.tomorrow';
      assert.match(proxy.output, new RegExp(`no such field: 'tomorrow' in ${CORS} \\(.* "main": ${path}\\)`));
    }
  } finally {
    await stop();
  }
}

for (const kind of findEnvoy().path === null ? (['heddle'] as const) : (['envoy', 'heddle'] as const)) {
  test(`unknown fields are let through and counted (${kind})`, () => letThrough(kind, [], 6));
  test(`they are not even counted when that is wished (${kind})`, () =>
    letThrough(kind, ['--ignore-unknown-dynamic-fields'], 0));

  test(`they are refused when that is wished (${kind})`, async () => {
    const prepare = (ads: AdsServer, port: number): void => {
      put(ads, LISTENER, 'main', listener('main', port));
      putWith(ads, CLUSTER, 'two', cluster('two'), ['eds_cluster_config']);
      put(ads, ENDPOINTS, 'two', endpoints('two', 1));
    };
    const rig = await startRig(kind, 'GRPC', prepare, {}, ['--reject-unknown-dynamic-fields']);
    try {
      await rig.ads.until(() => rig.ads.nacks.length > 0);
      assert.match(rig.ads.nacks[0]?.error ?? '', kind === 'envoy' ? /unknown fields/ : /unknown field number 9999/);
    } finally {
      await rig.stop();
    }
  });
}
test('unknown fields are counted once by two workers', () => letThrough('heddle', ['--concurrency', '2'], 6));

const rules = {
  policies: { 'a.b': { permissions: [{ url_path: { path: { exact: '/' } } }], principals: [{ any: true }] } },
};
const rbac = { name: 'rbac', typed_config: typed(RBAC, { rules }) };
const FILTER = `${MANAGER}.http_filters.0.typed_config.*`;

test('what decides on access is refused with them', async () => {
  const { ads, port, stop } = await startRig('heddle', 'GRPC', (server, main) => {
    putWith(server, LISTENER, 'main', listener('main', main, [rbac]), []);
  });
  const refused = async (put: () => void, what: RegExp): Promise<void> => {
    const before = ads.nacks.length;
    put();
    await ads.until(() => ads.nacks.length > before);
    assert.match(ads.nacks.at(-1)?.error ?? '', what);
    assert.equal(await answer(port), 'none', 'the last good one serves');
  };
  try {
    await until('the listener serves', async () => (await answer(port)) === 'none', 10_000);
    const policy = `${FILTER}.rules.policies`;
    const rule = /and all of a envoy\.extensions\.filters\.http\.rbac\.v3\.RBAC must be known: it decides on access/;
    for (const path of [FILTER, `${FILTER}.rules`]) {
      await refused(() => putWith(ads, LISTENER, 'main', listener('main', port, [rbac]), [path]), rule);
    }
    const whole = (): void => {
      const report = new Report();
      const made = fromJson(registry.message(LISTENER), listener('main', port, [rbac]), report) as unknown as Tree;
      let at = made;
      for (const step of [...policy.split('.'), 'a.b', 'permissions', '0', 'url_path', 'path']) {
        at = at[step === '*' ? 'message' : step] as Tree;
      }
      addUnknownField(at, { number: 9999, wireType: 0, bytes: Buffer.from([0xf8, 0xf0, 0x04, 1]) });
      ads.put(LISTENER, 'main', made);
    };
    await refused(whole, rule);
    const value = { type_url: `a/${RBAC}`, value: { rules: { ...rules, tomorrow: {} } } };
    const struct = { name: 'rbac', typed_config: typed(STRUCT, value) };
    await refused(() => putWith(ads, LISTENER, 'main', listener('main', port, [struct]), []), rule);
    const socket = {
      name: 'tls',
      typed_config: typed(UPSTREAM_TLS, { common_tls_context: { validation_context: {} } }),
    };
    const secured = cluster('two', { transport_socket: socket });
    const context = 'transport_socket.typed_config.*.common_tls_context.validation_context';
    await refused(() => putWith(ads, CLUSTER, 'two', secured, [context]), /must be known: it decides on access/);
  } finally {
    await stop();
  }
});

test('guards in files are refused, too', async () => {
  const folder = scratchFolder();
  const path = join(folder, 'lds.json');
  const config = {
    node: { id: 'proxy', cluster: 'test' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    dynamic_resources: { lds_config: { path_config_source: { path }, resource_api_version: 'V3' } },
  };
  const direct = [{ match: { prefix: '/' }, direct_response: { status: 200 } }];
  const more = { rds: undefined, route_config: routes('own', { routes: direct }) };
  for (const isGuard of [true, false]) {
    const port = await freePort();
    const own = { ...rules, ...(isGuard ? { tomorrow: 1 } : {}) };
    const guarded = { name: 'rbac', typed_config: typed(RBAC, { rules: own }) };
    const resource = {
      ...typed(LISTENER),
      ...listener('file', port, [guarded], more),
      ...(isGuard ? {} : { tomorrow: 1 }),
    };
    writeFileSync(path, JSON.stringify({ version_info: '1', resources: [resource] }));
    const proxy = await startProxy('heddle', JSON.stringify(config), folder);
    try {
      if (isGuard) {
        await until('it is refused', () => proxy.output.includes('it decides on access'));
        assert.equal(await answer(port), 'unreachable');
      } else {
        await until('it serves', async () => (await answer(port)) === 'none');
        assert.equal(await stat(proxy, STAT), 1);
      }
    } finally {
      await proxy.stop();
    }
  }
});

test('in the bootstrap they are refused, unless that is wished', async () => {
  const struct = { name: 'cors', typed_config: typed(STRUCT, { type_url: `a/${CORS}`, value: { tomorrow: 1 } }) };
  const router = { name: 'router', typed_config: typed('envoy.extensions.filters.http.router.v3.Router') };
  const path = writeConfig(bootstrap({ listener: 0, upstream: 1 }, { http_filters: [struct, router] }));
  const { code, stderr } = await runHeddle('--mode', 'validate', '-c', path);
  assert.equal(code, 1);
  assert.match(stderr, /typed_config\.value\.tomorrow: no such field: 'tomorrow'/);
  const allowed = await runHeddle('--mode', 'validate', '-c', path, '--allow-unknown-static-fields');
  assert.equal(allowed.code, 0, allowed.stderr);
});
