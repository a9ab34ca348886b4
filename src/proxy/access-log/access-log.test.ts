// Access loggers and their filters, decoded from protobuf objects.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Clock, Random } from '../../base/clock.ts';
import type { AccessLogFilter as AccessLogFilterPb } from '../../proto/generated/types.d.ts';
import { AccessLogFiles } from '../../telemetry/access-log-file.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import { H, headerKey } from '../../wire/header-names.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import { type Exchange, exampleDecoder, exampleExchange } from '../formatter/test-exchange.ts';
import { Flag } from '../stream-info.ts';
import { decodeAccessLogs } from './decode.ts';
import { decodeAccessLogFilter } from './filters.ts';

const FILE = 'envoy.extensions.access_loggers.file.v3.FileAccessLog';

function decode(messages: readonly unknown[]) {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-log-'));
  const files = new AccessLogFiles({ clock: new Clock({ manual: true }), store: new StatStore() });
  const environment = {
    ...exampleDecoder().environment,
    unpack: (any: unknown) => any as { type: string; message: object },
    accessLogFiles: files,
  };
  const d = new ConfigDecoder(environment);
  const path = join(directory, 'log');
  const list = messages.map((message) => {
    const { type = FILE, ...rest } = message as { type?: string; filter?: unknown };
    return { name: 'a', filter: rest.filter, typed_config: { type, message: { path, ...rest } } };
  });
  const logs = decodeAccessLogs(list as never, d.at('access_log'));
  const read = (): string => {
    files.flushSync();
    const text = readFileSync(path, 'utf8');
    rmSync(directory, { recursive: true });
    return text;
  };
  return { logs, reasons: d.reasons, read };
}

test('two loggers of one path write through one file', () => {
  const { logs, reasons, read } = decode([
    { log_format: { text_format_source: { inline_string: '%RESPONSE_CODE% %REQ(x)%\n' } } },
    { log_format: { json_format: { c: '%RESPONSE_CODE%', x: '%REQ(x)%' }, omit_empty_values: true } },
    { filter: { status_code_filter: { comparison: { op: 'EQ', value: { default_value: 200 } } } } },
  ]);
  assert.deepEqual(reasons, []);
  for (const log of logs) log.log(exampleExchange());
  assert.equal(read(), '503 -\n{"c":503}\n');
});

test('what cannot be is refused with its path', () => {
  const { reasons } = decode([
    { log_format: { text_format_source: { inline_string: '%FOO%' } } },
    { log_format: { formatters: [{ typed_config: { type: 'x.Y', message: {} } }], json_format: {} } },
    { type: 'envoy.extensions.access_loggers.fluentd.v3.FluentdAccessLogConfig' },
    { filter: { extension_filter: { name: 'cel' } } },
    { log_format: {} },
  ]);
  assert.deepEqual(reasons, [
    {
      path: 'access_log[0].typed_config.log_format.text_format_source',
      reason: 'Not supported field in StreamInfo: FOO',
    },
    {
      path: 'access_log[1].typed_config.log_format.formatters[0].typed_config',
      reason: 'formatter x.Y is not supported yet',
    },
    {
      path: 'access_log[2].typed_config',
      reason: 'access logger envoy.extensions.access_loggers.fluentd.v3.FluentdAccessLogConfig is not supported yet',
    },
    { path: 'access_log[3].filter.extension_filter', reason: "access-log filter 'cel' is not supported yet" },
    { path: 'access_log[4].typed_config.log_format', reason: 'no format is set' },
  ]);
});

