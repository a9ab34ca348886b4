// Text format: what it may look like, and where it is wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equals } from './binary-encode.ts';
import { fromJson } from './json-decode.ts';
import { registry } from './registry.ts';
import { Report } from './report.ts';
import { decodeText } from './text-decode.ts';

const RESPONSE = registry.message('envoy.service.discovery.v3.DiscoveryResponse');
const CLUSTER = registry.message('envoy.config.cluster.v3.Cluster');

function read(type: unknown, text: string): { message: unknown; problems: string } {
  const report = new Report();
  return { message: decodeText(type as never, text, report), problems: report.toString() };
}

test('reads what it may look like', () => {
  const { message, problems } = read(
    CLUSTER,
    `# a comment
    name: "a" 'b\\n\\x41\\101\\u00e9' # two strings
    type: EDS
    connect_timeout < seconds: 0x10, nanos: 010 >
    per_connection_buffer_limit_bytes { value: 5 }
    lb_subset_config: { list_as_any: true; locality_weight_aware: f }
    lb_policy: 2
    metadata { filter_metadata { key: "k" value { fields { key: "n" value { number_value: -1.5e1 } } } } }
    health_checks [{ http_health_check { path: "/" expected_statuses: [{ start: 1 end: 2 }, { start: 3 }] } }]
    common_lb_config { healthy_panic_threshold { value: 1.5f } }
    `,
  );
  assert.equal(problems, '');
  const json = {
    name: 'ab\nAAé',
    type: 'EDS',
    connect_timeout: '16.000000008s',
    per_connection_buffer_limit_bytes: 5,
    lb_subset_config: { list_as_any: true },
    lb_policy: 'RING_HASH',
    metadata: { filter_metadata: { k: { n: -15 } } },
    health_checks: [{ http_health_check: { path: '/', expected_statuses: [{ start: 1, end: 2 }, { start: 3 }] } }],
    common_lb_config: { healthy_panic_threshold: { value: 1.5 } },
  };
  assert.ok(equals(CLUSTER, message as never, fromJson(CLUSTER, json, new Report())));
});

test('reads what is in an Any', () => {
  const { message, problems } = read(
    RESPONSE,
    `version_info: "1" resources { [type.googleapis.com/envoy.config.cluster.v3.Cluster] { name: "c" } }`,
  );
  assert.equal(problems, '');
  const any = { type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster', message: { name: 'c' } };
  assert.deepEqual(message, { version_info: '1', resources: [any] });
});

test('says what is wrong, and where', () => {
  const cases: Readonly<Record<string, string>> = {
    'name: "a" name: "b"': '1:20: name is set twice',
    'name: 5': "1:7: expected a string, got '5'",
    '\n nome: 5': '2:2: no field nome in envoy.config.cluster.v3.Cluster',
    'name "a"': "1:6: expected ':' after name",
    'connect_timeout { seconds: 1': '1:29: expected a field, got the end',
    'connect_timeout { seconds: x }': "1:30: seconds: expected an integer from -2^63 to 2^63-1, got 'x'",
    'type: NOPE': '1:11: no value NOPE in envoy.config.cluster.v3.Cluster.DiscoveryType',
    'type: EDS cluster_type {}': '1:26: type and cluster_type are both set in envoy.config.cluster.v3.Cluster',
    'name: ["a"]': '1:8: name is not a list',
    'name: "a': '1:6: a character that begins nothing',
    'name: "\\q"': '1:11: unknown escape \\q',
    '[a.b.C] {}': "1:9: unknown message type 'a.b.C'",
    'metadata { filter_metadata { k: 1 } }': "1:33: expected key or value, got 'k'",
  };
  for (const [text, problem] of Object.entries(cases)) {
    const { message, problems } = read(CLUSTER, text);
    assert.equal(problems, problem, text);
    assert.equal(message, undefined);
  }
  const deep = 'metadata { filter_metadata { key: "" value { fields { value { struct_value { '.repeat(1);
  const nested = `${deep}${'fields { value { struct_value {'.repeat(100)}`;
  assert.match(read(CLUSTER, nested).problems, /nested deeper than 100 messages/);
});
