// Connections that a guard would have judged, which is not built, are closed; what fails open lets them through.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NetworkHarness } from '../../../../test/support/network-harness.ts';
import { registry } from '../../../proto/registry.ts';
import { networkRbac } from './rbac.ts';
import { unsupportedNetworkGuards } from './unsupported.ts';

const [extAuthz, rateLimit, wasm] = unsupportedNetworkGuards;
assert.ok(extAuthz && rateLimit && wasm);

const CASES = [
  [extAuthz, {}, 'deny'],
  [extAuthz, { failure_mode_allow: true }, 'deny'],
  [rateLimit, { failure_mode_deny: true }, 'deny'],
  [rateLimit, {}, 'inert'],
  [wasm, {}, 'deny'],
  [wasm, { config: { failure_policy: 'FAIL_CLOSED' } }, 'deny'],
  [wasm, { config: { failure_policy: 'FAIL_OPEN' } }, 'inert'],
  [wasm, { config: { fail_open: true } }, 'inert'],
] as const;

for (const [factory, message, effect] of CASES) {
  test(`${factory.name} ${JSON.stringify(message)}: ${effect}`, () => {
    const harness = new NetworkHarness([[factory, message]]);
    harness.isLogged = true;
    const talk = harness.connect();
    talk.send('a');
    assert.equal(talk.isClosed, effect === 'deny');
    assert.equal(talk.received, effect === 'deny' ? '|' : '<a>');
    assert.equal(harness.started.length, effect === 'deny' ? 0 : 1);
    const details = `unsupported_filter{${factory.name}}`;
    if (effect === 'deny') assert.equal(talk.connection.connection.terminationDetails, details);
    const stands = factory.standIns?.(factory.decode(message as never, null as never, null as never) as never);
    assert.deepEqual(stands, [{ name: factory.name, effect }]);
  });
}

test('ext_authz judges whom the rules before it choose', () => {
  const metadata = {
    filter: 'envoy.filters.network.rbac',
    path: [{ key: 'istio_ext_authz_shadow_effective_policy_id' }],
    value: { string_match: { prefix: 'istio-ext-authz-' } },
  };
  const shadow = (port: number): object => ({
    stat_prefix: 'tcp.',
    shadow_rules_stat_prefix: 'istio_ext_authz_',
    shadow_rules: {
      action: 'DENY',
      policies: {
        'istio-ext-authz-x': { permissions: [{ destination_port: port }], principals: [{ any: true }] },
      },
    },
  });
  const isClosed = (port: number): boolean => {
    const harness = new NetworkHarness([
      [networkRbac, shadow(port)],
      [extAuthz, { filter_enabled_metadata: metadata }],
    ]);
    const talk = harness.connect();
    talk.send('a');
    return talk.isClosed;
  };
  const port = new NetworkHarness([]).connect().connection.connection.localAddress.port;
  assert.equal(isClosed(port), true);
  assert.equal(isClosed(port + 1), false);
});

test('their types are known', () => {
  for (const { configType } of unsupportedNetworkGuards) assert.notEqual(registry.find(configType), undefined);
});
