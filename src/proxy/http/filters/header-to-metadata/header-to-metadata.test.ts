// Limits, numbers and counters of header_to_metadata; what each rule writes is measured against Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterHarness, responseHeaders } from '../../../../../test/support/filter-harness.ts';
import { headerToMetadata } from './header-to-metadata.ts';
import { DEFAULT_NAMESPACE } from './rules.ts';

const rule = (header: string, present: object): object => ({ header, on_header_present: { key: 'k', ...present } });

function made(rules: object, value: string): unknown {
  const harness = new FilterHarness(headerToMetadata, { request_rules: [rules], stat_prefix: 'p' });
  const stream = harness.request('/', [`x: ${value}`]);
  stream.decodeHeaders();
  const failed = ['base64_decode_failed', 'header_value_too_long', 'regex_substitution_failed'].filter(
    (name) => harness.stat(`http_filter_name.p.${name}`) > 0,
  );
  if (failed.length > 0) return failed;
  return stream.info.dynamicMetadata?.get(DEFAULT_NAMESPACE)?.['k'];
}

test('values up to 8 KiB, before they are decoded', () => {
  const long = 'x'.repeat(8191);
  assert.equal(made(rule('x', {}), long), long);
  assert.deepEqual(made(rule('x', {}), `${long}x`), ['header_value_too_long']);
  assert.deepEqual(made(rule('x', { encode: 'BASE64' }), 'QUFB'.repeat(2048)), ['header_value_too_long']);
  // What is written in its place counts, and not what was found.
  assert.equal(made(rule('x', { value: 'short' }), `${long}x`), 'short');
});

test('numbers as they are, and nothing for what is none', () => {
  const number = (text: string): unknown => made(rule('x', { type: 'NUMBER' }), text);
  assert.deepEqual(['1', '-2.5', '+3', '.5', '5.', '1e3', '0x1F'].map(number), [1, -2.5, 3, 0.5, 5, 1000, 31]);
  assert.deepEqual(['', 'one', '1 2', '1,5', '--1', '0x', '1e'].map(number), Array(7).fill(undefined));
});

test('base64 that is none', () => {
  const text = (value: string): unknown => made(rule('x', { encode: 'BASE64' }), value);
  assert.deepEqual([text('YWI='), text('YWI'), text('YQ==')], ['ab', 'ab', 'a']);
  for (const value of ['Y', 'YW-_', 'YW I', 'YWJ=', 'Y==='])
    assert.deepEqual(text(value), ['base64_decode_failed'], value);
});

test('a response is judged by what held for its request', () => {
  const harness = new FilterHarness(headerToMetadata, { response_rules: [rule('y', {})] });
  const own = harness.route({ response_rules: [rule('y', { metadata_namespace: 'own' })], stat_prefix: 'own' });
  const levels: unknown[] = [own];
  const stream = harness.request('/', [], levels);
  stream.decodeHeaders();
  levels.length = 0;
  stream.encodeHeaders(responseHeaders(200, ['y: 1']));
  assert.deepEqual(stream.info.dynamicMetadata?.get('own'), { k: '1' });
  assert.equal(stream.info.dynamicMetadata?.has(DEFAULT_NAMESPACE), false);
});

test('routes with one prefix count together, and those without count nothing', () => {
  const harness = new FilterHarness(headerToMetadata, {});
  const first = harness.route({ request_rules: [rule('x', {})], stat_prefix: 'own' });
  const second = harness.route({ request_rules: [rule('x', {}), rule('z', {})], stat_prefix: 'own' });
  const none = harness.route({ request_rules: [rule('x', {})] });
  for (const level of [first, second, none]) harness.request('/', ['x: 1'], [level]).decodeHeaders();
  assert.equal(harness.stat('http_filter_name.own.request_rules_processed'), 3);
  assert.equal(harness.stat('http_filter_name.own.request_metadata_added'), 2);
});
