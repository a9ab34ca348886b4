// Passes the proxy's discovery streams on to the control plane, byte for byte, with the agent's credentials.
import type { ClientCall, ClientCallHandler } from '../../grpc/client/client-call.ts';
import type { GrpcChannel } from '../../grpc/client/channel.ts';
import { rawMethod } from '../../grpc/raw-method.ts';
import type { AnyServerMethod, ServerCall, ServerCallHandler } from '../../grpc/service.ts';
import { type GrpcStatus, grpcStatus } from '../../grpc/status.ts';
import { typeUrlName } from '../../proto/type-url.ts';
import { GRPC } from '../../wire/grpc/status.ts';
import { AGGREGATED_SERVICE, LISTENER_TYPE } from '../../xds/client/services.ts';
import { addCredentials } from '../secrets/authority-client.ts';
import type { AgentMetrics } from '../metrics.ts';
import { type Had, type Health, healthRequest, type OwnType, subscription, takeResponse } from './own-types.ts';
import { requestTypeUrl, responseTypeUrl } from './peek.ts';

export type RelayParts = {
  readonly channel: GrpcChannel;
  /** The bearer token of a new stream; '' without one. */
  readonly token: () => string | { readonly error: string };
  readonly clusterId: string;
  /** Calls back, perhaps at once, when there is something to prove who asks; what it returns gives the question up. */
  readonly whenAble: (start: () => void) => () => void;
  readonly metrics: AgentMetrics;
  readonly log: (level: 'info' | 'warning', text: string) => void;
};

export class AdsRelay {
  readonly #parts: RelayParts;
  readonly #own = new Map<string, OwnType>();
  readonly #had = new Map<string, Had>();
  readonly #streams = new Set<RelayStream>();
  #health: Health | null = null;

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  /** Asks for a type itself on every stream; before the first one. */
  follow(own: OwnType): void {
    this.#own.set(own.type, own);
  }

