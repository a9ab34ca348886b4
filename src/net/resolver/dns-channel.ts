// Asks DNS servers: one query at a time per socket, over UDP and, where an answer is cut, over TCP.
import { randomInt } from 'node:crypto';
import type { Address, ByteStream } from '../../base/byte-stream.ts';
import type { Clock, Random, Timer } from '../../base/clock.ts';
import { type DnsRecord, decodeAnswer, encodeQuery, ResponseCode } from '../../wire/dns/message.ts';
import type { Engine, UdpSocket } from '../engine.ts';
import type { ResolverSettings } from './resolver.ts';
import type { SystemFiles } from './system-files.ts';

export type QueryOutcome =
  | { readonly kind: 'answer'; readonly records: readonly DnsRecord[] }
  | { readonly kind: 'not-found' }
  | {
      readonly kind: 'failed';
      /** Source: c-ares, ares_strerror. */
      readonly text: string;
      readonly timeouts: number;
      readonly isServerFault: boolean;
    };

type ChannelParts = {
  readonly engine: Pick<Engine, 'bindUdp' | 'connect'>;
  readonly clock: Clock;
  readonly random: Random;
};

/** Sockets at once; further queries wait their turn. */
const MAX_ACTIVE_QUERIES = 128;
const DNS_PORT = 53;
/** Source: resolv.conf(5): the server where none is named. */
const THIS_MACHINE: Address = Object.freeze({ family: 'ipv4', address: '127.0.0.1', port: DNS_PORT });
/** RFC 1035 §4.2.2: two bytes of length before each message. */
const MAX_TCP_BYTES = 2 + 65_535;

const BAD_NAME = failed('Misformatted domain name', false);
const BAD_REPLY = failed('Misformatted DNS reply', false);
const UNREACHABLE = failed('Could not contact DNS servers', true);
const TIMED_OUT = 'Timeout while contacting DNS servers';

/** Answers that another server, or another try, may do better. */
const RETRIED: ReadonlyMap<number, QueryOutcome> = new Map([
  [ResponseCode.SERVFAIL, failed('DNS server returned general failure', true)],
  [ResponseCode.NOTIMP, failed('DNS server does not implement requested operation', true)],
  [ResponseCode.REFUSED, failed('DNS server refused query', true)],
]);
const FORMAT_ERROR = failed('DNS server claims query was misformatted', false);

export class DnsChannel {
  readonly settings: ResolverSettings;
  readonly parts: ChannelParts;
  readonly #files: SystemFiles;
  #active = 0;
  readonly #waiting: Query[] = [];

  constructor(settings: ResolverSettings, files: SystemFiles, parts: ChannelParts) {
    this.settings = settings;
    this.parts = parts;
    this.#files = files;
  }

  /** Asks for the records of one type. Null when the callback was called during the call. */
  query(name: string, type: number, callback: (outcome: QueryOutcome) => void): { cancel(): void } | null {
    if (encodeQuery({ id: 0, name, type, udpPayloadBytes: 0 }) === null) {
      callback(BAD_NAME);
      return null;
    }
    const query = new Query(this, name, type, callback);
    if (this.#active < MAX_ACTIVE_QUERIES) this.#start(query);
    else this.#waiting.push(query);
    return query;
  }

  #start(query: Query): void {
    this.#active++;
    query.start();
  }

  /** For queries: one is over. */
  ended(query: Query): void {
    if (!query.hasStarted) {
      const at = this.#waiting.indexOf(query);
      if (at >= 0) this.#waiting.splice(at, 1);
      return;
    }
    this.#active--;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#start(next);
  }

  get servers(): readonly Address[] {
    const { servers, serversAreFallback } = this.settings;
    if (servers.length > 0 && !serversAreFallback) return servers;
    const system = this.#files.resolvConf.servers;
    if (system.length > 0) return system;
    return servers.length > 0 ? servers : [THIS_MACHINE];
  }

