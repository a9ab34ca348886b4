// Which names a message of each side keeps once, and adding to them.
import { type HeaderKey, headerKey } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import { inlineRequestHeaders, inlineResponseHeaders } from '../../../../wire/inline-headers.ts';

export type MessageSide = 'request' | 'response' | 'request-trailers' | 'response-trailers';

const KEYS: Readonly<Record<MessageSide, ReadonlySet<HeaderKey>>> = {
  request: inlineRequestHeaders,
  response: inlineResponseHeaders,
  'request-trailers': new Set(),
  'response-trailers': new Set(['grpc-status', 'grpc-message'].map(headerKey)),
};

/** Whether a message of that side holds at most one entry of a name. */
export function isInline(key: HeaderKey, side: MessageSide): boolean {
  return KEYS[side].has(key);
}

/** Adds a value as Envoy's HeaderMap does; `inline` as `isInline` says. */
export function addField(headers: Headers, key: HeaderKey, value: string, inline: boolean): void {
  if (!inline) headers.add(key, value);
  else if (value !== '' || !headers.has(key)) headers.appendValue(key, value);
}
