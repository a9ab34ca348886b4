// Matchers of what inputs give, and the inputs that give it, compiled and asked.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StatStore } from '../../telemetry/metrics.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import { type MatcherContext, type MatcherPb, decodeMatcher } from './matcher.ts';
import { NO_MATCH, UNDECIDED } from './step.ts';

const PACKAGE = 'envoy.extensions.matching';
const VARIABLE = `${PACKAGE}.common_inputs.environment_variable.v3.Config`;

const any = (type: string, message: object): object => ({ typed_config: { type, message } });
const unpack = (opened: unknown) => opened as { readonly type: string; readonly message: object };

/** Looks at a text, whatever the type of its input; null: it may come later. */
const context: MatcherContext<string | null, null> = {
  input: () => (subject) => subject,
  action: () => 0,
};

function compile(matcher: object, stats = new StatStore()): (subject: string | null) => number {
  const d = new ConfigDecoder({ unpack, variables: { GREETING: 'grüß' }, stats });
  const step = decodeMatcher(matcher as MatcherPb, context, d);
  assert.deepEqual(d.reasons, []);
  return (subject) => step(subject, null);
}

const text = any(`${PACKAGE}.common_inputs.network.v3.SourceIPInput`, {});
const action = any('google.protobuf.Empty', {});
const when = (single: object): object => ({
  matcher_list: { matchers: [{ predicate: { single_predicate: single }, on_match: { action } }] },
});

describe('matchers of what inputs give', () => {
  it('reads variables of the process as bytes', () => {
    const input = any(VARIABLE, { name: 'GREETING' });
    assert.equal(compile(when({ input, value_match: { exact: 'grüß' } }))(''), 0);
    assert.equal(compile(when({ input, value_match: { exact: 'hello' } }))(''), NO_MATCH);
    const other = any(VARIABLE, { name: 'OTHER' });
    assert.equal(compile(when({ input: other, value_match: { contains: 'r' } }))(''), NO_MATCH);
  });

  it('counts what is no address', () => {
    const stats = new StatStore();
    const custom_match = any(`${PACKAGE}.input_matchers.ip.v3.Ip`, {
      cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }],
      stat_prefix: 'seen',
    });
    const step = compile(when({ input: text, custom_match }), stats);
    assert.equal(step('10.1.2.3'), 0);
    for (const other of ['11.1.2.3', 'ten', '', '::1']) assert.equal(step(other), NO_MATCH, other);
    assert.equal(step(null), UNDECIDED);
    const counted = [...stats.scopes()].flatMap((scope) => [...scope.stats()]);
    assert.deepEqual(
      counted.map((stat) => [stat.name, 'value' in stat ? stat.value : null]),
      [['seen.ip_parsing_failed', 1]],
    );
  });
});
