// Answers queries: from the name table, from the cache, or once an upstream server has; sockets are others' concern.
import type { Clock, Random } from '../../base/clock.ts';
import { CLASS_IN, Flag, RecordType, ResponseCode } from '../../wire/dns/message.ts';
import { QueryReader } from '../../wire/dns/query.ts';
import { type Asked, ReplyWriter, TO_QUESTION } from '../../wire/dns/reply.ts';
import { AnswerCache, type UpstreamAnswer } from './answer-cache.ts';
import type { DnsStats } from './dns-stats.ts';
import { type Forwarder, questionKey } from './forwarder.ts';
import type { Found, NameTable } from './name-table.ts';

/** Seconds. Source: Istio pkg/dns/client, defaultTTLInSeconds: short, so that addresses may change. */
export const TABLE_TTL_S = 30;

export type DeskParts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: DnsStats;
  readonly forwarder: Forwarder;
  /** There are no servers to ask: what the table does not have does not exist. */
  readonly isAlone: boolean;
  /** A name table will come: until then nothing is answered, as the answers of others would be wrong ones. */
  readonly awaitsTable: boolean;
};

/** Sends reply[0, length), which is borrowed. */
export type SendReply = (reply: Buffer, length: number) => void;

/**
 * 'reply': the answer is in `reply`, until the next query; 'wait': an upstream server is to be asked (`forward`);
 * 'none': it is not answered at all.
 */
export type Verdict = 'reply' | 'wait' | 'none';

export class DnsDesk {
  readonly cache: AnswerCache;
  readonly reply = new ReplyWriter();
  table: NameTable | null = null;
  readonly #parts: DeskParts;
  readonly #query = new QueryReader();
  #questionKey = '';
  /** Which address comes when; grows with the longest list. */
  #order = new Uint16Array(16);

  constructor(parts: DeskParts) {
    this.#parts = parts;
    this.cache = new AnswerCache(parts.stats.own);
  }

  /** Takes the query message[start, end), which is borrowed. */
  take(message: Uint8Array, start: number, end: number, byTcp: boolean): Verdict {
    const query = this.#query;
    const { stats, awaitsTable } = this.#parts;
    const { own, istio } = stats;
    const verdict = query.read(message, start, end, byTcp);
    if (verdict === 'ignored') {
      own.inc(own.i.queries_ignored);
      return 'none';
    }
    if (verdict !== 'query') {
      own.inc(own.i.queries_malformed);
      return this.#refuse(CODES[verdict]);
    }
    istio.inc(istio.i.istio_agent_dns_requests_total);
    if (this.table === null && awaitsTable) {
      own.inc(own.i.queries_early);
      return this.#refuse(ResponseCode.SERVFAIL);
    }
    if (this.#fromTable()) return 'reply';
    if (this.#parts.isAlone) return this.#refuse(this.#isKnown() ? ResponseCode.NOERROR : ResponseCode.NXDOMAIN);
    return this.#fromCache() ? 'reply' : 'wait';
  }

  #refuse(code: number): 'reply' {
    this.reply.begin(this.#query, Flag.RECURSION_AVAILABLE);
    this.reply.end(code);
    return 'reply';
  }

  /** Source: Istio pkg/dns/client, lookupHost: other types than addresses are the upstream servers' to answer. */
  #fromTable(): boolean {
    const { type, key } = this.#query;
    const { table } = this;
    if (table === null || this.#query.class !== CLASS_IN) return false;
    if (type === RecordType.A || type === RecordType.AAAA) {
      const found = table.find(key);
      if (found === null) return false;
      this.#beginTable();
      this.#addAddresses(found, type);
    } else if (type === RecordType.PTR) {
      const name = table.findReverse(key);
      if (name === null) return false;
      this.#beginTable();
      this.reply.addPointer(name, TABLE_TTL_S);
    } else return false;
    this.#end(ResponseCode.NOERROR);
    return true;
  }

  /** Of a name that exists there may be nothing of the type that is asked for. */
  #isKnown(): boolean {
    return this.#query.class === CLASS_IN && this.table?.find(this.#query.key) != null;
  }

  #beginTable(): void {
    const { own } = this.#parts.stats;
    own.inc(own.i.table_answers);
    this.reply.begin(this.#query, Flag.AUTHORITATIVE | Flag.RECURSION_AVAILABLE);
  }

  /** In random order, so that clients that take the first spread; none is no error: the name exists (RFC 2308 §2.2). */
  #addAddresses({ entry, alias }: Found, type: number): void {
    const addresses = type === RecordType.A ? entry.ipv4 : entry.ipv6;
    const size = type === RecordType.A ? 4 : 16;
    const count = addresses.length / size;
    if (count === 0) return;
    const owner = alias === null ? TO_QUESTION : this.reply.addAlias(alias, TABLE_TTL_S);
    if (owner < 0) return;
    if (count === 1) {
      this.reply.addAddress(owner, addresses, 0, size, TABLE_TTL_S);
      return;
    }
    const order = this.#shuffle(count);
    for (let i = 0; i < order.length; i++) {
      if (!this.reply.addAddress(owner, addresses, (order[i] as number) * size, size, TABLE_TTL_S)) return;
    }
  }

