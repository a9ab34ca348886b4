// The runtime's own behaviour: representation, JSON rules, paths of problems, unknown fields, Anys, limits.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { packAny, unpackAny } from './any.ts';
import type { Any } from './any.ts';
import { decodeBinary } from './binary-decode.ts';
import { encodeBinary, equals } from './binary-encode.ts';
import type { Cluster } from './generated/types.d.ts';
import { fromJson, fromStrictJson } from './json-decode.ts';
import { toJson } from './json-encode.ts';
import { hasOneof, oneofCase } from './message-type.ts';
import type { Message } from './message-type.ts';
import { registry } from './registry.ts';
import { Report } from './report.ts';
import { unknownFields } from './unknown-fields.ts';
import { walk } from './walk.ts';

const cluster = registry.message('envoy.config.cluster.v3.Cluster');
const bootstrap = registry.message('envoy.config.bootstrap.v3.Bootstrap');
const listener = registry.message('envoy.config.listener.v3.Listener');

function read<T>(type: Parameters<typeof fromJson<T>>[0], json: unknown): { message: T; problems: string[] } {
  const report = new Report();
  const message = fromJson(type, json, report);
  return { message, problems: report.problems.map(({ path, kind }) => `${kind} ${path}`) };
}

test('messages are plain objects with proto names, unset fields absent', () => {
  const { message, problems } = read(cluster, {
    name: 'a',
    type: 'STATIC',
    connectTimeout: '1.5s',
    per_connection_buffer_limit_bytes: 1024,
    lb_policy: 1,
    metadata: { filter_metadata: { x: { __proto__x: [1, null, { y: 'z' }] } } },
    ignore_health_on_host_removal: false,
    alt_stat_name: '',
  });
  assert.deepEqual(problems, []);
  assert.deepEqual(JSON.parse(JSON.stringify(message)), {
    name: 'a',
    type: 'STATIC',
    connect_timeout: { seconds: 1, nanos: 500_000_000 },
    per_connection_buffer_limit_bytes: 1024,
    lb_policy: 'LEAST_REQUEST',
    metadata: { filter_metadata: { x: { __proto__x: [1, null, { y: 'z' }] } } },
  });
  const copy = decodeBinary(cluster, encodeBinary(cluster, message)) as Cluster;
  assert.deepEqual(copy, message);
  assert.ok(equals(cluster, copy, message));
  assert.equal(oneofCase(cluster, message, 'cluster_discovery_type'), 'type');
  assert.equal(hasOneof(cluster, message, 'lb_config'), false);
});

test('maps and structs keep a key named __proto__ to themselves', () => {
  const json = JSON.parse('{"filter_metadata": {"__proto__": {"__proto__": {"polluted": true}}}}') as unknown;
  const type = registry.message('envoy.config.core.v3.Metadata');
  const { message, problems } = read(type, json);
  assert.deepEqual(problems, []);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  const copy = decodeBinary(type, encodeBinary(type, message));
  assert.ok(equals(type, copy as typeof message, message));
  assert.deepEqual(
    JSON.stringify(toJson(type, message)),
    '{"filterMetadata":{"__proto__":{"__proto__":{"polluted":true}}}}',
  );
});

test('every problem of a JSON message is reported with its field path', () => {
  const router = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router', nope: 1 };
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 7,
    http_filters: [
      { name: 'a' },
      { name: 'b', typed_config: { '@type': 'x/a.b.C' } },
      { name: 'c', typed_config: router },
    ],
  };
  const { problems } = read(bootstrap, {
    static_resources: {
      listeners: [{ filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }] }, []],
      clusters: [
        { type: 'STATIK', cluster_type: {} },
        { name: 'x', cluster_typ: 1 },
        { type: 'EDS', cluster_type: {} },
      ],
    },
    statsFlushInterval: '5',
    stats_flush_on_admin: 'maybe',
    node: { id: 'a', locality: { zone: null }, user_agent_name: 'x', userAgentName: 'y' },
  });
  const hcm = 'static_resources.listeners[0].filter_chains[0].filters[0].typed_config';
  assert.deepEqual(problems, [
    `wrong-type ${hcm}.stat_prefix`,
    `unknown-type ${hcm}.http_filters[1].typed_config`,
    `unknown-field ${hcm}.http_filters[2].typed_config.nope`,
    'wrong-type static_resources.listeners[1]',
    'wrong-type static_resources.clusters[0].type',
    'unknown-field static_resources.clusters[1].cluster_typ',
    'oneof static_resources.clusters[2].cluster_type',
    'wrong-type stats_flush_interval',
    'wrong-type stats_flush_on_admin',
    'duplicate node.user_agent_name',
  ]);
});

