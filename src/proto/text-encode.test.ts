// Text format as DebugString writes it, read again by the reader of text format.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registry } from './registry.ts';
import { Report } from './report.ts';
import { decodeText } from './text-decode.ts';
import { encodeText } from './text-encode.ts';

const WRAPPER = 'envoy.data.tap.v3.TraceWrapper';

test('defaults are left out, texts that look like them are not', () => {
  const message = {
    http_buffered_trace: {
      request: {
        headers: [
          { key: 'a', value: '0' },
          { key: '', value: '"\\\n\t\u00e9' },
        ],
        body: { as_bytes: Buffer.from([0, 39, 255]) },
        headers_received_time: { seconds: 5n, nanos: 0 },
      },
    },
    configured_sample_rate: { numerator: 0, denominator: 'HUNDRED' },
  };
  const text = encodeText(registry.message(WRAPPER), message);
  const lines = text.split('\n').map((line) => line.trim());
  assert.deepEqual(lines.slice(2, 9), [
    'headers {',
    'key: "a"',
    'value: "0"',
    '}',
    'headers {',
    'value: "\\"\\\\\\n\\t\\303\\251"',
    '}',
  ]);
  assert.ok(text.includes('as_bytes: "\\000\\\'\\377"'), text);
  assert.ok(
    text.includes('headers_received_time {\n        seconds: 5\n      }') || text.includes('seconds: 5\n'),
    text,
  );
  assert.ok(text.endsWith('configured_sample_rate {\n}\n'), text);
});

test('what is written can be read', () => {
  const message = {
    http_streamed_trace_segment: { trace_id: 18_446_744_073_709_551_615n, request_body_chunk: { as_string: 'x\r' } },
  };
  const report = new Report();
  const read = decodeText(registry.message(WRAPPER), encodeText(registry.message(WRAPPER), message), report);
  assert.deepEqual(read, message, report.toString());
});
