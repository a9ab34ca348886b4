// Clients and upstreams of the HTTP/2 simulation: they speak either protocol, and check what comes to them.
import type { Random } from '../../src/base/clock.ts';
import { headerValues, type Message } from '../support/http1-reader.ts';
import { BodyChecker, BodySender, type BodySink } from './http2-bodies.ts';
import type { Field, Http2MemoryClient, Http2MemoryExchange, Http2MemoryUpstream } from './http2-memory.ts';
import type { MemoryClient, MemoryPeer, MemoryProxy, UpstreamPeer } from './memory-proxy.ts';

/** What both ends of an exchange are going to say. */
export type Plan = {
  readonly id: number;
  readonly request: BodyPlan;
  readonly response: BodyPlan;
  readonly status: number;
};

export type BodyPlan = {
  readonly bytes: number;
  readonly hasLength: boolean;
  readonly hasTrailers: boolean;
};

const TRAILER = 'x-checksum';

/** Numbers of bodies: two for each exchange. */
const requestBody = (plan: Plan): number => plan.id * 2;
const responseBody = (plan: Plan): number => plan.id * 2 + 1;

export function makePlan(random: Random, id: number, mayFail: boolean): Plan {
  const body = (): BodyPlan => {
    const kind = random.below(10);
    const bytes = kind < 3 ? 0 : kind < 6 ? random.below(200) : kind < 9 ? random.below(40_000) : random.below(400_000);
    return { bytes, hasLength: random.below(2) === 0, hasTrailers: random.below(4) === 0 };
  };
  const status = mayFail && random.below(8) === 0 ? 503 : 200;
  return { id, request: body(), response: body(), status };
}

/** A message that comes in, whatever brings it. */
export type Incoming = {
  readonly checker: BodyChecker;
  status: number;
  hasTrailers: boolean;
  /** Its framing has no place for trailers. */
  losesTrailers: boolean;
  isComplete: boolean;
};

function newIncoming(body: number): Incoming {
  return { checker: new BodyChecker(body), status: 0, hasTrailers: false, losesTrailers: false, isComplete: false };
}

/** One end of an exchange. */
export type Party = {
  readonly plan: Plan;
  readonly incoming: Incoming;
  readonly protocol: 'http1' | 'http2';
  sender: BodySender | null;
  /** Nothing more comes, and nothing can go. */
  isOver(): boolean;
  /** Looks at what has come. */
  look(): void;
  stall(): void;
  goOn(most?: number): void;
  giveUp(random: Random): void;
};

// ─── HTTP/2 ───────────────────────────────────────────────────────────────────────────────────────────────────────

function http2Sink(exchange: Http2MemoryExchange, trailer: string): BodySink {
  return {
    get isGone() {
      return exchange.isClosed;
    },
    data: (bytes, isLast) => exchange.send(bytes, isLast),
    trailers: () => exchange.sendTrailers([[TRAILER, trailer]]),
  };
}

function lengthField({ hasLength, bytes }: BodyPlan): Field[] {
  return hasLength ? [['content-length', String(bytes)]] : [];
}

function http2Party(plan: Plan, exchange: Http2MemoryExchange, body: number): Party {
  const incoming = newIncoming(body);
  exchange.onData = (chunk, start, end) => incoming.checker.check(chunk, start, end);
  return {
    plan,
    incoming,
    protocol: 'http2',
    sender: null,
    isOver: () => exchange.isClosed,
    look: () => {
      incoming.status = exchange.head?.status ?? 0;
      incoming.hasTrailers = exchange.trailers?.has(TRAILER) === true;
      incoming.isComplete = exchange.isEnded;
    },
    stall: () => {
      exchange.isStalled = true;
    },
    goOn: (most) => exchange.goOn(most),
    giveUp: (random) => exchange.reset(random.below(2) === 0 ? 'cancel' : 'internal'),
  };
}

export function beginHttp2(client: Http2MemoryClient, plan: Plan): Party {
  const { request, id } = plan;
  const head: Field[] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':authority', 'a'],
    [':path', `/${id}`],
    ...lengthField(request),
  ];
  const exchange = client.open(head, false);
  const party = http2Party(plan, exchange, responseBody(plan));
  party.sender = new BodySender(requestBody(plan), request.bytes, request.hasTrailers, http2Sink(exchange, 'up'));
  return party;
}

/** The upstream's part; it answers later. */
function acceptHttp2(exchange: Http2MemoryExchange, plan: Plan): Party {
  return http2Party(plan, exchange, requestBody(plan));
}

function answerHttp2(exchange: Http2MemoryExchange, party: Party): void {
  const { plan } = party;
  const { response, status } = plan;
  exchange.sendHead([[':status', String(status)], ['x-id', String(plan.id)], ...lengthField(response)]);
  party.sender = new BodySender(responseBody(plan), response.bytes, response.hasTrailers, http2Sink(exchange, 'down'));
}

