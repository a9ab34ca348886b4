// The meeting point of sockets and protocols: a duplex stream of bytes, with whom it speaks and what TLS says of it.
import type { Failure } from './failure.ts';

/**
 * An IPv4, IPv6 or unix address, or that of an internal listener (connections in memory). `address` has no brackets; a
 * unix socket has its path there and port 0, an internal address 'envoy://LISTENER/ENDPOINT_ID' and port 0.
 */
export type Address = {
  readonly family: 'ipv4' | 'ipv6' | 'unix' | 'internal';
  readonly address: string;
  readonly port: number;
  /** Of internal addresses: the two parts of the text. */
  readonly listenerName?: string;
  readonly endpointId?: string;
};

/** A certificate as policies, logs and headers see it; texts are made when somebody looks. */
export type CertificateFacts = {
  /** DER. */
  readonly raw: Buffer;
  /** PEM with '\n', as the certificate itself; `chainPem` has those that came with it, the leaf first. */
  readonly pem: string;
  readonly chainPem: string;
  /** The same certificates, itself first; those that came along are told of only as far as they were sent. */
  readonly chain: readonly CertificateFacts[];
  /** Who signed it, of those that came along or are trusted; null when that is not known. */
  readonly issuerCertificate: CertificateFacts | null;
  /** SHA-256 and SHA-1 of the DER, hex, lower case. */
  readonly sha256: string;
  readonly sha1: string;
  /** Hex, lower case. */
  readonly serialNumber: string;
  /** RFC 2253. */
  readonly subject: string;
  readonly issuer: string;
  /** ms since 1970. */
  readonly validFromMs: number;
  readonly validToMs: number;
  /** Subject alternative names in the order of the certificate, read from DER; one byte each character (latin1). */
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  readonly ipSans: readonly string[];
  readonly emailSans: readonly string[];
  readonly otherNameSans: readonly string[];
};

/** What a finished TLS handshake established; null on plain text. Filled by the TLS transport. */
export type TlsFacts = {
  /** 'TLSv1.2', 'TLSv1.3'. */
  readonly version: string;
  /** OpenSSL's name: 'ECDHE-ECDSA-AES128-GCM-SHA256', 'TLS_AES_128_GCM_SHA256'. */
  readonly cipher: string;
  /** What both agreed on; '' for none. */
  readonly alpn: string;
  readonly sni: string;
  /** What the peer showed, now or when the session was made; null when it showed none. */
  readonly peerCertificate: CertificateFacts | null;
  /** Whether `peerCertificate` was checked against a trusted CA or a pin (false: it was only taken note of). */
  readonly isPeerVerified: boolean;
  readonly localCertificate: CertificateFacts | null;
  readonly isResumed: boolean;
  /** Hex; '' in TLS 1.3. */
  readonly sessionId: string;
  /** On what the keys were made: 'X25519'; '' where that is not known, as for a server. */
  readonly curve?: string;
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
  /** Asked for by `announceTurnEnd`: the last moment to write what shall leave with this turn. */
  onTurnEnd?(): void;
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
  /** Lets the handler hear `onTurnEnd` once, before this turn's bytes leave: for codecs that collect frames. */
  announceTurnEnd(): void;
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
