// Tests on_demand: what has a route passes, what has none waits for an answer, and gives up with its request.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FakeStream, FilterHarness, SLOT } from '../../../../test/support/filter-harness.ts';
import type { ClusterAsker, ClusterDemand } from '../../cluster/cluster.ts';
import type { HttpFilterFactory } from '../filter.ts';
import { makeOnDemand } from './on-demand.ts';

/** Clusters that are there, and what is asked for. */
function onDemand(there: readonly string[], asked: ClusterAsker[] = []): HttpFilterFactory {
  return makeOnDemand({
    clusters: { get: (name) => (there.includes(name) ? ({} as never) : null) },
    onDemandClusters: {
      announce: () => undefined,
      ask: (name, _demand, asker) => name !== '*' && asked.push(asker) > 0,
      giveUp: (_name, asker) => void asked.splice(asked.indexOf(asker), 1),
    },
  });
}

function started(change: (stream: FakeStream) => void): { readonly stream: FakeStream; readonly status: unknown } {
  const harness = new FilterHarness(onDemand([]), {});
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
  const harness = new FilterHarness(onDemand([]), {});
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

/** As the filter decodes it, where there are places. */
const DEMAND = { demand: { place: {}, timeoutMs: 1 } as unknown as ClusterDemand };

test('a request whose cluster is missing waits for it, and goes on whatever came', () => {
  const asked: ClusterAsker[] = [];
  const harness = new FilterHarness(onDemand(['there'], asked));
  const to = (clusterName: string, config: object = DEMAND): FakeStream => {
    const stream = harness.request('/', [], [config]);
    stream.route = { name: '', virtualHostName: '', forward: {}, clusterName };
    return stream;
  };
  const status = (stream: FakeStream): unknown => harness.filter.decodeHeaders?.(stream, stream.requestHeaders, true);
  for (const name of ['there', '', '*']) assert.equal(status(to(name)), 'continue', name);
  assert.equal(status(to('missing', { demand: null })), 'continue');
  assert.equal(asked.length, 0);
  const first = to('missing');
  assert.equal(status(first), 'stop-all-and-watermark');
  asked[0]?.onClusterOutcome('timeout');
  assert.equal(first.continuedDecoding, 1);
  assert.equal(first.clearedRoute, 0, 'its route was drawn already');
  const second = to('missing');
  assert.equal(status(second), 'stop-all-and-watermark');
  harness.filter.onDestroy?.(second);
  assert.equal(asked.length, 1, 'it gave up');
});
