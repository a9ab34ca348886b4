// Every field of a supported message that names a runtime key beside its default: what reads it is listed here, so that
// none is taken and then forgotten.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSupport } from '../../../scripts/supported-fields.ts';
import { registry } from '../../proto/registry.ts';

const KEYED = /^envoy\.config\.core\.v3\.Runtime(FractionalPercent|FeatureFlag|UInt32|Double|Percent)$/;

/** The messages of keys themselves, and of all values. */
const OWN = /^envoy\.config\.(core\.v3\.Runtime|bootstrap\.v3\.Bootstrap\.layered_runtime)/;

const READ: ReadonlySet<string> = new Set([
  'envoy.config.accesslog.v3.ComparisonFilter.value',
  'envoy.config.accesslog.v3.RuntimeFilter.runtime_key',
  'envoy.config.cluster.v3.Cluster.LeastRequestLbConfig.active_request_bias',
  'envoy.config.cluster.v3.Cluster.SlowStartConfig.aggression',
  'envoy.config.route.v3.CorsPolicy.filter_enabled',
  'envoy.config.route.v3.CorsPolicy.shadow_enabled',
  'envoy.config.route.v3.RouteAction.RequestMirrorPolicy.runtime_fraction',
  'envoy.config.route.v3.RouteMatch.runtime_fraction',
  'envoy.config.route.v3.WeightedCluster.runtime_key_prefix',
  'envoy.config.tap.v3.TapConfig.tap_enabled',
  'envoy.extensions.filters.http.composite.v3.ExecuteFilterAction.sample_percent',
  'envoy.extensions.filters.http.compressor.v3.Compressor.CommonDirectionConfig.enabled',
  'envoy.extensions.filters.http.compressor.v3.Compressor.runtime_enabled',
  'envoy.extensions.filters.http.cors.v3.CorsPolicy.filter_enabled',
  'envoy.extensions.filters.http.cors.v3.CorsPolicy.shadow_enabled',
  'envoy.extensions.filters.http.csrf.v3.CsrfPolicy.filter_enabled',
  'envoy.extensions.filters.http.csrf.v3.CsrfPolicy.shadow_enabled',
  'envoy.extensions.filters.http.decompressor.v3.Decompressor.CommonDirectionConfig.enabled',
  'envoy.extensions.filters.http.fault.v3.HTTPFault.abort_grpc_status_runtime',
  'envoy.extensions.filters.http.fault.v3.HTTPFault.abort_http_status_runtime',
  'envoy.extensions.filters.http.fault.v3.HTTPFault.abort_percent_runtime',
  'envoy.extensions.filters.http.fault.v3.HTTPFault.delay_duration_runtime',
  'envoy.extensions.filters.http.fault.v3.HTTPFault.delay_percent_runtime',
  'envoy.extensions.filters.http.fault.v3.HTTPFault.max_active_faults_runtime',
  'envoy.extensions.filters.http.fault.v3.HTTPFault.response_rate_limit_percent_runtime',
  'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit.filter_enabled',
  'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit.filter_enforced',
  'envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit.runtime_enabled',
  'envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit.runtime_enabled',
  'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit.runtime_enabled',
  'envoy.extensions.load_balancing_policies.common.v3.SlowStartConfig.aggression',
  'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest.active_request_bias',
  'envoy.extensions.matching.input_matchers.runtime_fraction.v3.RuntimeFraction.runtime_fraction',
]);

test('fields with runtime keys', () => {
  const { fields } = readSupport();
  const found: string[] = [];
  for (const [name, supported] of fields) {
    const type = registry.find(name);
    for (const field of type?.fields ?? []) {
      if (supported !== '*' && !supported.has(field.name)) continue;
      const isKeyed = field.kind === 'message' && KEYED.test(field.message.fullName);
      if (isKeyed || /runtime(_key|_key_prefix)?$/.test(field.name)) found.push(`${name}.${field.name}`);
    }
  }
  const unknown = found.filter((field) => !READ.has(field) && !OWN.test(field));
  assert.deepEqual(unknown, [], 'look who reads their keys, then list them here');
  assert.deepEqual(
    [...READ].filter((field) => !found.includes(field)),
    [],
    'listed, but supported no longer',
  );
});
