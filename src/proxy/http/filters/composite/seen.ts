// What a matcher has seen of an exchange: one object, filled for the exchange that is looked at now.
import type { Headers } from '../../../../wire/headers.ts';
import type { SeenExchange } from '../../../matcher/http-inputs.ts';
import type { StreamInfo } from '../../../stream-info.ts';

/** Parts of an exchange, as bits. */
export const SEEN = { requestHeaders: 1, requestTrailers: 2, responseHeaders: 4, responseTrailers: 8 } as const;

type Exchange = {
  readonly info: StreamInfo;
  readonly requestHeaders: Headers;
  readonly requestTrailers: Headers | null;
  readonly responseHeaders: Headers | null;
  readonly responseTrailers: Headers | null;
  readonly isLocalReply: boolean;
};

const view: { -readonly [Key in keyof SeenExchange]: SeenExchange[Key] } = {
  info: null as never,
  ...{ requestHeaders: null, requestTrailers: null, responseHeaders: null, responseTrailers: null },
  isLocalReply: false,
};

/** Valid until the next call. */
export function seenAtRequest({ info }: { readonly info: StreamInfo }, headers: Headers): SeenExchange {
  view.info = info;
  view.requestHeaders = headers;
  view.requestTrailers = null;
  view.responseHeaders = null;
  view.responseTrailers = null;
  view.isLocalReply = false;
  return view;
}

/** `parts`: bits of SEEN. Valid until the next call. */
export function seenOf(exchange: Exchange, parts: number): SeenExchange {
  view.info = exchange.info;
  view.requestHeaders = (parts & SEEN.requestHeaders) === 0 ? null : exchange.requestHeaders;
  view.requestTrailers = (parts & SEEN.requestTrailers) === 0 ? null : exchange.requestTrailers;
  view.responseHeaders = (parts & SEEN.responseHeaders) === 0 ? null : exchange.responseHeaders;
  view.responseTrailers = (parts & SEEN.responseTrailers) === 0 ? null : exchange.responseTrailers;
  view.isLocalReply = exchange.isLocalReply;
  return view;
}
