// Tests the loggers of services as they are configured: what they send, what they share, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBinary } from '../../../proto/binary-decode.ts';
import { fromJson } from '../../../proto/json-decode.ts';
import type { Message, MessageType } from '../../../proto/message-type.ts';
import { registry } from '../../../proto/registry.ts';
import { Report } from '../../../proto/report.ts';
import { FakeUpstream } from '../../cluster/upstream-client/testing/fake-cluster.ts';
import { ConfigDecoder } from '../../config-decoder.ts';
import { exampleDecoder, exampleExchange } from '../../formatter/test-exchange.ts';
import { Flag } from '../../stream-info.ts';
import { decodeServiceLogger, HTTP_GRPC, OPEN_TELEMETRY, TCP_GRPC } from './decode-service.ts';
import { LogServices } from './log-services.ts';
import { textOf } from './utf8.ts';

function setUp() {
  const up = new FakeUpstream();
  const local = { node: { id: 'n' }, nodeName: 'n', clusterName: 'c', zoneName: 'z', version: '1.2.3' };
  const services = new LogServices(up.client, up.store, local);
  const decode = (type: string, json: object, given: LogServices | null = services) => {
    const report = new Report();
    const message = fromJson(registry.message(type) as MessageType<unknown>, json, report) as object;
    assert.ok(report.isEmpty, report.toString());
    const d = new ConfigDecoder(exampleDecoder().environment);
    const logger = decodeServiceLogger(type, message, given, d);
    return { logger, reasons: d.reasons.map(({ path, reason }) => `${path}: ${reason}`) };
  };
  /** The last message that was sent. */
  const sent = (type: string): Message => {
    const { body } = up.last;
    let at = 0;
    while (at + 5 + body.readUInt32BE(at + 1) < body.length) at += 5 + body.readUInt32BE(at + 1);
    return decodeBinary(registry.message(type) as MessageType<Message>, body.subarray(at + 5)) as Message;
  };
  return { up, decode, sent };
}

const SERVICE = { envoy_grpc: { cluster_name: 'up' } };
const MESSAGE = 'envoy.service.accesslog.v3.StreamAccessLogsMessage';

