// A scripted DNS server for tests, UDP and TCP on one port: what it answers may be changed, or be a lie, at any time.
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { createServer } from 'node:net';
import type { Server, Socket as TcpSocket } from 'node:net';

export type DnsQuery = { readonly name: string; readonly type: DnsType; readonly tcp: boolean };

export type DnsType = 'A' | 'AAAA' | 'CNAME' | 'SRV' | 'other';

/** One record: an address, 'CNAME target', or 'SRV priority weight port target'; `owner` if it is not the question. */
export type DnsAnswer = string | { readonly data: string; readonly ttl?: number; readonly owner?: string };

export type DnsReply = {
  /** Default 0 (NOERROR); 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. */
  readonly code?: number;
  readonly answers?: readonly DnsAnswer[];
  /** Answers UDP with the truncation bit and nothing else. */
  readonly truncated?: boolean;
  /** Sends nothing. */
  readonly silent?: boolean;
  /** Sends these bytes (hex) instead. */
  readonly raw?: string;
  /** Lies: another id, or another question. */
  readonly wrongId?: boolean;
  readonly wrongQuestion?: boolean;
  readonly delayMs?: number;
  /** Answers a query with EDNS with FORMERR and no OPT record, as old servers do. */
  readonly noEdns?: boolean;
  /** In the authority section: how long nothing is good for, TTL and minimum. */
  readonly soa?: readonly [ttl: number, minimum: number];
  /** Sends as many answers with wrong ids first. */
  readonly lies?: number;
};

/** By name, or 'name/TYPE', which goes first. A list of strings is a list of answers of fitting type. */
export type DnsZone = Readonly<Record<string, DnsReply | readonly DnsAnswer[]>>;

const TYPES: Readonly<Record<number, DnsType>> = { 1: 'A', 28: 'AAAA', 5: 'CNAME', 33: 'SRV' };
const NUMBERS = { A: 1, AAAA: 28, CNAME: 5, SRV: 33, other: 255 } as const;
const DEFAULT_TTL_S = 60;

export class DnsServer {
  /** Names that are not in it do not exist. */
  zone: DnsZone = {};
  readonly queries: DnsQuery[] = [];
  readonly #udp: Socket;
  readonly #tcp: Server;
  readonly #connections = new Set<TcpSocket>();
  port = 0;

  private constructor() {
    this.#udp = createSocket('udp4');
    this.#udp.on('message', (query, from) => {
      this.#answer(query, false, (reply) => this.#udp.send(reply, from.port, from.address, () => {}));
    });
    this.#tcp = createServer((socket) => this.#onConnection(socket));
  }

  /** On a port that is free for both UDP and TCP. */
  static async start(port = 0): Promise<DnsServer> {
    const server = new DnsServer();
    await new Promise<void>((resolve, reject) => {
      server.#tcp.once('error', reject);
      server.#tcp.listen(port, '127.0.0.1', resolve);
    });
    const address = server.#tcp.address();
    server.port = typeof address === 'object' && address !== null ? address.port : 0;
    await new Promise<void>((resolve, reject) => {
      server.#udp.once('error', reject);
      server.#udp.bind(server.port, '127.0.0.1', resolve);
    });
    return server;
  }

  async close(): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    await Promise.all([
      new Promise<void>((resolve) => this.#udp.close(() => resolve())),
      new Promise<void>((resolve) => this.#tcp.close(() => resolve())),
    ]);
  }

  #onConnection(socket: TcpSocket): void {
    this.#connections.add(socket);
    let kept: Buffer = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      kept = Buffer.concat([kept, chunk]);
      while (kept.length >= 2 && kept.length >= 2 + kept.readUInt16BE(0)) {
        const end = 2 + kept.readUInt16BE(0);
        this.#answer(kept.subarray(2, end), true, (reply) => {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          socket.write(Buffer.concat([length, reply]));
        });
        kept = kept.subarray(end);
      }
    });
  }

  #answer(query: Buffer, tcp: boolean, send: (reply: Buffer) => void): void {
    let at = 12;
    const labels: string[] = [];
    while (at < query.length && query[at] !== 0) {
      const length = query[at] as number;
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const name = labels.join('.').toLowerCase();
    const type = TYPES[query.readUInt16BE(at + 1)] ?? 'other';
    const question = query.subarray(12, at + 5);
    this.queries.push({ name, type, tcp });
    const found = this.zone[`${name}/${type}`] ?? this.zone[name] ?? { code: 3 };
    const reply: DnsReply = 'length' in found ? { answers: found } : found;
    if (reply.silent === true) return;
    const hasEdns = query.readUInt16BE(10) > 0;
    const bytes = makeReply(query, question, name, type, reply, tcp, hasEdns);
    for (let i = reply.lies ?? 0; i > 0 && !tcp; i--) send(makeReply(query, question, name, type, LIE, tcp, hasEdns));
    if (reply.delayMs === undefined) send(bytes);
    else setTimeout(send, reply.delayMs, bytes).unref();
  }
}