test('filters', () => {
  const code = (op: string, value: number) => ({ comparison: { op, value: { default_value: value } } });
  const grpc = (exchange: Exchange): void => {
    exchange.requestHeaders?.add(H['content-type'], 'application/grpc');
    exchange.responseHeaders?.add(H['grpc-status'], '5');
  };
  const half = { numerator: 50, denominator: 'HUNDRED' };
  type Case = readonly [object, boolean, ((exchange: Exchange) => void)?];
  const cases: readonly Case[] = [
    [{ status_code_filter: code('EQ', 503) }, true],
    [{ status_code_filter: code('GE', 504) }, false],
    [{ status_code_filter: code('LE', 503) }, true],
    [{ status_code_filter: code('NE', 503) }, false],
    [{ status_code_filter: { comparison: { value: { default_value: 503 } } } }, true],
    [{ duration_filter: code('GE', 13) }, true],
    [{ duration_filter: code('GE', 14) }, false],
    [{ not_health_check_filter: {} }, true],
    [{ not_health_check_filter: {} }, false, ({ info }) => (info.isHealthCheck = true)],
    [{ traceable_filter: {} }, false],
    [{ traceable_filter: {} }, true, ({ info }) => (info.traceReason = 'forced')],
    [{ response_flag_filter: {} }, true],
    [{ response_flag_filter: { flags: ['UF', 'UC'] } }, true],
    [{ response_flag_filter: { flags: ['UF'] } }, false],
    [{ response_flag_filter: {} }, false, ({ info }) => (info.flags = 0)],
    [{ response_flag_filter: { flags: ['DR'] } }, true, ({ info }) => (info.flags = Flag.DR)],
    [{ header_filter: { header: { name: 'x', string_match: { exact: '1' } } } }, false],
    [
      { header_filter: { header: { name: 'x', string_match: { exact: '1' } } } },
      true,
      ({ requestHeaders }) => requestHeaders?.add(headerKey('x'), '1'),
    ],
    [
      { header_filter: { header: { name: 'x', present_match: true, invert_match: true } } },
      true,
      (exchange) => (exchange.requestHeaders = null),
    ],
    [{ grpc_status_filter: { statuses: ['NOT_FOUND'] } }, true, grpc],
    [{ grpc_status_filter: { statuses: ['NOT_FOUND'], exclude: true } }, false, grpc],
    [{ grpc_status_filter: { statuses: ['UNAVAILABLE'] } }, true],
    [{ log_type_filter: { types: ['DownstreamEnd'] } }, true],
    [{ log_type_filter: { types: ['DownstreamEnd'], exclude: true } }, false],
    [{ log_type_filter: { types: ['DownstreamStart'] } }, false],
    [
      { runtime_filter: { runtime_key: 'k', percent_sampled: half } },
      true,
      ({ info }) => (info.requestId = '00000031-'),
    ],
    [
      { runtime_filter: { runtime_key: 'k', percent_sampled: half } },
      false,
      ({ info }) => (info.requestId = '00000032-'),
    ],
    [{ runtime_filter: { runtime_key: 'k' } }, false],
    [{ and_filter: { filters: [{ not_health_check_filter: {} }, { traceable_filter: {} }] } }, false],
    [{ or_filter: { filters: [{ not_health_check_filter: {} }, { traceable_filter: {} }] } }, true],
    [{ metadata_filter: { matcher: metadata('yes') } }, true],
    [{ metadata_filter: { matcher: metadata('yes'), match_if_key_not_found: false } }, false],
    [{ metadata_filter: { matcher: metadata('yes') } }, true, ({ info }) => info.setMetadata('ns', { k: 'yes' })],
    [{ metadata_filter: { matcher: metadata('yes') } }, false, ({ info }) => info.setMetadata('ns', { k: 'no' })],
  ];
  for (const [message, expected, change] of cases) {
    const d = new ConfigDecoder({ ...exampleDecoder().environment, random: new Random(1) } as never);
    const filter = decodeAccessLogFilter(message as AccessLogFilterPb, d);
    assert.deepEqual(d.reasons, [], JSON.stringify(message));
    const exchange = exampleExchange();
    change?.(exchange);
    assert.equal(filter.matches(exchange), expected, JSON.stringify(message));
  }
});

function metadata(value: string) {
  return { filter: 'ns', path: [{ key: 'k' }], value: { string_match: { exact: value } } };
}
