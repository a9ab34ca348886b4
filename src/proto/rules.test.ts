// Rules of protoc-gen-validate: the texts and paths that the real Envoy gives, and each kind of rule.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeBinary } from './binary-decode.ts';
import { fromJson } from './json-decode.ts';
import type { Message, MessageType } from './message-type.ts';
import { registry } from './registry.ts';
import { Report } from './report.ts';
import {
  bytesChecks,
  type Check,
  durationChecks,
  enumChecks,
  goDuration,
  numberChecks,
  stringChecks,
} from './rule-values.ts';
import { validateRules } from './rules.ts';

function broken(type: MessageType<never>, json: unknown): string[] {
  const report = new Report();
  const message = fromJson(type, json, report);
  assert.equal(report.toString(), '');
  validateRules(type, message, report);
  return report.problems.map(({ path, reason, kind }) => `${path}: ${reason}${kind === 'invalid' ? '' : ` (${kind})`}`);
}

const bootstrap = registry.message('envoy.config.bootstrap.v3.Bootstrap' as string) as MessageType<never>;
const hcm = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

function withHcm(fields: object): object {
  const config = { '@type': hcm, stat_prefix: 'x', ...fields };
  const filters = [{ name: 'h', typed_config: config }];
  return {
    static_resources: {
      listeners: [
        { address: { socket_address: { address: '127.0.0.1', port_value: 0 } }, filter_chains: [{ filters }] },
      ],
    },
  };
}

const IN_HCM = 'static_resources.listeners[0].filter_chains[0].filters[0].typed_config';

// Every reason below was printed by Envoy 1.40 (`--mode validate`) for the same configuration.
const CASES: readonly (readonly [unknown, string])[] = [
  [
    { static_resources: { clusters: [{ name: '', connect_timeout: '0s' }] } },
    'static_resources.clusters[0].name: value length must be at least 1 characters',
  ],
  [
    { static_resources: { clusters: [{ name: 'a', connect_timeout: '0s' }] } },
    'static_resources.clusters[0].connect_timeout: value must be greater than 0s',
  ],
  [
    withHcm({ route_config: { virtual_hosts: [{ name: 'v', domains: [], routes: [{ match: {}, redirect: {} }] }] } }),
    `${IN_HCM}.route_config.virtual_hosts[0].domains: value must contain at least 1 item(s)`,
  ],
  [
    { static_resources: { listeners: [{ address: { socket_address: { address: 'a', port_value: 70000 } } }] } },
    'static_resources.listeners[0].address.socket_address.port_value: value must be less than or equal to 65535',
  ],
  [
    { static_resources: { listeners: [{ name: 'l', address: {} }] } },
    'static_resources.listeners[0].address.address: is required: one of socket_address, pipe, envoy_internal_address',
  ],
  [
    { static_resources: { clusters: [{ name: 'a', health_checks: [{ interval: '1s' }] }] } },
    'static_resources.clusters[0].health_checks[0].timeout: value is required',
  ],
  [
    withHcm({
      route_config: { request_headers_to_add: [{ header: { key: 'a\nb', value: 'x' } }] },
    }),
    `${IN_HCM}.route_config.request_headers_to_add[0].header.key: ` +
      'value does not match regex pattern "^[^\\x00\\n\\r]*$"',
  ],
];

test('what Envoy refuses is refused in its words, at the right path', () => {
  for (const [json, expected] of CASES) {
    const found = broken(bootstrap, json);
    assert.ok(found.includes(expected), `${expected}\nnot in\n${found.join('\n')}`);
  }
});

test('a good configuration breaks no rule', () => {
  const routes = [{ match: { prefix: '/' }, route: { cluster: 'a' } }];
  const virtual_hosts = [{ name: 'v', domains: ['*'], routes }];
  assert.deepEqual(broken(bootstrap, withHcm({ codec_type: 'AUTO', route_config: { virtual_hosts } })), []);
});

