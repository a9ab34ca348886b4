// TypedStructs wherever an Any stands: filters, per-route configurations, and what is wrong inside them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Any } from '../../proto/any.ts';
import { fromJson } from '../../proto/json-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import { unpackExtension } from './environment.ts';
import { decodeTable, oneRoute, requestOf, routeOf, tableOf } from './route-test-table.ts';

const KINDS = ['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct'];
const NAME = 'envoy.filters.http.cors';

function struct(type: string, value: object, kind = KINDS[0]): object {
  return { '@type': `type.googleapis.com/${kind}`, type_url: `type.googleapis.com/${type}`, value };
}

function routed(any: object): object {
  return oneRoute({ prefix: '/' }, { route: { cluster: 'a' }, typed_per_filter_config: { [NAME]: any } });
}

function configOf(any: object): unknown {
  return routeOf(tableOf(routed(any)), requestOf('/')).filterConfigs.get(NAME)?.mostSpecific;
}

test('a per-route configuration may be a TypedStruct of either kind', () => {
  for (const kind of KINDS) {
    const any = struct('envoy.extensions.filters.http.cors.v3.CorsPolicy', { max_age: '7' }, kind);
    assert.equal((configOf(any) as { max_age?: string }).max_age, '7');
  }
});

test('so may the message that switches a filter off, and what is in it', () => {
  const cors = struct('envoy.extensions.filters.http.cors.v3.CorsPolicy', { max_age: '8' });
  const wrapped = struct('envoy.config.route.v3.FilterConfig', { config: cors });
  assert.equal((configOf(wrapped) as { max_age?: string }).max_age, '8');
  const off = struct('envoy.config.route.v3.FilterConfig', { disabled: true });
  assert.equal(routeOf(tableOf(routed(off)), requestOf('/')).filterConfigs.get(NAME)?.disabled, true);
  const { reasons } = decodeTable(routed(struct('envoy.config.route.v3.FilterConfig', {})));
  assert.deepEqual(
    reasons.map(({ reason }) => reason),
    ['Empty route/virtual host per filter configuration for a filter'],
  );
});

test('what is wrong in one is refused with its path', () => {
  const reasonsOf = (json: object): string[] => {
    const any = fromJson(registry.message('google.protobuf.Any' as string), json, new Report()) as unknown as Any;
    const d = new ConfigDecoder({ unpack: unpackExtension }, 'http_filters[0].typed_config');
    unpackExtension(any, d);
    return d.reasons.map(({ path, reason }) => `${path}: ${reason}`);
  };
  const type = 'io.istio.http.peer_metadata.Config';
  assert.deepEqual(reasonsOf(struct(type, { shared_with_upstream: true })), []);
  assert.deepEqual(reasonsOf(struct(type, { shared_with_upstream: 1 })), [
    'http_filters[0].typed_config.value.shared_with_upstream: expected true or false, got 1',
  ]);
  assert.deepEqual(reasonsOf(struct('a.b.C', {})), [
    "http_filters[0].typed_config.type_url: unknown message type 'type.googleapis.com/a.b.C'",
  ]);
});
