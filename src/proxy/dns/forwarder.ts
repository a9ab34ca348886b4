// Asks the upstream servers what the table does not know: each question once at a time, each try from another port.
import { randomInt } from 'node:crypto';
import type { Address } from '../../base/byte-stream.ts';
import type { Clock, Random, Timer } from '../../base/clock.ts';
import type { Engine } from '../../net/engine.ts';
import { DnsTransport, type TransportHandler } from '../../net/resolver/dns-transport.ts';
import { readAnswerLayout } from '../../wire/dns/answer-layout.ts';
import { DNSSEC_OK, Flag, HEADER_BYTES, OPT_BYTES, RecordType, ResponseCode } from '../../wire/dns/message.ts';
import { readNameKey } from '../../wire/dns/name.ts';
import type { UpstreamAnswer } from './answer-cache.ts';
import type { DnsStats } from './dns-stats.ts';

export type Question = {
  readonly key: string;
  readonly type: number;
  readonly class: number;
  /** Of the client's query: those that change the answer. */
  readonly flags: number;
  readonly wantsDnssec: boolean;
};

/** Null: no server had an answer. */
export type Waiter = (answer: UpstreamAnswer | null) => void;

export type ForwarderParts = {
  readonly engine: Pick<Engine, 'bindUdp' | 'connect'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: DnsStats;
  /** Asked once per question: they may change. */
  readonly servers: () => {
    readonly addresses: readonly Address[];
    readonly timeoutMs: number;
    readonly tries: number;
  };
};

/** Questions under way, each with a socket or two; and queries that wait for them. */
const MAX_EXCHANGES = 512;
export const MAX_WAITERS = 8192;
/** Source: Istio pkg/dns/client, DefaultUpstreamTimeout; applications give up after the same time. */
const DEADLINE_MS = 5000;
/** A silent server is not waited for longer before the next one is asked too. */
const MAX_TRY_MS = 2000;
const MAX_TRIES = 8;
/** DNS flag day 2020: no fragments. */
const UDP_PAYLOAD_BYTES = 1232;
/** Messages with another id or question than ours on one socket, before it is asked by TCP instead (RFC 5452 §9.2). */
const MAX_MISMATCHES = 4;
/** Flags of a query that change its answer. */
const ASKED_FLAGS = Flag.RECURSION_DESIRED | Flag.AUTHENTIC_DATA | Flag.CHECKING_DISABLED;

/** Answers that another server may do better. */
const RETRIED: ReadonlySet<number> = new Set([
  ResponseCode.FORMERR,
  ResponseCode.SERVFAIL,
  ResponseCode.NOTIMP,
  ResponseCode.REFUSED,
  ResponseCode.BADVERS,
]);

/** By which questions are equal. */
export function questionKey({ key, type, class: kind, flags, wantsDnssec }: Question): string {
  return String.fromCharCode((flags & ASKED_FLAGS) | (wantsDnssec ? 1 : 0), type, kind) + key;
}

export class Forwarder {
  readonly parts: ForwarderParts;
  readonly #exchanges = new Map<string, Exchange>();
  #waiting = 0;

  constructor(parts: ForwarderParts) {
    this.parts = parts;
  }

  get active(): number {
    return this.#exchanges.size;
  }

