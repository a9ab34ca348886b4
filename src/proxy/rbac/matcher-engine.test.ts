// Trees of matchers and what becomes of requests in them; the expectations are what the real Envoy did.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeOrThrow, makeConnection, reasonsOf, requestHeaders } from '../../../test/support/filter-harness.ts';
import { StreamInfo } from '../stream-info.ts';
import { decodeMatcherEngine } from './matcher-engine.ts';
import type { MatcherPb } from './matcher-engine.ts';

type Predicate = NonNullable<NonNullable<NonNullable<MatcherPb['matcher_list']>['matchers']>[number]['predicate']>;
type OnMatch = NonNullable<MatcherPb['on_no_match']>;

const extension = (type: string, message: object) => ({ name: 'x', typed_config: { type, message } });
const header = (header_name: string) => extension('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { header_name });
const network = (name: string) => extension(`envoy.extensions.matching.common_inputs.network.v3.${name}`, {});
const act = (name: string, action = 'ALLOW'): OnMatch => ({
  action: extension('envoy.config.rbac.v3.Action', { name, action }),
});
const is = (input: object, exact: string): Predicate => ({ single_predicate: { input, value_match: { exact } } });
const list = (entries: readonly (readonly [Predicate, OnMatch])[], on_no_match?: OnMatch): MatcherPb => ({
  matcher_list: { matchers: entries.map(([predicate, on_match]) => ({ predicate, on_match })) },
  ...(on_no_match === undefined ? {} : { on_no_match }),
});

const A = ['x-a: 1'];

/** 'allowed NAME' or 'denied NAME', and the log hint if there is one. */
function run(matcher: MatcherPb, lines: readonly string[] = []): string {
  const engine = decodeOrThrow((d) => decodeMatcherEngine(matcher, d));
  const index = engine.match(new StreamInfo(makeConnection(), 0, 0), requestHeaders('/', lines));
  const hint = engine.logHint(index);
  const verdict = engine.isAllowed(index) ? 'allowed' : 'denied';
  return `${verdict} ${engine.nameOf(index) || 'none'}${hint === null ? '' : ` hint=${hint}`}`;
}

test('what no matcher takes is denied, or does as on_no_match says', () => {
  const matcher = list([[is(header('x-a'), '1'), act('al')]]);
  assert.equal(run(matcher), 'denied none');
  assert.equal(run(matcher, A), 'allowed al');
  assert.equal(run(matcher, ['x-a: 1', 'x-a: 2']), 'denied none');
  assert.equal(run({ ...matcher, on_no_match: act('rest', 'DENY') }), 'denied rest');
});

test('predicates combine; an absent value matches nothing but a negation', () => {
  const not = list([[{ not_matcher: is(header('x-a'), '1') }, act('neg')]]);
  assert.equal(run(not), 'allowed neg');
  assert.equal(run(not, A), 'denied none');
  const both = { and_matcher: { predicate: [is(header('x-a'), '1'), is(header('x-b'), '23')] } };
  const either = { or_matcher: { predicate: [is(header('x-a'), '1'), is(header('x-c'), '12')] } };
  const matcher = list([
    [both, act('and')],
    [either, act('or', 'LOG')],
  ]);
  assert.equal(run(matcher, A), 'allowed or hint=true');
  assert.equal(run(matcher, ['x-a: 1', 'x-b: 23']), 'allowed and hint=false');
  assert.equal(run(matcher, ['x-c: 12']), 'allowed or hint=true');
  assert.equal(run(matcher), 'denied none');
});

test('a nested matcher that takes nothing lets the search go on', () => {
  const any: Predicate = { single_predicate: { input: header('x-a'), value_match: { safe_regex: { regex: '.*' } } } };
  const matcher = list([
    [is(header('x-a'), '1'), { matcher: list([[is(header('x-b'), '1'), act('inner')]]) }],
    [any, act('second', 'DENY')],
  ]);
  assert.equal(run(matcher, A), 'denied second');
  assert.equal(run(matcher, ['x-a: 1', 'x-b: 1']), 'allowed inner');
  assert.equal(run(matcher, ['x-a: 3']), 'denied second');
  assert.equal(run(matcher), 'denied none');
});

test('trees go by the whole value or by its longest prefix that takes it', () => {
  const exact: MatcherPb = {
    matcher_tree: { input: header('x-a'), exact_match_map: { map: { '1': act('one'), '2': act('two', 'DENY') } } },
    on_no_match: act('else'),
  };
  assert.deepEqual([run(exact), run(exact, A), run(exact, ['x-a: 2'])], ['allowed else', 'allowed one', 'denied two']);
  const inner = { matcher: list([[is(header('x-b'), '1'), act('abin')]]) };
  const prefix: MatcherPb = {
    matcher_tree: {
      input: header('x-a'),
      prefix_match_map: { map: { a: act('a'), ab: inner, '': act('empty') } },
    },
  };
  assert.equal(run(prefix, ['x-a: abc']), 'allowed a');
  assert.equal(run(prefix, ['x-a: abc', 'x-b: 1']), 'allowed abin');
  assert.equal(run(prefix, ['x-a: z']), 'allowed empty');
  assert.equal(run(prefix), 'denied none');
});

test('inputs come from the connection', () => {
  const by = (name: string, exact: string) => run(list([[is(network(name), exact), act('in')]]));
  for (const [name, value] of [
    ['SourceIPInput', '10.0.0.2'],
    ['DirectSourceIPInput', '10.0.0.2'],
    ['SourcePortInput', '40000'],
    ['DestinationIPInput', '10.0.0.1'],
    ['DestinationPortInput', '8080'],
  ] as const) {
    assert.equal(by(name, value), 'allowed in');
  }
  assert.equal(by('ServerNameInput', ''), 'denied none');
});

test('what is not supported is refused with its place', () => {
  const refused = (matcher: MatcherPb) => reasonsOf((d) => decodeMatcherEngine(matcher, d));
  const at = 'matcher_list.matchers[0].predicate.single_predicate.input.typed_config';
  assert.deepEqual(refused(list([[is(extension('a.CelInput', {}), 'x'), act('x')]])), [
    `${at}: a.CelInput is not supported as an input here`,
  ]);
  assert.deepEqual(refused({ on_no_match: { action: extension('a.Other', {}), keep_matching: true } }), [
    'on_no_match.keep_matching: is not supported: remove it',
    'on_no_match.action.typed_config: a.Other is not supported: only envoy.config.rbac.v3.Action is',
  ]);
});
