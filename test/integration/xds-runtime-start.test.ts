// Runtime values from a server come before anything serves, also where all else is static; as in Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdsServer } from '../support/ads-server.ts';
import { findEnvoy } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyKind, startProxy } from '../support/proxy-process.ts';
import { type Json, scratchFolder, until } from './heddle.ts';
import { ADS, answer, listener, put, routes, RUNTIME, typed } from './xds-types-rig.ts';

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const socket = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });

function config(adsPort: number, port: number, timeout: string): Json {
  const runtime_fraction = { default_value: { numerator: 0 }, runtime_key: 'half.key' };
  const direct = { match: { prefix: '/', runtime_fraction }, direct_response: { status: 418 } };
  const rest = { match: { prefix: '/' }, direct_response: { status: 200 } };
  const service = { envoy_grpc: { cluster_name: 'control' } };
  const rtds_config = { ...ADS, initial_fetch_timeout: timeout };
  return {
    node: { id: 'proxy', cluster: 'test' },
    admin: { address: socket(0) },
    dynamic_resources: { ads_config: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [service] } },
    layered_runtime: { layers: [{ name: 'fetched', rtds_layer: { name: 'values', rtds_config } }] },
    static_resources: {
      listeners: [
        listener('main', port, [], { rds: undefined, route_config: routes('own', { routes: [direct, rest] }) }),
      ],
      clusters: [
        {
          name: 'control',
          connect_timeout: '1s',
          load_assignment: {
            cluster_name: 'control',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(adsPort) } }] }],
          },
          typed_extension_protocol_options: {
            [HTTP_OPTIONS]: typed(HTTP_OPTIONS, { explicit_http_config: { http2_protocol_options: {} } }),
          },
        },
      ],
    },
  };
}

/** The first answer that a client gets who asks again and again. */
async function firstAnswer(port: number): Promise<string> {
  let first = 'unreachable';
  await until(
    'somebody answers',
    async () => {
      first = await answer(port);
      return first !== 'unreachable';
    },
    60_000,
  );
  return first;
}

async function start(kind: ProxyKind, args: readonly string[], timeout: string, isHeld: boolean): Promise<string> {
  const ads = new AdsServer();
  const port = await freePort();
  if (isHeld) ads.delayMs = 300;
  if (timeout === '15s') put(ads, RUNTIME, 'values', { name: 'values', layer: { half: { key: 100 } } });
  const starting = startProxy(kind, JSON.stringify(config(ads.port, port, timeout)), scratchFolder(), args);
  try {
    return await firstAnswer(port);
  } finally {
    await (await starting).stop();
    ads.stop();
  }
}

const KINDS = findEnvoy().path === null ? (['heddle'] as const) : (['envoy', 'heddle'] as const);
for (const kind of KINDS) {
  test(`nobody is served before runtime values are there (${kind})`, async () => {
    assert.equal(await start(kind, [], '15s', true), '418');
  });
  test(`nor before they were waited for long enough (${kind})`, async () => {
    assert.equal(await start(kind, [], '0.3s', false), 'none');
  });
}
test('so it is in two workers', async () => {
  assert.equal(await start('heddle', ['--concurrency', '2'], '15s', true), '418');
});
