// Runs random configurations with random requests through the real Envoy and Heddle: one test per seed.
// There are two kinds: route tables, and chains of HTTP filters; HEDDLE_DIFF_KIND=routes or chains runs one of them,
// HEDDLE_DIFF_FILTERS=lua,rbac makes chains of these filters alone,
// HEDDLE_DIFF_SEED=first seed, HEDDLE_DIFF_CONFIGS=how many, HEDDLE_DIFF_REQUESTS=requests per configuration,
// HEDDLE_DIFF_PER_CONNECTION=how many of them on one connection (of HTTP/1; fewer connections are faster),
// HEDDLE_DIFF_HTTP2=how many of each way that has HTTP/2 on a side or on both,
// HEDDLE_DIFF_SHRINK=tries to make a differing configuration smaller.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { arePeersRequired } from '../support/find-envoy.ts';
import { describeDifferences } from './compare.ts';
import { toYaml } from './config.ts';
import { generate, groupOf } from './generate.ts';
import type { Generated } from './generate.ts';
import { generateChain } from './generate-chain.ts';
import { type Way, WAYS } from './http2-of-http1.ts';
import { other, reasonToSkip } from './options.ts';
import { Pair } from './run-group.ts';
import { shrink } from './shrink.ts';

const PER_PROCESS = 5;
const firstSeed = Number(process.env['HEDDLE_DIFF_SEED'] ?? 1);
const configCount = Number(process.env['HEDDLE_DIFF_CONFIGS'] ?? 8);
const requestCount = Number(process.env['HEDDLE_DIFF_REQUESTS'] ?? 30);
const perConnection = Number(process.env['HEDDLE_DIFF_PER_CONNECTION'] ?? 1);
const http2Count = Number(process.env['HEDDLE_DIFF_HTTP2'] ?? 2);
const mostTries = Number(process.env['HEDDLE_DIFF_SHRINK'] ?? 20);
const KINDS = { routes: generate, chains: generateChain };
const onlyKind = process.env['HEDDLE_DIFF_KIND'];
const skip = reasonToSkip();
let shrinksLeft = 2;

if (skip !== false && arePeersRequired()) {
  it('finds the real Envoy', () => assert.fail(skip));
}

/** Runs all requests of a seed and fails with one example of each place that differs; the first is shrunk. */
async function runSeed(pair: Pair, generated: Generated): Promise<void> {
  const examples = new Map<string, string>();
  let smallest = '';
  for (const test of generated.cases) {
    const { ok, differences } = await pair.run(test);
    const path = differences[0]?.path ?? '';
    if (ok || examples.has(path)) continue;
    examples.set(
      path,
      `${test.name}:\n${JSON.stringify(test.send ?? test.http2)}\n${describeDifferences(differences, other)}`,
    );
    if (mostTries === 0 || shrinksLeft === 0 || examples.size > 1) continue;
    shrinksLeft--;
    const listener = await shrink(generated, test, path, other, mostTries);
    smallest = listener === null ? 'it did not show alone' : toYaml(listener);
  }
  if (examples.size > 0) assert.fail(`\n${[...examples.values(), smallest].join('\n')}`);
}

describe('generated configurations', { skip, concurrency: 2 }, () => {
  const ofWay = (make: typeof generate, count: number, way: Way): Generated[] =>
    Array.from({ length: count }, (_, index) =>
      make(firstSeed + index, requestCount, way, way === 'h1 to h1' ? perConnection : 1),
    );
  const all = Object.entries(KINDS)
    .filter(([kind]) => (onlyKind ?? kind) === kind)
    .flatMap(([, make]) => WAYS.map((way) => ofWay(make, way === 'h1 to h1' ? configCount : http2Count, way)));
  for (const batch of all.flatMap(batches)) {
    describe(`${batch[0]!.listener['name']}, ${batch[0]!.way}, seeds ${batch[0]!.seed} to ${batch.at(-1)!.seed}`, {
      concurrency: 1,
    }, () => {
      let pair: Pair | undefined;
      before(async () => {
        pair = await Pair.start(groupOf(batch), other);
      });
      after(async () => {
        await pair?.stop();
      });
      for (const generated of batch) {
        it(`seed ${generated.seed}, ${generated.way}, ${generated.listener['name']}`, async () => {
          assert(pair !== undefined, 'the proxies did not start');
          await runSeed(pair, generated);
        });
      }
    });
  }
});

function batches(all: readonly Generated[]): Generated[][] {
  const count = Math.ceil(all.length / PER_PROCESS);
  return Array.from({ length: count }, (_, i) => all.slice(i * PER_PROCESS, (i + 1) * PER_PROCESS));
}
