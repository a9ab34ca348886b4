// Tests that nothing shows what a Secret holds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect, isDeepStrictEqual } from 'node:util';
import { deepEqual } from './collection/deep-equal.ts';
import { Secret } from './secret.ts';

test('a secret shows nothing of itself', () => {
  const secret = new Secret('hunter2');
  const bytes = new Secret(Buffer.from('hunter2'));
  const nested = { a: [secret, bytes], m: new Map([['k', secret]]) };
  const texts = [
    String(secret),
    `${secret}`,
    `x${secret as unknown as string}`,
    JSON.stringify(nested),
    inspect(nested, { depth: 9, showHidden: true }),
    format('%s %o %O %j %d', secret, secret, nested, nested, bytes),
    JSON.stringify(structuredClone({ mark: secret.mark })),
    inspect(structuredClone({ ...secret })),
    new Error(`no good: ${secret}`).message,
    Object.entries(secret).join(),
  ];
  for (const text of texts) assert.ok(!text.includes('hunter2') && !text.includes('68756e74657232'), text);
  assert.equal(secret.reveal(), 'hunter2');
});

test('a changed secret is a change', () => {
  const [one, same, other] = ['a', 'a', 'b'].map((text) => new Secret(text)) as [Secret, Secret, Secret];
  assert.ok(one.equals(same) && !one.equals(other));
  assert.ok(isDeepStrictEqual(one, same));
  assert.ok(!isDeepStrictEqual({ data: one }, { data: other }));
  assert.ok(deepEqual({ data: one }, { data: same }) && !deepEqual({ data: one }, { data: other }));
});
