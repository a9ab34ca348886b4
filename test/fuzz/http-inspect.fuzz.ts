// Fuzzes the inspection of first bytes: mutated lines, compared with the same rules written as regular expressions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { type HttpGuess, HttpInspection } from '../../src/wire/http-inspector.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(3);

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+/;
const LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[\t\v\f\r ][\0- ]*([^\0- ]+)(?:[\0- ]+([^\0- ](?:.*[^\0- ])?))?[\0- ]*$/s;
const PATH = /^[/*][!-~]*$/;
const URL_TEXT = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[A-Za-z0-9!$%&'()*+,\-.:;=@[\]_~]*(?:[/?][!-~]*)?$/;
const AUTHORITY = /^[A-Za-z0-9!$%&'()*+,\-.:;=@[\]_~]*(?:[/?][!-~]*)?$/;

function expected(text: string): HttpGuess {
  if (text === '' || PREFACE.startsWith(text)) return text === PREFACE ? 'h2c' : 'more';
  if (text.startsWith(PREFACE)) return 'h2c';
  const method = METHOD.exec(text)?.[0] ?? '';
  const next = text[method.length];
  if (method === '' || (next !== undefined && !'\t\n\v\f\r '.includes(next))) return 'none';
  const lineEnd = text.indexOf('\n');
  if (lineEnd < 0) return 'more';
  const parts = LINE.exec(text.slice(0, lineEnd));
  const target = parts?.[2] ?? '';
  const isTarget = PATH.test(target) || (method === 'CONNECT' ? AUTHORITY.test(target) : URL_TEXT.test(target));
  if (parts === null || target === '' || !isTarget) return 'none';
  const version = parts[3];
  if (version === undefined) return 'http/1.0';
  if (version === 'HTTP/1.1') return 'http/1.1';
  return /^HTTP\/\d\.\d$/.test(version) ? 'http/1.0' : 'none';
}

const CORPUS = [
  ...['GET / HTTP/1.1\r\nhost: a\r\n\r\n', 'POST /a?b=c#d HTTP/1.0\r\n', 'CONNECT a.b:443 HTTP/1.1\r\n', PREFACE],
  ...['OPTIONS * HTTP/1.1\n', 'GET http://u@h:1/p?q HTTP/1.1\r\n', 'GET /\r\n', 'PRI * HTTP/2.0\r\nx'],
];
const PIECES = [...' \t\r\n\0\v\f/?:*@"\x7f\x80\xff', 'HTTP/1.1', '://', 'GET ', 'CONNECT ', 'PRI * HTTP/2.0\r\n', '1'];

function mutate(random: Random): string {
  let text = CORPUS[random.below(CORPUS.length)] as string;
  for (let i = random.below(5); i >= 0; i--) {
    const at = random.below(text.length + 1);
    const piece = PIECES[random.below(PIECES.length)] as string;
    const kind = random.below(4);
    if (kind === 0) text = text.slice(0, at) + piece + text.slice(at);
    else if (kind === 1) text = text.slice(0, at) + piece + text.slice(at + piece.length);
    else if (kind === 2) text = text.slice(0, at) + text.slice(at + 1 + random.below(3));
    else text = text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1);
  }
  return text;
}

/** The first answer that is no 'more', in random pieces. */
function inPieces(bytes: Buffer, random: Random): HttpGuess {
  const inspection = new HttpInspection();
  let guess: HttpGuess = 'more';
  for (let end = 0; end < bytes.length && guess === 'more'; ) {
    end = Math.min(bytes.length, end + 1 + random.below(random.below(2) === 0 ? 1 : 12));
    guess = inspection.read(bytes.subarray(0, end));
  }
  return guess;
}

test(`first lines are judged as the rules say, ${seconds} s from seed ${seed}`, (t) => {
  const random = new Random(seed);
  const until = performance.now() + seconds * 1000;
  const counts = new Map<HttpGuess, number>();
  let inputs = 0;
  while (performance.now() < until) {
    const text = mutate(random);
    const bytes = Buffer.from(text, 'latin1');
    const guess = new HttpInspection().read(bytes);
    const shown = `seed ${seed}, input ${++inputs}: ${JSON.stringify(text)}`;
    assert.equal(guess, expected(text), shown);
    assert.equal(inPieces(bytes, random), guess, shown);
    counts.set(guess, (counts.get(guess) ?? 0) + 1);
  }
  t.diagnostic(`${inputs} inputs: ${[...counts].map(([guess, count]) => `${guess} ${count}`).join(', ')}`);
});