  /** False: too much is under way already, and `waiter` will not be called. It may be called within the call. */
  ask(key: string, question: Question, waiter: Waiter): boolean {
    const known = this.#exchanges.get(key);
    if (this.#waiting >= MAX_WAITERS) return false;
    if (known !== undefined) {
      this.#waiting++;
      known.waiters.push(waiter);
      return true;
    }
    if (this.#exchanges.size >= MAX_EXCHANGES) return false;
    this.#waiting++;
    const exchange = new Exchange(this, key, question);
    exchange.waiters.push(waiter);
    this.#exchanges.set(key, exchange);
    this.#tell();
    exchange.start();
    return true;
  }

  /** For exchanges: one is over. */
  ended({ key, waiters }: Exchange, answer: UpstreamAnswer | null): void {
    this.#exchanges.delete(key);
    this.#waiting -= waiters.length;
    this.#tell();
    for (const waiter of waiters) waiter(answer);
  }

  /** Nobody is told any more. */
  close(): void {
    for (const exchange of this.#exchanges.values()) exchange.abandon();
    this.#exchanges.clear();
    this.#waiting = 0;
    this.#tell();
  }

  #tell(): void {
    const { own } = this.parts.stats;
    own.set(own.i.upstream_active, this.#exchanges.size);
  }
}

//  start ─► try the servers in random order, each from a socket of its own
//             silence: after a while the next one is asked too, and whoever answers first has answered
//             refused, SERVFAIL: the next one at once; its words are kept for when no other has better
//           all tried, or the deadline ─► the kept words, or nothing
class Exchange {
  readonly key: string;
  readonly question: Question;
  readonly waiters: Waiter[] = [];
  readonly forwarder: Forwarder;
  readonly #timer: Timer;
  readonly #startMs: number;
  readonly #tries = new Set<Try>();
  /** That have said no: they are not asked again. */
  readonly #refused = new Set<Address>();
  #servers: readonly Address[] = [];
  #pauseMs = 0;
  #mostTries = 0;
  #attempt = 0;
  #words: UpstreamAnswer | null = null;
  #isOver = false;

  constructor(forwarder: Forwarder, key: string, question: Question) {
    const { clock } = forwarder.parts;
    this.key = key;
    this.question = question;
    this.forwarder = forwarder;
    this.#startMs = clock.nowMs;
    this.#timer = clock.timer(next, this);
  }

  start(): void {
    const { servers, random, stats } = this.forwarder.parts;
    stats.istio.inc(stats.istio.i.istio_agent_dns_upstream_requests_total);
    const { addresses, timeoutMs, tries } = servers();
    this.#servers = shuffled(addresses, random);
    this.#pauseMs = Math.min(timeoutMs, MAX_TRY_MS);
    this.#mostTries = Math.min(addresses.length * tries, MAX_TRIES);
    this.next();
  }

  /** Asks the next server, if there is one and time for it. */
  next(): void {
    if (this.#isOver) return;
    const leftMs = DEADLINE_MS - (this.forwarder.parts.clock.nowMs - this.#startMs);
    const server = leftMs > 0 ? this.#nextServer() : null;
    if (server === null) {
      if (leftMs > 0 && this.#tries.size > 0) this.#timer.arm(leftMs);
      else this.#end(this.#words);
      return;
    }
    this.#timer.arm(Math.min(this.#pauseMs, leftMs));
    const attempt = new Try(this, server);
    this.#tries.add(attempt);
    attempt.start();
  }

  #nextServer(): Address | null {
    while (this.#attempt < this.#mostTries) {
      const server = this.#servers[this.#attempt++ % this.#servers.length] as Address;
      if (!this.#refused.has(server)) return server;
    }
    return null;
  }

  /** For tries: this one has failed; `words` if the server said so itself. */
  failed(attempt: Try, words: UpstreamAnswer | null): void {
    if (!this.#tries.delete(attempt)) return;
    attempt.close();
    if (words !== null) {
      this.#words = words;
      this.#refused.add(attempt.server);
    }
    this.next();
  }

  /** For tries. */
  answered(answer: UpstreamAnswer): void {
    this.#end(answer);
  }

  #end(answer: UpstreamAnswer | null): void {
    if (this.#isOver) return;
    this.abandon();
    const { stats, clock } = this.forwarder.parts;
    const { istio } = stats;
    const tookMs = clock.nowMs - this.#startMs;
    istio.record(istio.i.istio_agent_dns_upstream_request_duration_seconds, Math.round(tookMs * 1000));
    if (answer === null) istio.inc(istio.i.istio_agent_dns_upstream_failures_total);
    this.forwarder.ended(this, answer);
  }

  abandon(): void {
    this.#isOver = true;
    this.#timer.disarm();
    for (const attempt of this.#tries) attempt.close();
    this.#tries.clear();
  }
}

/** One server that was asked: over UDP, and by TCP when its answer was cut or somebody guesses at it. */
class Try implements TransportHandler {
  readonly server: Address;
  readonly #exchange: Exchange;
  readonly #transport: DnsTransport;
  #id = 0;
  #hasEdns = true;
  #mismatches = 0;

  constructor(exchange: Exchange, server: Address) {
    this.server = server;
    this.#exchange = exchange;
    this.#transport = new DnsTransport(exchange.forwarder.parts.engine, this);
  }

  start(): void {
    this.#send(false);
  }

  close(): void {
    this.#transport.close();
  }

  #send(byTcp: boolean): void {
    this.#transport.close();
    this.#id = randomInt(0x1_0000);
    const bytes = encodeForwarded(this.#exchange.question, this.#id, this.#hasEdns);
    if (byTcp) this.#transport.sendByTcp(this.server, bytes);
    else this.#transport.sendByUdp(this.server, bytes);
  }

  onFailure(): void {
    this.#exchange.failed(this, null);
  }

  onMessage(bytes: Buffer, byTcp: boolean): boolean {
    if (!this.#isAnswer(bytes)) {
      const { own } = this.#exchange.forwarder.parts.stats;
      own.inc(own.i.answers_spoofed);
      if (!byTcp && ++this.#mismatches >= MAX_MISMATCHES) this.#send(true);
      return false;
    }
    const flags = bytes.readUInt16BE(2);
    const code = flags & Flag.CODE;
    // Servers from before EDNS may answer without a question.
    if (this.#hasEdns && (code === ResponseCode.FORMERR || code === ResponseCode.NOTIMP)) {
      this.#hasEdns = false;
      this.#send(byTcp);
      return true;
    }
    if ((flags & Flag.TRUNCATED) !== 0 && !byTcp) {
      this.#send(true);
      return true;
    }
    const layout = readAnswerLayout(bytes);
    if (layout === null) {
      this.#exchange.failed(this, null);
      return true;
    }
    const answer = { bytes: Buffer.from(bytes), layout, receivedMs: this.#exchange.forwarder.parts.clock.nowMs };
    if (RETRIED.has(layout.code)) this.#exchange.failed(this, answer);
    else this.#exchange.answered(answer);
    return true;
  }

  /** Whether it has our id and our question, or is a refusal that repeats no question. */
  #isAnswer(bytes: Buffer): boolean {
    if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== this.#id) return false;
    const flags = bytes.readUInt16BE(2);
    if ((flags & Flag.RESPONSE) === 0) return false;
    if (bytes.readUInt16BE(4) === 0) return (flags & Flag.CODE) !== ResponseCode.NOERROR;
    const { key, type, class: kind } = this.#exchange.question;
    const at = HEADER_BYTES + key.length;
    if (readNameKey(bytes, HEADER_BYTES, bytes.length) !== key || at + 4 > bytes.length) return false;
    return bytes.readUInt16BE(at) === type && bytes.readUInt16BE(at + 2) === kind;
  }
}

function encodeForwarded(
  { key, type, class: kind, flags, wantsDnssec }: Question,
  id: number,
  hasEdns: boolean,
): Buffer {
  const questionEnd = HEADER_BYTES + key.length + 4;
  const bytes = Buffer.alloc(questionEnd + (hasEdns ? OPT_BYTES : 0));
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(flags & ASKED_FLAGS, 2);
  bytes.writeUInt16BE(1, 4);
  bytes.latin1Write(key, HEADER_BYTES);
  bytes.writeUInt16BE(type, questionEnd - 4);
  bytes.writeUInt16BE(kind, questionEnd - 2);
  if (!hasEdns) return bytes;
  bytes.writeUInt16BE(1, 10);
  bytes.writeUInt16BE(RecordType.OPT, questionEnd + 1);
  bytes.writeUInt16BE(UDP_PAYLOAD_BYTES, questionEnd + 3);
  bytes.writeUInt16BE(wantsDnssec ? DNSSEC_OK : 0, questionEnd + 7);
  return bytes;
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [out[i], out[j]] = [out[j] as T, out[i] as T];
  }
  return out;
}

function next(exchange: Exchange): void {
  exchange.next();
}
