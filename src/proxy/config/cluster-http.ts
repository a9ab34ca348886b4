// Decodes how connections to a cluster speak HTTP: HttpProtocolOptions, or the older fields of Cluster.
import type {
  Cluster,
  Http1ProtocolOptions,
  HttpProtocolOptions,
  UpstreamHttpProtocolOptions,
  Http_HttpProtocolOptions as UpstreamHttpOptions,
} from '../../proto/generated/types.d.ts';
import type { Spelling } from '../../wire/http1/encoder.ts';
import {
  type AutoNames,
  DEFAULT_HTTP_CONFIG,
  DEFAULT_IDLE_TIMEOUT_MS,
  type UpstreamHttpConfig,
} from '../cluster/cluster-config.ts';
import type { ConfigDecoder } from '../config-decoder.ts';

export const CLUSTER_HTTP_FIELDS = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions':
    'common_http_protocol_options upstream_http_protocol_options explicit_http_config ' +
    'use_downstream_protocol_config auto_config',
  'envoy.config.core.v3.UpstreamHttpProtocolOptions': 'auto_sni auto_san_validation override_auto_sni_header',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig':
    'http_protocol_options http2_protocol_options http3_protocol_options',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig':
    'http_protocol_options http2_protocol_options http3_protocol_options',
  // Refused here, with a better reason than a missing field.
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig': '*',
  'envoy.config.core.v3.Http2ProtocolOptions': '*',
  'envoy.config.core.v3.Http3ProtocolOptions': '*',
  'envoy.config.core.v3.HttpProtocolOptions':
    'idle_timeout max_headers_count max_connection_duration max_stream_duration max_requests_per_connection ' +
    'max_response_headers_kb',
} as const;

const OPTIONS_TYPE = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const PRESERVE_CASE = 'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig';
const NO_HTTP2 = 'HTTP/2 to upstreams is not supported yet: use http_protocol_options';

export function decodeClusterHttp(message: Cluster, d: ConfigDecoder): UpstreamHttpConfig {
  const typed = decodeTypedOptions(message, d);
  if (typed === null) {
    const legacyMax = message.max_requests_per_connection;
    if (message.http2_protocol_options !== undefined) d.reject('http2_protocol_options', NO_HTTP2);
    const http1 = message.http_protocol_options;
    return makeConfig(
      message.common_http_protocol_options,
      d.at('common_http_protocol_options'),
      http1,
      d.at('http_protocol_options'),
      legacyMax,
    );
  }
  for (const field of ['common_http_protocol_options', 'http_protocol_options', 'http2_protocol_options'] as const) {
    if (message[field] === undefined) continue;
    d.reject(field, `takes no effect beside typed_extension_protocol_options[${JSON.stringify(OPTIONS_TYPE)}]`);
  }
  const { options, d: dt } = typed;
  return makeConfig(
    options.common_http_protocol_options,
    dt.at('common_http_protocol_options'),
    http1Options(options, dt),
    dt,
    message.max_requests_per_connection,
    autoNames(options.upstream_http_protocol_options ?? {}),
  );
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

function http1Options(options: UpstreamHttpOptions, d: ConfigDecoder): Http1ProtocolOptions | undefined {
  if (options.auto_config !== undefined) {
    d.reject('auto_config', NO_HTTP2);
    return undefined;
  }
  const field = options.explicit_http_config !== undefined ? 'explicit_http_config' : 'use_downstream_protocol_config';
  const config = options.explicit_http_config ?? options.use_downstream_protocol_config;
  if (config?.http2_protocol_options !== undefined) d.at(field).reject('http2_protocol_options', NO_HTTP2);
  if (config?.http3_protocol_options !== undefined) {
    d.at(field).reject('http3_protocol_options', 'HTTP/3 to upstreams is not supported');
  }
  return config?.http_protocol_options;
}

function makeConfig(
  common: HttpProtocolOptions | undefined,
  dc: ConfigDecoder,
  http1: Http1ProtocolOptions | undefined,
  d1: ConfigDecoder,
  legacyMaxRequests: number | undefined,
  autoNames: AutoNames | null = null,
): UpstreamHttpConfig {
  const defaults = DEFAULT_HTTP_CONFIG.limits;
  const spelling = decodeSpelling(http1, d1);
  if (http1?.send_fully_qualified_url === true) d1.reject('send_fully_qualified_url', 'is not supported yet');
  const headersKb = common?.max_response_headers_kb;
  return Object.freeze({
    spelling,
    limits: Object.freeze({
      ...defaults,
      maxHeadBytes: headersKb === undefined ? defaults.maxHeadBytes : headersKb * 1024,
      maxHeaders: common?.max_headers_count ?? defaults.maxHeaders,
      allowChunkedLength: http1?.allow_chunked_length ?? false,
      keepSpelling: spelling === 'preserve',
      enableTrailers: http1?.enable_trailers ?? false,
    }),
    idleTimeoutMs: dc.durationMs(common?.idle_timeout, DEFAULT_IDLE_TIMEOUT_MS),
    maxConnectionDurationMs: dc.durationMs(common?.max_connection_duration, 0),
    maxStreamDurationMs: dc.durationMs(common?.max_stream_duration, 0),
    maxRequestsPerConnection: common?.max_requests_per_connection ?? legacyMaxRequests ?? 0,
    autoNames,
  });
}

function decodeSpelling(http1: Http1ProtocolOptions | undefined, d: ConfigDecoder): Spelling {
  const format = http1?.header_key_format;
  if (format?.proper_case_words !== undefined) return 'proper-case';
  const stateful = format?.stateful_formatter;
  if (stateful === undefined) return 'lower';
  const df = d.at('header_key_format').at('stateful_formatter');
  const unpacked = d.environment.unpack(stateful.typed_config, df.at('typed_config'));
  if (unpacked !== null && unpacked.type !== PRESERVE_CASE) df.reject('', `${unpacked.type} is not supported yet`);
  return 'preserve';
}
