// Tests what the proxy makes of gRPC services of the configuration: its own clusters, and the gRPC library's targets.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import type { GrpcService } from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';
import { fromJson } from '../../proto/json-decode.ts';
import { Report } from '../../proto/report.ts';
import { Headers } from '../../wire/headers.ts';
import { headerKey } from '../../wire/header-names.ts';
import type { GrpcTarget } from '../cluster/upstream-client/grpc-call.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import { exampleDecoder, exampleExchange } from '../formatter/test-exchange.ts';
import { unpackExtension } from './environment.ts';
import { decodeGrpcService } from './grpc-service.ts';

function decode(json: object): { target: GrpcTarget | null; reasons: string[] } {
  const message = fromJson(
    registry.message('envoy.config.core.v3.GrpcService') as never,
    json,
    new Report(),
  ) as GrpcService;
  const environment = {
    ...exampleDecoder().environment,
    unpack: unpackExtension,
    upstreamTransport: () => ({ decode: () => ({}) }) as never,
  };
  const d = new ConfigDecoder(environment as never);
  const target = decodeGrpcService(message, d);
  return { target, reasons: d.reasons.map(({ path, reason }) => `${path}: ${reason}`) };
}

test('a service over a cluster of the configuration', () => {
  const { target, reasons } = decode({
    envoy_grpc: {
      cluster_name: 'als',
      authority: 'logs.example',
      max_receive_message_length: 100,
      skip_envoy_headers: true,
      retry_policy: { retry_back_off: { base_interval: '2s' } },
    },
    timeout: '1.5s',
    retry_policy: { retry_on: 'unavailable, nonsense', num_retries: 3 },
    initial_metadata: [
      { key: 'x-a', value: '%PROTOCOL%' },
      { key: 'x-b', value: 'plain' },
    ],
  });
  assert.deepEqual(reasons, []);
  assert.ok(target);
  const { addMetadata, ...rest } = target;
  assert.deepEqual(rest, {
    clusterName: 'als',
    authority: 'logs.example',
    timeoutMs: 1500,
    maxMessageBytes: 100,
    skipsEnvoyHeaders: true,
    retry: { on: new Set(['unavailable']), numRetries: 3, backOff: { baseMs: 1000, maxMs: 10_000 } },
    streamBackOff: { baseMs: 2000, maxMs: 20_000 },
    callCredentials: null,
    ownCluster: null,
    counts: null,
  });
  const headers = new Headers();
  addMetadata?.(headers, null);
  assert.equal(headers.get(headerKey('x-a')), '%PROTOCOL%');
  addMetadata?.(headers, exampleExchange().info);
  assert.equal(headers.get(headerKey('x-a')), 'HTTP/1.1');
  assert.equal(headers.get(headerKey('x-b')), 'plain');
  assert.equal(decode({ envoy_grpc: { cluster_name: 'als' } }).target?.authority, 'als');
});

test('what no service can be', () => {
  assert.deepEqual(decode({}).reasons, [': target_specifier is required']);
  const backOff = { base_interval: '2s', max_interval: '1s' };
  assert.match(
    decode({ envoy_grpc: { cluster_name: 'a' }, retry_policy: { retry_back_off: backOff } }).reasons[0] ?? '',
    /^retry_policy\.retry_back_off: max_interval must be greater/,
  );
  const metadata = [{ key: ':path', value: '' }];
  assert.match(
    decode({ envoy_grpc: { cluster_name: 'a' }, initial_metadata: metadata }).reasons[0] ?? '',
    /^initial_metadata\[0\]\.key: /,
  );
});

test('a target of the gRPC library gets a cluster of its own', () => {
  const plain = decode({ google_grpc: { target_uri: 'dns:///logs.example:4317', stat_prefix: 'logs' } });
  assert.deepEqual(plain.reasons, []);
  assert.equal(plain.target?.authority, 'logs.example:4317');
  assert.equal(plain.target?.ownCluster?.statName, 'google_grpc_logs');
  assert.equal(plain.target?.ownCluster?.discovery.kind, 'DNS');
  assert.equal(plain.target?.maxMessageBytes, 4 * 1024 * 1024);
  assert.equal(plain.target?.counts, 'logs');
  const address = decode({ google_grpc: { target_uri: '[::1]:4317', stat_prefix: 'logs' } }).target?.ownCluster;
  assert.deepEqual(address?.endpoints.endpoints[0]?.address, { family: 'ipv6', address: '::1', port: 4317 });
  const unix = decode({ google_grpc: { target_uri: 'unix:/tmp/s', stat_prefix: 'l' } }).target?.ownCluster;
  assert.equal(unix?.endpoints.endpoints[0]?.address.family, 'unix');
});

