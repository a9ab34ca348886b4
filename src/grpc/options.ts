// What a gRPC server is told: limits of its connections and calls, and the times after which it asks or gives up.
import type { SecureContext } from 'node:tls';
import type { SessionFacts } from '../net/tls/session-facts.ts';

export type GrpcServerOptions = {
  /** Longer messages of clients end their call (RESOURCE_EXHAUSTED). */
  readonly maxMessageBytes: number;
  readonly maxConcurrentStreams: number;
  readonly maxConnections: number;
  /** Bytes of all metadata of a call. */
  readonly maxMetadataBytes: number;
  /** Of a message that waits to be sent: beyond it a call is above its watermark. */
  readonly callBufferBytes: number;
  /** What a client may send of one call, and on one connection, before it is read. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** A client from which nothing comes is asked after so long, and has so long to answer; 0: it is not asked. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  /** A connection is asked to end after so long, give or take a tenth, and ended after the grace; 0: never. */
  readonly maxConnectionAgeMs: number;
  readonly maxConnectionAgeGraceMs: number;
  /** How long a handshake may take. */
  readonly handshakeTimeoutMs: number;
  /** Null: plain text. */
  readonly tls: GrpcServerTls | null;
};

export type GrpcServerTls = {
  /** Asked with each connection, so that certificates can be renewed. */
  context(): SecureContext;
  readonly requestsCertificate: boolean;
  readonly requiresCertificate: boolean;
  /** Judges the client; null: it is good, else why not. */
  readonly verify: (facts: SessionFacts) => string | null;
};

/** Messages and keepalive as in gRPC's own servers (grpc-go, keepalive.ServerParameters). */
export const DEFAULT_GRPC_OPTIONS: GrpcServerOptions = Object.freeze({
  maxMessageBytes: 4 * 1024 * 1024,
  maxConcurrentStreams: 1000,
  maxConnections: 10_000,
  maxMetadataBytes: 64 * 1024,
  callBufferBytes: 256 * 1024,
  streamWindowBytes: 256 * 1024,
  connectionWindowBytes: 1024 * 1024,
  keepaliveMs: 2 * 3_600_000,
  keepaliveTimeoutMs: 20_000,
  maxConnectionAgeMs: 0,
  maxConnectionAgeGraceMs: 30_000,
  handshakeTimeoutMs: 20_000,
  tls: null,
});
