// Objects that set_filter_state and sni_cluster write, as logs show them; the texts are Envoy's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NetworkHarness, networkReasons } from '../../../../test/support/network-harness.ts';
import { ConfigDecoder } from '../../config-decoder.ts';
import { tcpLogContext } from '../../formatter/tcp-log-context.ts';
import { compileFormat } from '../../formatter/text-formatter.ts';
import { setFilterState } from './set-filter-state.ts';
import { sniCluster } from './sni-cluster.ts';

const value = (object_key: string, text: string, more: object = {}) => ({
  object_key,
  format_string: { text_format_source: { inline_string: text } },
  ...more,
});
const string = { factory_key: 'envoy.string' };

function show(format: string, message: object, facts: object = {}): string {
  const { connection } = new NetworkHarness([[setFilterState, message]]).connect(facts);
  const d = new ConfigDecoder({ unpack: () => null });
  return compileFormat(format, d).format(tcpLogContext(connection.info, 'TcpConnectionEnd'));
}
const PLAIN_AND_TYPED = '%FILTER_STATE(k:PLAIN)% %FILTER_STATE(k)%';

test('each kind prints as Envoy prints it', () => {
  const cases: readonly (readonly [kind: string, text: string, shown: string])[] = [
    ['envoy.string', 'abc', 'abc "abc"'],
    ['envoy.string', '', ' ""'],
    ['envoy.hashable_string', 'q', 'q "q"'],
    ['envoy.tcp_proxy.cluster', 'u', 'u -'],
    ['envoy.network.upstream_server_name', 'a.com', 'a.com -'],
    ['envoy.network.upstream_subject_alt_names', 'a,b', 'a,b -'],
    ['envoy.network.application_protocols', 'h2', '- -'],
    ['envoy.tcp_proxy.disable_tunneling', 'true', 'true true'],
    ['envoy.tcp_proxy.disable_tunneling', '1', 'false false'],
    ['envoy.upstream.dynamic_host', 'h', 'h "h"'],
    ['envoy.upstream.dynamic_port', '70000', '70000 70000'],
    ['envoy.upstream.dynamic_port', 'x', '- -'],
    ['envoy.tcp_proxy.per_connection_idle_timeout_ms', '100', '100 "100"'],
    ['envoy.tcp_proxy.per_connection_idle_timeout_ms', '-1', '- -'],
    ['envoy.ratelimit.hits_addend', '5', '5 5'],
    ['envoy.network.ip', '1.2.3.4', '1.2.3.4:0 -'],
    ['envoy.network.ip', '::1', '[::1]:0 -'],
    ['envoy.network.ip', 'x', '- -'],
    ['envoy.network.transport_socket.original_dst_address', '1.2.3.4:80', '1.2.3.4:80 -'],
    ['envoy.network.transport_socket.original_dst_address', '1.2.3.4', '- -'],
    ['envoy.network.transport_socket.original_dst_address', '[::1]:5', '[::1]:5 -'],
    ['envoy.filters.listener.original_dst.local_ip', '1.2.3.4:80', '1.2.3.4:80 -'],
    ['envoy.bool', 'yes', 'true true'],
    ['envoy.bool', 'false', 'false false'],
    ['envoy.bool', 'x', '- -'],
  ];
  for (const [factory_key, text, shown] of cases) {
    const message = { on_new_connection: [value('k', text, { factory_key })] };
    assert.equal(show(PLAIN_AND_TYPED, message), shown, `${factory_key} ${text}`);
  }
  const address = value('envoy.network.transport_socket.original_dst_address', '1.2.3.4:80');
  const key = 'envoy.network.transport_socket.original_dst_address';
  const fields = `%FILTER_STATE(${key}:FIELD:ip)% %FILTER_STATE(${key}:FIELD:port)% %FILTER_STATE(${key}:FIELD:x)%`;
  assert.equal(show(fields, { on_new_connection: [address] }), '1.2.3.4 80 -');
});

test('later objects read earlier ones, and the last of a key stays', () => {
  const first = value('j', 'one', { ...string, read_only: true });
  const list = [first, value('k', '%FILTER_STATE(j:PLAIN)%2', string), value('j', 'two', string)];
  assert.equal(show('%FILTER_STATE(j:PLAIN)% %FILTER_STATE(k:PLAIN)%', { on_new_connection: list }), 'two one2');
});

test('formats see the connection, and no request', () => {
  const text = '%DOWNSTREAM_LOCAL_ADDRESS%|%REQUESTED_SERVER_NAME%|%PROTOCOL%|%REQ(a)%';
  const message = { on_new_connection: [value('k', text, string)] };
  assert.equal(show('%FILTER_STATE(k:PLAIN)%', message, { serverName: 'a.b' }), '10.0.0.2:80|a.b|-|-');
});

test('empty values are skipped when asked; a dash is not empty', () => {
  const skip = { ...string, skip_if_empty: true };
  const dash = value('k', '%REQUESTED_SERVER_NAME%', skip);
  assert.equal(show(PLAIN_AND_TYPED, { on_new_connection: [dash] }), '- "-"');
  const format_string = { omit_empty_values: true, ...dash.format_string };
  assert.equal(show(PLAIN_AND_TYPED, { on_new_connection: [{ ...dash, format_string }] }), '- -');
});

test('what is shared shows as the upstream connection’s too, once there is one', () => {
  const message = { on_new_connection: [value('k', 'v', { ...string, shared_with_upstream: 'ONCE' })] };
  const { connection } = new NetworkHarness([[setFilterState, message]]).connect();
  const format = compileFormat('%UPSTREAM_FILTER_STATE(k:PLAIN)%', new ConfigDecoder({ unpack: () => null }));
  const context = tcpLogContext(connection.info, 'TcpConnectionEnd');
  assert.equal(format.format(context), '-');
  connection.info.upstreamLocalAddress = { family: 'ipv4', address: '10.0.0.2', port: 5 };
  assert.equal(format.format(context), 'v');
});

test('data brings its objects once, an end without data none', () => {
  const message = { on_downstream_data: [value('k', '%FILTER_STATE(n:PLAIN)%1', string)] };
  const talk = new NetworkHarness([[setFilterState, message]]).connect();
  const shown = (): string | undefined => talk.connection.info.filterState?.get('k')?.value;
  assert.equal(shown(), undefined);
  talk.send('a');
  assert.equal(shown(), '-1');
  const silent = new NetworkHarness([[setFilterState, message]]).connect();
  silent.end();
  assert.equal(silent.connection.info.filterState, null);
});

test('a kind that there is not is refused', () => {
  assert.deepEqual(networkReasons(setFilterState, { on_new_connection: [value('k', 'v')] }), [
    { path: 'on_new_connection[0]', reason: "'k' does not have an object factory" },
  ]);
});

test('sni_cluster names the cluster after the server that is asked for', () => {
  const harness = new NetworkHarness([[sniCluster, {}]]);
  const { connection } = harness.connect({ serverName: 'a.b' });
  assert.equal(connection.filterState?.get('envoy.tcp_proxy.cluster')?.value, 'a.b');
  assert.equal(harness.connect().connection.filterState, null);
});
