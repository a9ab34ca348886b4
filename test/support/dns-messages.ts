// DNS messages for tests of a server: queries as clients write them, and answers as a list of short texts.
import { RecordType } from '../../src/wire/dns/message.ts';
import { encodeName, NameReader } from '../../src/wire/dns/name.ts';
import { formatIp } from '../../src/base/ip.ts';

const TYPE_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(RecordType).map(([name, type]) => [type, name]));
const CODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

export type QueryForm = {
  readonly id?: number;
  readonly class?: number;
  readonly flags?: number;
  /** Offered by EDNS; absent: no EDNS. */
  readonly ednsBytes?: number;
  readonly ednsVersion?: number;
  readonly dnssec?: boolean;
};

export function queryOf(name: string, type: keyof typeof RecordType | number = 'A', form: QueryForm = {}): Buffer {
  const { id = 0x1234, class: kind = 1, flags = 0x0100, ednsBytes, ednsVersion = 0, dnssec = false } = form;
  const number = typeof type === 'number' ? type : RecordType[type];
  const bytes = [id >> 8, id & 255, flags >> 8, flags & 255, 0, 1, 0, 0, 0, 0, 0, ednsBytes === undefined ? 0 : 1];
  if (!encodeName(name, bytes)) throw new Error(`${name} is no domain name`);
  bytes.push(number >> 8, number & 255, kind >> 8, kind & 255);
  if (ednsBytes !== undefined) {
    bytes.push(0, 0, 41, ednsBytes >> 8, ednsBytes & 255, 0, ednsVersion, dnssec ? 0x80 : 0, 0, 0, 0);
  }
  return Buffer.from(bytes);
}

export type ReadReply = {
  readonly id: number;
  readonly code: string;
  /** Of qr aa tc rd ra ad cd, those that are set. */
  readonly flags: string;
  /** As it was sent, with its letters' case; '' for none. */
  readonly question: string;
  /** 'owner TTL TYPE data', of the answer section. */
  readonly answers: readonly string[];
  readonly authorities: readonly string[];
  readonly additionals: readonly string[];
  /** Of OPT; null: there is none. */
  readonly ednsBytes: number | null;
};

/** Reads the whole of a reply, strictly: every byte must belong to a record. */
export function readReply(bytes: Buffer): ReadReply {
  const flags = bytes.readUInt16BE(2);
  const names = new NameReader(bytes, bytes.length);
  let at = 12;
  let question = '';
  for (let i = bytes.readUInt16BE(4); i > 0; i--) {
    names.read(at);
    for (let label = at; bytes[label] !== 0; label += 1 + (bytes[label] as number)) {
      question += `${bytes.toString('latin1', label + 1, label + 1 + (bytes[label] as number))}.`;
    }
    at = names.end + 4;
  }
  let code = flags & 15;
  let ednsBytes: number | null = null;
  const section = (count: number): string[] => {
    const texts: string[] = [];
    for (let i = 0; i < count; i++) {
      const owner = names.read(at);
      if (owner === null) throw new Error(`bad name at ${at}: ${bytes.toString('hex')}`);
      const fixed = names.end;
      const type = bytes.readUInt16BE(fixed);
      const start = fixed + 10;
      const end = start + bytes.readUInt16BE(fixed + 8);
      if (end > bytes.length) throw new Error(`record beyond the end: ${bytes.toString('hex')}`);
      at = end;
      if (type === RecordType.OPT) {
        ednsBytes = bytes.readUInt16BE(fixed + 2);
        code |= (bytes[fixed + 4] as number) << 4;
      } else {
        const data = dataText(bytes, names, type, start, end);
        texts.push(`${owner} ${bytes.readUInt32BE(fixed + 4)} ${TYPE_NAMES.get(type) ?? type} ${data}`);
      }
    }
    return texts;
  };
  const answers = section(bytes.readUInt16BE(6));
  const authorities = section(bytes.readUInt16BE(8));
  const additionals = section(bytes.readUInt16BE(10));
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes too many: ${bytes.toString('hex')}`);
  return {
    ...{ id: bytes.readUInt16BE(0), code: CODES[code] ?? String(code), flags: flagText(flags), question },
    ...{ answers, authorities, additionals, ednsBytes },
  };
}

function flagText(flags: number): string {
  const names = { qr: 0x8000, aa: 0x400, tc: 0x200, rd: 0x100, ra: 0x80, ad: 0x20, cd: 0x10 };
  return Object.entries(names)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name)
    .join(' ');
}

function dataText(bytes: Buffer, names: NameReader, type: number, start: number, end: number): string {
  switch (type) {
    case RecordType.A:
      return bytes.subarray(start, end).join('.');
    case RecordType.AAAA: {
      const word = (i: number): number => bytes.readUInt32BE(start + 4 * i);
      return formatIp({ family: 'ipv6', w0: word(0), w1: word(1), w2: word(2), w3: word(3) });
    }
    case RecordType.CNAME:
    case RecordType.PTR:
      return String(names.read(start));
    case RecordType.SRV: {
      const numbers = [0, 2, 4].map((at) => bytes.readUInt16BE(start + at));
      return `${numbers.join(' ')} ${names.read(start + 6)}`;
    }
    default:
      return bytes.toString('hex', start, end);
  }
}
