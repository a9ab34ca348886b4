// Filters inside filters: what is chosen, what is refused, and what is denied although nothing is built for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, MemoryProxy } from '../../../../../test/simulation/memory-proxy.ts';

type Json = Readonly<Record<string, unknown>>;

const COMPOSITE = 'envoy.extensions.filters.http.composite.v3';
const typed = (type: string, fields: Json = {}): Json => ({ '@type': `type.googleapis.com/${type}`, ...fields });
const fault = (status: number): Json => ({
  name: 'fault',
  typed_config: typed('envoy.extensions.filters.http.fault.v3.HTTPFault', {
    abort: { http_status: status, percentage: { numerator: 100 } },
  }),
});
const noop: Json = { name: 'cors', typed_config: typed('envoy.extensions.filters.http.cors.v3.Cors') };
const execute = (fields: Json): Json => ({
  action: { name: 'execute', typed_config: typed(`${COMPOSITE}.ExecuteFilterAction`, fields) },
});
const skip: Json = {
  action: { name: 'skip', typed_config: typed('envoy.extensions.filters.common.matcher.action.v3.SkipFilter') },
};
const byPath = (map: Record<string, Json>): Json => ({
  matcher_tree: {
    input: {
      name: 'path',
      typed_config: typed('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { header_name: ':path' }),
    },
    exact_match_map: { map },
  },
});
const composite = (fields: Json): Json => ({
  name: 'composite',
  typed_config: typed(`${COMPOSITE}.Composite`, fields),
});
const delegate = (inner: Json, matcher?: Json): Json => ({
  name: 'delegate',
  typed_config: typed('envoy.extensions.common.matching.v3.ExtensionWithMatcher', {
    extension_config: inner,
    ...(matcher === undefined ? {} : { xds_matcher: matcher }),
  }),
});
const answers = (rig: MemoryProxy, path: string): unknown => rig.exchange(get(path)).answers[0];

test('each action of a composite filter has filters of its own, wherever they stand', () => {
  const chain = (status: number, before: number): Json => {
    return execute({ filter_chain: { typed_config: [...new Array(before).fill(noop), fault(status)] } });
  };
  const matcher = byPath({ '/a': chain(401, 0), '/b': chain(402, 1), '/c': chain(403, 3), '/d': chain(404, 7) });
  const rig = new MemoryProxy({ httpFilters: [composite({ matcher })] });
  const seen = ['/a', '/b', '/c', '/d'].map((path) => String(answers(rig, path)).slice(0, 3));
  assert.deepEqual(seen, ['401', '402', '403', '404']);
  assert.equal(rig.stat('http.test.composite.filter_delegation_success'), 4);
  rig.stop();
});

test('a filter that is not built denies inside another one as well, unless it is skipped', () => {
  const guard: Json = {
    name: 'authz',
    typed_config: typed('envoy.extensions.filters.http.ext_authz.v3.ExtAuthz', {
      grpc_service: { envoy_grpc: { cluster_name: 'upstream' } },
      transport_api_version: 'V3',
    }),
  };
  const rig = new MemoryProxy({ httpFilters: [delegate(guard, byPath({ '/open': skip })), fault(418)] });
  assert.match(String(answers(rig, '/closed')), /^403/);
  assert.match(String(answers(rig, '/open')), /^418/);
  assert.equal(rig.stat('listener_manager.deny_all_filters'), 1);
  rig.stop();
});

test('a terminal filter inside another one is refused', () => {
  const router: Json = { name: 'router', typed_config: typed('envoy.extensions.filters.http.router.v3.Router') };
  const matcher = byPath({ '/a': execute({ typed_config: router }) });
  assert.throws(
    () => new MemoryProxy({ httpFilters: [composite({ matcher })] }),
    /terminal filter .* cannot stand inside/,
  );
  assert.throws(() => new MemoryProxy({ httpFilters: [delegate(router)] }), /terminal filter .* cannot stand inside/);
});
