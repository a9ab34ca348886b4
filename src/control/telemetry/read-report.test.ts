// Reports from the wire: what does not fit is refused with its place, texts are cut and otherwise left alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { edgeOf, healthOf, reportOf, requestOf } from '../../../test/support/mesh-reports.ts';
import { readReport } from './read-report.ts';

const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('a whole report is itself', () => {
  const report = reportOf({ edges: [edgeOf('a', 'b')], workloads: [healthOf('a')], requests: [requestOf()] });
  assert.deepEqual(readReport(overTheWire(report)), report);
});

test('what does not fit is told with its place', () => {
  const edge = edgeOf('a', 'b');
  const bad: [unknown, RegExp][] = [
    [null, /the report: expected an object/],
    [[], /the report: expected an object/],
    [reportOf({ intervalMs: -1 }), /intervalMs: expected a number/],
    [{ ...reportOf(), edges: {} }, /edges: expected a list/],
    [reportOf({ edges: new Array(2001).fill(edge) }), /edges: 2001 are too many/],
    [{ ...reportOf(), edges: [{ ...edge, count: '1' }] }, /edges\[0\]\.count: expected a number/],
    [{ ...reportOf(), edges: [{ ...edge, protocol: 'udp' }] }, /edges\[0\]\.protocol: expected one of http, grpc, tcp/],
    [reportOf({ edges: [{ ...edge, latency: [1] }] }), /edges\[0\]\.latency: 1 buckets/],
    [reportOf({ edges: [{ ...edge, codes: { '<b>': 1 } }] }), /codes: "<b>" is no HTTP status/],
    [{ ...reportOf(), workloads: [{ ...healthOf('a'), state: 'great' }] }, /workloads\[0\]\.state: expected one of/],
    [{ ...reportOf(), requests: [{ ...requestOf(), path: null }] }, /requests\[0\]\.path: expected a text/],
    [{ ...reportOf(), edges: [JSON.parse('{"__proto__": {"count": 1}}')] }, /edges\[0\]/],
  ];
  for (const [report, expected] of bad) {
    const read = readReport(overTheWire(report));
    assert.equal(typeof read, 'string', String(expected));
    assert.match(read as string, expected);
  }
});

test('texts are data: markup stays as it is, long ones are cut, errors are never more than requests', () => {
  const path = `/<img src=x onerror=alert(1)>${'a'.repeat(5000)}`;
  const read = readReport(reportOf({ requests: [requestOf({ path })], edges: [edgeOf('a', 'b', { errors: 99 })] }));
  assert.ok(typeof read !== 'string');
  assert.equal(read.requests[0]?.path.length, 1024);
  assert.ok(read.requests[0]?.path.startsWith('/<img src=x onerror=alert(1)>'));
  assert.equal(read.edges[0]?.errors, 10);
});

test('whatever comes, it is a report or a reason', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => ['object', 'string'].includes(typeof readReport(value))));
  const fields = fc.record({ edges: fc.array(fc.jsonValue()), requests: fc.jsonValue(), workloads: fc.jsonValue() });
  fc.assert(fc.property(fields, (some) => typeof readReport({ ...reportOf(), ...some }) !== 'undefined'));
});
