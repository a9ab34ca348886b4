// Whoever configured a guard that is not built is never let in unjudged; what fails open by configuration passes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get, MemoryProxy } from '../../../../../test/simulation/memory-proxy.ts';
import { registry } from '../../../../proto/registry.ts';
import { unsupportedGuards } from './guards.ts';

type Json = Readonly<Record<string, unknown>>;

const PACKAGE = 'envoy.extensions.filters.http';
const GRPC = { envoy_grpc: { cluster_name: 'upstream' } };
const SERVICE = { grpc_service: GRPC, transport_api_version: 'V3' };
const typed = (type: string, fields: Json): Json => ({ '@type': `type.googleapis.com/${type}`, ...fields });
/** The name is anything: the type decides. */
const guard = (type: string, fields: Json): Json => ({
  name: 'any name',
  typed_config: typed(`${PACKAGE}.${type}`, fields),
});
const struct = (type: string, value: Json): Json => ({
  name: 'any name',
  typed_config: typed('udpa.type.v1.TypedStruct', { type_url: `type.googleapis.com/${PACKAGE}.${type}`, value }),
});
const JWT = {
  providers: { a: { issuer: 'b', local_jwks: { inline_string: '{}' } } },
  rules: [{ match: { prefix: '/jwt' }, requires: { provider_name: 'a' } }],
};

const DENYING: Readonly<Record<string, readonly [name: string, filter: Json]>> = {
  'jwt_authn with rules': ['jwt_authn', guard('jwt_authn.v3.JwtAuthentication', JWT)],
  'ext_authz over gRPC': ['ext_authz', guard('ext_authz.v3.ExtAuthz', SERVICE)],
  'ext_authz that allows on failure': [
    'ext_authz',
    guard('ext_authz.v3.ExtAuthz', { ...SERVICE, failure_mode_allow: true }),
  ],
  'ext_authz that denies where it is off': [
    'ext_authz',
    guard('ext_authz.v3.ExtAuthz', {
      ...SERVICE,
      filter_enabled: { default_value: { numerator: 0 } },
      deny_at_disable: { default_value: false, runtime_key: 'a' },
    }),
  ],
  'ratelimit that fails closed': [
    'ratelimit',
    guard('ratelimit.v3.RateLimit', { domain: 'a', failure_mode_deny: true, rate_limit_service: SERVICE }),
  ],
  'Wasm without a policy': ['wasm', guard('wasm.v3.Wasm', { config: { name: 'a' } })],
  'Wasm that fails closed': [
    'wasm',
    guard('wasm.v3.Wasm', { config: { failure_policy: 'FAIL_CLOSED', fail_open: false } }),
  ],
  'Wasm in a TypedStruct': ['wasm', struct('wasm.v3.Wasm', { config: { failure_policy: 'FAIL_RELOAD' } })],
};

const PASSING: Readonly<Record<string, Json>> = {
  'jwt_authn without rules': guard('jwt_authn.v3.JwtAuthentication', { providers: JWT.providers }),
  'ratelimit that fails open': guard('ratelimit.v3.RateLimit', { domain: 'a', rate_limit_service: SERVICE }),
  'Wasm that fails open': guard('wasm.v3.Wasm', { config: { failure_policy: 'FAIL_OPEN' } }),
  'Wasm that fails open, in the old way': guard('wasm.v3.Wasm', { config: { fail_open: true } }),
  'Wasm that fails open, in a TypedStruct': struct('wasm.v3.Wasm', { config: { failure_policy: 'FAIL_OPEN' } }),
};

for (const [what, [name, filter]] of Object.entries(DENYING)) {
  test(`${what} lets nobody in`, () => {
    const rig = new MemoryProxy({ httpFilters: [filter] });
    const details = `unsupported_filter{envoy.filters.http.${name}}`;
    assert.deepEqual(rig.exchange(get('/a')).answers, ['403 ']);
    assert.deepEqual(rig.takeLog(), [`GET /a 403 - ${details}`]);
    assert.equal(rig.upstream.connections.length, 0);
    assert.equal(rig.stat('listener_manager.deny_all_filters'), 1);
    assert.equal(rig.problems.length, 1);
    assert.match(String(rig.problems[0]), new RegExp(`${name} is not supported yet and lets nobody in`));
    rig.stop();
  });
}

for (const [what, filter] of Object.entries(PASSING)) {
  test(`${what} is inert`, () => {
    const rig = new MemoryProxy({ httpFilters: [filter] });
    assert.deepEqual(rig.exchange(get('/a')).answers, ['200 ok']);
    assert.equal(rig.stat('listener_manager.inert_filters'), 1);
    assert.equal(rig.problems.filter((line) => line.includes('is accepted but does nothing')).length, 1);
    rig.stop();
  });
}

test('a gRPC client is told in its own words', () => {
  const rig = new MemoryProxy({ httpFilters: [guard('ext_authz.v3.ExtAuthz', SERVICE)] });
  const client = rig.exchange(
    'POST /a HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n',
  );
  assert.match(client.text, /^HTTP\/1.1 200 /);
  assert.match(client.text, /grpc-status: 7\r\n/);
  rig.stop();
});

test('a route that switches a guard off is not judged', () => {
  const off = (type: string): Json => ({ 'any name': typed(`${PACKAGE}.${type}`, { disabled: true }) });
  const route = (prefix: string, configs: Json): Json => ({
    match: { prefix },
    route: { cluster: 'upstream' },
    typed_per_filter_config: configs,
  });
  const rig = new MemoryProxy({
    httpFilters: [guard('ext_authz.v3.ExtAuthz', SERVICE)],
    routes: [
      route('/off', off('ext_authz.v3.ExtAuthzPerRoute')),
      route('/on', { 'any name': typed(`${PACKAGE}.ext_authz.v3.ExtAuthzPerRoute`, { check_settings: {} }) }),
      route('/', {}),
    ],
  });
  const status = (path: string): string | undefined => rig.exchange(get(path)).answers[0];
  assert.deepEqual(['/off', '/on', '/'].map(status), ['200 ok', '403 ', '403 ']);
  rig.stop();
});

test('ext_authz judges whom the rules before it choose, as a mesh has it', () => {
  const shadow = {
    shadow_rules_stat_prefix: 'istio_ext_authz_',
    shadow_rules: {
      action: 'DENY',
      policies: {
        'istio-ext-authz-x': {
          permissions: [{ url_path: { path: { prefix: '/guarded' } } }],
          principals: [{ any: true }],
        },
      },
    },
  };
  const rig = new MemoryProxy({
    httpFilters: [
      guard('rbac.v3.RBAC', shadow),
      guard('ext_authz.v3.ExtAuthz', {
        ...SERVICE,
        filter_enabled_metadata: {
          filter: 'envoy.filters.http.rbac',
          path: [{ key: 'istio_ext_authz_shadow_effective_policy_id' }],
          value: { string_match: { prefix: 'istio-ext-authz-' } },
        },
      }),
    ],
  });
  assert.deepEqual(rig.exchange(get('/guarded')).answers, ['403 ']);
  assert.deepEqual(rig.exchange(get('/free')).answers, ['200 ok']);
  rig.stop();
});

test('their types are known', () => {
  for (const { fields } of unsupportedGuards) {
    for (const type of Object.keys(fields)) assert.notEqual(registry.find(type), undefined, type);
  }
});