test('an entry of HTTP with flags, tags, metadata and filter state', () => {
  const { decode, sent } = setUp();
  const { logger, reasons } = decode(HTTP_GRPC, {
    common_config: {
      log_name: 'log',
      grpc_service: SERVICE,
      buffer_size_bytes: 0,
      filter_state_objects_to_log: ['text', 'number', 'large', 'flag', 'object', 'none', 'absent'],
      custom_tags: [
        { tag: 'literal', literal: { value: 'l' } },
        { tag: 'home', environment: { name: 'HOME' } },
        { tag: 'none', request_header: { name: 'x-none' } },
        { tag: 'agent', request_header: { name: 'user-agent' } },
        { tag: 'deep', metadata: { kind: { request: {} }, metadata_key: { key: 'ns', path: [{ key: 'o' }] } } },
        { tag: 'route', metadata: { kind: { route: {} }, metadata_key: { key: 'ns' }, default_value: 'd' } },
        { tag: 'format', value: '%RESPONSE_CODE%' },
      ],
    },
    additional_request_headers_to_log: ['User-Agent', 'x-none'],
    additional_response_headers_to_log: ['content-type'],
  });
  assert.deepEqual(reasons, []);
  const exchange = exampleExchange();
  exchange.info.flags |= Flag.UAEX | Flag.NC;
  exchange.info.setMetadata('ns', { o: { a: 1 } });
  const state = (value: string, typed: unknown, more: object = {}) =>
    ({ value, typed, isReadOnly: true, lifeSpan: 'request', ...more }) as const;
  exchange.info.filterState = new Map([
    ['text', state('t\xc3\xa9', 't\xc3\xa9')],
    ['number', state('7', 7)],
    ['large', state('18446744073709551615', '18446744073709551615', { isUint64: true })],
    ['flag', state('true', true)],
    ['object', state('{}', { a: 'b' })],
    ['none', state('x', null)],
  ]);
  logger?.log(exchange);
  const message = sent(MESSAGE);
  assert.deepEqual((message['identifier'] as Message)['log_name'], 'log');
  const [entry] = (message['http_logs'] as { log_entry: Message[] }).log_entry as [Message];
  const common = entry['common_properties'] as Message;
  assert.deepEqual(common['response_flags'], {
    upstream_connection_termination: true,
    no_cluster_found: true,
    unauthorized_details: { reason: 'EXTERNAL_SERVICE' },
  });
  assert.deepEqual(
    { ...(common['custom_tags'] as object) },
    {
      ...{
        literal: 'l',
        home: '/home/me',
        agent: '"quo\\te"\tt!\u00e9<x>',
        deep: '{"a":1}',
        route: 'd',
        format: '503',
      },
    },
  );
  assert.equal(JSON.stringify(common['metadata']), '{"filter_metadata":{"ns":{"o":{"a":1}}}}');
  assert.deepEqual(common['start_time'], { seconds: 1_795_268_157, nanos: 288_085_000 });
  assert.deepEqual(common['duration'], { seconds: 0, nanos: 13_500_000 });
  const objects = common['filter_state_objects'] as Record<string, { type_url: string }>;
  const kinds = Object.entries(objects).map(
    ([key, { type_url: url }]) => `${key} ${url.slice(url.lastIndexOf('.') + 1)}`,
  );
  assert.deepEqual(kinds.sort(), [
    ...['flag BoolValue', 'large UInt64Value', 'number UInt32Value', 'object Struct', 'text StringValue'],
  ]);
  const request = entry['request'] as Message;
  assert.equal(request['path'], '/up?d=15&x=a%20b&e');
  assert.deepEqual(Object.keys(request['request_headers'] as object), ['user-agent']);
  assert.deepEqual(Object.entries((entry['response'] as Message)['response_headers'] as object), [
    ['content-type', 'text/plain'],
  ]);
  assert.equal((entry['response'] as Message)['response_code'], 503);
  assert.equal(entry['protocol_version'], 'HTTP11');
});

test('an entry of TCP, in which times that did not come are missing', () => {
  const { decode, sent } = setUp();
  const { logger } = decode(TCP_GRPC, {
    common_config: { log_name: 'l', grpc_service: SERVICE, buffer_size_bytes: 0 },
  });
  const exchange = exampleExchange();
  Object.assign(exchange.info, { protocol: '', endMs: 0, firstDownstreamTxMs: 0, bytesReceived: 3, upstream: null });
  logger?.log({ ...exchange, requestHeaders: null, responseHeaders: null, accessLogType: 'TcpPeriodic' });
  const [entry] = (sent(MESSAGE)['tcp_logs'] as { log_entry: Message[] }).log_entry as [Message];
  const common = entry['common_properties'] as Message;
  assert.equal(common['access_log_type'], 'TcpPeriodic');
  assert.equal(common['intermediate_log_entry'], true);
  assert.ok(!('time_to_last_downstream_tx_byte' in common) && !('upstream_cluster' in common));
  assert.deepEqual(entry['connection_properties'], { received_bytes: 3, sent_bytes: 95 });
});

test('a log record', () => {
  const { decode, sent } = setUp();
  const { logger, reasons } = decode(OPEN_TELEMETRY, {
    grpc_service: SERVICE,
    buffer_size_bytes: 1,
    log_name: 'log',
    body: { string_value: '%RESPONSE_CODE%' },
    attributes: { values: [{ key: 'a', value: { array_value: { values: [{ string_value: '%PROTOCOL%' }] } } }] },
    resource_attributes: { values: [{ key: 'zone_name', value: { int_value: '5' } }] },
  });
  assert.deepEqual(reasons, []);
  const exchange = exampleExchange();
  Object.assign(exchange.info, { traceId: 'abc', spanId: '1'.repeat(16) });
  logger?.log(exchange);
  const request = sent('opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest');
  const [logs] = request['resource_logs'] as [{ resource: Message; scope_logs: [{ log_records: [Message] }] }];
  const text = (key: string, value: string) => ({ key, value: { string_value: value } });
  assert.deepEqual(logs.resource['attributes'], [
    text('log_name', 'log'),
    { key: 'zone_name', value: { int_value: 5 } },
    text('cluster_name', 'c'),
    text('node_name', 'n'),
  ]);
  const [record] = logs.scope_logs[0].log_records;
  assert.deepEqual(record['body'], { string_value: '503' });
  assert.deepEqual(record['attributes'], [
    { key: 'a', value: { array_value: { values: [{ string_value: 'HTTP/1.1' }] } } },
  ]);
  assert.equal(Buffer.from(record['trace_id'] as Uint8Array).toString('hex'), 'abc'.padStart(32, '0'));
});

