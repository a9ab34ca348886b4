// Who the rbac filter lets in, and what it says of it; the texts are what the real Envoy wrote.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NetworkHarness, networkReasons } from '../../../../test/support/network-harness.ts';
import type { TlsFacts } from '../../../base/byte-stream.ts';
import { networkRbac } from './rbac.ts';

const ANY = [{ any: true }];
const rules = (action: string, permissions: object[] = ANY, principals: object[] = ANY) => ({
  action,
  policies: { 'all x': { permissions, principals } },
});
const make = (message: object) => new NetworkHarness([[networkRbac, { stat_prefix: 'p', ...message }]]);
const metadataOf = (talk: ReturnType<NetworkHarness['connect']>, namespace = 'envoy.filters.network.rbac') =>
  talk.connection.info.dynamicMetadata?.get(namespace);

test('a denied connection is closed before anything behind hears of it', () => {
  const harness = make({ rules: rules('DENY') });
  const talk = harness.connect();
  assert.equal(talk.received, '|');
  assert.equal(talk.isClosed, true);
  assert.equal(harness.started.length, 0);
  assert.equal(harness.stat('p.rbac.denied'), 1);
  assert.equal(talk.connection.terminationDetails, 'rbac_access_denied_matched_policy[all_x]');
  assert.equal(talk.connection.localCloseReason, 'rbac_deny_close');
  assert.equal(metadataOf(talk), undefined);
});

test('an allowed one is judged once, whatever it says', () => {
  const harness = make({ rules: rules('ALLOW') });
  const talk = harness.connect();
  talk.send('a');
  talk.send('b');
  assert.equal(talk.received, '<a><b>');
  assert.equal(harness.stat('p.rbac.allowed'), 1);
});

test('nobody who allows nobody', () => {
  const harness = make({ rules: { action: 'ALLOW', policies: {} } });
  assert.equal(harness.connect().connection.terminationDetails, 'rbac_access_denied_matched_policy[none]');
  assert.equal(make({}).connect().isClosed, false);
});

test('CONTINUOUS judges every read, the first one with the connection', () => {
  const harness = make({ rules: rules('ALLOW'), enforcement_type: 'CONTINUOUS' });
  const talk = harness.connect();
  assert.equal(harness.stat('p.rbac.allowed'), 1);
  talk.send('a');
  assert.equal(harness.stat('p.rbac.allowed'), 1);
  talk.send('b');
  talk.send('c');
  assert.equal(harness.stat('p.rbac.allowed'), 3);
  assert.equal(talk.received, '<a><b><c>');
});

test('CONTINUOUS ends a connection that stops being allowed', () => {
  const permissions = [{ metadata: { filter: 'f', path: [{ key: 'k' }], value: { string_match: { exact: 'bad' } } } }];
  const harness = make({ rules: rules('DENY', permissions), enforcement_type: 'CONTINUOUS' });
  const talk = harness.connect();
  talk.send('a');
  talk.connection.info.setMetadata('f', { k: 'bad' });
  talk.send('b');
  assert.equal(talk.received, '<a>|');
  assert.equal(talk.connection.terminationDetails, 'rbac_access_denied_matched_policy[all_x]');
});

test('a delayed denial holds the connection, and hears nothing of what it says', () => {
  const harness = make({ rules: rules('DENY'), delay_deny: { seconds: 0, nanos: 500_000_000 } });
  const talk = harness.connect();
  talk.send('hello');
  harness.advance(490);
  assert.equal(talk.isClosed, false);
  assert.equal(harness.started.length, 0);
  harness.advance(20);
  assert.equal(talk.isClosed, true);
  assert.equal(talk.received, '|');
  assert.equal(talk.connection.localCloseReason, 'rbac_deny_close');
});

test('who leaves during the delay is gone', () => {
  const harness = make({ rules: rules('DENY'), delay_deny: { seconds: 5, nanos: 0 } });
  const talk = harness.connect();
  harness.advance(10);
  talk.close();
  assert.equal(talk.isClosed, true);
  assert.equal(talk.connection.localCloseReason, '');
  harness.advance(10_000);
  assert.equal(harness.stat('p.rbac.denied'), 1);
});

