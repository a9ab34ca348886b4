// What set_metadata writes, and that what it writes for one request is not seen by another.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterHarness, reasonsOf } from '../../../../test/support/filter-harness.ts';
import { setMetadata } from './set-metadata.ts';

const entry = (namespace: string, value: object, more: object = {}): object => ({
  metadata_namespace: namespace,
  value,
  ...more,
});

function written(harness: FilterHarness, levels: readonly object[] = []): Record<string, unknown> {
  const routes = levels.map((level) => harness.route(level));
  const stream = harness.request('/', [], routes);
  assert.equal(stream.decodeHeaders(), 'continue');
  return Object.fromEntries(stream.info.dynamicMetadata ?? []);
}

test('the first of a namespace stays unless a later one may overwrite it', () => {
  const harness = new FilterHarness(setMetadata, {
    metadata: [
      entry('a', { k: 1, list: [1] }),
      entry('a', { k: 2 }),
      entry('a', { list: [2], l: { m: 1 } }, { allow_overwrite: true }),
    ],
  });
  for (let i = 1; i <= 3; i++) {
    // Merging changes no value of the configuration.
    assert.deepEqual(written(harness), { a: { k: 1, list: [1, 2], l: { m: 1 } } });
    assert.equal(harness.stat('http.test.set_metadata.overwrite_denied'), i);
  }
});

test('a route writes after the chain, the most specific one alone', () => {
  const harness = new FilterHarness(setMetadata, { metadata: [entry('a', { k: 'chain' })] });
  const own = { metadata: [entry('a', { k: 'route' }), entry('b', { k: 'route' })] };
  assert.deepEqual(written(harness, [own]), { a: { k: 'chain' }, b: { k: 'route' } });
  assert.equal(harness.stat('set_metadata.overwrite_denied'), 1);
  assert.equal(harness.stat('http.test.set_metadata.overwrite_denied'), 0);
  assert.deepEqual(written(harness, [own, {}]), { a: { k: 'chain' } });
  assert.deepEqual(written(harness, [{ metadata_namespace: 'a', value: { l: 1 } }]), { a: { k: 'chain', l: 1 } });
});

test('what other requests wrote is not seen', () => {
  const harness = new FilterHarness(setMetadata, {
    metadata: [entry('a', { list: [1] }, { allow_overwrite: true })],
  });
  const stream = harness.request('/');
  stream.info.setMetadata('a', { list: [0], own: true });
  stream.decodeHeaders();
  assert.deepEqual(stream.info.dynamicMetadata?.get('a'), { list: [0, 1], own: true });
  assert.deepEqual(written(harness), { a: { list: [1] } });
});

test('an entry of two values is refused', () => {
  const message = { metadata: [entry('a', {}), entry('b', {}, { typed_value: {} })] };
  assert.deepEqual(
    reasonsOf((d) => setMetadata.decode(message as never, d)),
    ['metadata[1]: only one of value and typed_value can be set'],
  );
});
