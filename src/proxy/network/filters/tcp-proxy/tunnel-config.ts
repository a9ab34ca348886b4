// What a TunnelingConfig message means: how an HTTP proxy is asked to carry a connection on.
import type { Any, TcpProxy_TunnelingConfig } from '../../../../proto/generated/types.d.ts';
import { type HeaderKey, headerKey } from '../../../../wire/header-names.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { compileFormat, type Formatter } from '../../../formatter/text-formatter.ts';
import { FORMATTER_EXTENSION_FIELDS, withFormatters } from '../../../formatter/substitution-format.ts';
import { decodeHeadersToAdd } from '../../../route/header-additions.ts';
import type { HeaderMutations } from '../../../route/header-mutation.ts';

const UUID_REQUEST_ID = 'envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig';

export const TUNNELING_FIELDS = {
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig': `
    hostname use_post headers_to_add propagate_response_headers post_path propagate_response_trailers
    request_id_extension request_id_header request_id_metadata_key formatters`,
  ...FORMATTER_EXTENSION_FIELDS,
  'envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension': 'typed_config',
  'envoy.config.core.v3.HeaderValueOption': 'header append append_action keep_empty_value',
  'envoy.config.core.v3.HeaderValue': 'key value',
};

export type TunnelConfig = {
  readonly hostname: Formatter;
  /** Of a POST; null asks by CONNECT. */
  readonly path: string | null;
  readonly headers: HeaderMutations | null;
  /** What the proxy says becomes filter state. */
  readonly propagatesHeaders: boolean;
  readonly propagatesTrailers: boolean;
  /** The request has an id, which is also found in dynamic metadata; null: it has none. */
  readonly requestId: { readonly header: HeaderKey; readonly metadataKey: string } | null;
};

export function decodeTunneling(message: TcpProxy_TunnelingConfig, d: ConfigDecoder): TunnelConfig {
  const isPost = message.use_post === true;
  const path = message.post_path ?? '';
  if (!isPost && path !== '') d.reject('post_path', "Can't set a post path when POST method isn't used");
  const formats = withFormatters(message.formatters, d);
  return Object.freeze({
    hostname: compileFormat(message.hostname ?? '', formats.at('hostname')),
    path: isPost ? path || '/' : null,
    headers: decodeHeadersToAdd(message.headers_to_add, formats),
    propagatesHeaders: message.propagate_response_headers === true,
    propagatesTrailers: message.propagate_response_trailers === true,
    requestId: decodeRequestId(message, d),
  });
}

function decodeRequestId(message: TcpProxy_TunnelingConfig, d: ConfigDecoder): TunnelConfig['requestId'] {
  const any: Any | undefined = message.request_id_extension?.typed_config;
  if (any === undefined) return null;
  const at = d.at('request_id_extension').at('typed_config');
  const unpacked = d.environment.unpack(any, at);
  if (unpacked === null) return null;
  if (unpacked.type !== UUID_REQUEST_ID) at.reject('', `${unpacked.type} is not supported: ${UUID_REQUEST_ID} is`);
  return Object.freeze({
    header: headerKey(message.request_id_header || 'x-request-id'),
    metadataKey: message.request_id_metadata_key || 'tunnel_request_id',
  });
}
