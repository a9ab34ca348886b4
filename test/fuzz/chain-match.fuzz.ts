// Fuzzes the choice of a filter chain: random chains and connections, compared with a plain reading of the rules.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { checkFind, randomChains, randomFacts } from './chain-match-reference.ts';
import { fuzzLimits } from './proto-mutator.ts';

const CONNECTIONS_PER_TABLE = 50;

test('the compiled table does as the documentation says', () => {
  const { seconds, seed } = fuzzLimits(2);
  const random = new Random(seed);
  const end = performance.now() + seconds * 1000;
  let tables = 0;
  while (performance.now() < end) {
    const chains = randomChains(random);
    for (let i = 0; i < CONNECTIONS_PER_TABLE; i++) checkFind(chains, randomFacts(random));
    tables++;
  }
  assert.ok(tables > 0);
});
