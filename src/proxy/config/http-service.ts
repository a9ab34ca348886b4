// Decodes envoy.config.core.v3.HttpService: how the proxy itself calls a service over HTTP.
import type { HttpService } from '../../proto/generated/types.d.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { FORMATTER_EXTENSION_FIELDS, withFormatters } from '../formatter/substitution-format.ts';
import { tcpLogContext } from '../formatter/tcp-log-context.ts';
import { type ConnectionInfo, StreamInfo } from '../stream-info.ts';
import { decodeLevelMutations } from './route-headers.ts';
import type { MutationsPb } from './route-messages.ts';

/** Fields that take effect, per message. */
export const HTTP_SERVICE_FIELDS = {
  'envoy.config.core.v3.HttpService': 'http_uri request_headers_to_add formatters',
  ...FORMATTER_EXTENSION_FIELDS,
  'envoy.config.core.v3.HttpUri': 'uri cluster timeout',
  'envoy.config.core.v3.HeaderValueOption': 'header append append_action keep_empty_value',
  'envoy.config.core.v3.HeaderValue': 'key value',
} as const;

export type HttpServiceTarget = {
  readonly clusterName: string;
  readonly authority: string;
  readonly path: string;
  /** 0 for none. */
  readonly timeoutMs: number;
  /** request_headers_to_add: formats see no exchange. */
  readonly addHeaders: (headers: Headers) => void;
};

/** Null after rejecting; `d` is at the message. */
export function decodeHttpService(message: HttpService, d: ConfigDecoder): HttpServiceTarget | null {
  const uri = message.http_uri;
  if (uri === undefined) {
    d.reject('http_uri', 'is required');
    return null;
  }
  const { request_headers_to_add: additions } = message;
  const { request } = decodeLevelMutations(
    { request_headers_to_add: additions } as MutationsPb,
    withFormatters(message.formatters, d),
  );
  return Object.freeze({
    clusterName: uri.cluster ?? '',
    ...splitUri(uri.uri ?? ''),
    timeoutMs: d.durationMs(uri.timeout, 0),
    addHeaders: (headers: Headers) => request?.apply(headers, NOTHING),
  });
}

/** Source: Envoy Http::Utility::extractHostPathFromUri. */
function splitUri(uri: string): { readonly authority: string; readonly path: string } {
  const scheme = uri.indexOf('://');
  const rest = scheme < 0 ? uri : uri.slice(scheme + 3);
  const slash = rest.indexOf('/');
  return slash < 0 ? { authority: rest, path: '/' } : { authority: rest.slice(0, slash), path: rest.slice(slash) };
}

const NOWHERE = { family: 'ipv4', address: '0.0.0.0', port: 0 } as const;
const NOBODY: ConnectionInfo = {
  ...{ id: 0, localAddress: NOWHERE, remoteAddress: NOWHERE, directRemoteAddress: NOWHERE, tls: null },
  ...{ requestedServerName: '', listenerName: '', filterChainName: '', terminationDetails: '' },
};
const NOTHING = tcpLogContext(new StreamInfo(NOBODY, 0, 0), 'NotSet');
