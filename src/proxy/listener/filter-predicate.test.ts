// When listener filters are left out; the expectations are what the real Envoy did.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from '../../../test/support/chain-facts.ts';
import { decodeOrThrow, reasonsOf } from '../../../test/support/filter-harness.ts';
import { decodeFilterPredicate } from './filter-predicate.ts';
import type { FilterPredicatePb } from './filter-predicate.ts';

const range = (start?: number, end?: number): FilterPredicatePb => ({ destination_port_range: { start, end } });
const PORTS = [99, 100, 109, 110, 150, 159, 160, 199, 200];

function disabledPorts(message: FilterPredicatePb): number[] {
  const predicate = decodeOrThrow((d) => decodeFilterPredicate(message, d));
  return PORTS.filter((port) => predicate({ localAddress: addressOf(`10.0.0.1:${port}`) }));
}

test('ranges of ports do not have their end, and combine', () => {
  assert.deepEqual(disabledPorts({ any_match: true }), PORTS);
  assert.deepEqual(disabledPorts(range(100, 200)), [100, 109, 110, 150, 159, 160, 199]);
  assert.deepEqual(disabledPorts({ not_match: range(100, 200) }), [99, 200]);
  assert.deepEqual(disabledPorts({ or_match: { rules: [range(100, 110), range(150, 160)] } }), [100, 109, 150, 159]);
  assert.deepEqual(disabledPorts({ and_match: { rules: [range(100, 160), range(150, 200)] } }), [150, 159]);
  assert.deepEqual(disabledPorts(range()), []);
  assert.deepEqual(disabledPorts(range(100)), []);
});

test('a unix socket is in every range', () => {
  const isDisabled = (message: FilterPredicatePb): boolean =>
    decodeOrThrow((d) => decodeFilterPredicate(message, d))({ localAddress: addressOf('/socket') });
  assert.equal(isDisabled(range(5, 6)), true);
  assert.equal(isDisabled(range()), true);
  assert.equal(isDisabled({ not_match: range(5, 6) }), false);
});

test('a predicate without a rule is refused with its place', () => {
  const message = { or_match: { rules: [{ any_match: true }, { not_match: {} }] } };
  assert.deepEqual(
    reasonsOf((d) => decodeFilterPredicate(message, d)),
    ['or_match.rules[1].not_match: is required: or_match, and_match, not_match, any_match or destination_port_range'],
  );
});
