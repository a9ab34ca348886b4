// Decodes how connections to a cluster speak HTTP: HttpProtocolOptions, or the older fields of Cluster.
import type {
  Cluster,
  Http1ProtocolOptions,
  Http2ProtocolOptions,
  HttpProtocolOptions,
  UpstreamHttpProtocolOptions,
  Http_HttpProtocolOptions as UpstreamHttpOptions,
} from '../../proto/generated/types.d.ts';
import { DEFAULT_HTTP2_OPTIONS } from '../../wire/http2/options.ts';
import {
  type AutoNames,
  DEFAULT_BUFFER_LIMIT_BYTES,
  DEFAULT_HTTP_CONFIG,
  DEFAULT_IDLE_TIMEOUT_MS,
  type UpstreamHttpConfig,
  type UpstreamProtocol,
} from '../cluster/cluster-config.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeHttp1Spelling } from './http1-options.ts';
import { decodeHttp2Options, HTTP2_FIELDS } from './http2-options.ts';
import { decodeErrorMatcher } from './outlier-detection.ts';
import { decodeMirrors } from './route-action.ts';
import type { MirrorPolicyPb, RetryPolicyPb } from './route-messages.ts';
import { decodeRetryPolicy } from './route-retry.ts';

export const CLUSTER_HTTP_FIELDS = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions':
    'common_http_protocol_options upstream_http_protocol_options explicit_http_config ' +
    'use_downstream_protocol_config auto_config http_filters outlier_detection ' +
    'request_mirror_policies retry_policy hash_policy header_validation_config',
  'envoy.config.core.v3.UpstreamHttpProtocolOptions': 'auto_sni auto_san_validation override_auto_sni_header',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig':
    'http_protocol_options http2_protocol_options http3_protocol_options',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig':
    'http_protocol_options http2_protocol_options http3_protocol_options',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig':
    'http_protocol_options http2_protocol_options http3_protocol_options',
  ...HTTP2_FIELDS,
  // Refused here, with a better reason than a missing field.
  'envoy.config.core.v3.Http3ProtocolOptions': '*',
  'envoy.config.core.v3.HttpProtocolOptions':
    'idle_timeout max_headers_count max_connection_duration max_stream_duration max_requests_per_connection ' +
    'max_response_headers_kb max_connection_duration_jitter',
} as const;

const RAW_BUFFER = 'envoy.transport_sockets.raw_buffer';
const OPTIONS_TYPE = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

export function decodeClusterHttp(message: Cluster, d: ConfigDecoder): UpstreamHttpConfig {
  const typed = decodeTypedOptions(message, d);
  if (typed === null) {
    return makeConfig(
      message,
      message.common_http_protocol_options,
      d.at('common_http_protocol_options'),
      legacyChoice(message, d),
      NO_MORE,
    );
  }
  for (const field of ['common_http_protocol_options', 'http_protocol_options', 'http2_protocol_options'] as const) {
    if (message[field] === undefined) continue;
    d.reject(field, `takes no effect beside typed_extension_protocol_options[${JSON.stringify(OPTIONS_TYPE)}]`);
  }
  const { options, d: dt } = typed;
  return makeConfig(
    message,
    options.common_http_protocol_options,
    dt.at('common_http_protocol_options'),
    chooseProtocol(message, options, dt),
    {
      autoNames: autoNames(options.upstream_http_protocol_options ?? {}),
      policies: decodePolicies(options, dt),
      filters: dt.environment.upstreamChain?.(options.http_filters, 'cluster', dt) ?? null,
      ...decodeErrorMatcher(options.outlier_detection, message, dt),
    },
  );
}

/** What only HttpProtocolOptions have. */
type More = Pick<UpstreamHttpConfig, 'autoNames' | 'policies' | 'filters' | 'errorMatcher'>;

const NO_MORE: More = { autoNames: null, policies: null, filters: null };

function decodePolicies(options: UpstreamHttpOptions, d: ConfigDecoder): UpstreamHttpConfig['policies'] {
  const { header_validation_config: validation, request_mirror_policies: copies = [], retry_policy: again } = options;
  if (validation !== undefined) {
    const text = `This Envoy binary does not support header validator extensions: '${validation.name ?? ''}'`;
    d.reject('header_validation_config', text);
  }
  if ((options.hash_policy ?? []).length > 0) {
    d.reject('hash_policy', 'chooses hosts by consistent hashing, which is not built');
  }
  const retry = decodeRetryPolicy(again as RetryPolicyPb | undefined, d.at('retry_policy'));
  // Their clusters need not exist, as in Envoy.
  const mirrors = copies.length === 0 ? null : decodeMirrors(copies as readonly MirrorPolicyPb[], false, d);
  return retry === null && mirrors === null ? null : Object.freeze({ retry, mirrors });
}

/** Which protocols are spoken, and how. */
type Choice = {
  readonly protocol: UpstreamProtocol;
  readonly http1: Http1ProtocolOptions | undefined;
  readonly http2: Http2ProtocolOptions | undefined;
  /** Where both stand. */
  readonly d: ConfigDecoder;
};

