// Tracers that connection managers name: taken whatever they are, unless they cannot be read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Any } from '../../proto/any.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import type { HttpConnectionManager } from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { validateRules } from '../../proto/rules.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import { decodeTracer } from './tracing.ts';

const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ZIPKIN = 'envoy.config.trace.v3.ZipkinConfig';

function any(type: string, value: Uint8Array): Any {
  return { type_url: `type.googleapis.com/${type}`, value };
}

/** The tracer's name, and why it is refused. */
function decode(provider: { readonly name: string; readonly typed_config?: Any }): readonly string[] {
  const message: HttpConnectionManager = { stat_prefix: 'a', route_config: {}, tracing: { provider } };
  const rules = new Report();
  validateRules(registry.message(MANAGER), message, rules);
  const d = new ConfigDecoder({ unpack: () => null });
  const name = decodeTracer(message, d);
  const reasons = [...rules.problems, ...d.reasons].map(({ path, reason }) => `${path}: ${reason}`);
  return [name, ...reasons];
}

test('tracers are known by name and otherwise left alone', () => {
  const zipkin = encodeBinary(registry.message(ZIPKIN as string), {
    collector_cluster: 'spans',
    collector_endpoint: '/api/v2/spans',
  } as never);
  assert.deepEqual(decode({ name: 'envoy.tracers.zipkin', typed_config: any(ZIPKIN, zipkin) }), [
    'envoy.tracers.zipkin',
  ]);
  assert.deepEqual(decode({ name: 'bare' }), ['bare']);
  const unknown = any('tomorrow.v1.Tracer', Buffer.from([1, 2, 3]));
  assert.deepEqual(decode({ name: 'tomorrow', typed_config: unknown }), ['tomorrow']);
  assert.equal(decodeTracer({ stat_prefix: 'a', tracing: {} } as never, new ConfigDecoder({ unpack: () => null })), '');
});

test('what cannot be read is refused', () => {
  const path = 'tracing.provider.typed_config';
  const [, broken = ''] = decode({ name: 'a', typed_config: any(ZIPKIN, Buffer.from([0x0a, 200])) });
  assert.match(broken, /^tracing\.provider\.typed_config/);
  const collector = { grpc_service: { envoy_grpc: { cluster_name: '' } } };
  const otel = 'envoy.config.trace.v3.OpenTelemetryConfig';
  const bytes = encodeBinary(registry.message(otel as string), collector as never);
  assert.deepEqual(decode({ name: 'a', typed_config: any(otel, bytes) }), [
    'a',
    `${path}.grpc_service.envoy_grpc.cluster_name: value length must be at least 1 characters`,
  ]);
  assert.deepEqual(decode({ name: '' }), ['', 'tracing.provider.name: value length must be at least 1 characters']);
});
