// Conditions of policies: what they take, and errors of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { treeOf } from '../../../test/differential/cases/cel-trees.ts';
import { makeConnection, requestHeaders } from '../../../test/support/filter-harness.ts';
import { exampleDecoder } from '../formatter/test-exchange.ts';
import { StreamInfo } from '../stream-info.ts';
import { decodeRbac, type RbacPb } from './decode.ts';

const headers = requestHeaders('/a/b', ['x-role: admin']);

function indexOf(
  condition: string,
  config: object = {},
  action: 'ALLOW' | 'DENY' = 'ALLOW',
): number | readonly string[] {
  const d = exampleDecoder();
  const { reasons } = d;
  const policy = {
    permissions: [{ any: true }],
    principals: [{ any: true }],
    condition: treeOf(condition),
    cel_config: config,
  };
  const engine = decodeRbac({ action, policies: { p: policy } } as RbacPb, d);
  if (reasons.length > 0) return reasons.map(({ path, reason }) => `${path}: ${reason}`);
  return engine.match(new StreamInfo(makeConnection(), 0, 0), headers, null);
}

test('a condition takes what it holds of; errors and other values take nothing', () => {
  assert.equal(indexOf("request.headers['x-role'] == 'admin' && request.path.startsWith('/a')"), 0);
  assert.equal(indexOf("request.headers['x-role'] == 'guest'"), -1);
  assert.equal(indexOf("request.headers['none'] == 'guest'"), -1);
  assert.equal(indexOf("!(request.headers['none'] == 'guest')"), -1);
  assert.equal(indexOf("'true'"), -1);
  assert.equal(indexOf('request.size / 0 == 1', {}, 'DENY'), -1);
});

test('functions are a matter of the configuration', () => {
  const text = "request.path.split('/')[1] + string(1) == 'a1'";
  const all = { enable_string_conversion: true, enable_string_concat: true, enable_string_functions: true };
  assert.equal(indexOf(text, all), 0);
  assert.deepEqual(indexOf(text), [
    'policies["p"].condition: Not able to compile expression: no overload found in reference resolve step for split',
  ]);
});
