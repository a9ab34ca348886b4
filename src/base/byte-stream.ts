// The meeting point of sockets and protocols: a duplex stream of bytes, with whom it speaks and what TLS says of it.
import type { Failure } from './failure.ts';

/** An IPv4, IPv6 or unix address. `address` has no brackets; a unix socket has its path there and port 0. */
export type Address = {
  readonly family: 'ipv4' | 'ipv6' | 'unix';
  readonly address: string;
  readonly port: number;
};

/** What a finished TLS handshake established; null on plain text. Filled by the TLS transport. */
export type TlsFacts = {
  readonly version: string;
  readonly cipher: string;
  readonly alpn: string;
  readonly sni: string;
  readonly peerCertificate: unknown;
};

/** Receives what a ByteStream reports. Calls never nest for one stream, and none follows `onClose`. */
export type ByteStreamHandler = {
  /**
   * Bytes chunk[start, end) arrived. Borrowed: the memory is reused as soon as the call returns, so whoever keeps
   * bytes copies them (or hands them to `writeBorrowed` of another stream, which copies only when it must).
   */
  onData(chunk: Buffer, start: number, end: number): void;
  /** The peer sent FIN; writing is still possible. */
  onEnd(): void;
  /** `bufferedBytes` fell to `lowWatermark` or below after `isAboveHighWatermark` had been true. */
  onDrain(): void;
  /** The stream is gone, exactly once. `null` after an orderly end on both sides, else why. */
  onClose(failure: Failure | null): void;
};

/**
 * A duplex byte stream: a socket, a TLS session over another stream, a tunnel, or an in-memory pair.
 * Writes collect and leave once per turn of the event loop (the engine flushes when its callback returns).
 * Nothing here throws because of the peer; writing to a closed stream does nothing.
 */
export type ByteStream = {
  /** Set once, right after the stream was handed over; a later owner may replace it (upgrade, pool). */
  handler: ByteStreamHandler;
  /** For the engine's user: what it wants to find from the stream; the engine never touches it. */
  readonly id: number;
  readonly localAddress: Address;
  readonly remoteAddress: Address;
  readonly tls: TlsFacts | null;
  /** Monotonic totals, bytes. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Bytes accepted by write* that the kernel has not taken yet. */
  readonly bufferedBytes: number;
  readonly isAboveHighWatermark: boolean;
  readonly isClosed: boolean;

  /** Queues a string whose char codes are all ≤ 0xff, one byte each. */
  writeLatin1(text: string): void;
  /** Queues bytes and takes ownership of their memory: the caller must not change it afterwards. */
  write(chunk: Uint8Array): void;
  /** Queues borrowed bytes (valid only during the caller's own onData): copied unless the kernel takes them at once. */
  writeBorrowed(chunk: Buffer, start: number, end: number): void;
  /** Sends what is queued now, without waiting for the end of the turn. */
  flush(): void;
  /** Stops and restarts reading; counted, so two owners may pause independently. */
  pause(): void;
  resume(): void;
  /**
   * Gives back bytes that were read but are the next handler's (a peeked ClientHello): they arrive first, in a call of
   * their own, as soon as reading is not paused. Takes ownership; not counted again in `bytesRead`.
   */
  unread(bytes: Buffer): void;
  /** Sends FIN after everything queued; reading goes on. */
  end(): void;
  /** Sends what is queued, then closes both directions; onClose follows. */
  close(): void;
  /** Closes at once: queued bytes are dropped, with RST when `reset` is true. onClose follows. */
  destroy(reset?: boolean): void;
  /** Bytes; default 1 MiB high, low is half of it (Envoy: per_connection_buffer_limit_bytes). */
  setWatermarks(highBytes: number): void;
};
