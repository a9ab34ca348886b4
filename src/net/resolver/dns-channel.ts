// Asks DNS servers: one query at a time per socket, over UDP and, where an answer is cut, over TCP.
import { randomInt } from 'node:crypto';
import type { Address } from '../../base/byte-stream.ts';
import type { Clock, Random, Timer } from '../../base/clock.ts';
import { type DnsRecord, decodeAnswer, encodeQuery, ResponseCode } from '../../wire/dns/message.ts';
import type { Engine } from '../engine.ts';
import { DnsTransport, type TransportHandler } from './dns-transport.ts';
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

/** Source: c-ares, ares_is_hostname. */
const HOST_NAME = /^[\w.*/-]*$/;

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
    if (!HOST_NAME.test(name) || encodeQuery({ id: 0, name, type, udpPayloadBytes: 0 }) === null) {
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
class Query implements TransportHandler {
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
  readonly #transport: DnsTransport;

  constructor(channel: DnsChannel, name: string, type: number, callback: (outcome: QueryOutcome) => void) {
    this.#channel = channel;
    this.#name = name;
    this.#type = type;
    this.#callback = callback;
    this.#usesEdns = channel.settings.udpPayloadBytes > 0;
    this.#timer = channel.parts.clock.timer(timedOut, this);
    this.#transport = new DnsTransport(channel.parts.engine, this);
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
    if (byTcp) this.#transport.sendByTcp(this.#server, bytes);
    else this.#transport.sendByUdp(this.#server, bytes);
  }

  /** Doubles with each round through the servers; later rounds are drawn from the upper half. Source: c-ares. */
  #timeoutMs(): number {
    const base = this.#channel.timeoutMs;
    const longest = base * 2 ** Math.min(Math.floor(this.#attempt / this.#servers.length), 6);
    return longest === base ? base : longest / 2 + this.#channel.parts.random.below(Math.ceil(longest / 2));
  }

  /** For the transport. */
  onFailure(reason: 'unreachable' | 'malformed'): void {
    this.#tryFailed(reason === 'malformed' ? BAD_REPLY : UNREACHABLE);
  }

  /** False when it is no answer to this question: whoever sent it, the true one may still come. */
  onMessage(bytes: Buffer, byTcp: boolean): boolean {
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
    this.#transport.close();
  }
}

function timedOut(query: Query): void {
  query.onTimeout();
}

function failed(text: string, isServerFault: boolean): QueryOutcome {
  return { kind: 'failed', text, timeouts: 0, isServerFault };
}