test('shadow rules count and note, and let in', () => {
  const harness = make({ rules: rules('ALLOW'), shadow_rules: rules('DENY'), shadow_rules_stat_prefix: 'sh' });
  const talk = harness.connect();
  talk.send('a');
  assert.equal(talk.received, '<a>');
  assert.equal(harness.stat('p.rbac.sh.shadow_denied'), 1);
  assert.deepEqual(metadataOf(talk), { shshadow_effective_policy_id: 'all x', shshadow_engine_result: 'denied' });
});

test('LOG hints at the access log', () => {
  assert.deepEqual(metadataOf(make({ rules: rules('LOG') }).connect(), 'envoy.common'), { access_log_hint: true });
});

test('addresses, ports, names and filter state decide', () => {
  const allow = (permission: object, principal: object = { any: true }) => {
    return make({ rules: rules('ALLOW', [permission], [principal]) });
  };
  const isIn = (harness: NetworkHarness, facts = {}): boolean => !harness.connect(facts).isClosed;
  assert.equal(isIn(allow({ destination_port: 80 })), true);
  assert.equal(isIn(allow({ destination_port: 81 })), false);
  assert.equal(isIn(allow({ any: true }, { direct_remote_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } })), true);
  assert.equal(isIn(allow({ any: true }, { remote_ip: { address_prefix: '10.1.0.0', prefix_len: 16 } })), false);
  assert.equal(isIn(allow({ requested_server_name: { exact: 'a.b' } }), { serverName: 'a.b' }), true);
  assert.equal(isIn(allow({ requested_server_name: { exact: 'a.b' } }), { serverName: 'a.c' }), false);
  assert.equal(isIn(allow({ url_path: { path: { exact: '/' } } })), false);
  const state = { value: 'v', typed: null, isReadOnly: true, lifeSpan: 'connection' as const };
  const byState = allow({ any: true }, { filter_state: { key: 'k', string_match: { exact: 'v' } } });
  assert.equal(isIn(byState, { filterState: new Map([['k', state]]) }), true);
  assert.equal(isIn(byState), false);
  const restored = { localAddress: { family: 'ipv4' as const, address: '10.9.9.9', port: 443 } };
  assert.equal(isIn(allow({ destination_ip: { address_prefix: '10.9.9.9', prefix_len: 32 } }), restored), true);
});

test('who comes without TLS is nobody', () => {
  const harness = make({ rules: rules('ALLOW', ANY, [{ authenticated: {} }]) });
  assert.equal(harness.connect().isClosed, true);
});

test('a peer of whom no names can be read is denied', () => {
  const tls = { version: 'TLSv1.3', peerCertificate: { subject: 1 } } as unknown as TlsFacts;
  const principals = [{ not_id: { authenticated: { principal_name: { exact: 'a' } } } }];
  const harness = make({ rules: rules('ALLOW', ANY, principals) });
  const talk = harness.connect({ tls });
  assert.equal(talk.isClosed, true);
  assert.equal(talk.connection.terminationDetails, 'rbac_access_denied_matched_policy[none]');
  assert.equal(harness.stat('p.rbac.denied'), 1);
});

test('rules of requests are refused, wherever they are', () => {
  const header = { header: { name: 'a', present_match: true } };
  const message = {
    rules: rules('ALLOW', [{ and_rules: { rules: [{ any: true }, { not_rule: header }] } }]),
    shadow_rules: rules('ALLOW', ANY, [{ or_ids: { ids: [header] } }]),
  };
  assert.deepEqual(
    networkReasons(networkRbac, message).map(({ path }) => path),
    [
      'rules.policies["all x"].permissions[0].and_rules.rules[1].not_rule.header',
      'shadow_rules.policies["all x"].principals[0].or_ids.ids[0].header',
    ],
  );
  const input = { typed_config: { type: 'envoy.type.matcher.v3.HttpRequestHeaderMatchInput', message: {} } };
  const matcher = { matcher_tree: { input, exact_match_map: { map: {} } } };
  assert.match(networkReasons(networkRbac, { matcher })[0]?.reason ?? '', /^RBAC network filter cannot match/);
  const unseen = { metadata: { filter: 'envoy.filters.network.mysql_proxy', path: [], value: {} } };
  assert.match(
    networkReasons(networkRbac, { rules: rules('DENY', [{ not_rule: unseen }]) })[0]?.reason ?? '',
    /^reads metadata of envoy\.filters\.network\.mysql_proxy, a filter that is not built/,
  );
});
