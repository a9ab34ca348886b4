// Reads DNS queries as a server gets them: one question, perhaps EDNS, and what is answered to anything else.
import { readNameKey } from './name.ts';
import { DNSSEC_OK, Flag, HEADER_BYTES, RECORD_BYTES, RecordType } from './message.ts';

/**
 * 'ignored': no query, never answered, lest two servers answer each other for ever; the others are answered with their
 * codes: 'malformed' FORMERR, 'not-implemented' NOTIMP, 'bad-version' BADVERS.
 */
export type QueryVerdict = 'query' | 'ignored' | 'malformed' | 'not-implemented' | 'bad-version';

/** Records besides the question that a query may have. Source: github.com/miekg/dns, DefaultMsgAcceptFunc. */
const MAX_ANSWERS = 1;
const MAX_AUTHORITIES = 1;
const MAX_ADDITIONALS = 2;
/** RFC 6891 §6.2.3: smaller sizes count as this. */
export const MIN_UDP_BYTES = 512;
/** RFC 768 over IPv4: 65,535 less the two headers. */
const MAX_UDP_BYTES = 65_507;
const MAX_TCP_BYTES = 0xffff;
const NOTHING = new Uint8Array(0);

/** The query that was read last: one object serves for all of them, and for whoever writes its answer. */
export class QueryReader {
  id = 0;
  flags = 0;
  type = 0;
  class = 0;
  /** Of the name asked for (see `nameKey`). */
  key = '';
  /** question[questionStart, questionEnd) is the question as it was sent; none when it could not be read. Borrowed. */
  question: Uint8Array = NOTHING;
  questionStart = 0;
  questionEnd = 0;
  hasEdns = false;
  wantsDnssec = false;
  /** Longest answer that the client takes: over UDP 512 bytes unless EDNS says more. */
  limitBytes = MIN_UDP_BYTES;

  /** Reads message[start, end). `id` and `flags` are good unless the verdict is 'ignored'. */
  read(message: Uint8Array, start: number, end: number, byTcp: boolean): QueryVerdict {
    if (end - start < HEADER_BYTES) return 'ignored';
    const u16 = (at: number): number => ((message[at] as number) << 8) | (message[at + 1] as number);
    this.id = u16(start);
    this.flags = u16(start + 2);
    this.question = message;
    this.questionStart = start + HEADER_BYTES;
    this.questionEnd = this.questionStart;
    this.hasEdns = false;
    this.limitBytes = byTcp ? MAX_TCP_BYTES : MIN_UDP_BYTES;
    this.wantsDnssec = false;
    if ((this.flags & Flag.RESPONSE) !== 0) return 'ignored';
    if ((this.flags & Flag.OPCODE) !== 0) return 'not-implemented';
    const answers = u16(start + 6);
    const authorities = u16(start + 8);
    const additionals = u16(start + 10);
    if (u16(start + 4) !== 1 || answers > MAX_ANSWERS || authorities > MAX_AUTHORITIES) return 'malformed';
    if (additionals > MAX_ADDITIONALS) return 'malformed';
    const key = readNameKey(message, start + HEADER_BYTES, end);
    if (key === null) return 'malformed';
    let at = start + HEADER_BYTES + key.length;
    if (at + 4 > end) return 'malformed';
    this.key = key;
    this.type = u16(at);
    this.class = u16(at + 2);
    at += 4;
    this.questionEnd = at;
    if (answers + authorities + additionals === 0) return 'query';
    for (let left = answers + authorities + additionals; left > 0; left--) {
      const nameEnd = skipName(message, at, end);
      if (nameEnd < 0 || nameEnd + RECORD_BYTES > end) return 'malformed';
      const next = nameEnd + RECORD_BYTES + u16(nameEnd + 8);
      if (next > end) return 'malformed';
      if (u16(nameEnd) === RecordType.OPT) {
        if (left > additionals || this.hasEdns || message[at] !== 0) return 'malformed';
        this.hasEdns = true;
        const offered = Math.min(u16(nameEnd + 2), MAX_UDP_BYTES);
        this.limitBytes = Math.max(this.limitBytes, offered);
        this.wantsDnssec = (u16(nameEnd + 6) & DNSSEC_OK) !== 0;
        if (message[nameEnd + 5] !== 0) return 'bad-version';
      }
      at = next;
    }
    return 'query';
  }
}

/** Behind the name at `at`, whose pointer is not followed; -1 when it is malformed. */
function skipName(message: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const length = message[at] as number;
    if (length === 0) return at + 1;
    if ((length & 0xc0) === 0xc0) return at + 2;
    if ((length & 0xc0) !== 0 || at - start > 255) return -1;
    at += 1 + length;
  }
  return -1;
}