const LIE: DnsReply = { wrongId: true, answers: ['6.6.6.6'] };

function makeReply(
  query: Buffer,
  question: Buffer,
  name: string,
  type: DnsType,
  reply: DnsReply,
  tcp: boolean,
  hasEdns: boolean,
): Buffer {
  if (reply.raw !== undefined) return Buffer.from(reply.raw, 'hex');
  const isCut = reply.truncated === true && !tcp;
  const refusesEdns = reply.noEdns === true && hasEdns;
  const records = isCut || refusesEdns ? [] : recordsOf(name, type, reply.answers ?? []);
  const head = Buffer.alloc(12);
  head.writeUInt16BE((query.readUInt16BE(0) + (reply.wrongId === true ? 1 : 0)) & 0xffff, 0);
  head.writeUInt16BE(0x8180 | (isCut ? 0x0200 : 0) | (refusesEdns ? 1 : (reply.code ?? 0)), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  const authorities = reply.soa === undefined || isCut ? [] : [soaRecord(...reply.soa)];
  head.writeUInt16BE(authorities.length, 8);
  const asked =
    reply.wrongQuestion === true ? Buffer.concat([nameBytes('liar.test'), question.subarray(-4)]) : question;
  return Buffer.concat([head, asked, ...records, ...authorities]);
}

function recordsOf(name: string, type: DnsType, answers: readonly DnsAnswer[]): Buffer[] {
  const records: Buffer[] = [];
  for (const answer of answers) {
    const { data, ttl = DEFAULT_TTL_S, owner = name } = typeof answer === 'string' ? { data: answer } : answer;
    const [kind, bytes] = dataOf(data);
    if (kind !== type && kind !== 'CNAME') continue;
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE(NUMBERS[kind], 0);
    fixed.writeUInt16BE(1, 2);
    fixed.writeUInt32BE(ttl, 4);
    fixed.writeUInt16BE(bytes.length, 8);
    // A pointer to the question where it names the record: answers are short, and decoders follow it.
    const ownerBytes = owner === name ? Buffer.from([0xc0, 12]) : nameBytes(owner);
    records.push(Buffer.concat([ownerBytes, fixed, bytes]));
  }
  return records;
}

function soaRecord(ttl: number, minimum: number): Buffer {
  const fixed = Buffer.alloc(11);
  fixed.writeUInt16BE(6, 1);
  fixed.writeUInt16BE(1, 3);
  fixed.writeUInt32BE(ttl, 5);
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32BE(minimum, 16);
  const data = Buffer.concat([nameBytes('ns.test'), nameBytes('admin.test'), numbers]);
  fixed.writeUInt16BE(data.length, 9);
  return Buffer.concat([fixed, data]);
}

function dataOf(data: string): readonly [DnsType, Buffer] {
  const words = data.split(' ');
  if (words[0] === 'CNAME') return ['CNAME', nameBytes(words[1] ?? '')];
  if (words[0] === 'SRV') {
    const fixed = Buffer.alloc(6);
    for (let i = 0; i < 3; i++) fixed.writeUInt16BE(Number(words[i + 1]), 2 * i);
    return ['SRV', Buffer.concat([fixed, nameBytes(words[4] ?? '')])];
  }
  if (!data.includes(':')) return ['A', Buffer.from(data.split('.').map(Number))];
  const [left = '', right = ''] = data.split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === '' ? [] : right.split(':');
  const groups = [...head, ...new Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
  const bytes = Buffer.alloc(16);
  for (const [i, group] of groups.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i);
  return ['AAAA', bytes];
}

function nameBytes(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([
    ...labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`)),
    Buffer.from([0]),
  ]);
}
