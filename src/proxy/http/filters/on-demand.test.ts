// Tests on_demand: what has a route passes, what has none waits for an answer, and gives up with its request.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FakeStream, FilterHarness, SLOT } from '../../../../test/support/filter-harness.ts';
import { onDemand } from './on-demand.ts';

function started(change: (stream: FakeStream) => void): { readonly stream: FakeStream; readonly status: unknown } {
  const harness = new FilterHarness(onDemand, {});
  const stream = harness.request('/', []);
  change(stream);
  return { stream, status: harness.filter.decodeHeaders?.(stream, stream.requestHeaders, true) };
}

test('a request with a route passes, and one for which there is nobody to ask', () => {
  assert.equal(started(() => {}).status, 'continue');
  const { stream, status } = started((one) => {
    one.route = null;
  });
  assert.equal(status, 'continue');
  assert.equal(stream.clearedRoute, 1, 'the question may have found one');
});

test('others wait, and go on with the route of then', () => {
  const { stream, status } = started((one) => {
    one.route = null;
    one.canAskForRoute = true;
  });
  assert.equal(status, 'stop-all-and-watermark');
  assert.equal(stream.continuedDecoding, 0);
  stream.routeAsked?.(true);
  assert.equal(stream.clearedRoute, 1);
  assert.equal(stream.continuedDecoding, 1, 'this one could not start over');
});

test('a request that ends is forgotten', () => {
  const harness = new FilterHarness(onDemand, {});
  const stream = harness.request('/', []);
  stream.route = null;
  stream.canAskForRoute = true;
  harness.filter.decodeHeaders?.(stream, stream.requestHeaders, true);
  assert.notEqual(stream.slot[SLOT], undefined);
  const { routeAsked } = stream;
  harness.filter.onDestroy?.(stream);
  assert.equal(stream.routeAsked, null);
  stream.isDestroyed = true;
  routeAsked?.(true);
  assert.equal(stream.continuedDecoding, 0);
});
