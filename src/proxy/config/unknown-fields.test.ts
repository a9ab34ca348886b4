// Which unknown fields are let through, and that the quick check of support leaves none of them unseen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Any } from '../../proto/any.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import { registry } from '../../proto/registry.ts';
import { MAX_PROBLEMS, Report } from '../../proto/report.ts';
import { addUnknownField } from '../../proto/unknown-fields.ts';
import { findUnsupported } from './support.ts';
import { UnknownFields } from './unknown-fields.ts';

const FILTER = registry.message('envoy.config.listener.v3.Filter' as string);
const RBAC = 'envoy.extensions.filters.network.rbac.v3.RBAC';
const ECHO = 'envoy.extensions.filters.network.echo.v3.Echo';

/** A filter of a type whose configuration, or the message at `path` in it, has a field that nobody knows. */
function filterOf(type: string, message: Record<string, unknown>, ...path: readonly string[]): object {
  let at = message;
  for (const step of path) at = at[step] as typeof at;
  addUnknownField(at, { number: 9999, wireType: 0, bytes: Buffer.from([0xf8, 0xf0, 0x04, 1]) });
  const any: Any = { type_url: `a/${type}`, value: encodeBinary(registry.message(type), message as never) };
  return { name: 'a', typed_config: any };
}

function judge(filter: object, policy: 'reject' | 'ignore' | 'warn' = 'warn', report = new Report()) {
  const told: string[] = [];
  const fields = new UnknownFields({ policy, tell: (text) => void told.push(text) });
  const support = new Map([[FILTER.fullName, '*'] as const, [ECHO, '*'] as const, [RBAC, '*'] as const]);
  const more = new Map([...support, ['envoy.config.rbac.v3.RBAC', '*'] as const]);
  assert.deepEqual(findUnsupported(FILTER as never, filter, more, undefined, report), []);
  const reasons = fields.judge(FILTER as never, filter, report, 'here').map(({ path, reason }) => `${path}: ${reason}`);
  return { reasons, told };
}

test('what nobody knows is told of, refused or passed over', () => {
  const text = `unknown field number 9999 in ${ECHO}`;
  assert.deepEqual(judge(filterOf(ECHO, {})), { reasons: [], told: [`Unknown field: ${text} (here: typed_config)`] });
  assert.deepEqual(judge(filterOf(ECHO, {}), 'ignore'), { reasons: [], told: [] });
  assert.deepEqual(judge(filterOf(ECHO, {}), 'reject'), { reasons: [`typed_config: ${text}`], told: [] });
});

test('guards are refused, and whatever may be one', () => {
  const known = `and all of a ${RBAC} must be known: it decides on access`;
  const own = judge(filterOf(RBAC, { stat_prefix: 'a' }), 'ignore');
  assert.deepEqual(own, { reasons: [`typed_config: unknown field number 9999 in ${RBAC}, ${known}`], told: [] });
  const below = judge(filterOf(RBAC, { stat_prefix: 'a', rules: {} }, 'rules'));
  const rules = 'unknown field number 9999 in envoy.config.rbac.v3.RBAC';
  assert.deepEqual(below, { reasons: [`typed_config.rules: ${rules}, ${known}`], told: [] });
  const report = new Report();
  for (let i = 0; i <= MAX_PROBLEMS; i++) report.add(`a${i}`, 'unknown-field', 'unknown');
  const [reason = ''] = judge(filterOf(ECHO, {}), 'warn', report).reasons;
  assert.match(reason, /more than \d+ unknown fields/);
});

test('the same field is told of once', () => {
  const told: string[] = [];
  const fields = new UnknownFields({ policy: 'warn', tell: (text) => void told.push(text) });
  for (const path of ['a', 'b']) {
    const report = new Report();
    report.add(path, 'unknown-field', 'unknown field number 1 in T');
    assert.deepEqual(fields.judge(FILTER as never, {}, report, 'here'), []);
  }
  assert.deepEqual(told, ['Unknown field: unknown field number 1 in T (here: a)']);
  const silent = fields.silent();
  const report = new Report();
  report.add('', 'unknown-field', 'another');
  assert.deepEqual(silent.judge(FILTER as never, {}, report, 'here'), []);
  assert.equal(told.length, 1);
});
