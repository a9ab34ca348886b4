// Runs every table of cases through the real Envoy and Heddle: one test per case.
// HEDDLE_DIFF_ONLY=pattern chooses cases, HEDDLE_DIFF_SELF=1 puts Envoy on both sides,
// HEDDLE_DIFF_WAY='h2 to h1' says in HTTP/2 what can be said so, HEDDLE_DIFF_JSON=file names the result file.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PROJECT_ROOT, arePeersRequired } from '../support/find-envoy.ts';
import { describeDifferences } from './compare.ts';
import { INTENDED_DIFFERENCES } from './intended.ts';
import { groupInWay, type Way } from './http2-of-http1.ts';
import { isWholeRun, only, other, reasonToSkip, way } from './options.ts';
import { Pair, usedIntentions } from './run-group.ts';
import type { CaseResult } from './run-group.ts';
import { allGroups } from './tables.ts';

/** Most of the time a case waits: for a close that does not come, for a line of a log. */
const GROUPS_AT_ONCE = 5;
const resultPath = process.env['HEDDLE_DIFF_JSON'] ?? join(PROJECT_ROOT, 'test/differential/results/latest.json');
const results: CaseResult[] = [];
const startedAt = performance.now();

const skip = reasonToSkip();
if (skip !== false && arePeersRequired()) {
  it('finds the real Envoy', () => assert.fail(skip));
}

describe(`differential: envoy against ${other === 'envoy' ? 'itself' : other}`, {
  skip,
  concurrency: GROUPS_AT_ONCE,
}, () => {
  const groups = way === undefined ? allGroups : allGroups.flatMap((group) => groupInWay(group, way as Way) ?? []);
  for (const group of groups) {
    const cases = group.cases.filter((test) => only.test(`${group.name} / ${test.name}`));
    if (cases.length === 0) continue;
    describe(group.name, { concurrency: 1 }, () => {
      let pair: Pair | undefined;
      let reason = '';
      before(async () => {
        try {
          pair = await Pair.start(group, other);
        } catch (error) {
          reason = String(error);
        }
      });
      after(async () => {
        await pair?.stop();
      });
      for (const test of cases) {
        it(test.name, async () => {
          if (pair === undefined) {
            results.push(unstarted(group.name, test.name, reason));
            assert.fail(reason);
          }
          const first = await pair.run(test);
          // Two proxies beside each other on two cores: a race that falls differently now and then is told, and only a
          // difference that stays is one. Few may be such, or nothing would be proved.
          let result = first;
          const repeats = test.isRepeatable === false ? 0 : MOST_REPEATS;
          for (let again = 0; !result.ok && again < repeats && unsteady.length < MOST_UNSTEADY; again++) {
            result = await pair.run(test);
          }
          if (!first.ok && result.ok) {
            unsteady.push(`${group.name} / ${test.name}\n${describeDifferences(first.differences, other)}`);
          }
          results.push(result);
          if (!result.ok) assert.fail(`\n${describeDifferences(result.differences, other)}\n`);
        });
      }
    });
  }
  after(() => writeResults());
});

if (skip === false && other === 'heddle' && isWholeRun) {
  it('every intended difference still differs', () => {
    const stale = INTENDED_DIFFERENCES.filter((entry) => entry.isSometimes !== true && !usedIntentions.has(entry));
    assert.deepEqual(stale, [], 'remove these entries from intended.ts');
  });
}

/** Cases that may differ and not when they are run again, and how often one is. */
const MOST_UNSTEADY = 12;
const MOST_REPEATS = 3;
const unsteady: string[] = [];

function unstarted(group: string, name: string, reason: string): CaseResult {
  const differences = [{ path: 'start', envoy: 'started', heddle: reason }];
  return { group, name, ok: false, differences, intended: [], durationMs: 0, envoy: null };
}

function writeResults(): void {
  const failed = results.filter(({ ok }) => !ok).length;
  const intended = results.filter(({ intended }) => intended.length > 0).length;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  mkdirSync(dirname(resultPath), { recursive: true });
  writeFileSync(resultPath, JSON.stringify({ other, total: results.length, failed, intended, results }, null, 1));
  for (const one of unsteady) process.stdout.write(`differed, and then not: ${one}\n`);
  process.stdout.write(
    `differential: ${results.length} cases, ${failed} differ, ${intended} with intended differences, ${seconds} s\n`,
  );
}