test('rules reach through TypedStruct', () => {
  const cluster = {
    name: 'a',
    typed_extension_protocol_options: {
      x: {
        '@type': 'type.googleapis.com/xds.type.v3.TypedStruct',
        type_url: 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        value: {},
      },
    },
  };
  assert.deepEqual(broken(bootstrap, { static_resources: { clusters: [cluster] } }), [
    'static_resources.clusters[0].typed_extension_protocol_options["x"].value.upstream_protocol_options: ' +
      'is required: one of explicit_http_config, use_downstream_protocol_config, auto_config',
  ]);
});

test('typed metadata is data: its messages are not checked', () => {
  const cluster = { '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster', connect_timeout: '0s' };
  const clusters = [{ name: 'a', metadata: { typed_filter_metadata: { x: cluster } } }];
  assert.deepEqual(broken(bootstrap, { static_resources: { clusters } }), []);
});

function reasons(checks: readonly Check[], value: unknown): string[] {
  return checks.map((check) => check(value)).filter((reason) => reason !== undefined);
}

test('numbers', () => {
  assert.deepEqual(reasons(numberChecks({ gt: 0, lte: 10 }), 11), ['value must be inside range (0, 10]']);
  assert.deepEqual(reasons(numberChecks({ gt: 0, lte: 10 }), 10), []);
  assert.deepEqual(reasons(numberChecks({ gte: 20, lt: 10 }), 15), ['value must be outside range [10, 20)']);
  assert.deepEqual(reasons(numberChecks({ gte: 20, lt: 10 }), 20), []);
  assert.deepEqual(reasons(numberChecks({ gte: 1 }), 0), ['value must be greater than or equal to 1']);
  assert.deepEqual(reasons(numberChecks({ gte: 1, ignore_empty: true }), 0), []);
  assert.deepEqual(reasons(numberChecks({ in: [1, 2n] }), 3), ['value must be in list [1 2]']);
  assert.deepEqual(reasons(numberChecks({ in: [1, 2n] }), 2), []);
  assert.deepEqual(reasons(numberChecks({ lte: 9223372036854775807n }), 2n ** 63n), [
    'value must be less than or equal to 9223372036854775807',
  ]);
  assert.deepEqual(reasons(numberChecks({ gte: 0 }), Number.NaN).length, 1);
});

test('strings and bytes', () => {
  assert.deepEqual(reasons(stringChecks({ min_len: 2, max_len: 3 }), '😀'), [
    'value must have between 2 and 3 characters inclusive',
  ]);
  assert.deepEqual(reasons(stringChecks({ max_bytes: 3 }), '😀'), ['value length must be at most 3 bytes']);
  assert.deepEqual(reasons(stringChecks({ prefix: '/', suffix: 'x' }), 'y'), [
    'value does not have prefix "/"',
    'value does not have suffix "x"',
  ]);
  assert.deepEqual(reasons(stringChecks({ pattern: '^[^?#]+[^?#/]$' }), 'a/'), [
    'value does not match regex pattern "^[^?#]+[^?#/]$"',
  ]);
  assert.deepEqual(reasons(stringChecks({ pattern: '^[a-z]*$', ignore_empty: true, min_len: 1 }), ''), []);
  const name = stringChecks({ well_known_regex: 'HTTP_HEADER_NAME' });
  assert.deepEqual(
    [reasons(name, ':path').length, reasons(name, 'x y').length, reasons(name, 'a(b').length],
    [0, 1, 1],
  );
  const value = stringChecks({ well_known_regex: 'HTTP_HEADER_VALUE' });
  assert.deepEqual([reasons(value, 'ü\t ').length, reasons(value, 'a\u0001').length], [0, 1]);
  assert.deepEqual(reasons(stringChecks({ in: ['http', 'https'] }), 'ftp'), ['value must be in list [http https]']);
  const formats = { ip: '::1', ipv4: '1.2.3.4', email: 'a@b.c', hostname: 'a-b.c', uri: 'http://x/y', uuid: 'x' };
  for (const [format, good] of Object.entries(formats)) {
    const checks = stringChecks({ [format]: true });
    assert.equal(reasons(checks, good).length, format === 'uuid' ? 1 : 0, format);
    assert.equal(reasons(checks, 'no such\nthing').length, 1, format);
  }
  assert.deepEqual(reasons(bytesChecks({ max_len: 1, prefix: new Uint8Array([1]) }), new Uint8Array([2, 2])), [
    'value does not have prefix "\\x01"',
    'value length must be at most 1 bytes',
  ]);
});