  get timeoutMs(): number {
    return this.settings.timeoutMs > 0 ? this.settings.timeoutMs : this.#files.resolvConf.timeoutMs;
  }

  get tries(): number {
    return this.settings.tries > 0 ? this.settings.tries : this.#files.resolvConf.attempts;
  }

  get rotate(): boolean {
    return this.settings.rotate || (this.settings.timeoutMs === 0 && this.#files.resolvConf.rotate);
  }
}

//  start ─► try: UDP ──answer cut──► TCP ──► answer ─► callback
//            ▲    └─ silence, SERVFAIL, refused …┐
//            └───────── next server ◄────────────┘ until all servers were tried `tries` times
class Query {
  readonly #channel: DnsChannel;
  readonly #name: string;
  readonly #type: number;
  readonly #callback: (outcome: QueryOutcome) => void;
  readonly #timer: Timer;
  #servers: readonly Address[] = [];
  #first = 0;
  #attempt = 0;
  #timeouts = 0;
  #id = 0;
  #usesEdns: boolean;
  #isOver = false;
  hasStarted = false;
  #udp: UdpSocket | null = null;
  #dial: { cancel(): void } | null = null;
  #tcp: ByteStream | null = null;
  #received: Buffer = Buffer.alloc(0);

  constructor(channel: DnsChannel, name: string, type: number, callback: (outcome: QueryOutcome) => void) {
    this.#channel = channel;
    this.#name = name;
    this.#type = type;
    this.#callback = callback;
    this.#usesEdns = channel.settings.udpPayloadBytes > 0;
    this.#timer = channel.parts.clock.timer(timedOut, this);
  }

  start(): void {
    this.hasStarted = true;
    this.#servers = this.#channel.servers;
    if (this.#channel.rotate) this.#first = this.#channel.parts.random.below(this.#servers.length);
    this.#try(this.#channel.settings.useTcp);
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#closeSockets();
    this.#channel.ended(this);
  }

  get #server(): Address {
    const server = this.#servers[(this.#first + this.#attempt) % this.#servers.length] as Address;
    return server.port === 0 ? { ...server, port: DNS_PORT } : server;
  }

  #try(byTcp: boolean): void {
    this.#closeSockets();
    // Guessing an answer takes the id and, as each try has a socket of its own, the port that the system drew.
    this.#id = randomInt(0x1_0000);
    const bytes = encodeQuery({
      id: this.#id,
      name: this.#name,
      type: this.#type,
      udpPayloadBytes: this.#usesEdns ? this.#channel.settings.udpPayloadBytes : 0,
    }) as Buffer;
    this.#timer.arm(this.#timeoutMs());
    if (byTcp) this.#sendByTcp(bytes);
    else this.#sendByUdp(bytes);
  }

