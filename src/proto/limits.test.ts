// Bytes that would become far more memory than they are, or take far longer than they are long.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBinary, MAX_FIELDS } from './binary-decode.ts';
import type { Any } from './any.ts';
import { encodeBinary } from './binary-encode.ts';
import { toJson } from './json-encode.ts';
import { registry } from './registry.ts';
import { Report } from './report.ts';
import { FieldCursor } from './wire-reader.ts';

const ROUTES = registry.message('envoy.config.route.v3.RouteConfiguration');

function problem(bytes: Uint8Array): string {
  const report = new Report();
  assert.equal(decodeBinary(ROUTES, bytes, report), undefined);
  return report.toString();
}

test('millions of empty messages are refused', () => {
  // Field 2, virtual_hosts, of no length.
  const bytes = Buffer.alloc(2 * MAX_FIELDS + 2, Buffer.of(0x12, 0));
  assert.equal(problem(bytes), `more than ${MAX_FIELDS} fields`);
  // One host with as many empty routes: they count, too.
  const inner = Buffer.alloc(2 * MAX_FIELDS, Buffer.of(0x1a, 0));
  const length = [
    (inner.length & 0x7f) | 0x80,
    ((inner.length >> 7) & 0x7f) | 0x80,
    ((inner.length >> 14) & 0x7f) | 0x80,
  ];
  const host = Buffer.concat([Buffer.of(0x12, ...length, inner.length >> 21), inner]);
  assert.equal(problem(host), `virtual_hosts[0]: more than ${MAX_FIELDS} fields`);
  assert.ok(decodeBinary(ROUTES, bytes.subarray(0, 2000)) !== undefined);
});

test('so are fields without end that nobody knows', () => {
  assert.match(problem(Buffer.alloc(450_000, Buffer.of(0xa0, 0x06, 0))), /\nmore than 100000 unknown fields$/);
});

test('a number that never ends does not end within its message', () => {
  for (const bytes of [Buffer.alloc(50_000_000, 0xff), Buffer.concat([Buffer.of(0x12), Buffer.alloc(100, 0x80)])]) {
    const cursor = new FieldCursor(bytes);
    const before = performance.now();
    assert.ok(cursor.next());
    assert.ok(cursor.valueEnd > bytes.length);
    assert.equal(cursor.next(), false);
    assert.ok(performance.now() - before < 50);
  }
});

test('Anys in Anys have an end as JSON', () => {
  const type = registry.message('google.protobuf.Any');
  let any: Any = { type_url: 'x/google.protobuf.Empty', value: new Uint8Array(0) };
  for (let i = 0; i < 2000; i++) any = { type_url: 'x/google.protobuf.Any', value: encodeBinary(type, any as never) };
  let levels = 0;
  for (let at: unknown = toJson(type, any as never); typeof at === 'object'; levels++) {
    at = (at as { value?: unknown }).value;
  }
  assert.equal(levels, 100);
});
