// A request of the proxy's own whose answer is wanted whole.
import type { Headers } from '../../../wire/headers.ts';
import type { BodyData } from '../../http/filter.ts';
import type { CallFailure } from './call-failure.ts';
import type { CallHandler, CallOptions, HttpCall } from './http-call.ts';
import type { HttpClient } from './http-client.ts';

export type BufferedResponse = {
  readonly headers: Headers;
  readonly body: Buffer;
  readonly trailers: Headers | null;
};

/** Exactly one of the two is not null. */
export type ResponseCallback = (response: BufferedResponse | null, failure: CallFailure | null) => void;

/** Source: Envoy runtime key http.async_response_buffer_limit. */
export const MAX_RESPONSE_BYTES = 32 * 1024 * 1024;

/** Sends a request with its whole body; the answer may come during the call. `body` is the call's from then on. */
export function sendRequest(
  client: HttpClient,
  clusterName: string,
  headers: Headers,
  body: Buffer,
  options: CallOptions & { readonly discardsBody?: boolean },
  onEnd: ResponseCallback,
): HttpCall {
  const handler = new Collector(onEnd, options.discardsBody === true);
  const call = client.prepare(clusterName, headers, handler, options);
  handler.call = call;
  call.start(body.length === 0);
  if (body.length > 0) call.sendData(body, true);
  return call;
}

class Collector implements CallHandler {
  call: HttpCall | null = null;
  readonly #onEnd: ResponseCallback;
  readonly #discards: boolean;
  #headers: Headers | null = null;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(onEnd: ResponseCallback, discards: boolean) {
    this.#onEnd = onEnd;
    this.#discards = discards;
  }

  onHeaders(headers: Headers, endStream: boolean): void {
    this.#headers = headers;
    if (endStream) this.#done(null);
  }

  onData(data: BodyData, endStream: boolean): void {
    if (!this.#discards && data.length > 0) {
      this.#bytes += data.length;
      if (this.#bytes > MAX_RESPONSE_BYTES) {
        this.call?.cancel();
        this.#onEnd(null, { status: 503, text: 'the response is too large', isAfterStart: true });
        return;
      }
      this.#chunks.push(data.copy());
    }
    if (endStream) this.#done(null);
  }

  onTrailers(trailers: Headers): void {
    this.#done(trailers);
  }

  #done(trailers: Headers | null): void {
    this.#onEnd({ headers: this.#headers as Headers, body: Buffer.concat(this.#chunks), trailers }, null);
  }

  onFailure(failure: CallFailure): void {
    this.#onEnd(null, failure);
  }

  onAboveWatermark(): void {}
  onBelowWatermark(): void {}
}
