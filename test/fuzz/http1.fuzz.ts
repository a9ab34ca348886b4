// Fuzzes the HTTP/1 parser: mutated requests and responses, whole and in pieces, compared with llhttp.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { checkHttp1, type Http1Input, type Outcome } from './http1-check.ts';
import { Http1Mutator, readHttp1Corpus } from './http1-mutator.ts';
import type { MessageKind } from './http1-oracle.ts';
import { TOLERANCES } from './http1-tolerances.ts';
import { fuzzLimits } from './proto-mutator.ts';

/** Inputs that were kept because the parser did something new; older ones make room. */
const MAX_POOL = 2000;
const METHODS = ['GET', 'GET', 'GET', 'HEAD', 'CONNECT'];

const { seconds, seed } = fuzzLimits(5);

/** As a literal of pure ASCII. */
function visible(text: string): string {
  return JSON.stringify(text).replace(/[^ -~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** What the parser did, coarsely: an input that shows something new is worth mutating further. */
function signature({ ours, used }: Outcome): string {
  const messages = ours.messages.map((message) => {
    const framing = message.headers.filter(([name]) =>
      /^(content-length|transfer-encoding|connection|upgrade)$/.test(name),
    );
    const facts = [
      message.complete,
      message.keepAlive,
      message.isTunnel,
      message.minorVersion,
      message.trailers.length > 0,
    ];
    return `${framing.map(([name]) => name)}|${facts}|${message.body.length > 0}|${message.method}${message.status}`;
  });
  return `${messages.slice(0, 3).join('/')} ${ours.error} ${[...used]}`;
}

function fuzz(
  kind: MessageKind,
  run: { until: number; random: Random },
): { inputs: number; accepted: number; used: Set<string> } {
  const mutator = new Http1Mutator(run.random, kind);
  const pool = readHttp1Corpus(kind);
  const known = new Set<string>();
  const used = new Set<string>();
  let inputs = 0;
  let accepted = 0;
  const check = (text: string): void => {
    const bytes = Buffer.from(text, 'latin1');
    const input: Http1Input = { kind, bytes, requestMethod: kind === 'request' ? '' : mutator.pick(METHODS) };
    const cuts = mutator.cuts(bytes.length);
    let outcome: Outcome;
    try {
      outcome = checkHttp1(input, cuts);
    } catch (error) {
      const shown = `${kind} ${visible(text)} to ${input.requestMethod || '-'} cut at ${cuts.slice(0, 8)}`;
      throw new Error(`seed ${seed}, input ${inputs}: ${(error as Error).message}\n${shown}`, { cause: error });
    }
    inputs++;
    if (outcome.ours.messages.some((message) => message.complete)) accepted++;
    for (const tolerance of outcome.used) used.add(tolerance);
    const seen = signature(outcome);
    if (known.has(seen)) return;
    known.add(seen);
    if (pool.length < MAX_POOL) pool.push(text);
    else pool[run.random.below(MAX_POOL)] = text;
  };
  for (const text of [...pool]) check(text);
  while (performance.now() < run.until) for (let i = 0; i < 50; i++) check(mutator.mutate(mutator.pick(pool), pool));
  return { inputs, accepted, used };
}

test(`HTTP/1 requests and responses agree with llhttp, ${seconds} s from seed ${seed}`, (t) => {
  const used = new Set<string>();
  for (const [i, kind] of (['request', 'response'] as const).entries()) {
    const until = performance.now() + (seconds * 1000) / 2;
    const counts = fuzz(kind, { until, random: new Random(seed * 2 + i) });
    t.diagnostic(`${kind}: ${counts.inputs} inputs, ${counts.accepted} with a whole message`);
    assert.ok(counts.inputs > 500, `only ${counts.inputs} inputs`);
    assert.ok(counts.accepted > counts.inputs / 20, `only ${counts.accepted} of ${counts.inputs} have a whole message`);
    for (const tolerance of counts.used) used.add(tolerance);
  }
  const unused = TOLERANCES.filter((tolerance) => !used.has(tolerance));
  assert.deepEqual(unused, [], 'tolerances that nothing uses');
});
