// The fleet of the bench against a small server: it asks for all that is named, and notices what is wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdsServer } from '../../test/support/ads-server.ts';
import { chooseCores } from '../support/process.ts';
import { Fleet } from './fleet.ts';

const SERVICES = 5;
const PROXIES = 3;
const TYPE = 'envoy.config.';
const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

function serve(): AdsServer {
  const ads = new AdsServer();
  const names = Array.from({ length: SERVICES }, (_, i) => `outbound|80||svc-${i}`);
  const source = { ads: {}, resource_api_version: 'V3' };
  const cluster = (name: string) => [name, { name, type: 'EDS', eds_cluster_config: { eds_config: source } }] as const;
  ads.set(`${TYPE}cluster.v3.Cluster`, Object.fromEntries(names.map(cluster)));
  ads.set(
    `${TYPE}endpoint.v3.ClusterLoadAssignment`,
    Object.fromEntries(names.map((name) => [name, { cluster_name: name }])),
  );
  const message = { stat_prefix: 'x', rds: rds(source) };
  const manager = { type_url: `type.googleapis.com/${MANAGER}`, message };
  const listener = { name: 'all', filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }] };
  ads.set(`${TYPE}listener.v3.Listener`, { all: listener });
  setRoutes(ads, 'first', names);
  return ads;
}

function rds(source: object): object {
  return { route_config_name: '80', config_source: source };
}

function setRoutes(ads: AdsServer, marker: string, names: readonly string[]): void {
  const headers = [{ header: { key: 'x-bench', value: marker } }];
  const host = (name: string) => ({ name, domains: [name], request_headers_to_add: headers });
  ads.set(`${TYPE}route.v3.RouteConfiguration`, { '80': { name: '80', virtual_hosts: names.map(host) } });
}

test('the fleet takes everything, waits for a change, and counts what came', { timeout: 30_000 }, async () => {
  const ads = serve();
  const fleet = new Fleet(chooseCores().load);
  try {
    const kind = 'envoy';
    const connect = { do: 'connect', port: ads.port, kind, count: PROXIES, services: SERVICES } as const;
    const first = await fleet.ask({ ...connect, timeoutMs: 10_000 });
    assert.deepEqual(first.problems, []);
    assert.equal(first.missing, 0);
    assert.equal(first.doneMs.length, PROXIES);
    assert.deepEqual(first.holds, { cds: [5, 5], eds: [5, 5], lds: [1, 1], rds: [1, 1], vhds: [0, 0] });
    assert.deepEqual(first.hosts, [5, 5]);

    await fleet.ask({ do: 'expect', text: 'second', types: ['hosts'], kind });
    setRoutes(ads, 'second', ['one']);
    const changed = await fleet.ask({ do: 'settle', timeoutMs: 10_000 });
    assert.equal(changed.missing, 0);
    assert.deepEqual(changed.resources, { cds: 0, eds: 0, lds: 0, rds: PROXIES, vhds: 0 });
    assert.deepEqual(changed.hosts, [1, 1]);
    assert.ok(changed.bytes > 0 && changed.bytes < first.bytes);

    await fleet.ask({ do: 'expect', text: 'never', types: ['hosts'], kind });
    assert.equal((await fleet.ask({ do: 'settle', timeoutMs: 200 })).missing, PROXIES);
    ads.stop();
    const { problems } = await fleet.ask({ do: 'settle', timeoutMs: 200 });
    assert.ok(problems.length >= PROXIES, String(problems));
  } finally {
    await fleet.stop();
    ads.stop();
  }
});