test('credentials and arguments of the gRPC library', () => {
  const google = (change: object) => decode({ google_grpc: { target_uri: 'a:1', stat_prefix: 's', ...change } });
  const tls = google({
    channel_credentials: { ssl_credentials: { root_certs: { inline_string: 'PEM' } } },
    call_credentials: [{ access_token: 'secret' }],
    channel_args: {
      args: {
        'grpc.default_authority': { string_value: 'other' },
        'grpc.max_receive_message_length': { int_value: '10' },
      },
    },
  });
  assert.deepEqual(tls.reasons, []);
  assert.ok(tls.target?.ownCluster?.transport);
  assert.equal(tls.target.authority, 'other');
  assert.equal(tls.target.maxMessageBytes, 10);
  const headers = new Headers();
  assert.equal(tls.target.callCredentials?.(headers), '');
  assert.equal(headers.get(headerKey('authorization')), 'Bearer secret');
  const refused: readonly (readonly [object, string])[] = [
    [{ target_uri: 'xds:///a' }, 'google_grpc.target_uri: '],
    [{ channel_credentials: { google_default: {} } }, 'google_grpc.channel_credentials: '],
    [{ channel_credentials: { ssl_credentials: {} } }, 'google_grpc.channel_credentials.ssl_credentials.root_certs: '],
    [{ channel_credentials: { local_credentials: {} } }, 'google_grpc.channel_credentials.local_credentials: '],
    [{ call_credentials: [{ access_token: 't' }] }, 'google_grpc.call_credentials[0].access_token: '],
    [{ channel_args: { args: { x: { int_value: '1' } } } }, 'google_grpc.channel_args.args["x"]: '],
    [{ credentials_factory_name: 'mine' }, 'google_grpc.credentials_factory_name: '],
  ];
  for (const [change, reason] of refused) {
    const { reasons } = google(change);
    assert.ok(reasons[0]?.startsWith(reason), `${reasons[0]} is not ${reason}`);
  }
});

test('a token that a file holds is read at each call, and no call goes without it', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-token-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const filename = join(dir, 'token');
  const config = { '@type': 'type.googleapis.com/envoy.config.grpc_credential.v3.FileBasedMetadataConfig' };
  const google = (change: object, factory = 'envoy.grpc_credentials.file_based_metadata') =>
    decode({
      google_grpc: {
        target_uri: 'a:1',
        stat_prefix: 's',
        channel_credentials: { ssl_credentials: { root_certs: { inline_string: 'PEM' } } },
        credentials_factory_name: factory,
        call_credentials: [{ from_plugin: { name: factory, typed_config: { ...config, ...change } } }],
      },
    });
  const { target, reasons } = google({ secret_data: { filename }, header_prefix: 'Bearer ' });
  assert.deepEqual(reasons, []);
  const headers = new Headers();
  assert.match(target?.callCredentials?.(headers) ?? '', /cannot be read: ENOENT/);
  for (const token of ['first', 'second']) {
    writeFileSync(filename, `${token}\n`);
    assert.equal(target?.callCredentials?.(headers), '');
    assert.equal(headers.get(headerKey('authorization')), `Bearer ${token}`);
  }
  writeFileSync(filename, 'a\nb');
  assert.match(target?.callCredentials?.(headers) ?? '', /holds what a header cannot/);
  writeFileSync(filename, '');
  assert.match(target?.callCredentials?.(headers) ?? '', /is empty/);

  const inline = google({ secret_data: { inline_string: 'key' }, header_key: 'X-Api-Key' }).target;
  assert.equal(inline?.callCredentials?.(headers), '');
  assert.equal(headers.get(headerKey('x-api-key')), 'key');

  const at = 'google_grpc.call_credentials[0].from_plugin';
  assert.match(google({}).reasons[0] ?? '', /typed_config\.secret_data: is required/);
  const elsewhere = google({ secret_data: { filename } }, 'envoy.grpc_credentials.default').reasons[0] ?? '';
  assert.ok(elsewhere.startsWith(`${at}: takes the credentials_factory_name`), elsewhere);
});
