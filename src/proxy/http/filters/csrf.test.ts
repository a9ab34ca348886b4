// Whom the csrf filter lets in by runtime, route and origin, and what it counts; the rest is measured against Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FakeStream, FilterHarness } from '../../../../test/support/filter-harness.ts';
import { csrf } from './csrf.ts';

const ON = { default_value: { numerator: 100 } };
const OFF = { default_value: { numerator: 0 } };
const byKey = (key: string, numerator = 0): object => ({ default_value: { numerator }, runtime_key: key });
const EVIL = 'origin: http://evil.example';
const OWN = 'origin: http://example.com';

function post(harness: FilterHarness, lines: readonly string[], policies: readonly object[] = []): FakeStream {
  const levels = policies.map((policy) => harness.route(policy));
  const stream = harness.request('POST /x', lines, levels);
  assert.equal(stream.decodeHeaders(), stream.reply === null ? 'continue' : 'stop');
  return stream;
}

const counts = (harness: FilterHarness): number[] =>
  ['missing_source_origin', 'request_invalid', 'request_valid'].map((name) => harness.stat(`http.test.csrf.${name}`));

test('runtime turns it on and off, and into the shadow', () => {
  const harness = new FilterHarness(csrf, { filter_enabled: byKey('on'), shadow_enabled: byKey('shadow') });
  assert.equal(post(harness, [EVIL]).reply, null);
  assert.deepEqual(counts(harness), [0, 0, 0]);
  harness.runtime.values.set('shadow', 100);
  assert.equal(post(harness, [EVIL]).reply, null);
  assert.deepEqual(counts(harness), [0, 1, 0]);
  harness.runtime.values.set('on', 100);
  assert.deepEqual(post(harness, [EVIL]).reply, {
    status: 403,
    body: 'Invalid origin',
    details: 'csrf_origin_mismatch',
  });
  assert.equal(post(harness, []).reply?.status, 403);
  assert.equal(post(harness, [OWN]).reply, null);
  assert.deepEqual(counts(harness), [1, 2, 1]);
});

test('a part of the requests is drawn', () => {
  const harness = new FilterHarness(csrf, { filter_enabled: { default_value: { numerator: 50 } } });
  let refused = 0;
  for (let i = 0; i < 200; i++) if (post(harness, [EVIL]).reply !== null) refused++;
  assert.ok(refused > 60 && refused < 140, String(refused));
});

test('the most specific route decides alone', () => {
  const harness = new FilterHarness(csrf, { filter_enabled: ON, additional_origins: [{ exact: 'evil.example' }] });
  assert.equal(post(harness, [EVIL]).reply, null);
  assert.equal(post(harness, [EVIL], [{ filter_enabled: ON }]).reply?.status, 403);
  assert.equal(post(harness, [EVIL], [{ filter_enabled: ON }, { filter_enabled: OFF }]).reply, null);
  assert.equal(post(harness, [EVIL], [{ filter_enabled: OFF }, { filter_enabled: ON }]).reply?.status, 403);
});

test('an origin that says more than a host does not get in by it', () => {
  const harness = new FilterHarness(csrf, { filter_enabled: ON });
  const bad = [
    'http://evil.example/http://example.com',
    'http://example.com.evil.example',
    'http://example.com@evil.example',
    'http://evil.example#example.com',
    'http://evil.example?example.com',
    'http://example.com:8080',
    ' http://evil.example',
  ];
  for (const origin of bad) assert.equal(post(harness, [`origin: ${origin}`]).reply?.status, 403, origin);
  assert.equal(post(harness, [OWN, EVIL]).reply?.status, 403);
  // The page counts only where there is no origin.
  assert.equal(post(harness, [EVIL, 'referer: http://example.com/a']).reply?.status, 403);
  assert.equal(post(harness, ['origin: null', 'referer: http://example.com/a']).reply, null);
});
