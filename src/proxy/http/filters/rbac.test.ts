// What the rbac filter lets in, answers, counts and notes; the expectations are what the real Envoy did.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterHarness, makeConnection, reasonsOf } from '../../../../test/support/filter-harness.ts';
import type { FakeStream } from '../../../../test/support/filter-harness.ts';
import { rbac } from './rbac.ts';
import type { RbacDecision } from '../../rbac/rule-set.ts';

const ANY = [{ any: true }];
const policy = (permissions: object[] = ANY, principals: object[] = ANY) => ({ permissions, principals });
const header = (name: string) => ({ header: { name, string_match: { exact: '1' } } });

function send(harness: FilterHarness, lines: string[] = [], levels: unknown[] = [], path = '/'): FakeStream {
  const stream = harness.request(path, lines, levels);
  const status = stream.decodeHeaders();
  assert.equal(status, stream.reply === null ? 'continue' : 'stop');
  return stream;
}

const metadata = (stream: FakeStream, namespace = 'envoy.filters.http.rbac') =>
  stream.info.dynamicMetadata?.get(namespace);

const CONFIG = {
  rules: {
    action: 'DENY',
    policies: { 'z all': policy([header('x-z')]), b: policy([header('x-b')]), B: policy([header('x-b')]) },
  },
  rules_stat_prefix: 'rp',
  shadow_rules: { policies: { s: policy([header('x-s')]) } },
  shadow_rules_stat_prefix: 'sp',
  track_per_rule_stats: true,
};

test('a denied request gets 403, the policy in the details, and counters', () => {
  const harness = new FilterHarness(rbac, CONFIG);
  assert.equal(send(harness).reply, null);
  const denied = send(harness, ['x-z: 1']);
  assert.deepEqual(denied.reply, {
    status: 403,
    body: 'RBAC: access denied',
    details: 'rbac_access_denied_matched_policy[z_all]',
  });
  assert.deepEqual(metadata(denied), {
    rpenforced_effective_policy_id: 'z all',
    rpenforced_engine_result: 'denied',
    spshadow_engine_result: 'denied',
  });
  const stat = (name: string) => harness.stat(`http.test.rbac.${name}`);
  assert.deepEqual([stat('rp.allowed'), stat('rp.denied'), stat('rp.policy.z all.denied')], [1, 1, 1]);
  assert.equal(stat('sp.shadow_denied'), 2);
});

test('policies are tried in the order of their names, and the index is kept', () => {
  const harness = new FilterHarness(rbac, CONFIG);
  const stream = send(harness, ['x-b: 1']);
  assert.equal(stream.reply?.details, 'rbac_access_denied_matched_policy[B]');
  const decision = stream.slot[0] as RbacDecision;
  assert.deepEqual([decision.policyIndex, decision.shadowPolicyIndex], [0, -1]);
});

test('shadow rules count and note, and let everything in', () => {
  const harness = new FilterHarness(rbac, CONFIG);
  const stream = send(harness, ['x-s: 1']);
  assert.equal(stream.reply, null);
  assert.deepEqual(metadata(stream), {
    rpenforced_engine_result: 'allowed',
    spshadow_effective_policy_id: 's',
    spshadow_engine_result: 'allowed',
  });
  assert.equal(harness.stat('http.test.rbac.sp.policy.s.shadow_allowed'), 1);
});

test('without rules nothing is judged; with empty rules nothing gets in', () => {
  const none = send(new FilterHarness(rbac, {}));
  assert.equal(none.reply, null);
  assert.equal(metadata(none), undefined);
  const empty = send(new FilterHarness(rbac, { rules: {} }));
  assert.equal(empty.reply?.details, 'rbac_access_denied_matched_policy[none]');
  assert.deepEqual(metadata(empty), { enforced_engine_result: 'denied' });
});

test('a route replaces the rules, and one without rbac switches them off', () => {
  const harness = new FilterHarness(rbac, CONFIG);
  for (const message of [{}, { rbac: {} }]) {
    const stream = send(harness, ['x-b: 1'], [harness.route(message)]);
    assert.equal(stream.reply, null);
    assert.equal(metadata(stream), undefined);
  }
  const log = harness.route({
    rbac: { rules: { action: 'LOG', policies: { l: policy([header('x-l')]) } }, rules_stat_prefix: 'route_' },
  });
  const hit = send(harness, ['x-l: 1'], [log]);
  assert.deepEqual(metadata(hit), {
    route_enforced_effective_policy_id: 'l',
    route_enforced_engine_result: 'allowed',
  });
  assert.deepEqual(metadata(hit, 'envoy.common'), { access_log_hint: true });
  const miss = send(harness, [], [log]);
  assert.deepEqual(metadata(miss), { route_enforced_engine_result: 'allowed' });
  assert.deepEqual(metadata(miss, 'envoy.common'), { access_log_hint: false });
  assert.equal(harness.stat('http.test.rbac.rp.allowed'), 2);
});

test('a second filter adds to the metadata of the first', () => {
  const harness = new FilterHarness(rbac, {
    rules: { policies: { p1: policy() } },
    shadow_rules: { action: 'DENY', policies: { s1: policy() } },
  });
  const stream = send(harness);
  const second = new FilterHarness(rbac, { rules: { action: 'DENY' }, rules_stat_prefix: 'second.' });
  second.filter.decodeHeaders?.(stream, stream.requestHeaders, true);
  assert.deepEqual(metadata(stream), {
    enforced_effective_policy_id: 'p1',
    enforced_engine_result: 'allowed',
    shadow_effective_policy_id: 's1',
    shadow_engine_result: 'denied',
    'second.enforced_engine_result': 'allowed',
  });
  assert.equal(second.stat('http.test.rbac.second.allowed'), 1);
});

test('a guard that cannot decide denies', () => {
  const harness = new FilterHarness(rbac, {
    rules: { action: 'DENY', policies: { p: policy(ANY, [{ authenticated: { principal_name: { exact: 'x' } } }]) } },
  });
  const tls = { version: 'TLSv1.3', cipher: 'c', alpn: '', sni: '', peerCertificate: { unknown: true } };
  harness.connection = makeConnection({ tls: tls as never });
  const stream = send(harness);
  assert.equal(stream.reply?.status, 403);
  assert.equal(harness.stat('http.test.rbac.evaluation_error'), 1);
});

test('what is not supported is refused with its place', () => {
  const reasons = reasonsOf((d) =>
    rbac.decode(
      {
        rules: {
          policies: {
            p: {
              condition: {},
              permissions: [{ uri_template: {} }, { destination_port_range: { start: 6, end: 5 } }],
              principals: [{ custom: {} }, { remote_ip: { address_prefix: 'nope' } }],
            },
          },
        },
      } as never,
      d,
    ),
  );
  assert.deepEqual(reasons, [
    'rules.policies["p"].permissions[0].uri_template.typed_config: not supported: only ' +
      'envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig is',
    'rules.policies["p"].permissions[1].destination_port_range: start 6 must be less than end 5',
    'rules.policies["p"].principals[0].custom.typed_config: not supported: only ' +
      'envoy.extensions.rbac.principals.mtls_authenticated.v3.Config is',
    'rules.policies["p"].principals[1].remote_ip[0].address_prefix: "nope" is no IP address',
    'rules.policies["p"].condition: Not able to compile expression: an expression is empty',
  ]);
});
