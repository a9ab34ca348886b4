// What the cors filter answers and adds; every expectation was seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterHarness, linesOf, reasonsOf, responseHeaders } from '../../../../test/support/filter-harness.ts';
import type { FakeStream } from '../../../../test/support/filter-harness.ts';
import { cors } from './cors.ts';

const POLICY = {
  allow_origin_string_match: [{ exact: 'http://a.com' }],
  allow_methods: 'GET,POST',
  allow_headers: '*',
  expose_headers: 'x-e',
  max_age: '10',
  allow_credentials: true,
  allow_private_network_access: true,
};
const ORIGIN = 'origin: http://a.com';
const OTHER = 'origin: http://b.com';
const PREFLIGHT = ['access-control-request-method: PUT', 'access-control-request-headers: x-q'];

function run(policies: object[], path: string, lines: string[]): { harness: FilterHarness; stream: FakeStream } {
  const harness = new FilterHarness(cors);
  const levels = policies.map((policy) => harness.route(policy));
  const stream = harness.request(path, lines, levels);
  stream.decodeHeaders();
  return { harness, stream };
}

test('a request without origin, or without a policy, passes untouched', () => {
  for (const { stream } of [run([POLICY], '/p', []), run([], '/p', [ORIGIN])]) {
    assert.equal(stream.reply, null);
    assert.deepEqual(linesOf(stream.encodeHeaders()), [':status: 200']);
  }
});

test('an allowed origin gets its headers, replacing those of the upstream', () => {
  const { harness, stream } = run([POLICY], '/p', [ORIGIN]);
  const upstream = responseHeaders(200, ['access-control-allow-origin: other', 'x-b: 1']);
  assert.deepEqual(linesOf(stream.encodeHeaders(upstream)), [
    ':status: 200',
    'access-control-allow-origin: http://a.com',
    'x-b: 1',
    'access-control-allow-credentials: true',
    'access-control-expose-headers: x-e',
  ]);
  assert.equal(harness.stat('http.test.cors.origin_valid'), 1);
});

test('an origin that is not allowed is counted and gets nothing', () => {
  const { harness, stream } = run([POLICY], '/p', [OTHER]);
  assert.deepEqual(linesOf(stream.encodeHeaders()), [':status: 200']);
  assert.equal(harness.stat('http.test.cors.origin_invalid'), 1);
  assert.equal(run([POLICY], '/p', [OTHER, ORIGIN]).harness.stat('http.test.cors.origin_invalid'), 1);
});

test('a preflight is answered with headers alone', () => {
  const lines = [ORIGIN, ...PREFLIGHT, 'access-control-request-private-network: true'];
  const { stream } = run([POLICY], 'OPTIONS /p', lines);
  assert.equal(stream.reply?.details, 'cors_response');
  assert.equal(stream.reply?.isHeadersOnly, true);
  assert.deepEqual(linesOf(stream.replyHeaders!), [
    ':status: 200',
    'access-control-allow-origin: http://a.com',
    'access-control-allow-credentials: true',
    'access-control-allow-methods: GET,POST',
    'access-control-allow-headers: x-q',
    'access-control-max-age: 10',
    'access-control-allow-private-network: true',
    'access-control-expose-headers: x-e',
  ]);
});

test('a preflight of another origin goes on unless it must not', () => {
  assert.equal(run([POLICY], 'OPTIONS /p', [OTHER, ...PREFLIGHT]).stream.reply, null);
  const { stream } = run([{ ...POLICY, forward_not_matching_preflights: false }], 'OPTIONS /p', [OTHER, ...PREFLIGHT]);
  assert.deepEqual(linesOf(stream.replyHeaders!), [
    ':status: 200',
    'access-control-allow-credentials: true',
    'access-control-allow-methods: GET,POST',
    'access-control-allow-headers: x-q',
    'access-control-max-age: 10',
  ]);
});

test("'*' allows every origin, and every method that is asked for", () => {
  const policy = { allow_origin_string_match: [{ exact: '*' }], allow_methods: '*' };
  const { stream } = run([{ max_age: '99', expose_headers: 'vh' }, policy], 'OPTIONS /p', [OTHER, ...PREFLIGHT]);
  assert.deepEqual(linesOf(stream.replyHeaders!), [
    ':status: 200',
    'access-control-allow-origin: http://b.com',
    'access-control-allow-methods: PUT',
    'access-control-max-age: 99',
    'access-control-expose-headers: vh',
  ]);
});

test('a route that does not forward has no CORS', () => {
  const harness = new FilterHarness(cors);
  const stream = harness.request('/d', [ORIGIN], [harness.route(POLICY)]);
  stream.route = { name: '', virtualHostName: 'v', clusterName: '', forward: null };
  stream.decodeHeaders();
  assert.equal(harness.stat('http.test.cors.origin_valid'), 0);
});

test('in the shadow origins are counted only; disabled nothing is', () => {
  const off = { default_value: { numerator: 0 } };
  const on = { default_value: { numerator: 100 } };
  const shadow = run([{ ...POLICY, filter_enabled: off, shadow_enabled: on }], '/p', [ORIGIN]);
  assert.equal(shadow.harness.stat('http.test.cors.origin_valid'), 1);
  assert.deepEqual(linesOf(shadow.stream.encodeHeaders()), [':status: 200']);
  const disabled = run([{ ...POLICY, filter_enabled: off }], '/p', [ORIGIN]);
  assert.equal(disabled.harness.stat('http.test.cors.origin_valid'), 0);
});

test('the enabled share follows the runtime', () => {
  const harness = new FilterHarness(cors);
  harness.runtime.values.set('cors.on', 100);
  const level = harness.route({
    ...POLICY,
    filter_enabled: { default_value: { numerator: 0 }, runtime_key: 'cors.on' },
  });
  harness.request('/p', [ORIGIN], [level]).decodeHeaders();
  assert.equal(harness.stat('http.test.cors.origin_valid'), 1);
});

test('a bad pattern is refused with its place', () => {
  const reasons = reasonsOf((d) =>
    cors.decodeRoute?.({ allow_origin_string_match: [{ safe_regex: { regex: '(' } }] } as never, d),
  );
  assert.equal(reasons.length, 1);
  assert.match(reasons[0]!, /^allow_origin_string_match\[0\]\.safe_regex\.regex: /);
});
