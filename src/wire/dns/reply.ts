// Writes answers to queries: records of our own, or another server's answer, cut to what the client takes.
import type { AnswerLayout } from './answer-layout.ts';
import { CLASS_IN, DNSSEC_OK, Flag, HEADER_BYTES, OPT_BYTES, RECORD_BYTES, RecordType } from './message.ts';
import { MIN_UDP_BYTES } from './query.ts';

/** To whom an answer goes, and in what form. */
export type Asked = {
  readonly id: number;
  /** The query's. */
  readonly flags: number;
  readonly hasEdns: boolean;
  readonly wantsDnssec: boolean;
  /** The question as it was sent, whose letters' case the answer repeats. Bytes [start, end). */
  readonly question: Uint8Array;
  readonly questionStart: number;
  readonly questionEnd: number;
  /** Longest answer that reaches the client. */
  readonly limitBytes: number;
};

/** Longest message there is: TCP's length has two bytes. */
export const MAX_MESSAGE_BYTES = 0xffff;
/** Offered to clients by EDNS: queries are short. Source: DNS flag day 2020. */
const OWN_UDP_BYTES = 1232;
/** Of the query's flags: what an answer repeats (RFC 1035 §4.1.1, RFC 4035 §3.2.2). */
const REPEATED_FLAGS = Flag.OPCODE | Flag.RECURSION_DESIRED | Flag.CHECKING_DISABLED;
/** A pointer to the name that was asked for. */
const POINTER = 0xc000;
export const TO_QUESTION = POINTER | HEADER_BYTES;

/** Writes one answer after another into the same memory: bytes [0, length) are good until the next `begin`. */
export class ReplyWriter {
  readonly bytes = Buffer.alloc(MAX_MESSAGE_BYTES);
  length = 0;
  #limit = 0;
  #flags = 0;
  #answers = 0;
  #authorities = 0;
  #additionals = 0;
  #optFlags = 0;
  #hasEdns = false;

  /** `flags` besides those that are repeated. */
  begin(asked: Asked, flags: number): void {
    const { question, questionStart, questionEnd } = asked;
    this.#u16(0, asked.id);
    this.#flags = Flag.RESPONSE | (asked.flags & REPEATED_FLAGS) | flags;
    this.#answers = 0;
    this.#authorities = 0;
    this.#additionals = 0;
    this.#hasEdns = asked.hasEdns;
    this.#optFlags = asked.wantsDnssec ? DNSSEC_OK : 0;
    let to = HEADER_BYTES;
    for (let i = questionStart; i < questionEnd; i++) this.bytes[to++] = question[i] as number;
    this.length = to;
    this.#limit = Math.max(MIN_UDP_BYTES, asked.limitBytes) - (asked.hasEdns ? OPT_BYTES : 0);
  }

  /** An alias of the question's name; `target` is a key. Returns a pointer to the target's name, or -1: it was cut. */
  addAlias(target: string, ttlS: number): number {
    return this.#addName(RecordType.CNAME, target, ttlS);
  }

  /** The name of the address that is asked for. */
  addPointer(target: string, ttlS: number): void {
    this.#addName(RecordType.PTR, target, ttlS);
  }

  #addName(type: number, target: string, ttlS: number): number {
    const at = this.#record(TO_QUESTION, type, ttlS, target.length);
    if (at < 0) return -1;
    this.bytes.latin1Write(target, at);
    return POINTER | at;
  }

  /** The address at bytes[start, start + size); false when it was cut. */
  addAddress(owner: number, addresses: Uint8Array, start: number, size: number, ttlS: number): boolean {
    const at = this.#record(owner, size === 4 ? RecordType.A : RecordType.AAAA, ttlS, size);
    if (at < 0) return false;
    for (let i = 0; i < size; i++) this.bytes[at + i] = addresses[start + i] as number;
    return true;
  }

  /** Begins a record; returns where its data goes, or -1 when it is one too many. */
  #record(owner: number, type: number, ttlS: number, dataBytes: number): number {
    const at = this.length;
    const end = at + 2 + RECORD_BYTES + dataBytes;
    if (end > this.#limit) {
      this.#flags |= Flag.TRUNCATED;
      return -1;
    }
    this.#u16(at, owner);
    this.#u16(at + 2, type);
    this.#u16(at + 4, CLASS_IN);
    this.bytes.writeUInt32BE(ttlS, at + 6);
    this.#u16(at + 10, dataBytes);
    this.length = end;
    this.#answers++;
    return at + 2 + RECORD_BYTES;
  }

  /** The records of another server's answer to the same question, which came `ageS` seconds ago. */
  copyRecords(answer: Buffer, layout: AnswerLayout, ageS: number): void {
    const { ends, ttlAt, answers, authorities, questionEnd } = layout;
    let fits = ends.length;
    while (fits > 0 && (ends[fits - 1] as number) > this.#limit) fits--;
    // What may be missing without a word are additional records (RFC 2181 §9).
    if (fits < answers + authorities) this.#flags |= Flag.TRUNCATED;
    this.#answers = Math.min(answers, fits);
    this.#authorities = Math.min(authorities, fits - this.#answers);
    this.#additionals = fits - this.#answers - this.#authorities;
    if (fits === 0) return;
    const end = ends[fits - 1] as number;
    answer.copy(this.bytes, questionEnd, questionEnd, end);
    this.length = end;
    if (ageS <= 0) return;
    for (let i = 0; i < fits; i++) {
      const at = ttlAt[i] as number;
      this.bytes.writeUInt32BE(Math.max(0, answer.readUInt32BE(at) - ageS), at);
    }
  }

  get isTruncated(): boolean {
    return (this.#flags & Flag.TRUNCATED) !== 0;
  }

  /** Ends the answer with its code; bytes [0, length) are the message. */
  end(code: number): void {
    this.#u16(2, this.#flags | (code & Flag.CODE));
    this.#u16(4, this.length > HEADER_BYTES ? 1 : 0);
    this.#u16(6, this.#answers);
    this.#u16(8, this.#authorities);
    this.#u16(10, this.#additionals + (this.#hasEdns ? 1 : 0));
    if (!this.#hasEdns) return;
    const at = this.length;
    const { bytes } = this;
    bytes[at] = 0;
    this.#u16(at + 1, RecordType.OPT);
    this.#u16(at + 3, OWN_UDP_BYTES);
    bytes[at + 5] = code >>> 4;
    bytes[at + 6] = 0;
    this.#u16(at + 7, this.#optFlags);
    this.#u16(at + 9, 0);
    this.length = at + OPT_BYTES;
  }

  #u16(at: number, value: number): void {
    this.bytes[at] = value >>> 8;
    this.bytes[at + 1] = value;
  }
}
