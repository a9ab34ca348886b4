// Plans of many combinations of options as text, against checked-in ones; HEDDLE_UPDATE=1 writes them.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CASES, planOf } from '../../../test/namespaces/intercept-cases.ts';
import { iptablesText } from './iptables-text.ts';
import { nftText } from './nft-text.ts';

const GOLDEN = join(import.meta.dirname, 'testdata');

const WRITERS = {
  nft: (flags: string): string => nftText(planOf(flags).plan),
  iptables: (flags: string): string => iptablesText(planOf(flags).plan, 'ipv4'),
  ip6tables: (flags: string): string => iptablesText(planOf(flags).plan, 'ipv6'),
};

for (const [name, write] of Object.entries(WRITERS)) {
  const path = join(GOLDEN, `${name}.txt`);
  const texts = CASES.map((one) => `=== ${one.name}: ${one.flags}\n${write(one.flags)}`);
  test(`${name}: ${CASES.length} combinations of options are planned as checked in`, () => {
    if (process.env['HEDDLE_UPDATE'] === '1') writeFileSync(path, texts.join(''));
    const golden = readFileSync(path, 'utf8').split(/^(?==== )/m);
    for (const [i, text] of texts.entries()) assert.equal(text, golden[i]);
    assert.equal(golden.length, texts.length);
  });
}

test('cases have names of their own', () => {
  assert.ok(CASES.length >= 60);
  assert.equal(new Set(CASES.map(({ name }) => name)).size, CASES.length);
});
