// What matchers can look at of a whole exchange, as far as it has come: envoy.type.matcher.v3.Http…MatchInput.
import type { TlsFacts } from '../../base/byte-stream.ts';
import type { Headers } from '../../wire/headers.ts';
import { bytesOf } from '../../base/matcher-text.ts';
import { matchedHeaderKey, parseQuery } from '../config/matcher.ts';
import { findFilterState, type StreamInfo } from '../stream-info.ts';
import { CEL_MATCHER_FIELDS } from './cel-predicate.ts';
import { METADATA_INPUT_FIELDS } from './metadata-input.ts';
import { NETWORK_INPUT_FIELDS, type NetworkFacts, networkInput, SSL_INPUT_FIELDS, sslInput } from './network-inputs.ts';
import { SOURCE_TYPE, sourceType } from './source-type.ts';
import type { Input } from './step.ts';

const TYPE = 'envoy.type.matcher.v3';

/** Supported fields. */
export const HTTP_INPUT_FIELDS = {
  ...NETWORK_INPUT_FIELDS,
  ...SSL_INPUT_FIELDS,
  ...CEL_MATCHER_FIELDS,
  ...METADATA_INPUT_FIELDS,
  [SOURCE_TYPE]: '',
  [`${TYPE}.HttpRequestHeaderMatchInput`]: 'header_name',
  [`${TYPE}.HttpRequestTrailerMatchInput`]: 'header_name',
  [`${TYPE}.HttpResponseHeaderMatchInput`]: 'header_name',
  [`${TYPE}.HttpResponseTrailerMatchInput`]: 'header_name',
  [`${TYPE}.HttpRequestQueryParamMatchInput`]: 'query_param',
  [`${TYPE}.HttpResponseStatusCodeMatchInput`]: '',
  [`${TYPE}.HttpResponseStatusCodeClassMatchInput`]: '',
  [`${TYPE}.HttpResponseLocalReplyMatchInput`]: '',
} as const;

/** An exchange as far as whoever matches has seen it; null: not yet, or never. */
export type SeenExchange = {
  readonly info: StreamInfo;
  readonly requestHeaders: Headers | null;
  readonly requestTrailers: Headers | null;
  readonly responseHeaders: Headers | null;
  readonly responseTrailers: Headers | null;
  readonly isLocalReply: boolean;
};

type Part = 'requestHeaders' | 'requestTrailers' | 'responseHeaders' | 'responseTrailers';

const PARTS: Readonly<Record<string, Part>> = {
  [`${TYPE}.HttpRequestHeaderMatchInput`]: 'requestHeaders',
  [`${TYPE}.HttpRequestTrailerMatchInput`]: 'requestTrailers',
  [`${TYPE}.HttpResponseHeaderMatchInput`]: 'responseHeaders',
  [`${TYPE}.HttpResponseTrailerMatchInput`]: 'responseTrailers',
};

/** The input of this type; undefined when there is none here. */
export function httpInput(type: string, message: object): Input<SeenExchange, null> | undefined {
  const part = PARTS[type];
  if (part !== undefined) return fieldInput(part, (message as { header_name?: string }).header_name ?? '');
  switch (type) {
    case `${TYPE}.HttpRequestQueryParamMatchInput`:
      return queryInput((message as { query_param?: string }).query_param ?? '');
    case `${TYPE}.HttpResponseStatusCodeMatchInput`:
      return statusInput((status) => String(status));
    case `${TYPE}.HttpResponseStatusCodeClassMatchInput`:
      return statusInput((status) => (status >= 100 && status < 600 ? `${Math.trunc(status / 100)}xx` : undefined));
    case `${TYPE}.HttpResponseLocalReplyMatchInput`:
      return ({ responseHeaders, isLocalReply }) => (responseHeaders === null ? null : String(isLocalReply));
    case SOURCE_TYPE:
      return ({ info }) => sourceType(info.connection.localAddress, info.remoteAddress);
    default:
      return networkInput(FACTS, type, message) ?? sslInput(tlsOf, type);
  }
}

function fieldInput(part: Part, name: string): Input<SeenExchange, null> {
  const key = matchedHeaderKey(name);
  return (exchange) => {
    const headers = exchange[part];
    return headers === null ? null : headers.getAll(key);
  };
}

function queryInput(parameter: string): Input<SeenExchange, null> {
  const name = bytesOf(parameter);
  return ({ requestHeaders }) => {
    if (requestHeaders === null) return null;
    const value = parseQuery(requestHeaders.path).get(name);
    return value === undefined ? undefined : percentDecode(value);
  };
}

/** Bytes; what is no escape stands for itself. */
function percentDecode(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function statusInput(textOf: (status: number) => string | undefined): Input<SeenExchange, null> {
  return ({ responseHeaders }) => (responseHeaders === null ? null : textOf(responseHeaders.status));
}

const tlsOf = ({ info }: SeenExchange): TlsFacts | null => info.connection.tls;

const FACTS: NetworkFacts<SeenExchange> = {
  destination: ({ info }) => info.connection.localAddress,
  source: ({ info }) => info.remoteAddress,
  directSource: ({ info }) => info.connection.directRemoteAddress,
  serverName: ({ info }) => info.connection.requestedServerName,
  filterState: ({ info }, key) => findFilterState(info, key),
};