test('64-bit integers are numbers while they are safe', () => {
  const wrapper = registry.message('google.protobuf.UInt64Value' as string);
  const signed = registry.message('google.protobuf.Int64Value' as string);
  const max = 18446744073709551615n;
  for (const [json, value] of [
    ['5', 5],
    [5, 5],
    ['9007199254740993', 9007199254740993n],
    [String(max), max],
  ] as const) {
    assert.equal(read(wrapper, json).message as unknown, value);
    const back = decodeBinary(wrapper, encodeBinary(wrapper, value as unknown as Message));
    assert.equal(back as unknown, value);
    assert.equal(toJson(wrapper, value as unknown as Message), String(value));
  }
  assert.equal(decodeBinary(signed, encodeBinary(signed, -5 as unknown as Message)) as unknown, -5);
  assert.deepEqual(read(wrapper, '18446744073709551616').problems, ['wrong-type ']);
  assert.deepEqual(read(wrapper, -1).problems, ['wrong-type ']);
});

test('special JSON forms', () => {
  const forms: [string, unknown, unknown][] = [
    ['google.protobuf.Duration', '1.5s', { seconds: 1, nanos: 500_000_000 }],
    ['google.protobuf.Duration', '-0.25s', { seconds: 0, nanos: -250_000_000 }],
    ['google.protobuf.Timestamp', '1970-01-01T01:00:01.5+01:00', { seconds: 1, nanos: 500_000_000 }],
    ['google.protobuf.FieldMask', 'fooBar,baz', ['foo_bar', 'baz']],
    ['google.protobuf.BytesValue', 'YWI=', new Uint8Array([97, 98])],
    ['google.protobuf.BytesValue', '-_8', new Uint8Array([251, 255])],
    ['google.protobuf.DoubleValue', 'NaN', Number.NaN],
    ['google.protobuf.DoubleValue', '-Infinity', Number.NEGATIVE_INFINITY],
    ['google.protobuf.Value', null, null],
    ['google.protobuf.BoolValue', false, false],
  ];
  for (const [name, json, value] of forms) {
    const type = registry.message(name);
    const result = read(type, json);
    assert.deepEqual(result, { message: value, problems: [] }, name);
    assert.deepEqual(decodeBinary(type, encodeBinary(type, result.message)), value, name);
  }
  for (const bad of ['1', '1.s', 's', '1.5S', '999999999999s', '--1s', 5]) {
    assert.deepEqual(
      read(registry.message('google.protobuf.Duration' as string), bad).problems,
      ['wrong-type '],
      String(bad),
    );
  }
  for (const bad of ['2026-02-30T00:00:00Z', '2026-01-01T00:00:00', '0000-01-01T00:00:00Z', '2026-01-01 00:00:00Z']) {
    assert.deepEqual(read(registry.message('google.protobuf.Timestamp' as string), bad).problems, ['wrong-type '], bad);
  }
});

test('JSON forms beyond the specification are taken as the real Envoy takes them, but not by fromStrictJson', () => {
  const forms: [string, unknown, unknown][] = [
    [
      'envoy.config.cluster.v3.Cluster',
      { connect_timeout: { seconds: 5 } },
      { connect_timeout: { seconds: 5, nanos: 0 } },
    ],
    [
      'envoy.config.cluster.v3.Cluster',
      { max_requests_per_connection: { value: 5 } },
      { max_requests_per_connection: 5 },
    ],
    ['envoy.config.cluster.v3.Cluster', { type: 'static' }, { type: 'STATIC' }],
    ['envoy.config.cluster.v3.Cluster', { type: '1' }, { type: 'STRICT_DNS' }],
    ['envoy.config.route.v3.VirtualHost', { domains: '*' }, { domains: ['*'] }],
    ['envoy.config.route.v3.VirtualHost', { domains: ['a', null] }, { domains: ['a', ''] }],
    ['envoy.config.core.v3.SocketAddress', { ipv4_compat: 'True' }, { ipv4_compat: true }],
    ['envoy.config.core.v3.Pipe', { mode: '0x10' }, { mode: 16 }],
    ['envoy.type.v3.Percent', { value: 'inf' }, { value: Number.POSITIVE_INFINITY }],
    ['google.protobuf.FieldMask', 'a_b', ['a_b']],
  ];
  for (const [name, json, value] of forms) {
    const type = registry.message(name);
    assert.deepEqual(read(type, json), { message: value, problems: [] }, name);
    const report = new Report();
    fromStrictJson(type, json, report);
    assert.equal(report.problems[0]?.kind, 'wrong-type', name);
  }
  const any = registry.message('google.protobuf.Any' as string);
  assert.deepEqual(read(any, { '@type': 'x/google.protobuf.Duration' }).problems, []);
  assert.deepEqual(read(any, { '@type': 'google.protobuf.Duration', value: '1s' }).problems, ['wrong-type @type']);
  assert.deepEqual(read(any, { '@type': 'x/google.protobuf.Empty', value: {} }).problems, ['unknown-field value']);
});

test('unknown fields of binary messages are reported, kept and written back', () => {
  const newer = Uint8Array.from([...encodeBinary(cluster, { name: 'x' }), 0xf2, 0x3f, 2, 65, 66]);
  const report = new Report();
  const message = decodeBinary(cluster, newer, report, 'clusters[3]') as Cluster;
  assert.deepEqual(report.problems, [
    {
      path: 'clusters[3]',
      kind: 'unknown-field',
      reason: 'unknown field number 1022 in envoy.config.cluster.v3.Cluster',
    },
  ]);
  assert.equal(unknownFields(message)[0]?.number, 1022);
  assert.deepEqual(encodeBinary(cluster, message), newer);
  assert.equal(JSON.stringify(message), '{"name":"x"}');
});

