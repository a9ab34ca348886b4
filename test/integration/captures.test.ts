// Everything that a real istiod sent to proxies of many kinds loads, but what is on the list of what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCaptures } from '../captures/captures.ts';
import { CaptureDecoder } from '../captures/decode.ts';
import { REFUSED } from '../captures/refused.ts';

type Row = { count: number; readonly captures: Set<string>; readonly example: string };

/** By reason, without what differs from place to place. */
function decodeAll(): { readonly rows: ReadonlyMap<string, Row>; readonly total: number; readonly refused: number } {
  const decoder = new CaptureDecoder();
  const rows = new Map<string, Row>();
  let total = 0;
  let refused = 0;
  for (const { name: capture, types } of openCaptures().captures) {
    decoder.setClusters(types);
    for (const resource of [...types.values()].flat()) {
      const reasons = new Set(decoder.refusals(resource).map(withoutPlace));
      total++;
      if (reasons.size > 0) refused++;
      for (const reason of reasons) {
        const row = rows.get(reason) ?? { count: 0, captures: new Set(), example: `${capture} ${resource.name}` };
        row.count++;
        row.captures.add(capture);
        rows.set(reason, row);
      }
    }
  }
  return { rows, total, refused };
}

/** 'a[3].b["x"].c: reason (named "d")' → 'c: reason'; the way there does not matter. */
function withoutPlace(reason: string): string {
  const [path = '', ...rest] = reason.replace(/ \(named ".*"\)$/, '').split(': ');
  if (rest.length === 0 || path.includes(' ')) return reason;
  const steps = path.replaceAll(/\["[^"]*"\]|\[\d+\]/g, '').split('.');
  return `${steps.at(-1)}: ${rest.join(': ')}`;
}

test('each captured resource is taken, or refused for a known reason', () => {
  const { rows, total, refused } = decodeAll();
  const sorted = [...rows].sort(([, a], [, b]) => b.count - a.count);
  const table = sorted.map(([reason, { count, captures, example }]) => {
    return `${count} resources in ${captures.size} captures (${example}): ${reason}`;
  });
  console.log([`${total} resources, ${refused} refused`, ...table].join('\n'));
  const found = new Map(sorted.map(([reason, { count }]) => [reason, count]));
  const known = new Map(Object.values(REFUSED).flatMap((reasons) => Object.entries(reasons)));
  const differences = [...new Set([...found.keys(), ...known.keys()])]
    .filter((reason) => found.get(reason) !== known.get(reason))
    .map((reason) => `${found.get(reason) ?? 0} resources, ${known.get(reason) ?? 0} on the list: ${reason}`);
  assert.deepEqual(differences, [], 'test/captures/refused.ts is not what happens');
});
