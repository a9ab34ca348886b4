// Decodes the HTTP connection manager: protobuf → frozen configuration and the list of its filters.
import { networkInterfaces } from 'node:os';
import type { HttpConnectionManager } from '../../proto/generated/types.d.ts';
import { decodeAccessLogs } from '../access-log/decode.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { HttpFilterFactory, Runtime } from '../http/filter.ts';
import type { FilterSpec, HttpExtension } from '../http/filter-discovery.ts';
import type { HttpConfig } from '../http/http-config.ts';
import type { RouteTable } from '../route/route.ts';
import type { Holder, Holders } from '../xds/holders.ts';
import type { ConfigPlace } from '../xds/place.ts';
import { followHosts } from '../xds/route-feeds.ts';
import type { ScopeSets } from '../xds/scope-sets.ts';
import type { VirtualHosts } from '../xds/virtual-hosts.ts';
import {
  CLIENT_ADDRESS_FIELDS,
  decodeDetections,
  decodeInternalAddresses,
  decodeSchemeByPort,
} from './client-address.ts';
import { decodeHttp1Spelling, HTTP1_FIELDS } from './http1-options.ts';
import { decodeHttp2Options, HTTP2_FIELDS } from './http2-options.ts';
import { CLIENT_CERT_FIELDS, decodeClientCert } from './client-cert.ts';
import { decodeEarlyHeaders, EARLY_HEADER_FIELDS } from './early-headers.ts';
import { decodeFilters, decodeUpgradeFilters, decodeUpgrades, HTTP_FILTER_FIELDS } from './http-filter-chain.ts';
import { decodeLocalReply } from './local-reply.ts';
import { decodeStringMatchers } from './matcher.ts';
import { decodeLogStages, LOG_STAGE_FIELDS } from './log-stages.ts';
import { decodeProxyStatus, PROXY_STATUS_FIELDS } from './proxy-status.ts';
import { decodeEscapedSlashes, decodeHeadLimits, decodeNormalizePath, type HeadLimits } from './request-rules.ts';
import { decodeRouteConfiguration } from './route.ts';
import { decodeScopedRds, decodeScopedRoutes, SCOPED_ROUTES_FIELDS } from './scoped-routes.ts';
import { decodeTracer, decodeTracing, TRACING_FIELDS } from './tracing.ts';

/** Defaults. Source: envoy http_connection_manager.proto and protocol.proto. */
const STREAM_IDLE_TIMEOUT_MS = 300_000;
const IDLE_TIMEOUT_MS = 3_600_000;
const DRAIN_TIMEOUT_MS = 5_000;
const DELAYED_CLOSE_TIMEOUT_MS = 1_000;