/** The fields of Cluster itself. */
function legacyChoice(message: Cluster, d: ConfigDecoder): Choice {
  const { http_protocol_options: http1, http2_protocol_options: http2 } = message;
  const isDownstream = message.protocol_selection === 'USE_DOWNSTREAM_PROTOCOL';
  if (http1 !== undefined && http2 !== undefined && !isDownstream) {
    const text = "Both HTTP1 and HTTP2 options may only be configured with non-default 'protocol_selection' values";
    d.reject('http2_protocol_options', text);
  }
  return { protocol: isDownstream ? 'downstream' : http2 === undefined ? 'http1' : 'http2', http1, http2, d };
}

function autoNames(options: UpstreamHttpProtocolOptions): AutoNames | null {
  const { auto_sni: sni = false, auto_san_validation: san = false, override_auto_sni_header: header = '' } = options;
  return sni || san ? { sni, san, header: header.toLowerCase() } : null;
}

function decodeTypedOptions(
  message: Cluster,
  d: ConfigDecoder,
): { readonly options: UpstreamHttpOptions; readonly d: ConfigDecoder } | null {
  let found: { readonly options: UpstreamHttpOptions; readonly d: ConfigDecoder } | null = null;
  for (const [name, any] of Object.entries(message.typed_extension_protocol_options ?? {})) {
    const dt = d.at('typed_extension_protocol_options', name);
    const unpacked = d.environment.unpack(any, dt);
    if (unpacked === null) continue;
    if (unpacked.type !== OPTIONS_TYPE) dt.reject('', `${unpacked.type} is not supported yet`);
    else found = { options: unpacked.message as UpstreamHttpOptions, d: dt };
  }
  return found;
}

const PROTOCOL_FIELDS = ['auto_config', 'explicit_http_config', 'use_downstream_protocol_config'] as const;

function chooseProtocol(message: Cluster, options: UpstreamHttpOptions, d: ConfigDecoder): Choice {
  const field = PROTOCOL_FIELDS.find((one) => options[one] !== undefined);
  if (field === undefined) return { protocol: 'http1', http1: undefined, http2: undefined, d };
  const config = options[field] ?? {};
  const at = d.at(field);
  const { http_protocol_options: http1, http2_protocol_options: http2 } = config;
  if (config.http3_protocol_options !== undefined) {
    at.reject('http3_protocol_options', 'HTTP/3 to upstreams is not supported');
  }
  if (field === 'explicit_http_config') {
    return { protocol: http2 === undefined ? 'http1' : 'http2', http1, http2, d: at };
  }
  if (field === 'use_downstream_protocol_config') return { protocol: 'downstream', http1, http2, d: at };
  if (message.transport_socket === undefined || message.transport_socket.name === RAW_BUFFER) {
    d.reject(field, `ALPN configured for cluster ${message.name ?? ''} which has a non-ALPN transport socket`);
  }
  return { protocol: 'auto', http1, http2, d: at };
}

function makeConfig(
  message: Cluster,
  common: HttpProtocolOptions | undefined,
  dc: ConfigDecoder,
  choice: Choice,
  more: More,
): UpstreamHttpConfig {
  const defaults = DEFAULT_HTTP_CONFIG.limits;
  const { protocol, http1, http2 } = choice;
  const { spelling, ...kept } = decodeHttp1Spelling(http1, choice.d.at('http_protocol_options'));
  const headersKb = common?.max_response_headers_kb;
  const maxHeadBytes = headersKb === undefined ? defaults.maxHeadBytes : headersKb * 1024;
  const maxHeaders = common?.max_headers_count ?? defaults.maxHeaders;
  const streamBufferBytes = message.per_connection_buffer_limit_bytes ?? DEFAULT_BUFFER_LIMIT_BYTES;
  // Envoy's default for HTTP/2 is its smaller one.
  const maxHttp2HeadBytes = headersKb === undefined ? DEFAULT_HTTP2_OPTIONS.maxHeadBytes : maxHeadBytes;
  const surroundings = { maxHeadBytes: maxHttp2HeadBytes, maxHeaders, streamBufferBytes };
  return Object.freeze({
    protocol,
    http2: decodeHttp2Options(http2, choice.d.at('http2_protocol_options'), surroundings),
    spelling,
    sendsFullUrl: http1?.send_fully_qualified_url ?? false,
    limits: Object.freeze({
      ...defaults,
      maxHeadBytes,
      maxHeaders,
      allowChunkedLength: http1?.allow_chunked_length ?? false,
      ...kept,
      enableTrailers: http1?.enable_trailers ?? false,
    }),
    idleTimeoutMs: dc.durationMs(common?.idle_timeout, DEFAULT_IDLE_TIMEOUT_MS),
    maxConnectionDurationMs: dc.durationMs(common?.max_connection_duration, 0),
    durationJitterPercent: common?.max_connection_duration_jitter?.value ?? 0,
    maxStreamDurationMs: dc.durationMs(common?.max_stream_duration, 0),
    maxRequestsPerConnection: common?.max_requests_per_connection ?? message.max_requests_per_connection ?? 0,
    ...more,
  });
}