  methods(): readonly AnyServerMethod[] {
    return [
      rawMethod(AGGREGATED_SERVICE.stream, (call) => this.#open(call, false)),
      rawMethod(AGGREGATED_SERVICE.delta, (call) => this.#open(call, true)),
    ];
  }

  /** Told to the control plane now and on each new stream. */
  reportHealth(health: Health): void {
    this.#health = health;
    for (const stream of this.#streams) stream.reportHealth(health);
  }

  get activeStreams(): number {
    return this.#streams.size;
  }

  #open(call: ServerCall<unknown>, isDelta: boolean): ServerCallHandler<Buffer> {
    const stream = new RelayStream(this.#parts, call, isDelta, {
      ...{ own: this.#own, had: this.#had },
      health: () => this.#health,
      onOver: () => this.#streams.delete(stream),
    });
    // A proxy that comes again has given up what it had before.
    for (const before of this.#streams) before.end(grpcStatus(GRPC.unavailable, 'the proxy opened another stream'));
    this.#streams.add(stream);
    stream.start();
    return stream;
  }
}

type Surroundings = {
  readonly own: ReadonlyMap<string, OwnType>;
  /** By type. */
  readonly had: Map<string, Had>;
  readonly health: () => Health | null;
  readonly onOver: () => void;
};

class RelayStream implements ServerCallHandler<Buffer> {
  readonly #parts: RelayParts;
  readonly #call: ServerCall<unknown>;
  readonly #isDelta: boolean;
  readonly #surroundings: Surroundings;
  #upstream: ClientCall | null = null;
  #hasAskedOwn = false;
  /** Each side waits until the other one has room. */
  #isProxyPaused = false;
  #isServerPaused = false;
  #isOver = false;
  #giveUp: () => void = () => {};

  constructor(parts: RelayParts, call: ServerCall<unknown>, isDelta: boolean, surroundings: Surroundings) {
    this.#parts = parts;
    this.#call = call;
    this.#isDelta = isDelta;
    this.#surroundings = surroundings;
  }

  /** What the proxy says meanwhile waits. */
  start(): void {
    this.#call.pauseReading();
    this.#giveUp = this.#parts.whenAble(() => {
      if (this.#isOver) return;
      this.#connect();
      this.#call.resumeReading();
    });
  }

  #connect(): void {
    const { channel, token: readToken, clusterId } = this.#parts;
    const token = readToken();
    if (typeof token !== 'string') {
      this.#parts.log('warning', `no stream to the control plane: ${token.error}`);
      this.end(grpcStatus(GRPC.unauthenticated, token.error));
      return;
    }
    const service = this.#isDelta ? AGGREGATED_SERVICE.delta : AGGREGATED_SERVICE.stream;
    const addMetadata = (head: Parameters<typeof addCredentials>[0]): void => addCredentials(head, token, clusterId);
    const handler: ClientCallHandler = {
      onMessage: (buf, start, end) => this.#fromServer(buf, start, end),
      onClose: (status) => this.#ended(status),
      onDrain: () => this.onDrain(),
    };
    this.#upstream = channel.call(service, handler, { addMetadata });
  }

  reportHealth(health: Health): void {
    if (this.#hasAskedOwn) this.#upstream?.sendBytes(healthRequest(health, this.#isDelta));
  }

  // ─── From the proxy ─────────────────────────────────────────────────────────────────────────────────────────────

  onMessage(bytes: Buffer): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    this.#parts.metrics.requestsToServer.cell().add();
    upstream.sendBytes(bytes);
    // As pilot-agent: once the proxy has said who it is, and what matters more has been asked for.
    if (!this.#hasAskedOwn && typeUrlName(requestTypeUrl(bytes, 0, bytes.length, this.#isDelta)) === LISTENER_TYPE) {
      this.#askOwn(upstream);
    }
    if (!upstream.isAboveWatermark || this.#isProxyPaused) return;
    this.#isProxyPaused = true;
    this.#call.pauseReading();
  }

  #askOwn(upstream: ClientCall): void {
    this.#hasAskedOwn = true;
    const { own, had } = this.#surroundings;
    for (const type of own.keys()) upstream.sendBytes(subscription(type, this.#isDelta, had.get(type)));
    const health = this.#surroundings.health();
    if (health !== null) upstream.sendBytes(healthRequest(health, this.#isDelta));
  }

  onEnd(): void {
    this.#upstream?.end();
  }

  onCancelled(): void {
    if (this.#isOver) return;
    this.#parts.metrics.proxyTerminations.cell().add();
    this.#over();
  }

  // ─── From the control plane ─────────────────────────────────────────────────────────────────────────────────────

  #fromServer(buf: Buffer, start: number, end: number): void {
    const own = this.#surroundings.own.get(typeUrlName(responseTypeUrl(buf, start, end)));
    if (own !== undefined) {
      takeResponse(own, buf.subarray(start, end), this.#isDelta, (answer, had) => {
        if (had !== null) this.#surroundings.had.set(own.type, had);
        this.#upstream?.sendBytes(answer);
      });
      return;
    }
    this.#parts.metrics.responsesToProxy.cell().add();
    this.#call.sendBytes(buf.subarray(start, end));
    if (!this.#call.isAboveWatermark || this.#isServerPaused) return;
    this.#isServerPaused = true;
    this.#upstream?.pauseReading();
  }

  /** One of both sides has room again. */
  onDrain(): void {
    if (this.#isServerPaused && !this.#call.isAboveWatermark) {
      this.#isServerPaused = false;
      this.#upstream?.resumeReading();
    }
    if (this.#isProxyPaused && this.#upstream?.isAboveWatermark === false) {
      this.#isProxyPaused = false;
      this.#call.resumeReading();
    }
  }

  /** The proxy begins anew, from the beginning: what it asked for may go to another control plane. */
  #ended(status: GrpcStatus): void {
    if (this.#isOver) return;
    const { metrics, log } = this.#parts;
    metrics.serverTerminations.cell().add();
    log(
      status.code === GRPC.ok ? 'info' : 'warning',
      `the stream to the control plane ended: ${status.code} ${status.message}`,
    );
    this.end(status);
  }

  end(status: GrpcStatus): void {
    if (this.#isOver) return;
    this.#over();
    this.#call.end(status);
  }

  #over(): void {
    this.#isOver = true;
    this.#giveUp();
    this.#upstream?.cancel();
    this.#surroundings.onOver();
  }
}
