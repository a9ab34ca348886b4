// Under load of every kind a control plane changes everything again and again: nothing fails, is cut, or is left over.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Inside } from '../support/inspected-process.ts';
import { missingLoad } from './xds-changes-load.ts';
import { ChangesRig, type RigOptions } from './xds-changes-rig.ts';

const IS_LONG = process.env['HEDDLE_LONG'] === '1';
const COUNT = Number(process.env['HEDDLE_CHANGES'] ?? (IS_LONG ? 2_000 : 150));
const WARM_UP = Math.floor(COUNT / 5);
const ROUND_S = IS_LONG ? 5 : 1;
const SEED = Number(process.env['HEDDLE_SEED'] ?? Math.floor(Math.random() * 1e9));
/** What a thread's memory may differ by when all is as it was: code that is optimised by and by, tables of it. */
const MEMORY_SLACK_BYTES = 3 << 20;
const MOST_RSS_GROWTH = 1.15;

type Case = Pick<RigOptions, 'kind' | 'type'> & { readonly args?: readonly string[] };
const CASES: readonly Case[] = IS_LONG
  ? [
      { kind: 'heddle', type: 'DELTA_GRPC' },
      { kind: 'heddle', type: 'GRPC' },
      { kind: 'heddle', type: 'DELTA_GRPC', args: ['--concurrency', '2'] },
      { kind: 'envoy', type: 'DELTA_GRPC' },
    ]
  : [{ kind: 'heddle', type: SEED % 2 === 0 ? 'DELTA_GRPC' : 'GRPC' }];

for (const { kind, type, args = [] } of CASES) {
  const how = [kind, type, ...args].join(' ');

  test(`${COUNT} changes under load (${how})`, { skip: missingLoad ?? false, timeout: 900_000 }, async (t) => {
    const rig = await ChangesRig.start({ kind, type, args, seed: SEED, roundS: ROUND_S });
    try {
      rig.startLoad();
      await rig.change(WARM_UP);
      const before = await rig.rest();
      rig.startLoad();
      const began = performance.now();
      await rig.change(COUNT - WARM_UP);
      const tookMs = Math.round(performance.now() - began);
      const after = await rig.rest(before.descriptors);
      t.diagnostic(`${tookMs} ms; ${JSON.stringify({ done: rig.done, served: rig.served, before, after })}`);
      assert.deepEqual(rig.failures.texts, []);
      assert.ok(after.descriptors <= before.descriptors, `${before.descriptors} → ${after.descriptors} descriptors`);
      assert.ok(rig.refusals > 0, 'nothing was refused');
      assert.ok(after.rssBytes < before.rssBytes * MOST_RSS_GROWTH, `${before.rssBytes} → ${after.rssBytes} bytes RSS`);
      if (before.inside === null || after.inside === null) return;
      assert.deepEqual(after.inside.resources, before.inside.resources);
      const grownBytes = memoryOf(after.inside) - memoryOf(before.inside);
      const threads = args.length === 0 ? 1 : 3;
      assert.ok(grownBytes < threads * MEMORY_SLACK_BYTES, `memory grew by ${grownBytes} bytes`);
    } catch (error) {
      t.diagnostic(`HEDDLE_SEED=${SEED} repeats it; last changes: ${rig.history.slice(-40).join(', ')}`);
      t.diagnostic(`failures: ${rig.failures.texts.join('\n')}\n${rig.output.slice(-4000)}`);
      throw error;
    } finally {
      await rig.stop();
    }
  });
}

function memoryOf({ heapBytes, externalBytes }: Inside): number {
  return heapBytes + externalBytes;
}