test('enums and durations', () => {
  const policy = registry.enum('envoy.config.cluster.v3.Cluster.LbPolicy');
  assert.deepEqual(reasons(enumChecks({ defined_only: true }, policy), 99), [
    'value must be one of the defined enum values',
  ]);
  assert.deepEqual(reasons(enumChecks({ not_in: [0] }, policy), 'ROUND_ROBIN'), [
    'value must not be in list [ROUND_ROBIN]',
  ]);
  const checks = durationChecks({ gte: { seconds: 1, nanos: 0 }, lte: { seconds: 3600, nanos: 0 } });
  assert.deepEqual(reasons(checks, { seconds: 0, nanos: 5 }), ['value must be inside range [1s, 1h0m0s]']);
  assert.deepEqual(reasons(checks, { seconds: 1, nanos: 5 }), []);
  assert.deepEqual(reasons(checks, { seconds: 1, nanos: 2e9 }), ['value is not a valid duration']);
  assert.equal(goDuration({ seconds: 4294967296, nanos: 0 }), '1193046h28m16s');
  assert.equal(goDuration({ seconds: 0, nanos: 20_000_000 }), '20ms');
});

test('every rule of the descriptor set is of a kind that is checked', () => {
  const known: { readonly [kind: string]: readonly string[] } = {
    number: ['const', 'lt', 'lte', 'gt', 'gte', 'in', 'not_in', 'ignore_empty'],
    string: [
      ...['const', 'in', 'not_in', 'len', 'min_len', 'max_len', 'len_bytes', 'min_bytes', 'max_bytes', 'pattern'],
      ...['prefix', 'suffix', 'contains', 'not_contains', 'well_known_regex', 'strict', 'ignore_empty', 'ip', 'uri'],
    ],
    bytes: ['const', 'in', 'not_in', 'len', 'min_len', 'max_len', 'prefix', 'suffix', 'contains', 'ignore_empty'],
    bool: ['const'],
    enum: ['const', 'in', 'not_in', 'defined_only'],
    message: ['required', 'skip'],
    any: ['required', 'in', 'not_in'],
    duration: ['required', 'const', 'lt', 'lte', 'gt', 'gte', 'in', 'not_in'],
    timestamp: ['required', 'const', 'lt', 'lte', 'gt', 'gte'],
    repeated: ['min_items', 'max_items', 'unique', 'items', 'ignore_empty'],
    map: ['min_pairs', 'max_pairs', 'keys', 'values', 'ignore_empty'],
  };
  const rules = registry.message('validate.FieldRules' as string);
  const checkKinds = (all: Message, where: string): void => {
    for (const [kind, own] of Object.entries(all)) {
      const names = known[kind] ?? (/^(?:float|double|[su]?int|s?fixed)/.test(kind) ? known['number'] : []);
      for (const [name, value] of Object.entries(own as Message)) {
        assert.ok(names?.includes(name), `${where}: ${kind}.${name}`);
        if (['items', 'keys', 'values'].includes(name)) checkKinds(value as Message, where);
      }
    }
  };
  let count = 0;
  for (const name of registry.messageNames()) {
    for (const field of registry.message(name).fields) {
      if (field.rulesEnd === 0) continue;
      count++;
      checkKinds(
        decodeBinary(rules, registry.read(field.rulesStart, field.rulesEnd)) as Message,
        `${name}.${field.name}`,
      );
    }
  }
  assert.ok(count > 1200, String(count));
});