export const HTTP_CONNECTION_MANAGER_FIELDS = {
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager': `
    codec_type stat_prefix route_config rds scoped_routes http_filters add_user_agent http_protocol_options
    http2_protocol_options common_http_protocol_options server_name drain_timeout access_log use_remote_address
    generate_request_id
    proxy_100_continue xff_num_trusted_hops represent_ipv4_remote_address_as_ipv4_mapped_ipv6 skip_xff_append via
    upgrade_configs stream_idle_timeout internal_address_config delayed_close_timeout request_timeout
    max_request_headers_kb normalize_path preserve_external_request_id merge_slashes server_header_transformation
    request_id_extension tracing always_set_request_id_in_response local_reply_config strip_matching_host_port
    stream_error_on_invalid_http_message request_headers_timeout strip_any_host_port
    path_with_escaped_slashes_action strip_trailing_host_dot scheme_header_transformation append_x_forwarded_port
    original_ip_detection_extensions forward_proto_config early_header_mutation_extensions proxy_status_config
    access_log_options access_log_flush_interval flush_access_log_on_new_request
    typed_header_validation_config path_normalization_options add_proxy_protocol_connection_state
    drain_timeout_jitter http1_safe_max_connection_duration stream_flush_timeout record_route_resolution_stats
    forward_client_cert_details set_current_client_cert_details forward_client_cert_matcher`,
  ...CLIENT_CERT_FIELDS,
  ...CLIENT_ADDRESS_FIELDS,
  ...EARLY_HEADER_FIELDS,
  ...TRACING_FIELDS,
  ...HTTP2_FIELDS,
  'envoy.extensions.filters.network.http_connection_manager.v3.Rds': 'config_source route_config_name',
  ...HTTP_FILTER_FIELDS,
  ...SCOPED_ROUTES_FIELDS,
  'envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension': 'typed_config',
  'envoy.config.core.v3.SchemeHeaderTransformation': 'scheme_to_overwrite match_upstream',
  'envoy.config.core.v3.HttpProtocolOptions': `
    idle_timeout max_headers_count max_connection_duration max_stream_duration headers_with_underscores_action
    max_requests_per_connection max_connection_duration_jitter`,
  'envoy.config.core.v3.Http1ProtocolOptions': `
    allow_absolute_url accept_http_10 default_host_for_http_10 header_key_format enable_trailers allow_chunked_length
    allow_custom_methods override_stream_error_on_invalid_http_message use_balsa_parser ignore_http_11_upgrade
    send_fully_qualified_url`,
  ...HTTP1_FIELDS,
  ...PROXY_STATUS_FIELDS,
  ...LOG_STAGE_FIELDS,
} as const;

export type HttpFilterSpec = FilterSpec;

export type HttpManagerConfig = {
  readonly config: Omit<HttpConfig, 'chain'>;
  readonly rds: { readonly name: string; readonly place: ConfigPlace } | null;
  readonly followRoutes: ((httpPrefix: string) => Holder<RouteTable>) | null;
  readonly filters: readonly HttpFilterSpec[];
  /** Of upgrades that have their own, by type (lower case). */
  readonly upgradeFilters: ReadonlyMap<string, readonly HttpFilterSpec[]>;
  /** What is called upon to trace, which nothing does; '' for none. */
  readonly tracer: string;
};

/** What decoding takes from the process around it. */
export type HttpManagerEnvironment = {
  /** Route configurations by name; absent where only a part is decoded. */
  readonly routes?: Holders<RouteTable>;
  readonly extensions?: Holders<HttpExtension>;
  readonly scopes?: ScopeSets;
  readonly virtualHosts?: VirtualHosts;
  readonly filterFactory: (type: string) => HttpFilterFactory | null;
  readonly serviceCluster: string;
  readonly nodeId: string;
  readonly hasCluster?: (name: string) => boolean;
  /** This machine's address, as x-forwarded-for names a client on loopback. */
  readonly localAddress: string;
};

export function decodeHttpConnectionManager(
  message: HttpConnectionManager,
  d: ConfigDecoder,
  environment: HttpManagerEnvironment,
  bufferLimitBytes: number,
): HttpManagerConfig {
  const codecType = named(message.codec_type, 'AUTO');
  if (codecType === 'HTTP3') d.reject('codec_type', 'HTTP3 is not supported: AUTO, HTTP1 and HTTP2 are');
  if (message.strip_matching_host_port === true && message.strip_any_host_port === true) {
    d.reject('strip_any_host_port', 'only one of strip_matching_host_port and strip_any_host_port can be set');
  }
  refuse(message, d);
  const routes = decodeRoutes(message, d);
  const filters = decodeFilters(message.http_filters ?? [], 'http_filters', d, environment);
  const upgradeFilters = decodeUpgradeFilters(message, d, environment);
  const common = message.common_http_protocol_options ?? {};
  const dc = d.at('common_http_protocol_options');
  const { runtime } = d.environment as { readonly runtime?: Runtime };
  const streamIdleTimeoutMs = d.durationMs(message.stream_idle_timeout, STREAM_IDLE_TIMEOUT_MS);
  const limits = decodeHeadLimits(message, runtime);
  const config: Omit<HttpConfig, 'chain'> = {
    statPrefix: message.stat_prefix ?? '',
    serverName: message.server_name || 'envoy',
    serverHeaderTransformation: named(message.server_header_transformation, 'OVERWRITE'),
    schemeOverwrite: message.scheme_header_transformation?.scheme_to_overwrite ?? '',
    // An overwritten scheme comes first.
    schemeMatchesUpstream:
      message.scheme_header_transformation?.match_upstream === true &&
      (message.scheme_header_transformation.scheme_to_overwrite ?? '') === '',
    useRemoteAddress: message.use_remote_address ?? false,
    xffNumTrustedHops: message.xff_num_trusted_hops ?? 0,
    skipXffAppend: message.skip_xff_append ?? false,
    appendXForwardedPort: message.append_x_forwarded_port ?? false,
    representIpv4AsMapped: message.represent_ipv4_remote_address_as_ipv4_mapped_ipv6 ?? false,
    localAddress: environment.localAddress,
    earlyHeaders: decodeEarlyHeaders(message, d),
    addressDetections: decodeDetections(message, d),
    schemeByPort: decodeSchemeByPort(message),
    isInternalAddress: decodeInternalAddresses(message, d),
    via: message.via ?? '',
    clientCert: decodeClientCert(message, d),
    userAgent: message.add_user_agent === true ? environment.serviceCluster : '',
    nodeId: environment.nodeId,
    hasCluster: environment.hasCluster,
    generateRequestId: message.generate_request_id ?? true,
    preserveExternalRequestId: message.preserve_external_request_id ?? false,
    alwaysSetRequestIdInResponse: message.always_set_request_id_in_response ?? false,
    tracing: decodeTracing(message, d),
    streamIdleTimeoutMs,
    requestTimeoutMs: d.durationMs(message.request_timeout, 0),
    requestHeadersTimeoutMs: d.durationMs(message.request_headers_timeout, 0),
    drainTimeoutMs: d.durationMs(message.drain_timeout, DRAIN_TIMEOUT_MS),
    drainJitterPercent: message.drain_timeout_jitter?.value ?? 0,
    durationJitterPercent: common.max_connection_duration_jitter?.value ?? 0,
    endsWithNextExchange: message.http1_safe_max_connection_duration ?? false,
    flushTimeoutMs: d.durationMs(message.stream_flush_timeout, streamIdleTimeoutMs),
    recordsRouteResolution: message.record_route_resolution_stats ?? false,
    delayedCloseTimeoutMs: d.durationMs(message.delayed_close_timeout, DELAYED_CLOSE_TIMEOUT_MS),
    idleTimeoutMs: dc.durationMs(common.idle_timeout, IDLE_TIMEOUT_MS),
    maxConnectionDurationMs: dc.durationMs(common.max_connection_duration, 0),
    maxStreamDurationMs: dc.durationMs(common.max_stream_duration, 0),
    maxRequestsPerConnection: common.max_requests_per_connection ?? 0,
    headersWithUnderscores: named(common.headers_with_underscores_action, 'ALLOW'),
    streamErrorOnInvalidHttpMessage:
      message.http_protocol_options?.override_stream_error_on_invalid_http_message ??
      message.stream_error_on_invalid_http_message ??
      false,
    http1: decodeHttp1(message, d, limits),
    codecType: codecType === 'HTTP3' ? 'AUTO' : codecType,
    http2: decodeHttp2Options(message.http2_protocol_options, d.at('http2_protocol_options'), {
      ...limits,
      streamBufferBytes: bufferLimitBytes,
      streamErrorOnInvalidMessage: message.stream_error_on_invalid_http_message,
    }),
    normalizePath: decodeNormalizePath(message, runtime),
    mergeSlashes: message.merge_slashes ?? false,
    escapedSlashes: decodeEscapedSlashes(message, runtime),
    stripMatchingHostPort: message.strip_matching_host_port ?? false,
    stripAnyHostPort: message.strip_any_host_port ?? false,
    stripTrailingHostDot: message.strip_trailing_host_dot ?? false,
    proxy100Continue: message.proxy_100_continue ?? false,
    upgrades: decodeUpgrades(message, d),
    accessLogs: decodeAccessLogs(message.access_log ?? [], d.at('access_log')),
    logStages: decodeLogStages(message, d),
    localReply:
      message.local_reply_config === undefined
        ? null
        : decodeLocalReply(message.local_reply_config, d.at('local_reply_config')),
    proxyStatus: decodeProxyStatus(message, environment, d),
    routes,
    bufferLimitBytes,
  };
  return {
    config,
    rds: decodeRds(message, d),
    followRoutes: decodeFollowed(message, routes.current, d, environment),
    filters,
    upgradeFilters,
    tracer: decodeTracer(message, d),
  };
}

/** What Envoy refuses too, in its words; and a promise about paths that it does not keep. */
function refuse(message: HttpConnectionManager, d: ConfigDecoder): void {
  const { typed_header_validation_config: validation, path_normalization_options: normalization } = message;
  if (validation !== undefined) {
    const text = `This Envoy binary does not support header validator extensions.: '${validation.name ?? ''}'`;
    d.reject('typed_header_validation_config', text);
  }
  if (normalization !== undefined) {
    d.reject('path_normalization_options', 'is implemented by nobody: use normalize_path and merge_slashes');
  }
  if (message.add_proxy_protocol_connection_state === false) {
    d.reject('add_proxy_protocol_connection_state', 'false is not supported: upstream PROXY headers name the client');
  }
  if (message.common_http_protocol_options?.max_response_headers_kb !== undefined) {
    const text = 'max_response_headers_kb cannot be set on http_connection_manager.';
    d.at('common_http_protocol_options').reject('max_response_headers_kb', text);
  }
}

function named<T extends string>(value: T | number | undefined, fallback: T): T {
  return typeof value === 'string' ? value : fallback;
}

function decodeHttp1(message: HttpConnectionManager, d: ConfigDecoder, limits: HeadLimits): HttpConfig['http1'] {
  const options = message.http_protocol_options ?? {};
  const at = d.at('http_protocol_options');
  if (options.use_balsa_parser === false) at.reject('use_balsa_parser', 'only Envoy’s present parser is imitated');
  return {
    ...limits,
    allowChunkedLength: options.allow_chunked_length ?? false,
    ...decodeHttp1Spelling(options, at),
    ignoredUpgrades: decodeStringMatchers(options.ignore_http_11_upgrade as never, at, 'ignore_http_11_upgrade'),
    allowCustomMethods: options.allow_custom_methods ?? false,
    enableTrailers: options.enable_trailers ?? false,
    acceptHttp10: options.accept_http_10 ?? false,
    defaultHostForHttp10: options.default_host_for_http_10 ?? '',
    allowAbsoluteUrl: options.allow_absolute_url ?? true,
    refusesPlainHttps: message.use_remote_address === true && (message.xff_num_trusted_hops ?? 0) === 0,
  };
}

/** A route configuration of its own. */
function decodeRoutes(message: HttpConnectionManager, d: ConfigDecoder): { readonly current: RouteTable | null } {
  if (message.route_config !== undefined) {
    return { current: decodeRouteConfiguration(message.route_config, d.at('route_config')) };
  }
  if (message.scoped_routes?.scoped_rds !== undefined) return { current: null };
  if (message.scoped_routes !== undefined) {
    return { current: decodeScopedRoutes(message.scoped_routes, d.at('scoped_routes')) };
  }
  if (message.rds === undefined) d.reject('route_config', 'is required, or rds, or scoped_routes');
  return { current: null };
}

/** Or one of which parts come from elsewhere: scopes, or virtual hosts. */
function decodeFollowed(
  message: HttpConnectionManager,
  table: RouteTable | null,
  d: ConfigDecoder,
  { scopes, virtualHosts }: HttpManagerEnvironment,
): HttpManagerConfig['followRoutes'] {
  const open = table?.open ?? null;
  if (open !== null && virtualHosts !== undefined) return () => followHosts(virtualHosts, open);
  if (message.scoped_routes?.scoped_rds === undefined) return null;
  const config = decodeScopedRds(message.scoped_routes, d.at('scoped_routes'));
  return config === null || scopes === undefined ? null : (httpPrefix) => scopes.use(config, httpPrefix);
}

/** Or one that comes from elsewhere. */
function decodeRds(message: HttpConnectionManager, d: ConfigDecoder): HttpManagerConfig['rds'] {
  if (message.rds === undefined) return null;
  const dr = d.at('rds');
  const name = message.rds.route_config_name ?? '';
  if (name === '') dr.reject('route_config_name', 'is required');
  const place = d.environment.configPlace?.(message.rds.config_source, dr.at('config_source')) ?? null;
  return place === null ? null : { name, place };
}

/** The first address of that version that is not loopback, as Envoy's LocalInfo. */
export function findLocalAddress(version: 'v4' | 'v6'): string {
  const family = version === 'v4' ? 'IPv4' : 'IPv6';
  for (const addresses of Object.values(networkInterfaces())) {
    for (const entry of addresses ?? []) if (!entry.internal && entry.family === family) return entry.address;
  }
  return version === 'v4' ? '127.0.0.1' : '::1';
}