  #shuffle(count: number): Uint16Array {
    // More than fit into any message.
    const most = Math.min(count, 0xffff);
    if (this.#order.length < most) this.#order = new Uint16Array(most);
    const order = this.#order.subarray(0, most);
    for (let i = 0; i < most; i++) {
      const j = this.#parts.random.below(i + 1);
      order[i] = order[j] as number;
      order[j] = i;
    }
    return order;
  }

  #fromCache(): boolean {
    const { clock, stats } = this.#parts;
    const { own } = stats;
    this.#questionKey = questionKey(this.#query);
    const answer = this.cache.get(this.#questionKey, clock.nowMs);
    if (answer === null) {
      own.inc(own.i.cache_misses);
      return false;
    }
    own.inc(own.i.cache_hits);
    this.#write(this.#query, answer, Math.floor((clock.nowMs - answer.receivedMs) / 1000));
    return true;
  }

  /** After 'wait', at once: asks the servers, and sends the answer when it has come, or what stands for it. */
  forward(send: SendReply): void {
    const { stats, forwarder } = this.#parts;
    const { own } = stats;
    const query = this.#query;
    const { id, flags, hasEdns, wantsDnssec, limitBytes, key, type } = query;
    // A copy: the message is borrowed.
    const question = Buffer.from(query.question.subarray(query.questionStart, query.questionEnd));
    const span = { question, questionStart: 0, questionEnd: question.length };
    const asked: Asked = { id, flags, hasEdns, wantsDnssec, limitBytes, ...span };
    const cacheKey = this.#questionKey;
    const isTaken = forwarder.ask(cacheKey, { key, type, class: query.class, flags, wantsDnssec }, (answer) => {
      if (answer !== null) {
        this.cache.put(cacheKey, answer);
        this.#write(asked, answer, 0);
      } else this.#fail(asked);
      send(this.reply.bytes, this.reply.length);
    });
    if (isTaken) return;
    own.inc(own.i.queries_overflow);
    this.#fail(asked);
    send(this.reply.bytes, this.reply.length);
  }

  #fail(asked: Asked): void {
    this.reply.begin(asked, Flag.RECURSION_AVAILABLE);
    this.reply.end(ResponseCode.SERVFAIL);
  }

  #write(asked: Asked, { bytes, layout }: UpstreamAnswer, ageS: number): void {
    this.reply.begin(asked, layout.flags & PASSED_FLAGS);
    this.reply.copyRecords(bytes, layout, ageS);
    this.#end(layout.code);
  }

  #end(code: number): void {
    const { own } = this.#parts.stats;
    if (this.reply.isTruncated) own.inc(own.i.answers_truncated);
    this.reply.end(code);
  }
}

const CODES = {
  malformed: ResponseCode.FORMERR,
  'not-implemented': ResponseCode.NOTIMP,
  'bad-version': ResponseCode.BADVERS,
} as const;

/** What an upstream server says of its answer; whether ours is cut is our own matter. */
const PASSED_FLAGS = Flag.AUTHORITATIVE | Flag.RECURSION_AVAILABLE | Flag.AUTHENTIC_DATA;
