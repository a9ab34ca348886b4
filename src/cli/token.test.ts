// Tests the command line that makes join tokens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTokenFlags, tokenUsage } from './token.ts';

test('flags of heddle token', () => {
  assert.deepEqual(parseTokenFlags(['-n', 'shop']), {
    ...{ action: 'run', directory: '.heddle/control/join-tokens', lifeMs: 3_600_000 },
    binding: { namespace: 'shop', account: 'default', workload: null },
  });
  const all = ['--namespace', 'a', '--account', 'b', '--life', '7d', '--state-dir', '/x'];
  assert.deepEqual(parseTokenFlags(all), {
    ...{ action: 'run', directory: '/x/join-tokens', lifeMs: 7 * 86_400_000 },
    binding: { namespace: 'a', account: 'b', workload: null },
  });
  assert.deepEqual(parseTokenFlags(['--help']), { action: 'help' });
  for (const bad of [
    [],
    ['-n', 'a', '--life', '7'],
    ['-n', 'a', '--life', ''],
    ['-n', 'a', '--what'],
    ['-n', 'a', 'b'],
  ]) {
    assert.equal(parseTokenFlags(bad).action, 'error', bad.join(' '));
  }
  assert.match(tokenUsage(), /--life TIME/);
});