// ─── HTTP/1 ───────────────────────────────────────────────────────────────────────────────────────────────────────

function http1Sink(peer: MemoryClient | UpstreamPeer, plan: BodyPlan): BodySink {
  const isChunked = !plan.hasLength;
  return {
    get isGone() {
      return peer.isGone;
    },
    data: (bytes, isLast) => {
      const text = bytes.toString('latin1');
      const chunk = text === '' ? '' : `${bytes.length.toString(16)}\r\n${text}\r\n`;
      peer.send(isChunked ? `${chunk}${isLast ? '0\r\n\r\n' : ''}` : text);
    },
    trailers: () => {
      if (isChunked) peer.send(`0\r\n${TRAILER}: yes\r\n\r\n`);
    },
  };
}

function framing({ hasLength, bytes }: BodyPlan): string {
  return hasLength ? `Content-Length: ${bytes}` : 'Transfer-Encoding: chunked';
}

/** Takes in what has come of a message since the last look. */
function lookAt(message: Message, incoming: Incoming): void {
  const fresh = Buffer.from(message.body.slice(incoming.checker.bytes), 'latin1');
  incoming.checker.check(fresh, 0, fresh.length);
  incoming.losesTrailers = message.framing !== 'chunked';
  incoming.hasTrailers = headerValues(message.trailers, TRAILER).length > 0;
  incoming.isComplete = message.complete;
}

const paused = new WeakSet<MemoryPeer>();

/** Streams count how often they were paused; this does it once. */
export function setPaused(peer: MemoryPeer, isPaused: boolean): void {
  if (paused.has(peer) === isPaused) return;
  if (isPaused) {
    paused.add(peer);
    peer.pause();
  } else {
    paused.delete(peer);
    peer.resume();
  }
}

function endPeer(peer: MemoryClient | UpstreamPeer, random: Random): void {
  if (random.below(2) === 0) peer.close();
  else peer.reset();
}

/** One at a time on a connection; `nth` of its answers will be this one's. */
export function beginHttp1(client: MemoryClient, plan: Plan, nth: number): Party {
  const { request, id } = plan;
  client.send(`POST /${id} HTTP/1.1\r\nHost: a\r\n${framing(request)}\r\n\r\n`);
  const incoming = newIncoming(responseBody(plan));
  return {
    plan,
    incoming,
    protocol: 'http1',
    sender: new BodySender(requestBody(plan), request.bytes, request.hasTrailers, http1Sink(client, request)),
    isOver: () => client.isGone || client.responses[nth]?.complete === true,
    look: () => {
      const message = client.responses[nth];
      if (message === undefined || !message.headComplete) return;
      incoming.status = Number(message.startLine.split(' ')[1]);
      lookAt(message, incoming);
    },
    stall: () => setPaused(client, true),
    goOn: () => setPaused(client, false),
    giveUp: (random) => endPeer(client, random),
  };
}

function acceptHttp1(peer: UpstreamPeer, message: Message, plan: Plan): Party {
  const incoming = newIncoming(requestBody(plan));
  return {
    plan,
    incoming,
    protocol: 'http1',
    sender: null,
    isOver: () => peer.isGone,
    look: () => lookAt(message, incoming),
    stall: () => setPaused(peer, true),
    goOn: () => setPaused(peer, false),
    giveUp: (random) => endPeer(peer, random),
  };
}

function answerHttp1(peer: UpstreamPeer, party: Party): void {
  const { plan } = party;
  const { response, status } = plan;
  peer.send(`HTTP/1.1 ${status} X\r\nX-Id: ${plan.id}\r\n${framing(response)}\r\n\r\n`);
  party.sender = new BodySender(responseBody(plan), response.bytes, response.hasTrailers, http1Sink(peer, response));
}

// ─── The upstream of a world ──────────────────────────────────────────────────────────────────────────────────────

/** Attempts as they come to the upstream, and how each is answered. */
export class Attempts {
  readonly all: { readonly party: Party; answer(): void }[] = [];
  readonly #plans: ReadonlyMap<number, Plan>;

  constructor(rig: MemoryProxy, http2: Http2MemoryUpstream | null, plans: ReadonlyMap<number, Plan>) {
    this.#plans = plans;
    rig.upstream.reply = () => '';
    rig.upstream.onHead = (message, peer) => {
      const party = acceptHttp1(peer, message, this.#planOf(message.startLine.split(' ')[1] ?? ''));
      this.all.push({ party, answer: () => answerHttp1(peer, party) });
    };
    if (http2 === null) return;
    http2.reply = () => undefined;
    http2.onHead = (exchange) => {
      const party = acceptHttp2(exchange, this.#planOf(exchange.head?.path ?? ''));
      this.all.push({ party, answer: () => answerHttp2(exchange, party) });
    };
  }

  #planOf(path: string): Plan {
    const plan = this.#plans.get(Number(path.slice(1)));
    if (plan === undefined) throw new Error(`a request for ${path} came that nobody made`);
    return plan;
  }
}
