// Tests set_filter_state: objects from headers, those of routes after the filter's own, and when the route is cleared.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FilterHarness } from '../../../../test/support/filter-harness.ts';
import type { FakeStream } from '../../../../test/support/filter-harness.ts';
import { httpSetFilterState } from './set-filter-state.ts';

const value = (key: string, text: string, more: object = {}) => ({
  object_key: key,
  factory_key: 'envoy.string',
  format_string: { text_format_source: { inline_string: text } },
  ...more,
});

function run(message: object, lines: readonly string[], routes: readonly object[] = []): FakeStream {
  const harness = new FilterHarness(httpSetFilterState, message);
  const stream = harness.request(
    '/',
    lines,
    routes.map((route) => harness.route(route)),
  );
  assert.equal(harness.filter.decodeHeaders?.(stream, stream.requestHeaders, true), 'continue');
  return stream;
}

const stateOf = ({ info }: FakeStream) => [...(info.filterState ?? [])].map(([key, { value: text }]) => [key, text]);

test('objects are made of headers, in their order', () => {
  const stream = run({ on_request_headers: [value('a', '%REQ(x-a)%'), value('b', '<%FILTER_STATE(a:PLAIN)%>')] }, [
    'x-a: one',
  ]);
  assert.deepEqual(stateOf(stream), [
    ['a', 'one'],
    ['b', '<one>'],
  ]);
  assert.equal(stream.info.filterState?.get('a')?.lifeSpan, 'filter-chain');
});

test('what is empty may be left out, and sharing is noted', () => {
  const stream = run(
    {
      on_request_headers: [
        value('a', '', { skip_if_empty: true }),
        value('b', '', { shared_with_upstream: 'ONCE' }),
        value('c', 'x', { shared_with_upstream: 'TRANSITIVE', read_only: true }),
      ],
    },
    [],
  );
  const { filterState } = stream.info;
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => filterState?.get(key)?.sharing),
    [undefined, 'once', 'transitive'],
  );
  assert.equal(filterState?.has('a'), false);
});

test('routes write after the filter, the most specific one last', () => {
  const list = (text: string) => ({ on_request_headers: [value('a', text)] });
  const stream = run(list('filter'), [], [list('virtual host'), list('route')]);
  assert.deepEqual(stateOf(stream), [['a', 'route']]);
});

test('the route is chosen again where the filter or a route says so', () => {
  assert.equal(run({}, []).clearedRoute, 0);
  assert.equal(run({ clear_route_cache: true }, []).clearedRoute, 1);
  assert.equal(run({}, [], [{ clear_route_cache: true }]).clearedRoute, 1);
});
