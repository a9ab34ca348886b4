// What an xDS server is told, and what it tells: who may connect, what each client sees, limits, and what happened.
import type { Clock } from '../../base/clock.ts';
import type { GrpcStatus } from '../../grpc/status.ts';
import type { ServerCall } from '../../grpc/service.ts';
import type { Node } from '../../proto/generated/types.d.ts';
import type { ResourceView } from './resource.ts';
import type { XdsStream } from './stream.ts';

/** A client that was let in. */
export type XdsAdmission = {
  readonly view: ResourceView;
  /** For logs, pages and refusals: the node's id. */
  readonly label: string;
  /** It says when what it took on is in effect; of others that is so once they have acknowledged it. */
  readonly reportsLive: boolean;
  /** Of a response of which it refuses some resources it takes the others on, whatever their type. */
  readonly takesGoodOnes: boolean;
  /** The stream is over. */
  close(): void;
};

export type XdsServerParts<Identity> = {
  readonly clock: Clock;
  /** ControlPlane.identifier of responses. */
  readonly identifier: string;
  /** Who calls, by certificate, token or address; a status turns the call away. */
  authenticate(call: ServerCall<unknown>): Identity | GrpcStatus | Promise<Identity | GrpcStatus>;
  /** What this node may see; a status turns it away. May be asked for hundreds of nodes in a row. */
  admit(identity: Identity, node: Node): XdsAdmission | GrpcStatus | Promise<XdsAdmission | GrpcStatus>;
  readonly observer?: XdsObserver;
  readonly limits?: Partial<XdsLimits>;
};

export type XdsRefusalOf = {
  readonly typeUrl: string;
  /** The resource that was refused; '' where the client's text does not tell. */
  readonly name: string;
  /** The version that was refused. */
  readonly version: string;
  /** The client's words. */
  readonly message: string;
};

/** Hears what happens on all streams. */
export type XdsObserver = {
  opened?(stream: XdsStream): void;
  closed?(stream: XdsStream): void;
  /** `durationMs`: from the moment that there was something to send until it was handed over. */
  sent?(stream: XdsStream, typeUrl: string, resources: number, bytes: number, durationMs: number): void;
  /** The client has taken on, refused or put into effect what it was sent, or needs nothing of what changed. */
  progressed?(stream: XdsStream): void;
  refused?(stream: XdsStream, refusal: XdsRefusalOf): void;
  counted?(event: XdsEvent, typeUrl: string): void;
};

/**
 * expired-nonce: an answer to a response that is not the last one; unknown-type: a type that nobody serves;
 * stalled: a client that does not read was ended; flood: a client beyond a limit was ended.
 */
export type XdsEvent = 'expired-nonce' | 'unknown-type' | 'stalled' | 'flood' | 'outrun';

export type XdsLimits = {
  readonly maxStreams: number;
  /** Types of one stream. */
  readonly maxTypes: number;
  /** Names that one stream subscribes to, of all types. */
  readonly maxNames: number;
  readonly maxNameLength: number;
  /** Characters of all those names. */
  readonly maxNamesLength: number;
  /** Requests of one stream: at once, and per second in the long run. */
  readonly requestBurst: number;
  readonly requestRate: number;
  /** How long what names a resource waits for the acknowledgement of what it names. */
  readonly orderWaitMs: number;
  /** A client that has not answered for so long is sent the type's next response all the same. */
  readonly ackWaitMs: number;
  /** After listeners changed: how long clusters that are no longer named stay, for routes that are asked for then. */
  readonly removalSettleMs: number;
  /** A client that reads nothing for so long while something waits for it is ended. */
  readonly stallMs: number;
  /** Work between two chances for others. */
  readonly sliceMs: number;
  /**
   * Streams that are served in one turn: what a turn writes leaves at its end, and until then each connection holds a
   * block of memory (wire/http2/frames/blocks.ts), of which so many are used again and again.
   */
  readonly turnStreams: number;
};

export const DEFAULT_XDS_LIMITS: XdsLimits = Object.freeze({
  maxStreams: 20_000,
  maxTypes: 64,
  maxNames: 200_000,
  maxNameLength: 4096,
  maxNamesLength: 16 * 1024 * 1024,
  requestBurst: 20_000,
  requestRate: 500,
  orderWaitMs: 1000,
  ackWaitMs: 10_000,
  removalSettleMs: 300,
  stallMs: 30_000,
  sliceMs: 5,
  turnStreams: 8,
});