  /** Doubles with each round through the servers; later rounds are drawn from the upper half. Source: c-ares. */
  #timeoutMs(): number {
    const base = this.#channel.timeoutMs;
    const longest = base * 2 ** Math.min(Math.floor(this.#attempt / this.#servers.length), 6);
    return longest === base ? base : longest / 2 + this.#channel.parts.random.below(Math.ceil(longest / 2));
  }

  #sendByUdp(bytes: Buffer): void {
    const server = this.#server;
    const any: Address =
      server.family === 'ipv6'
        ? { family: 'ipv6', address: '::', port: 0 }
        : { family: 'ipv4', address: '0.0.0.0', port: 0 };
    const socket = this.#channel.parts.engine.bindUdp(
      any,
      { connectTo: server },
      {
        onDatagram: (chunk, start, end) => {
          this.#onMessage(chunk.subarray(start, end), false);
        },
        onError: () => this.#tryFailed(UNREACHABLE),
      },
    );
    if ('errno' in socket) {
      this.#tryFailed(UNREACHABLE);
      return;
    }
    this.#udp = socket;
    // What could not be sent is as lost as what got lost on its way: the timer tries again.
    socket.send(bytes, 0, bytes.length, null);
  }

  #sendByTcp(bytes: Buffer): void {
    const message = Buffer.alloc(2 + bytes.length);
    message.writeUInt16BE(bytes.length);
    bytes.copy(message, 2);
    this.#received = Buffer.alloc(0);
    this.#dial = this.#channel.parts.engine.connect(this.#server, {}, (stream) => {
      this.#dial = null;
      if (stream === null) {
        this.#tryFailed(UNREACHABLE);
        return;
      }
      this.#tcp = stream;
      stream.handler = {
        onData: (chunk, start, end) => this.#onTcpData(chunk, start, end),
        onEnd: () => this.#tryFailed(UNREACHABLE),
        onDrain: () => {},
        onClose: () => this.#tryFailed(UNREACHABLE),
      };
      stream.write(message);
    });
  }

  #onTcpData(chunk: Buffer, start: number, end: number): void {
    if (this.#received.length + end - start > MAX_TCP_BYTES) {
      this.#tryFailed(BAD_REPLY);
      return;
    }
    // A copy, as the chunk is borrowed; an answer is a few chunks at most.
    this.#received = Buffer.concat([this.#received, chunk.subarray(start, end)]);
    const received = this.#received;
    if (received.length < 2) return;
    const length = received.readUInt16BE(0);
    if (received.length < 2 + length) return;
    if (!this.#onMessage(received.subarray(2, 2 + length), true)) this.#tryFailed(BAD_REPLY);
  }

  /** False when it is no answer to this question: whoever sent it, the true one may still come. */
  #onMessage(bytes: Buffer, byTcp: boolean): boolean {
    if (this.#isOver) return true;
    const answer = decodeAnswer(bytes);
    if (answer === null) {
      this.#tryFailed(BAD_REPLY);
      return true;
    }
    const wanted = this.#name.toLowerCase().replace(/\.$/, '');
    const { question } = answer;
    if (answer.id !== this.#id || question?.type !== this.#type || question.name !== wanted) return false;
    if (answer.isTruncated && !byTcp) {
      this.#try(true);
      return true;
    }
    if (answer.code === ResponseCode.FORMERR || answer.code === ResponseCode.BADVERS) {
      // A server from before EDNS.
      if (this.#usesEdns) {
        this.#usesEdns = false;
        this.#try(byTcp);
      } else this.#end(FORMAT_ERROR);
      return true;
    }
    const retried = RETRIED.get(answer.code);
    if (retried !== undefined) this.#tryFailed(retried);
    else if (answer.code === ResponseCode.NXDOMAIN) this.#end({ kind: 'not-found' });
    // Source: c-ares: any other code counts as an answer without data.
    else this.#end({ kind: 'answer', records: answer.code === ResponseCode.NOERROR ? answer.records : [] });
    return true;
  }

  /** For the timer. */
  onTimeout(): void {
    this.#timeouts++;
    this.#tryFailed({ kind: 'failed', text: TIMED_OUT, timeouts: this.#timeouts, isServerFault: false });
  }

  #tryFailed(outcome: QueryOutcome): void {
    if (this.#isOver) return;
    this.#attempt++;
    if (this.#attempt >= this.#channel.tries * this.#servers.length) this.#end(outcome);
    else this.#try(this.#channel.settings.useTcp);
  }

  #end(outcome: QueryOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#closeSockets();
    this.#channel.ended(this);
    this.#callback(outcome);
  }

  #closeSockets(): void {
    this.#timer.disarm();
    this.#udp?.close();
    this.#udp = null;
    this.#dial?.cancel();
    this.#dial = null;
    const tcp = this.#tcp;
    this.#tcp = null;
    if (tcp === null) return;
    tcp.handler = DEAF;
    tcp.destroy();
  }
}

const DEAF = { onData() {}, onEnd() {}, onDrain() {}, onClose() {} };

function timedOut(query: Query): void {
  query.onTimeout();
}

function failed(text: string, isServerFault: boolean): QueryOutcome {
  return { kind: 'failed', text, timeouts: 0, isServerFault };
}