test('log records over HTTP', () => {
  const { up, decode } = setUp();
  const { logger, reasons } = decode(OPEN_TELEMETRY, {
    http_service: {
      http_uri: { uri: 'https://collector.example:4318/v1/logs?a=b', cluster: 'up', timeout: '2s' },
      request_headers_to_add: [{ header: { key: 'x-key', value: '%HOSTNAME%' } }],
    },
    buffer_size_bytes: 1,
    stat_prefix: 'mine',
  });
  assert.deepEqual(reasons, []);
  logger?.log(exampleExchange());
  const { headers } = up.last;
  const fields: string[] = [];
  headers?.forEach((name, value) => fields.push(`${name}: ${value}`));
  assert.deepEqual(fields.slice(0, 7), [
    ...[':method: POST', ':path: /v1/logs?a=b', ':authority: collector.example:4318', ':scheme: http'],
    ...['content-type: application/x-protobuf', 'user-agent: OTel-OTLP-Exporter-Heddle/1.2.3', 'x-key: vm'],
  ]);
  up.last.head({ ':status': '503' }, true);
  assert.equal(up.store.find('access_logs.open_telemetry_access_log.mine.logs_dropped'), 1);
  logger?.log(exampleExchange());
  up.last.head({ ':status': '200' }, true);
  assert.equal(up.store.find('access_logs.open_telemetry_access_log.mine.logs_written'), 1);
});

test('loggers of equal configuration share a stream, others do not; without services nothing is made', () => {
  const { up, decode } = setUp();
  const config = (name: string) => ({ common_config: { log_name: name, grpc_service: SERVICE, buffer_size_bytes: 0 } });
  for (const name of ['a', 'a', 'b']) decode(HTTP_GRPC, config(name)).logger?.log(exampleExchange());
  decode(TCP_GRPC, config('a')).logger?.log(exampleExchange());
  assert.equal(up.streams.length, 3);
  assert.equal(decode(HTTP_GRPC, config('a'), null).logger, null);
});

test('what is refused', () => {
  const { decode } = setUp();
  const refused: readonly (readonly [string, object, RegExp])[] = [
    [OPEN_TELEMETRY, {}, /one of grpc_service, http_service/],
    [OPEN_TELEMETRY, { grpc_service: SERVICE, http_service: {} }, /only one of/],
    [OPEN_TELEMETRY, { grpc_service: SERVICE, body: { int_value: '1' } }, /^body: Only string values/],
    [OPEN_TELEMETRY, { http_service: {} }, /^http_service\.http_uri: is required/],
    [HTTP_GRPC, { common_config: { grpc_service: SERVICE, transport_api_version: 'V2' } }, /transport_api_version: V2/],
    [HTTP_GRPC, { common_config: { grpc_service: SERVICE, custom_tags: [{ tag: 'a' }] } }, /custom_tags\[0\]: has no/],
  ];
  for (const [type, json, reason] of refused) {
    const { reasons } = decode(type, json);
    assert.match(reasons[0] ?? '', reason);
  }
});

test('bytes that are no text', () => {
  assert.equal(textOf('plain'), 'plain');
  assert.equal(textOf('caf\xc3\xa9'), 'caf\u00e9');
  assert.equal(textOf('a\xff\xc3\xa9\xc3'), 'a!\u00e9!');
  assert.equal(textOf('\xf0\x9f\x98\x80\x80'), '\u{1f600}!');
});
