// Patterns in bodies that come in pieces, and predicates that change their mind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigDecoder } from '../../../config-decoder.ts';
import { decodeTapMatch, MatchProgress, type MatchPredicatePb } from './tap-match.ts';

const progress = (message: MatchPredicatePb): MatchProgress => {
  const d = new ConfigDecoder({ unpack: () => null });
  const match = decodeTapMatch(message, d);
  assert.deepEqual(d.reasons, []);
  return new MatchProgress(match);
};
const body = (patterns: string[], bytesLimit = 0): MatchPredicatePb => ({
  http_request_generic_body_match: {
    patterns: patterns.map((string_match) => ({ string_match })),
    bytes_limit: bytesLimit,
  },
});

test('a pattern is found wherever a body is cut', () => {
  const text = Buffer.from('abcneedlexyz');
  for (let cut = 0; cut <= text.length; cut++) {
    const one = progress(body(['needle', 'xyz']));
    one.onBody('requestBody', text.subarray(0, cut));
    one.onBody('requestBody', text.subarray(cut));
    assert.equal(one.isMatch, true, `cut at ${cut}`);
  }
  const bytewise = progress(body(['needle']));
  for (const byte of text) bytewise.onBody('requestBody', Buffer.from([byte]));
  assert.equal(bytewise.isMatch, true);
});

test('only so much of a body is searched', () => {
  const short = progress(body(['needle'], 8));
  short.onBody('requestBody', Buffer.from('abcneedle'));
  assert.equal(short.isMatch, false);
  const enough = progress(body(['needle'], 9));
  enough.onBody('requestBody', Buffer.from('abcneed'));
  enough.onBody('requestBody', Buffer.from('le and more'));
  assert.equal(enough.isMatch, true);
});

test('what is negated holds until it does not', () => {
  const one = progress({ not_match: body(['x']) });
  assert.equal(one.isMatch, true);
  one.onBody('responseBody', Buffer.from('x'));
  assert.equal(one.isMatch, true);
  one.onBody('requestBody', Buffer.from('x'));
  assert.equal(one.isMatch, false);
});
