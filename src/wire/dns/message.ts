// DNS messages (RFC 1035, EDNS of RFC 6891): queries are written, answers are read; malformed ones are null.
import { formatIp } from '../../base/ip.ts';
import { encodeName, NameReader } from './name.ts';

/** Source: IANA "DNS Resource Record types". */
export const RecordType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  ANY: 255,
} as const;
/** Source: IANA "DNS RCODEs". */
export const ResponseCode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;

export const CLASS_IN = 1;
export const HEADER_BYTES = 12;
/** Of the header's second word. */
export const Flag = {
  RESPONSE: 0x8000,
  OPCODE: 0x7800,
  AUTHORITATIVE: 0x0400,
  TRUNCATED: 0x0200,
  RECURSION_DESIRED: 0x0100,
  RECURSION_AVAILABLE: 0x0080,
  AUTHENTIC_DATA: 0x0020,
  CHECKING_DISABLED: 0x0010,
  CODE: 0x000f,
} as const;
/** Of OPT's flags. RFC 3225. */
export const DNSSEC_OK = 0x8000;
/** A length that the fixed part of every record has: type, class, TTL, length of data. */
export const RECORD_BYTES = 10;
/** OPT without options, with its root name. */
export const OPT_BYTES = 11;

export type DnsQuestion = {
  /** Lower case, without a final dot. */
  readonly name: string;
  readonly type: number;
};

export type DnsRecord =
  | { readonly kind: 'A' | 'AAAA'; readonly owner: string; readonly ttlS: number; readonly address: string }
  | { readonly kind: 'CNAME'; readonly owner: string; readonly ttlS: number; readonly target: string }
  | {
      readonly kind: 'SRV';
      readonly owner: string;
      readonly ttlS: number;
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    };

export type DnsAnswer = {
  readonly id: number;
  readonly code: number;
  readonly isTruncated: boolean;
  readonly question: DnsQuestion | null;
  /** Of the answer section, in its order; records of other types are left out. */
  readonly records: readonly DnsRecord[];
};

export type QueryOptions = {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  /** Largest UDP answer that is welcome, sent as EDNS; 0 sends no EDNS. */
  readonly udpPayloadBytes: number;
};

/** A query that asks for recursion; null when the name is no domain name. */
export function encodeQuery({ id, name, type, udpPayloadBytes }: QueryOptions): Buffer | null {
  const hasEdns = udpPayloadBytes > 0;
  const bytes = [id >>> 8, id & 0xff, Flag.RECURSION_DESIRED >>> 8, 0, 0, 1, 0, 0, 0, 0, 0, hasEdns ? 1 : 0];
  if (!encodeName(name, bytes)) return null;
  bytes.push(type >>> 8, type & 0xff, 0, CLASS_IN);
  // OPT (RFC 6891 §6.1.2): root name, type, payload size as class, extended code and flags 0, no options.
  if (hasEdns) bytes.push(0, 0, RecordType.OPT, udpPayloadBytes >>> 8, udpPayloadBytes & 0xff, 0, 0, 0, 0, 0, 0);
  return Buffer.from(bytes);
}

/** Reads an answer out of bytes[0, bytes.length); null when it is malformed or no answer to a standard query. */
export function decodeAnswer(bytes: Uint8Array): DnsAnswer | null {
  if (bytes.length < HEADER_BYTES) return null;
  const u16 = (at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  const flags = u16(2);
  if ((flags & Flag.RESPONSE) === 0 || (flags & Flag.OPCODE) !== 0) return null;
  const names = new NameReader(bytes, bytes.length);
  let at = HEADER_BYTES;
  let question: DnsQuestion | null = null;
  for (let i = u16(4); i > 0; i--) {
    const name = names.read(at);
    if (name === null || names.end + 4 > bytes.length) return null;
    if (question === null && u16(names.end + 2) === CLASS_IN) question = { name, type: u16(names.end) };
    at = names.end + 4;
  }
  const isTruncated = (flags & Flag.TRUNCATED) !== 0;
  const records: DnsRecord[] = [];
  // What is left of a truncated answer may end anywhere: it is asked for again by TCP.
  if (isTruncated) return { id: u16(0), code: flags & 0x0f, isTruncated, question, records };
  const answers = u16(6);
  const others = u16(8) + u16(10);
  let code = flags & 0x0f;
  for (let i = 0; i < answers + others; i++) {
    const owner = names.read(at);
    const fixed = names.end;
    if (owner === null || fixed + 10 > bytes.length) return null;
    const start = fixed + 10;
    const end = start + u16(fixed + 8);
    if (end > bytes.length) return null;
    at = end;
    const type = u16(fixed);
    // The upper bits of the code are in the TTL of the OPT record.
    if (type === RecordType.OPT && i >= answers) code |= (bytes[fixed + 4] as number) << 4;
    if (i >= answers || u16(fixed + 2) !== CLASS_IN) continue;
    const record = decodeRecord(bytes, names, type, owner, ttl(bytes, fixed + 4), start, end);
    if (record === null) return null;
    if (record !== undefined) records.push(record);
  }
  return { id: u16(0), code, isTruncated, question, records };
}

/** Seconds; what has its highest bit set counts as 0 (RFC 2181 §8). */
function ttl(bytes: Uint8Array, at: number): number {
  const high = bytes[at] as number;
  if (high > 0x7f) return 0;
  return (
    (high << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
  );
}

/** Undefined for a type that is not of interest, null for malformed data. */
function decodeRecord(
  bytes: Uint8Array,
  names: NameReader,
  type: number,
  owner: string,
  ttlS: number,
  start: number,
  end: number,
): DnsRecord | null | undefined {
  switch (type) {
    case RecordType.A:
      if (end - start !== 4) return null;
      return {
        kind: 'A',
        owner,
        ttlS,
        address: `${bytes[start]}.${bytes[start + 1]}.${bytes[start + 2]}.${bytes[start + 3]}`,
      };
    case RecordType.AAAA:
      if (end - start !== 16) return null;
      return { kind: 'AAAA', owner, ttlS, address: ipv6Text(bytes, start) };
    case RecordType.CNAME: {
      const target = names.read(start);
      return target === null || names.end !== end ? null : { kind: 'CNAME', owner, ttlS, target };
    }
    case RecordType.SRV: {
      if (end - start < 7) return null;
      const target = names.read(start + 6);
      if (target === null || names.end !== end) return null;
      const u16 = (at: number): number => ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
      return { kind: 'SRV', owner, ttlS, priority: u16(start), weight: u16(start + 2), port: u16(start + 4), target };
    }
    default:
      return undefined;
  }
}

function ipv6Text(bytes: Uint8Array, start: number): string {
  const word = (at: number): number =>
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0;
  return formatIp({ family: 'ipv6', w0: word(start), w1: word(start + 4), w2: word(start + 8), w3: word(start + 12) });
}
