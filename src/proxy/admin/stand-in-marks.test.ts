// Which listeners are marked in /config_dump, and how.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Listener } from '../../proto/generated/types.d.ts';
import { fromJson } from '../../proto/json-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { messageJson } from './dynamic-dump.ts';
import { markStandIns } from './stand-in-marks.ts';

const LISTENER = 'envoy.config.listener.v3.Listener';
const HTTP = 'envoy.extensions.filters.http';
const NETWORK = 'envoy.extensions.filters.network';

type Json = Readonly<Record<string, unknown>>;

const typed = (name: string, type: string, fields: Json = {}): Json => ({
  name,
  typed_config: { '@type': `type.googleapis.com/${type}`, ...fields },
});
const tcp = typed('tcp', `${NETWORK}.tcp_proxy.v3.TcpProxy`, { stat_prefix: 'a', cluster: 'a' });
const http = (...filters: readonly Json[]): Json =>
  typed('http', `${NETWORK}.http_connection_manager.v3.HttpConnectionManager`, {
    stat_prefix: 'a',
    http_filters: [...filters, typed('router', `${HTTP}.router.v3.Router`)],
  });

function marked(...filters: readonly Json[]): unknown {
  const json = {
    name: 'a',
    metadata: { filter_metadata: { own: { key: 'value' } } },
    filter_chains: [{ filters: filters.slice(0, 1) }],
    default_filter_chain: { filters: filters.slice(1) },
  };
  const report = new Report();
  const message = fromJson(registry.message(LISTENER), json, report) as Listener;
  assert.deepEqual(report.problems, []);
  const { metadata } = markStandIns(messageJson(LISTENER, message), message, () => undefined);
  const { own, ...rest } = (metadata as { filter_metadata: Json }).filter_metadata;
  assert.deepEqual(own, { key: 'value' });
  return rest;
}

test('filters that are not built are named in the metadata, with what they do', () => {
  assert.deepEqual(marked(tcp, http()), {});
  const mongo = typed('mongo', `${NETWORK}.mongo_proxy.v3.MongoProxy`, { stat_prefix: 'a' });
  assert.deepEqual(marked(mongo, tcp), { 'heddle.stand_ins': { mongo: 'inert' } });
  const open = { config: { failure_policy: 'FAIL_OPEN' } };
  const guards = http(
    typed('jwt', `${HTTP}.jwt_authn.v3.JwtAuthentication`, { rules: [{ match: { prefix: '/' } }] }),
    typed('wasm', `${HTTP}.wasm.v3.Wasm`, open),
    typed('struct', 'udpa.type.v1.TypedStruct', { type_url: `a/${HTTP}.ext_authz.v3.ExtAuthz`, value: {} }),
  );
  const expected = { jwt: 'deny', wasm: 'inert', struct: 'deny', network: 'deny' };
  const network = typed('network', `${NETWORK}.ext_authz.v3.ExtAuthz`, { stat_prefix: 'a' });
  assert.deepEqual(marked(guards, network), { 'heddle.stand_ins': expected });
  const tracing = { provider: typed('zipkin', 'envoy.config.trace.v3.ZipkinConfig', { collector_cluster: 'a' }) };
  const traced = typed('http', `${NETWORK}.http_connection_manager.v3.HttpConnectionManager`, { tracing });
  assert.deepEqual(marked(traced, network), { 'heddle.stand_ins': { zipkin: 'inert', network: 'deny' } });
});
