// One proxy as the control plane sees it: a connection, a delta ADS stream, everything asked for that is named.
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import type { Socket } from 'node:net';
import { decodeResponse, type DeltaResponse, encodeRequest, MessageReader, type WireResource } from './delta-wire.ts';
import { type KnownResource, type ResourceChecks, TYPES } from './resource-checks.ts';

export type ProxyKind = 'heddle' | 'envoy';

/** As Envoy's (source: envoy/config/core/v3/protocol.proto, initial_stream_window_size and its neighbour). */
const STREAM_WINDOW = 16 * 1024 * 1024;
const CONNECTION_WINDOW = 24 * 1024 * 1024;

/** What all proxies of the fleet wait for: a text in a resource of each of these types. */
export class Expectation {
  readonly text: Buffer;
  readonly types: ReadonlySet<string>;
  /** Whether it is in that resource; most proxies have the same ones. */
  readonly #found = new Map<KnownResource, boolean>();

  constructor(text: string, types: Iterable<string>) {
    this.text = Buffer.from(text);
    this.types = new Set(types);
  }

  isIn(resource: KnownResource): boolean {
    let found = this.#found.get(resource);
    if (found === undefined) this.#found.set(resource, (found = resource.body.includes(this.text)));
    return found;
  }
}

export type SidecarOptions = {
  readonly port: number;
  readonly node: Buffer;
  readonly checks: ResourceChecks;
  readonly onEnd: (reason: string) => void;
  /** After the acknowledgement of each response. */
  readonly onTaken: (sidecar: Sidecar) => void;
};

/** Names of one type that are asked for, and what came. */
class Subscription {
  readonly wanted = new Set<string>();
  readonly have = new Map<string, KnownResource>();
  responses = 0;
}

export class Sidecar {
  /** Since `resetCounts`, without the framing of HTTP/2. */
  bytes = 0;
  readonly resources = new Map<string, number>();
  readonly #options: SidecarOptions;
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #reader = new MessageReader();
  readonly #types = new Map<string, Subscription>();
  /** Types of the expectation that have not come yet. */
  #missing = new Set<string>();
  #expectation: Expectation | null = null;
  #isOver = false;
  #hasSentNode = false;

  constructor(options: SidecarOptions) {
    this.#options = options;
    for (const typeUrl of Object.values(TYPES)) this.#types.set(typeUrl, new Subscription());
    this.#session = connect(`http://127.0.0.1:${options.port}`, { settings: { initialWindowSize: STREAM_WINDOW } });
    this.#session.on('connect', (session: ClientHttp2Session) => session.setLocalWindowSize(CONNECTION_WINDOW));
    this.#session.on('error', (error) => this.#end(error.message));
    this.#stream = this.#session.request({
      ':method': 'POST',
      ':path': '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    this.#stream.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#stream.on('error', (error) => this.#end(error.message));
    this.#stream.on('trailers', (trailers) =>
      this.#end(`status ${trailers['grpc-status']} ${trailers['grpc-message']}`),
    );
    this.#stream.on('close', () => this.#end('the stream is closed'));
    this.#ask(TYPES.cds, ['*'], []);
    this.#ask(TYPES.lds, ['*'], []);
  }

  /** Everything that was named has come. */
  get isSynced(): boolean {
    for (const [typeUrl, { wanted, have, responses }] of this.#types) {
      if (wanted.size > 0 && responses === 0) return false;
      if (typeUrl === TYPES.vhds) continue;
      for (const name of wanted) if (name !== '*' && !have.has(name)) return false;
    }
    return true;
  }

  /** What the expectation wants has come and is acknowledged. */
  get isDone(): boolean {
    return this.#missing.size === 0;
  }

  expect(expectation: Expectation): void {
    this.#expectation = expectation;
    this.#missing = new Set(expectation.types);
  }

  resetCounts(): void {
    this.bytes = 0;
    this.resources.clear();
  }

  count(typeUrl: string): number {
    return this.#types.get(typeUrl)!.have.size;
  }

  /** Virtual hosts, in route configurations or by themselves. */
  get hosts(): number {
    let count = this.count(TYPES.vhds);
    for (const known of this.#types.get(TYPES.rds)!.have.values()) count += known.hosts;
    return count;
  }

  close(): void {
    this.#isOver = true;
    this.#stream.destroy();
    this.#session.destroy();
  }

  get socket(): Socket {
    return this.#session.socket as Socket;
  }

  #end(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onEnd(reason);
  }

  #take(chunk: Buffer): void {
    this.bytes += chunk.length;
    try {
      this.#reader.push(chunk, (message) => this.#answer(decodeResponse(message)));
    } catch (error) {
      this.#options.checks.problem(String(error));
      this.close();
    }
  }

  #answer(response: DeltaResponse): void {
    const { typeUrl, nonce } = response;
    const subscription = this.#types.get(typeUrl);
    if (subscription === undefined) return this.#options.checks.problem(`nobody asked for ${typeUrl}`);
    subscription.responses++;
    this.resources.set(typeUrl, (this.resources.get(typeUrl) ?? 0) + response.resources.length);
    for (const resource of response.resources) this.#keep(typeUrl, subscription, resource);
    for (const name of response.removed) subscription.have.delete(name);
    this.#send({ typeUrl, nonce });
    if (typeUrl === TYPES.cds) this.#follow(TYPES.eds, this.#named(subscription));
    if (typeUrl === TYPES.lds) this.#follow(TYPES.rds, this.#named(subscription));
    if (typeUrl === TYPES.rds) this.#follow(TYPES.vhds, spacesOf(subscription));
    this.#options.onTaken(this);
  }

  #keep(typeUrl: string, subscription: Subscription, resource: WireResource): void {
    const known = this.#options.checks.take(typeUrl, resource);
    if (subscription.have.get(known.name) === known) {
      this.#options.checks.problem(`${typeUrl} ${known.name} ${known.version} was sent again`);
    }
    subscription.have.set(known.name, known);
    if (this.#missing.has(typeUrl) && this.#expectation?.isIn(known)) this.#missing.delete(typeUrl);
  }

  #named({ have }: Subscription): Set<string> {
    const names = new Set<string>();
    for (const { refersTo } of have.values()) for (const name of refersTo) names.add(name);
    return names;
  }

  /** Asks for what is named now and was not, and no longer for what is not named any more. */
  #follow(typeUrl: string, names: ReadonlySet<string>): void {
    const { wanted, have } = this.#types.get(typeUrl)!;
    const subscribe = [...names].filter((name) => !wanted.has(name));
    const unsubscribe = [...wanted].filter((name) => !names.has(name));
    for (const name of subscribe) wanted.add(name);
    for (const name of unsubscribe) {
      wanted.delete(name);
      have.delete(name);
    }
    if (subscribe.length + unsubscribe.length > 0) this.#ask(typeUrl, subscribe, unsubscribe);
  }

  #ask(typeUrl: string, subscribe: readonly string[], unsubscribe: readonly string[]): void {
    for (const name of subscribe) this.#types.get(typeUrl)!.wanted.add(name);
    this.#send({ typeUrl, subscribe, unsubscribe });
  }

  #send(request: Parameters<typeof encodeRequest>[0]): void {
    if (this.#isOver) return;
    this.#stream.write(encodeRequest(this.#hasSentNode ? request : { ...request, node: this.#options.node }));
    this.#hasSentNode = true;
  }
}

function spacesOf({ have }: Subscription): Set<string> {
  return new Set([...have.values()].filter(({ hasVhds }) => hasVhds).map(({ name }) => `${name}/`));
}
