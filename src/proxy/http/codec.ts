// Where codecs and streams meet: a stream reads a request and writes a response, whatever the protocol below.
import type { Failure } from '../../base/failure.ts';
import type { Address, ByteStreamHandler, TlsFacts } from '../../base/byte-stream.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConnectTimes } from '../cluster/cluster.ts';
import type { Protocol, StreamInfo } from '../stream-info.ts';
import type { BodyData } from './filter.ts';
import type { HttpStream } from './stream.ts';

/** Downstream: a connection as one of the protocols; its owner is the connection manager. */
export type ServerCodec = ByteStreamHandler & {
  /** Of the last request. */
  readonly protocol: Protocol;
  /** This side closed first. */
  readonly closedLocally: boolean;
  /** Says that the connection takes no further exchange soon; HTTP/1 has no words for it but in an answer. */
  announceShutdown(): void;
  /** Ends the connection as soon as no exchange is in progress. */
  closeWhenIdle(): void;
  /** The connection closes at once: what was read already is not looked at. */
  stopReading(): void;
};

/** Downstream: what a stream writes its answer to; implemented by the server codecs. */
export type ResponseEncoder = {
  /** Of the request; known once its head was read. */
  readonly protocol: Protocol;
  /** The request asks for another protocol, or is CONNECT. */
  readonly isUpgradeRequest: boolean;
  /** Whether an answer of that status turns the exchange into a tunnel: 101 for an upgrade, 2xx for CONNECT. */
  isTunnelAnswer(status: number): boolean;
  /** The exchange starts over as another stream. */
  replaceStream(stream: HttpStream): void;
  /** Completes the counts of bytes on the wire, for codecs that know them better than who sees the message. */
  tellBytes(info: StreamInfo): void;
  encode1xx(headers: Headers): void;
  encodeHeaders(headers: Headers, endStream: boolean): void;
  /** Borrowed data is sent or copied before the call returns. */
  encodeData(data: BodyData, endStream: boolean): void;
  encodeTrailers(trailers: Headers): void;
  /** Ends the stream at once (HTTP/1: the connection). No callback follows. */
  resetStream(reason: ResetReason): void;
  /** The stream above is done with this exchange, response sent or not; the next one may start. */
  finish(): void;
  /** Counted: stops and restarts the reading of the request body (back-pressure). */
  pauseReading(): void;
  resumeReading(): void;
};

/** Why this side ends a stream without the end of an answer. */
export type ResetReason = 'local' | 'protocol' | 'connect';

/** Downstream: what a server codec reports of one request. */
export type RequestDecoder = {
  decodeHeaders(headers: Headers, endStream: boolean): void;
  decodeData(data: BodyData, endStream: boolean): void;
  decodeTrailers(trailers: Headers): void;
  /** The stream died below (peer reset or closed, protocol error after the head). No other call follows. */
  onReset(reason: Failure): void;
  /** The response's way out is full, or free again. */
  onAboveWatermark(): void;
  onBelowWatermark(): void;
};

/** Upstream: what the router writes a request to; one per exchange (HTTP/1: the connection itself). */
export type RequestEncoder = {
  /** '' behind the end of a tunnel. */
  readonly protocol: Protocol | '';
  readonly connection: UpstreamConnectionInfo;
  readonly times: ConnectTimes;
  /**
   * Before the head: the bodies are the two directions of a connection. With HTTP/2 each ends for itself; with HTTP/1
   * the end of the request ends both (RFC 9110 §9.3.6), whatever the method.
   */
  carryConnection?(): void;
  /** The request was written to it before it stood, and waits; absent: it was not. */
  readonly hasRequest?: boolean;
  encodeHeaders(headers: Headers, endStream: boolean): void;
  /** Borrowed data is sent or copied before the call returns. */
  encodeData(data: BodyData, endStream: boolean): void;
  encodeTrailers(trailers: Headers): void;
  /** Gives the exchange up. No callback follows. */
  resetStream(): void;
  pauseReading(): void;
  resumeReading(): void;
  readonly isAboveWatermark: boolean;
  /** Wire bytes of this exchange so far. */
  readonly wireBytesSent: number;
  readonly wireBytesReceived: number;
  readonly headerBytesSent: number;
  readonly headerBytesReceived: number;
};

export type UpstreamConnectionInfo = {
  readonly id: number;
  readonly localAddress: Address;
  readonly remoteAddress: Address;
  readonly tls: TlsFacts | null;
};

/** Upstream: what a client codec reports of one response. `endStream` comes exactly once unless onReset does. */
export type ResponseDecoder = {
  decode1xx(headers: Headers): void;
  decodeHeaders(headers: Headers, endStream: boolean): void;
  decodeData(data: BodyData, endStream: boolean): void;
  decodeTrailers(trailers: Headers): void;
  onReset(reason: Failure): void;
  /** The request's way out is full, or free again. */
  onAboveWatermark(): void;
  onBelowWatermark(): void;
};

/** A pool's answer to a wish for a stream: exactly one of the two, possibly before `newStream` returns. */
export type StreamCallbacks = ResponseDecoder & {
  onPoolReady(encoder: RequestEncoder): void;
  onPoolFailure(reason: Failure): void;
};
