// One fuzz input of the HTTP/1 parser: read whole and in pieces by ours, and by the oracle, and compared.
import assert from 'node:assert/strict';
import { type MessageKind, parseWithLlhttp, type Seen, type SeenMessage } from './http1-oracle.ts';
import { parseWithOurs } from './http1-run.ts';
import { type Tolerance, undoTolerances } from './http1-tolerances.ts';

/** No single input may take longer. */
const MAX_MS_PER_INPUT = 1000;

export type Http1Input = { readonly kind: MessageKind; readonly bytes: Uint8Array; readonly requestMethod: string };
export type Outcome = { readonly ours: Seen; readonly used: ReadonlySet<Tolerance> };

/** Checks one input; throws an assertion that says what does not hold. */
export function checkHttp1(input: Http1Input, cuts: readonly number[]): Outcome {
  const { kind, bytes, requestMethod } = input;
  const started = performance.now();
  const ours = parseWithOurs(kind, bytes, [], requestMethod, true);
  const inPieces = parseWithOurs(kind, bytes, cuts, requestMethod, true);
  assert.ok(performance.now() - started < MAX_MS_PER_INPUT, 'took too long');
  comparePieces(ours, inPieces);
  const theirs = parseWithLlhttp(kind, bytes, requestMethod, true);
  const problem = compare(ours, theirs, true);
  if (problem === null) return { ours, used: new Set() };
  const undone = undoTolerances(kind, bytes, ours.messages);
  assert.ok(undone.used.size > 0, `${problem} (llhttp: ${theirs.error})`);
  const strict = parseWithLlhttp(kind, undone.bytes, requestMethod, true);
  const left = compare({ messages: undone.messages, error: ours.error }, strict, false);
  if (left !== null) {
    const detail = `llhttp: ${theirs.error}, then ${strict.error}; ours: ${ours.error}`;
    assert.fail(`${problem}; ${left} after ${[...undone.used]} were undone (${detail})`);
  }
  return { ours, used: undone.used };
}

/** Errors in a head may be found earlier when more of it is there; what was reported until then is the same. */
function comparePieces(whole: Seen, pieces: Seen): void {
  assert.deepEqual(pieces.messages, whole.messages, 'another reading in pieces');
  assert.equal(pieces.error === null, whole.error === null, `whole: ${whole.error}, in pieces: ${pieces.error}`);
}

/** What ours says must be what theirs says, as far as ours went. Returns the difference. */
function compare(ours: Seen, theirs: Seen, withOffsets: boolean): string | null {
  for (const [i, mine] of ours.messages.entries()) {
    const other = theirs.messages[i];
    if (other === undefined || !other.headComplete) return `message ${i}: only we take its head`;
    const problem = compareHeads(mine, other) ?? compareBodies(mine, other, ours.error !== null, withOffsets);
    if (problem !== null) return `message ${i}: ${problem}`;
  }
  const last = ours.messages.at(-1);
  const isOver = last !== undefined && (last.isTunnel || !last.keepAlive);
  const next = theirs.messages[ours.messages.length];
  if (ours.error === null && !isOver && next?.headComplete === true)
    return `message ${ours.messages.length}: only they take it`;
  return null;
}

function compareHeads(mine: SeenMessage, other: SeenMessage): string | null {
  for (const name of ['method', 'target', 'status', 'isTunnel'] as const) {
    if (mine[name] !== other[name])
      return `${name} ${JSON.stringify(mine[name])}, theirs ${JSON.stringify(other[name])}`;
  }
  if (mine.minorVersion !== other.minorVersion) return `version ${mine.minorVersion}, theirs ${other.minorVersion}`;
  if (mine.keepAlive && !other.keepAlive && !mine.isTunnel) return 'only we keep the connection';
  const difference = compareFields(mine.headers, other.headers);
  return difference === null ? null : `header ${difference}`;
}

function compareBodies(mine: SeenMessage, other: SeenMessage, failed: boolean, withOffsets: boolean): string | null {
  if (mine.isTunnel) return null;
  if (!other.body.startsWith(mine.body))
    return `body ${JSON.stringify(mine.body)}, theirs ${JSON.stringify(other.body)}`;
  if (mine.complete !== other.complete && !(failed && other.complete))
    return `complete: ${mine.complete}, theirs ${other.complete}`;
  if (!mine.complete) return null;
  if (mine.body !== other.body) return 'their body is longer';
  if (withOffsets && mine.end !== other.end) return `ends at ${mine.end}, theirs at ${other.end}`;
  const difference = compareFields(mine.trailers, other.trailers);
  return difference === null ? null : `trailer ${difference}`;
}

/** Fields of one name count as one list, as ours joins some names; empty members do not count, except in framing. */
function compareFields(mine: SeenMessage['headers'], other: SeenMessage['headers']): string | null {
  const ours = joined(mine);
  const theirs = joined(other);
  for (const [name, value] of theirs) {
    if (ours.get(name) === value) continue;
    return `${name}: ${JSON.stringify(ours.get(name))}, theirs ${JSON.stringify(value)}`;
  }
  for (const name of ours.keys()) if (!theirs.has(name)) return `${name} is only ours`;
  return null;
}

const FRAMING = new Set(['content-length', 'transfer-encoding']);

function joined(fields: SeenMessage['headers']): Map<string, string> {
  const map = new Map<string, string>();
  for (const [name, value] of fields) {
    const old = map.get(name);
    map.set(name, old === undefined ? value : `${old},${value}`);
  }
  for (const [name, value] of map)
    if (!FRAMING.has(name)) map.set(name, value.replace(/^,+|,+$/g, '').replace(/,{2,}/g, ','));
  return map;
}
