// What a gRPC channel is told: where its server is, how it is believed, and how long it waits.
import type { SecureContext } from 'node:tls';
import type { Address } from '../../base/byte-stream.ts';
import type { SessionFacts } from '../../net/tls/session-facts.ts';

export type ChannelTls = {
  /** Asked at each dial, so that certificates and roots can change; a text says why there is none. */
  context(): SecureContext | string;
  /** SNI; '' for none. */
  readonly serverName: string;
  /** Judges the server; null: it is good, else why not. */
  readonly verify: (facts: SessionFacts) => string | null;
};

export type ChannelOptions = {
  /** 'host:port', '[::1]:port' or 'unix:/path'. */
  readonly target: string;
  /** Null: plain text. */
  readonly tls: ChannelTls | null;
  /** ':authority'; absent: the target. */
  readonly authority?: string;
  /** Where connections come from. */
  readonly localAddress?: Address | null;
  /** Of name, connection and handshake together. */
  readonly connectTimeoutMs?: number;
  /** Longer messages of the server end their call (RESOURCE_EXHAUSTED). */
  readonly maxMessageBytes?: number;
  /** A server from which nothing comes while calls are open is asked after so long, and has so long to answer. */
  readonly keepaliveMs?: number;
  readonly keepaliveTimeoutMs?: number;
  /** A connection without calls is closed after so long; Infinity: never. */
  readonly idleMs?: number;
};

/** Keepalive as pilot-agent's; messages as large as a whole mesh's configuration. */
export const DEFAULT_CHANNEL = Object.freeze({
  localAddress: null,
  connectTimeoutMs: 20_000,
  maxMessageBytes: 256 * 1024 * 1024,
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 10_000,
  idleMs: Number.POSITIVE_INFINITY,
});

/** Calls that wait for a connection; more are refused. */
export const MAX_WAITING_CALLS = 1000;
