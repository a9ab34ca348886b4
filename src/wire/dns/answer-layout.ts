// Where the records of an answer are, so that a forwarder can hand it on as bytes: aged, cut to size, without EDNS.
import { CLASS_IN, Flag, HEADER_BYTES, RECORD_BYTES, RecordType, ResponseCode } from './message.ts';
import { NameReader } from './name.ts';

export type AnswerLayout = {
  readonly id: number;
  readonly flags: number;
  /** With the upper bits of OPT. */
  readonly code: number;
  readonly questionEnd: number;
  readonly type: number;
  /** Of the three sections; what stands behind an OPT record is left out. */
  readonly answers: number;
  readonly authorities: number;
  readonly additionals: number;
  /** Per record in order: the offset of its TTL, and the offset behind it. */
  readonly ttlAt: Uint16Array;
  readonly ends: Uint16Array;
  /** Seconds for which it may be kept; 0: not at all (RFC 2181 §5.2, RFC 2308 §5). */
  readonly lifetimeS: number;
};

/** Source: RFC 8767 §4 and RFC 2308 §5 recommend bounds of a week and three hours; names of a mesh move sooner. */
const MAX_LIFETIME_S = 3600;
const MAX_NEGATIVE_LIFETIME_S = 1800;

/**
 * Null when the answer is malformed, is no answer, or has another question than one. Data is checked where it has names
 * that may be compressed, and addresses; all else is bytes.
 */
export function readAnswerLayout(bytes: Uint8Array): AnswerLayout | null {
  if (bytes.length < HEADER_BYTES || bytes.length > 0xffff) return null;
  const u16 = (at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  const flags = u16(2);
  if ((flags & Flag.RESPONSE) === 0 || (flags & Flag.OPCODE) !== 0 || u16(4) !== 1) return null;
  const names = new NameReader(bytes, bytes.length);
  if (names.read(HEADER_BYTES) === null || names.end + 4 > bytes.length) return null;
  const questionEnd = names.end + 4;
  const type = u16(names.end);
  const head = { id: u16(0), flags, questionEnd, type };
  if ((flags & Flag.TRUNCATED) !== 0) return { ...head, ...NO_RECORDS, code: flags & Flag.CODE };
  const answers = u16(6);
  const answersAndAuthorities = answers + u16(8);
  const total = answersAndAuthorities + u16(10);
  // The smallest record has a root name and no data.
  if (total * (1 + RECORD_BYTES) > bytes.length - questionEnd) return null;
  const ttlAt = new Uint16Array(total);
  const ends = new Uint16Array(total);
  const life = new Lifetime(type);
  let code = flags & Flag.CODE;
  let at = questionEnd;
  let kept = 0;
  let sawOpt = false;
  for (let i = 0; i < total; i++) {
    if (names.read(at) === null || names.end + RECORD_BYTES > bytes.length) return null;
    const fixed = names.end;
    const start = fixed + RECORD_BYTES;
    const end = start + u16(fixed + 8);
    if (end > bytes.length || !isDataSound(names, u16(fixed), start, end)) return null;
    at = end;
    if (u16(fixed) === RecordType.OPT) {
      if (i < answersAndAuthorities || sawOpt) return null;
      sawOpt = true;
      code |= (bytes[fixed + 4] as number) << 4;
    }
    // OPT is between two neighbours; pointers of what follows it would have to be moved.
    if (sawOpt) continue;
    ttlAt[kept] = fixed + 4;
    ends[kept] = end;
    kept++;
    life.add(i < answers, u16(fixed), u16(fixed + 2), u32(bytes, fixed + 4), () => u32(bytes, end - 4));
  }
  return {
    ...{ ...head, code, answers, authorities: answersAndAuthorities - answers },
    additionals: kept - answersAndAuthorities,
    ...{ ttlAt: ttlAt.subarray(0, kept), ends: ends.subarray(0, kept), lifetimeS: life.seconds(code) },
  };
}

const NO_RECORDS = {
  ...{ answers: 0, authorities: 0, additionals: 0, lifetimeS: 0 },
  ...{ ttlAt: new Uint16Array(0), ends: new Uint16Array(0) },
};

/** How long an answer is good for, by its records. */
class Lifetime {
  readonly #type: number;
  #lowestTtlS = MAX_LIFETIME_S;
  #negativeS = 0;
  #isPositive = false;

  constructor(type: number) {
    this.#type = type;
  }

  add(isAnswer: boolean, type: number, kind: number, ttl: number, soaMinimum: () => number): void {
    // What has its highest bit set counts as 0 (RFC 2181 §8).
    const ttlS = ttl > 0x7fffffff ? 0 : ttl;
    this.#lowestTtlS = Math.min(this.#lowestTtlS, ttlS);
    if (kind !== CLASS_IN) return;
    if (isAnswer && (type === this.#type || this.#type === RecordType.ANY)) this.#isPositive = true;
    if (!isAnswer && type === RecordType.SOA) {
      this.#negativeS = Math.min(ttlS, soaMinimum(), MAX_NEGATIVE_LIFETIME_S);
    }
  }

  seconds(code: number): number {
    if (code === ResponseCode.NOERROR && this.#isPositive) return this.#lowestTtlS;
    const isNegative = code === ResponseCode.NOERROR || code === ResponseCode.NXDOMAIN;
    return isNegative ? Math.min(this.#negativeS, this.#lowestTtlS) : 0;
  }
}

/** RFC 3597 §4: only these types may have compressed names in their data. */
function isDataSound(names: NameReader, type: number, start: number, end: number): boolean {
  switch (type) {
    case RecordType.A:
      return end - start === 4;
    case RecordType.AAAA:
      return end - start === 16;
    case RecordType.NS:
    case RecordType.CNAME:
    case RecordType.PTR:
      return names.read(start) !== null && names.end === end;
    case RecordType.MX:
      return end - start > 2 && names.read(start + 2) !== null && names.end === end;
    case RecordType.SRV:
      return end - start > 6 && names.read(start + 6) !== null && names.end === end;
    case RecordType.SOA:
      return names.read(start) !== null && names.read(names.end) !== null && names.end + 20 === end;
    default:
      return true;
  }
}

function u32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  return high * 0x1_0000 + (((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
}
