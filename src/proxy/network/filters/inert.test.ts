// Inert filters pass everything on, and what they would have to do is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NetworkHarness } from '../../../../test/support/network-harness.ts';
import { registry } from '../../../proto/registry.ts';
import { inertNetworkFilters } from './inert.ts';

test('inert filters leave no trace in a chain', () => {
  const harness = new NetworkHarness(inertNetworkFilters.map((factory) => [factory, {}] as const));
  assert.equal(harness.chain.filters.length, 0);
  const talk = harness.connect();
  talk.send('a');
  assert.equal(talk.received, '<a>');
});

test('their types are known, and none ends a chain or guards it', () => {
  for (const factory of inertNetworkFilters) {
    assert.equal(factory.isInert, true);
    assert.notEqual(factory.isTerminal, true);
    for (const type of Object.keys(factory.fields)) assert.notEqual(registry.find(type), undefined, type);
  }
  const mongo = inertNetworkFilters.find(({ name }) => name === 'envoy.filters.network.mongo_proxy');
  const fields = mongo?.fields[mongo.configType] ?? '';
  for (const active of ['delay', 'emit_dynamic_metadata']) assert.equal(fields.split(' ').includes(active), false);
});
