// Tests what becomes of entries: kept, sent together, kept longer while the service does not read, and dropped.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBinary } from '../../../proto/binary-decode.ts';
import { encodeBinary } from '../../../proto/binary-encode.ts';
import type { MessageType } from '../../../proto/message-type.ts';
import { registry } from '../../../proto/registry.ts';
import { GrpcMessageReader } from '../../../wire/grpc/framing.ts';
import { GrpcClient } from '../../cluster/upstream-client/grpc-client.ts';
import { FakeUpstream } from '../../cluster/upstream-client/testing/fake-cluster.ts';
import { LogServices } from './log-services.ts';
import { encodeIdentifier, LogStream, type LogStreamSettings } from './log-stream.ts';
import { grpcSender, OtelExport } from './otel-export.ts';

const MESSAGE = registry.message('envoy.service.accesslog.v3.StreamAccessLogsMessage') as MessageType<unknown>;
const ENTRY = registry.message('envoy.data.accesslog.v3.HTTPAccessLogEntry') as MessageType<unknown>;
const RECORD = registry.message('opentelemetry.proto.logs.v1.LogRecord') as MessageType<unknown>;
const EXPORT = registry.message(
  'opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest',
) as MessageType<unknown>;

const TARGET = {
  ...{
    clusterName: 'up',
    authority: 'up',
    timeoutMs: 0,
    addMetadata: null,
    callCredentials: null,
    maxMessageBytes: 1e6,
  },
  ...{ skipsEnvoyHeaders: false, retry: null, streamBackOff: null, ownCluster: null, counts: null },
};

const entry = (path: string): Uint8Array => encodeBinary(ENTRY, { request: { path } });

function setUp(settings: Partial<LogStreamSettings> = {}, kind: 'http' | 'tcp' = 'http') {
  const up = new FakeUpstream();
  const client = new GrpcClient(up.client, TARGET);
  const local = { node: {}, nodeName: '', clusterName: '', zoneName: '', version: '1' };
  const services = new LogServices(up.client, up.store, local);
  const stream = new LogStream(
    client,
    kind,
    { flushMs: 1000, bufferBytes: 100, retry: null, identifier: encodeIdentifier({ id: 'n' }, 'log'), ...settings },
    services.scope('access_logs.grpc_access_log.'),
  );
  const stat = (name: string): number => up.store.find(`access_logs.grpc_access_log.${name}`) ?? 0;
  return { up, services, client, stream, stat };
}

/** The messages of a body. */
function messages(body: Buffer, type = MESSAGE): unknown[] {
  const list: unknown[] = [];
  const reader = new GrpcMessageReader(1e6, {
    onMessage: (_flags, buf, start, end) => list.push(decodeBinary(type, buf.subarray(start, end))),
  });
  reader.read(body, 0, body.length);
  return list;
}

test('entries leave together after a moment, or when there are enough; who tells comes first on a stream', () => {
  const { up, stream, stat } = setUp();
  stream.log(entry('/a'));
  stream.log(entry('/b'));
  assert.equal(up.streams.length, 0);
  up.clock.advance(1010);
  const first = { identifier: { node: { id: 'n' }, log_name: 'log' } };
  const logs = (...paths: string[]) => ({ http_logs: { log_entry: paths.map((path) => ({ request: { path } })) } });
  assert.deepEqual(messages(up.last.body), [{ ...first, ...logs('/a', '/b') }]);
  const long = `/${'c'.repeat(100)}`;
  stream.log(entry(long));
  assert.deepEqual(messages(up.last.body)[1], logs(long));
  assert.equal(up.streams.length, 1);
  // The stream ends: entries that follow begin another one.
  up.last.head({ ':status': '200', 'grpc-status': '14' }, true);
  stream.log(entry(long));
  assert.equal(up.streams.length, 2);
  assert.deepEqual(messages(up.last.body), [{ ...first, ...logs(long) }]);
  assert.equal(stat('logs_written'), 4);
  assert.equal(stat('grpc_entries_flushed'), 4);
});

test('a service that does not read: entries wait up to the limit, then they are dropped', () => {
  const { up, stream, stat } = setUp();
  const long = entry(`/${'c'.repeat(60)}`);
  stream.log(long);
  up.clock.advance(1010);
  up.last.callbacks.onAboveWatermark();
  for (let i = 0; i < 10; i++) stream.log(long);
  assert.equal(stat('logs_written'), 3);
  assert.equal(stat('logs_dropped'), 8);
  assert.ok(stat('grpc_entries_flush_failed') > 0);
  up.last.callbacks.onBelowWatermark();
  up.clock.advance(1010);
  assert.equal(messages(up.last.body).length, 2);
  assert.equal(stat('grpc_entries_flushed'), 3);
});

test('without a buffer each entry leaves at once, and what cannot leave is limited all the same', () => {
  const { up, stream, stat } = setUp({ bufferBytes: 0 }, 'tcp');
  stream.log(entry('/a'));
  assert.equal(messages(up.last.body).length, 1);
  up.last.callbacks.onAboveWatermark();
  const large = entry('x'.repeat(300_000));
  for (let i = 0; i < 10; i++) stream.log(large);
  assert.equal(stat('logs_dropped'), 6);
  // Envoy counts no entries of TCP as written.
  assert.equal(stat('logs_written'), 0);
});

test('no host: nothing is lost before the limit', () => {
  const { up, stream, stat } = setUp();
  up.hasHost = false;
  stream.log(entry('/a'));
  up.clock.advance(5000);
  assert.ok(stat('grpc_entries_flush_failed') >= 4);
  up.hasHost = true;
  up.clock.advance(1010);
  assert.equal(stat('grpc_entries_flushed'), 1);
  assert.equal(messages(up.last.body).length, 1);
});

test('log records are exported by calls, and counted by their answers', () => {
  const { up, client, services } = setUp();
  const scope = services.scope('access_logs.open_telemetry_access_log.');
  const resource = [{ key: 'log_name', value: { string_value: 'x' } }];
  const settings = { flushMs: 1000, bufferBytes: 30, resource };
  const target = new OtelExport(up.client, grpcSender(client, null), settings, scope);
  const stat = (name: string): number => up.store.find(`access_logs.open_telemetry_access_log.${name}`) ?? 0;
  const record = encodeBinary(RECORD, { severity_text: 'twelve bytes' });
  for (let i = 0; i < 3; i++) target.log(record);
  assert.deepEqual(messages(up.last.body, EXPORT), [
    {
      resource_logs: [
        {
          resource: { attributes: resource },
          scope_logs: [{ log_records: Array.from({ length: 3 }, () => ({ severity_text: 'twelve bytes' })) }],
        },
      ],
    },
  ]);
  const response = registry.message(
    'opentelemetry.proto.collector.logs.v1.ExportLogsServiceResponse',
  ) as MessageType<unknown>;
  const rejected = encodeBinary(response, { partial_success: { rejected_log_records: 1 } });
  up.last.head({ ':status': '200' });
  up.last.data(Buffer.from([0, 0, 0, 0, rejected.length, ...rejected]));
  up.last.end({ 'grpc-status': '0' });
  assert.deepEqual([stat('logs_written'), stat('logs_dropped')], [2, 1]);
  target.log(record);
  up.clock.advance(1010);
  up.last.head({ ':status': '200', 'grpc-status': '13' }, true);
  assert.deepEqual([stat('logs_written'), stat('logs_dropped')], [2, 2]);
});
