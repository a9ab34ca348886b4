// Reports of load in header fields: every form, and what makes one void. Each line was tried with the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBinary } from '../../../proto/binary-encode.ts';
import { registry } from '../../../proto/registry.ts';
import { headerKey } from '../../../wire/header-names.ts';
import { Headers } from '../../../wire/headers.ts';
import { readLoadHeader } from './load-header.ts';

/** What is not 0; null: there is no report. */
function read(...fields: readonly (readonly [string, string])[]): Record<string, number> | null {
  const headers = new Headers();
  for (const [name, value] of fields) headers.add(headerKey(name), value);
  const load = readLoadHeader(headers);
  return load === null ? null : Object.fromEntries([...load].filter(([, value]) => value !== 0));
}

const tagged = (value: string): Record<string, number> | null => read(['endpoint-load-metrics', value]);

const base64 = (message: object): string =>
  Buffer.from(encodeBinary(registry.message('xds.data.orca.v3.OrcaLoadReport') as never, message as never)).toString(
    'base64',
  );

test('text', () => {
  const cases: readonly (readonly [string, Record<string, number> | null])[] = [
    ['TEXT cpu_utilization=0.5', { cpu_utilization: 0.5 }],
    ['TEXT cpu_utilization:0.5,mem_utilization=0.2', { cpu_utilization: 0.5, mem_utilization: 0.2 }],
    ['TEXT rps_fractional=5, eps=3', { rps_fractional: 5, eps: 3 }],
    ['TEXT application_utilization=1.5, cpu_utilization=3', { application_utilization: 1.5, cpu_utilization: 3 }],
    ['TEXT named_metrics.a.b=1, utilization.gpu=3', { 'named_metrics.a.b': 1, 'utilization.gpu': 3 }],
    ['TEXT named_metrics.caf\xc3\xa9=1', { 'named_metrics.café': 1 }],
    ['TEXT cpu_utilization=0', {}],
    ['TEXT ,', {}],
    ['TEXT , ,\tcpu_utilization= 0.5 ,', { cpu_utilization: 0.5 }],
    ['TEXT cpu_utilization=5e-1', { cpu_utilization: 0.5 }],
    ['TEXT cpu_utilization=+.5', { cpu_utilization: 0.5 }],
    ['TEXT cpu_utilization=5.', { cpu_utilization: 5 }],
    ['TEXT cpu_utilization=0x1p-1', { cpu_utilization: 0.5 }],
    ['TEXT cpu_utilization=0x10', { cpu_utilization: 16 }],
    ['TEXT cpu_utilization=-0', {}],
    ['TEXT cpu_utilization=1e-999', {}],
  ];
  for (const [text, load] of cases) assert.deepEqual(tagged(text), load, text);
});

test('text that is void', () => {
  const values = ['abc', '', '-1', 'nan', 'inf', 'infinity', '1e999', '0.5%', '1_000', '.', '1e', '+-1', '0x', '1=2'];
  for (const value of values) assert.equal(tagged(`TEXT mem_utilization=0.4, cpu_utilization=${value}`), null, value);
  const texts = [
    ...['TEXT', 'text cpu_utilization=1', 'TEXT\tcpu_utilization=1', 'cpu_utilization=1', 'FOO cpu_utilization=1', ''],
    ...['TEXT cpu_utilization =1', 'TEXT cpu_utilization', 'TEXT CPU_UTILIZATION=1', 'TEXT unknown=1', 'TEXT rps=5'],
    ...['TEXT request_cost.x=4', 'TEXT named_metrics.=1', 'TEXT named_metrics=1', 'TEXT utilization.=1'],
    ...['TEXT named_metrics.a=1, named_metrics.a=1', 'TEXT named_metrics.a:b=1', 'TEXT named_metrics.\xff=1'],
  ];
  for (const text of texts) assert.equal(tagged(text), null, text);
});

test('JSON', () => {
  assert.deepEqual(tagged('JSON {"cpu_utilization":0.7,"named_metrics":{"a":-2}}'), {
    ...{ cpu_utilization: 0.7, 'named_metrics.a': -2 },
  });
  assert.deepEqual(tagged('JSON {"cpuUtilization":"0.7","eps":"Infinity"}'), {
    ...{ cpu_utilization: 0.7, eps: Number.POSITIVE_INFINITY },
  });
  assert.deepEqual(tagged('JSON {"request_cost":{"x":1},"rps":"18446744073709551615"}'), { 'request_cost.x': 1 });
  assert.deepEqual(tagged('JSON {"cpu_utilization":null}'), {});
  for (const text of ['{"cpu', '[1]', '{"zzz":1}', '{"eps":"abc"}', '{"eps":true}', '{"eps":1e400}', '{} x', '\xff']) {
    assert.equal(tagged(`JSON ${text}`), null, text);
  }
});

test('binary', () => {
  const text = base64({ cpu_utilization: 0.25, request_cost: { z: 3 }, rps: 7 });
  const load = { cpu_utilization: 0.25, 'request_cost.z': 3 };
  assert.deepEqual(tagged(`BIN ${text}`), load);
  assert.deepEqual(tagged(`BIN ${text.replace(/=+$/, '')}`), load);
  assert.deepEqual(read(['endpoint-load-metrics-bin', text]), load);
  assert.deepEqual(read(['endpoint-load-metrics', 'TEXT eps=1'], ['endpoint-load-metrics-bin', text]), load);
  assert.equal(read(['endpoint-load-metrics', 'TEXT eps=1'], ['endpoint-load-metrics-bin', '!!']), null);
  assert.equal(read(['endpoint-load-metrics-bin', `BIN ${text}`]), null);
  const broken = Buffer.from([0xff, 0xff]).toString('base64');
  for (const one of ['', '!!!', 'C', 'CQAAAAAAAOB=', ` ${text}`, broken]) assert.equal(tagged(`BIN ${one}`), null, one);
});

test('of several fields the first counts', () => {
  assert.deepEqual(read(['endpoint-load-metrics', 'TEXT eps=1'], ['endpoint-load-metrics', 'TEXT eps=2']), { eps: 1 });
  assert.equal(read(['endpoint-load-metrics', 'TEXT x'], ['endpoint-load-metrics', 'TEXT eps=2']), null);
  assert.equal(read(), null);
});