test('an Any is unpacked once, and through both kinds of TypedStruct', () => {
  const any = registry.message('google.protobuf.Any' as string);
  for (const kind of ['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct']) {
    const { message, problems } = read(any, {
      '@type': `type.googleapis.com/${kind}`,
      type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
      value: { name: 'x', connectTimeout: '2s', nope: 1, per_connection_buffer_limit_bytes: 10 },
    });
    assert.deepEqual(problems, []);
    const arrived = decodeBinary(any, encodeBinary(any, message)) as unknown as Any;
    assert.equal(arrived.message, undefined);
    for (let i = 0; i < 2; i++) {
      const report = new Report();
      const unpacked = unpackAny(arrived, report, 'filters[0].typed_config');
      assert.equal(unpacked?.type.fullName, 'envoy.config.cluster.v3.Cluster');
      const seconds = { seconds: 2, nanos: 0 };
      assert.deepEqual(unpacked?.message, {
        name: 'x',
        connect_timeout: seconds,
        per_connection_buffer_limit_bytes: 10,
      });
      assert.deepEqual(
        report.problems.map(({ path }) => path),
        ['filters[0].typed_config.value.nope'],
      );
    }
  }
  const packed = packAny(cluster, { name: 'y' });
  assert.deepEqual(unpackAny(packed)?.message, { name: 'y' });
  assert.deepEqual(unpackAny(decodeBinary(any, encodeBinary(any, packed as never)) as unknown as Any)?.message, {
    name: 'y',
  });
  const report = new Report();
  assert.equal(unpackAny({ type_url: 'x/y.Z' }, report, 'a'), undefined);
  assert.deepEqual(report.problems, [{ path: 'a', kind: 'unknown-type', reason: "unknown message type 'x/y.Z'" }]);
});

test('walk visits messages inside Anys with their paths', () => {
  const { message } = read(listener, {
    filter_chains: [
      {
        filters: [
          {
            name: 'x',
            typed_config: {
              '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
              type_url: 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
              value: { cluster: 'c', access_log: [{ name: 'f' }] },
            },
          },
        ],
      },
    ],
  });
  const seen: string[] = [];
  walk(listener, message, (type, _, path) => void seen.push(`${path} ${type.fullName.split('.').pop()}`));
  assert.deepEqual(seen, [
    ' Listener',
    'filter_chains[0] FilterChain',
    'filter_chains[0].filters[0] Filter',
    'filter_chains[0].filters[0].typed_config.value TcpProxy',
    'filter_chains[0].filters[0].typed_config.value.access_log[0] AccessLog',
  ]);
});

test('deep and malformed input is a report, never an exception', () => {
  let json: unknown = {};
  for (let i = 0; i < 5000; i++) json = [json];
  assert.deepEqual(read(registry.message('google.protobuf.Value' as string), json).problems.length, 1);
  const report = new Report();
  let bytes: Uint8Array = new Uint8Array(0);
  for (let i = 0; i < 150; i++) bytes = Buffer.concat([Buffer.from([0x22]), varint(bytes.length), bytes]);
  const predicate = registry.message('envoy.config.common.matcher.v3.MatchPredicate' as string);
  const not = predicate.fieldByName('not_match');
  assert.equal(not?.number, 3);
  assert.equal(decodeBinary(predicate, replaceTags(bytes, 0x1a), report), undefined);
  assert.equal(report.problems[0]?.kind, 'limit');
  for (const bad of [[0x0a], [0x0a, 5, 65], [0x0a, 1, 0xff], [0x07], [0, 0], [0x0b, 0x14], [0xff, 0xff, 0xff]]) {
    const problems = new Report();
    assert.equal(decodeBinary(cluster, Uint8Array.from(bad), problems), undefined, String(bad));
    assert.equal(problems.problems[0]?.kind, 'malformed', String(bad));
  }
});

function varint(value: number): Buffer {
  return value < 128 ? Buffer.from([value]) : Buffer.from([(value & 127) | 128, value >> 7]);
}

/** The nesting above was written with tag 0x22; the tag of the field under test goes in its place. */
function replaceTags(bytes: Uint8Array, tag: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  let position = 0;
  while (position < copy.length) {
    copy[position] = tag;
    position += (copy[position + 1] as number) > 127 ? 3 : 2;
  }
  return copy;
}

test('in binary form the last member of a oneof wins and messages merge', () => {
  const first = encodeBinary(cluster, { type: 'EDS', connect_timeout: { seconds: 1, nanos: 0 } });
  const second = encodeBinary(cluster, { cluster_type: { name: 'a' }, connect_timeout: { seconds: 0, nanos: 7 } });
  assert.deepEqual(decodeBinary(cluster, Buffer.concat([first, second])), {
    connect_timeout: { seconds: 1, nanos: 7 },
    cluster_type: { name: 'a' },
  });
});
