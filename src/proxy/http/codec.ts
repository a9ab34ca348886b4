// Where codecs and streams meet: a stream reads a request and writes a response, whatever the protocol below.
import type { Failure } from '../../base/failure.ts';
import type { TlsFacts, Address } from '../../base/byte-stream.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConnectTimes } from '../cluster/cluster.ts';
import type { Protocol } from '../stream-info.ts';
import type { BodyData } from './filter.ts';

/** Downstream: what a stream writes its answer to; implemented by the server codecs. */
export type ResponseEncoder = {
  encode1xx(headers: Headers): void;
  encodeHeaders(headers: Headers, endStream: boolean): void;
  /** Borrowed data is sent or copied before the call returns. */
  encodeData(data: BodyData, endStream: boolean): void;
  encodeTrailers(trailers: Headers): void;
  /** Ends the stream at once (HTTP/1: the connection). No callback follows. */
  resetStream(): void;
  /** The stream above is done with this exchange, response sent or not; the next one may start. */
  finish(): void;
  /** Counted: stops and restarts the reading of the request body (back-pressure). */
  pauseReading(): void;
  resumeReading(): void;
};

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
