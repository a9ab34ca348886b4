// What matchers can look at of a request: its headers, its connection, the client's certificate.
import type { TlsFacts } from '../../base/byte-stream.ts';
import type { Headers } from '../../wire/headers.ts';
import { matchedHeaderKey } from '../config/matcher.ts';
import { findFilterState, type StreamInfo } from '../stream-info.ts';
import { CEL_MATCHER_FIELDS } from './cel-predicate.ts';
import { METADATA_INPUT_FIELDS } from './metadata-input.ts';
import { NETWORK_INPUT_FIELDS, type NetworkFacts, networkInput, SSL_INPUT_FIELDS, sslInput } from './network-inputs.ts';
import type { Input } from './step.ts';

const HEADER_INPUT = 'envoy.type.matcher.v3.HttpRequestHeaderMatchInput';

/** Supported fields. */
export const EXCHANGE_INPUT_FIELDS = {
  ...NETWORK_INPUT_FIELDS,
  ...SSL_INPUT_FIELDS,
  ...CEL_MATCHER_FIELDS,
  ...METADATA_INPUT_FIELDS,
  [HEADER_INPUT]: 'header_name',
} as const;

/** The input of this type; undefined when there is none here. */
export function exchangeInput(type: string, message: object): Input<StreamInfo, Headers> | undefined {
  if (type !== HEADER_INPUT) return networkInput(FACTS, type, message) ?? sslInput(tlsOf, type);
  const key = matchedHeaderKey((message as { header_name?: string }).header_name ?? '');
  return (_info, headers) => headers.getAll(key);
}

const tlsOf = (info: StreamInfo): TlsFacts | null => info.connection.tls;

const FACTS: NetworkFacts<StreamInfo> = {
  destination: (info) => info.connection.localAddress,
  source: (info) => info.remoteAddress,
  directSource: (info) => info.connection.directRemoteAddress,
  serverName: (info) => info.connection.requestedServerName,
  filterState: findFilterState,
};
