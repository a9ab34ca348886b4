// Decodes the HTTP connection manager: protobuf → frozen configuration and the list of its filters.
import { networkInterfaces } from 'node:os';
import { CidrSet } from '../../base/ip.ts';
import type { Any, HttpConnectionManager, HttpFilter as HttpFilterPb } from '../../proto/generated/types.d.ts';
import type { Spelling } from '../../wire/http1/encoder.ts';
import { decodeAccessLogs } from '../access-log/decode.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { HttpFilterFactory } from '../http/filter.ts';
import type { FilterSpec, HttpExtension } from '../http/filter-discovery.ts';
import type { HttpConfig } from '../http/http-config.ts';
import type { RouteTable } from '../route/route.ts';
import type { Holder, Holders } from '../xds/holders.ts';
import type { ConfigPlace } from '../xds/place.ts';
import { followHosts } from '../xds/route-feeds.ts';
import type { ScopeSets } from '../xds/scope-sets.ts';
import type { VirtualHosts } from '../xds/virtual-hosts.ts';
import { decodeHttp2Options, HTTP2_FIELDS } from './http2-options.ts';
import { CLIENT_CERT_FIELDS, decodeClientCert } from './client-cert.ts';
import { decodeFilterDiscovery, FILTER_DISCOVERY_FIELDS } from './filter-discovery.ts';
import { decodeLocalReply } from './local-reply.ts';
import { type CidrRangePb, decodeCidrs } from './matcher.ts';
import { decodeRouteConfiguration } from './route.ts';
import { decodeScopedRds, decodeScopedRoutes, SCOPED_ROUTES_FIELDS } from './scoped-routes.ts';
import { decodeTracer, decodeTracing, TRACING_FIELDS } from './tracing.ts';

/** Defaults. Source: envoy http_connection_manager.proto and protocol.proto. */
const STREAM_IDLE_TIMEOUT_MS = 300_000;
const IDLE_TIMEOUT_MS = 3_600_000;
const DRAIN_TIMEOUT_MS = 5_000;
const DELAYED_CLOSE_TIMEOUT_MS = 1_000;
const MAX_REQUEST_HEADERS_KB = 60;
const MAX_HEADERS_COUNT = 100;

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
    forward_client_cert_details set_current_client_cert_details forward_client_cert_matcher`,
  ...CLIENT_CERT_FIELDS,
  ...TRACING_FIELDS,
  ...HTTP2_FIELDS,
  'envoy.extensions.filters.network.http_connection_manager.v3.Rds': 'config_source route_config_name',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter':
    'name typed_config is_optional disabled config_discovery',
  ...FILTER_DISCOVERY_FIELDS,
  ...SCOPED_ROUTES_FIELDS,
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig':
    'upgrade_type filters enabled',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig':
    'unix_sockets cidr_ranges',
  'envoy.extensions.filters.network.http_connection_manager.v3.RequestIDExtension': 'typed_config',
  'envoy.config.core.v3.SchemeHeaderTransformation': 'scheme_to_overwrite',
  'envoy.config.core.v3.HttpProtocolOptions': `
    idle_timeout max_headers_count max_connection_duration max_stream_duration headers_with_underscores_action
    max_requests_per_connection`,
  'envoy.config.core.v3.Http1ProtocolOptions': `
    allow_absolute_url accept_http_10 default_host_for_http_10 header_key_format enable_trailers allow_chunked_length
    allow_custom_methods override_stream_error_on_invalid_http_message use_balsa_parser`,
  'envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat': 'proper_case_words stateful_formatter',
  'envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords': '',
  'envoy.config.core.v3.TypedExtensionConfig': 'name typed_config',
  'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig': '',
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
  const routes = decodeRoutes(message, d);
  const filters = decodeFilters(message.http_filters ?? [], 'http_filters', d, environment);
  const upgradeFilters = decodeUpgradeFilters(message, d, environment);
  const common = message.common_http_protocol_options ?? {};
  const dc = d.at('common_http_protocol_options');
  const config: Omit<HttpConfig, 'chain'> = {
    statPrefix: message.stat_prefix ?? '',
    serverName: message.server_name || 'envoy',
    serverHeaderTransformation: named(message.server_header_transformation, 'OVERWRITE'),
    schemeOverwrite: message.scheme_header_transformation?.scheme_to_overwrite ?? '',
    useRemoteAddress: message.use_remote_address ?? false,
    xffNumTrustedHops: message.xff_num_trusted_hops ?? 0,
    skipXffAppend: message.skip_xff_append ?? false,
    appendXForwardedPort: message.append_x_forwarded_port ?? false,
    representIpv4AsMapped: message.represent_ipv4_remote_address_as_ipv4_mapped_ipv6 ?? false,
    localAddress: environment.localAddress,
    isInternalAddress: internalAddresses(message, d),
    via: message.via ?? '',
    clientCert: decodeClientCert(message, d),
    userAgent: message.add_user_agent === true ? environment.serviceCluster : '',
    nodeId: environment.nodeId,
    generateRequestId: message.generate_request_id ?? true,
    preserveExternalRequestId: message.preserve_external_request_id ?? false,
    alwaysSetRequestIdInResponse: message.always_set_request_id_in_response ?? false,
    tracing: decodeTracing(message, d),
    streamIdleTimeoutMs: d.durationMs(message.stream_idle_timeout, STREAM_IDLE_TIMEOUT_MS),
    requestTimeoutMs: d.durationMs(message.request_timeout, 0),
    requestHeadersTimeoutMs: d.durationMs(message.request_headers_timeout, 0),
    drainTimeoutMs: d.durationMs(message.drain_timeout, DRAIN_TIMEOUT_MS),
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
    http1: decodeHttp1(message, d),
    codecType: codecType === 'HTTP3' ? 'AUTO' : codecType,
    http2: decodeHttp2Options(message.http2_protocol_options, d.at('http2_protocol_options'), {
      maxHeadBytes: (message.max_request_headers_kb ?? MAX_REQUEST_HEADERS_KB) * 1024,
      maxHeaders: common.max_headers_count ?? MAX_HEADERS_COUNT,
      streamBufferBytes: bufferLimitBytes,
      streamErrorOnInvalidMessage: message.stream_error_on_invalid_http_message,
    }),
    normalizePath: message.normalize_path ?? false,
    mergeSlashes: message.merge_slashes ?? false,
    escapedSlashes: escapedSlashes(message),
    stripMatchingHostPort: message.strip_matching_host_port ?? false,
    stripAnyHostPort: message.strip_any_host_port ?? false,
    stripTrailingHostDot: message.strip_trailing_host_dot ?? false,
    proxy100Continue: message.proxy_100_continue ?? false,
    upgrades: decodeUpgrades(message, d),
    accessLogs: decodeAccessLogs(message.access_log ?? [], d.at('access_log')),
    localReply:
      message.local_reply_config === undefined
        ? null
        : decodeLocalReply(message.local_reply_config, d.at('local_reply_config')),
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

function named<T extends string>(value: T | number | undefined, fallback: T): T {
  return typeof value === 'string' ? value : fallback;
}

function escapedSlashes(message: HttpConnectionManager): HttpConfig['escapedSlashes'] {
  const action = message.path_with_escaped_slashes_action;
  if (typeof action !== 'string' || action === 'IMPLEMENTATION_SPECIFIC_DEFAULT') return 'KEEP_UNCHANGED';
  return action;
}

function decodeHttp1(message: HttpConnectionManager, d: ConfigDecoder): HttpConfig['http1'] {
  const options = message.http_protocol_options ?? {};
  const format = options.header_key_format;
  let spelling: Spelling = 'lower';
  if (format?.proper_case_words !== undefined) spelling = 'proper-case';
  if (format?.stateful_formatter !== undefined) spelling = 'preserve';
  if (options.use_balsa_parser === false) {
    d.at('http_protocol_options').reject('use_balsa_parser', 'only Envoy’s present parser is imitated');
  }
  return {
    maxHeadBytes: (message.max_request_headers_kb ?? MAX_REQUEST_HEADERS_KB) * 1024,
    maxHeaders: message.common_http_protocol_options?.max_headers_count ?? MAX_HEADERS_COUNT,
    allowChunkedLength: options.allow_chunked_length ?? false,
    keepSpelling: spelling === 'preserve',
    allowCustomMethods: options.allow_custom_methods ?? false,
    enableTrailers: options.enable_trailers ?? false,
    acceptHttp10: options.accept_http_10 ?? false,
    defaultHostForHttp10: options.default_host_for_http_10 ?? '',
    allowAbsoluteUrl: options.allow_absolute_url ?? true,
    spelling,
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

/** Since Envoy 1.33 no address is internal unless it is said here. */

function internalAddresses(message: HttpConnectionManager, d: ConfigDecoder): (address: string) => boolean {
  const config = message.internal_address_config;
  const cidrs = decodeCidrs(
    config?.cidr_ranges as readonly CidrRangePb[] | undefined,
    d.at('internal_address_config'),
    'cidr_ranges',
  );
  const unixSockets = config?.unix_sockets ?? false;
  if (cidrs.length === 0) return unixSockets ? (address) => address.startsWith('/') : () => false;
  const set = new CidrSet(cidrs);
  return (address) => set.contains(address) || (unixSockets && address.startsWith('/'));
}

function decodeUpgrades({ upgrade_configs = [] }: HttpConnectionManager, d: ConfigDecoder): Map<string, boolean> {
  const upgrades = new Map<string, boolean>();
  for (const [i, { upgrade_type: given = '', enabled = true }] of upgrade_configs.entries()) {
    const type = given.toLowerCase();
    const text = `Error: multiple upgrade configs with the same name: '${given}'`;
    if (upgrades.has(type)) d.at('upgrade_configs', i).reject('', text);
    upgrades.set(type, enabled);
  }
  return upgrades;
}

function decodeUpgradeFilters(
  { upgrade_configs = [] }: HttpConnectionManager,
  d: ConfigDecoder,
  environment: HttpManagerEnvironment,
): Map<string, readonly HttpFilterSpec[]> {
  const chains = new Map<string, readonly HttpFilterSpec[]>();
  for (const [i, { upgrade_type: type = '', filters = [] }] of upgrade_configs.entries()) {
    if (filters.length === 0) continue;
    chains.set(type.toLowerCase(), decodeFilters(filters, 'filters', d.at('upgrade_configs', i), environment));
  }
  return chains;
}

function decodeFilters(
  messages: readonly HttpFilterPb[],
  field: 'http_filters' | 'filters',
  d: ConfigDecoder,
  environment: HttpManagerEnvironment,
): HttpFilterSpec[] {
  const specs: HttpFilterSpec[] = [];
  for (const [i, message] of messages.entries()) {
    const df = d.at(field, i);
    if (message.config_discovery !== undefined) {
      const { name = '', disabled = false } = message;
      const discovery = decodeFilterDiscovery(name, message.config_discovery, df.at('config_discovery'), {
        factoryOf: environment.filterFactory,
        decode: (factory, config, de) => factory.decode(config as never, de),
      });
      if (discovery !== null) specs.push({ name, disabled, factory: null, discovery });
      continue;
    }
    if (message.typed_config === undefined) {
      df.reject('typed_config', `is required: filter ${JSON.stringify(message.name ?? '')} has no configuration`);
      continue;
    }
    const spec = decodeFilter(message, df, environment, message.typed_config);
    if (spec !== null) specs.push(spec);
  }
  const last = specs.at(-1);
  for (const [i, spec] of specs.entries()) {
    if (spec.factory?.isTerminal === true && spec !== last) {
      d.at(field, i).reject('', `terminal filter ${spec.name} must be the last filter of the chain`);
    }
  }
  if (messages.length === 0) d.reject(field, 'is required: the last filter must be envoy.filters.http.router');
  else if (last?.factory != null && last.factory.isTerminal !== true && specs.length === messages.length) {
    d.at(field, messages.length - 1).reject(
      '',
      `non-terminal filter ${last.name} is the last filter of the chain; envoy.filters.http.router must be`,
    );
  }
  return specs;
}

function decodeFilter(
  message: HttpFilterPb,
  d: ConfigDecoder,
  environment: HttpManagerEnvironment,
  any: Any,
): HttpFilterSpec | null {
  const unpacked = d.environment.unpack(any, d.at('typed_config'));
  if (unpacked === null) return null;
  const factory = environment.filterFactory(unpacked.type);
  if (factory === null) {
    if (message.is_optional !== true) {
      d.reject('typed_config', `no filter of type ${unpacked.type} (named ${JSON.stringify(message.name ?? '')})`);
    }
    return null;
  }
  return {
    name: message.name ?? factory.name,
    factory,
    config: factory.decode(unpacked.message as never, d.at('typed_config')),
    disabled: message.disabled ?? false,
  };
}

/** The first address of that version that is not loopback, as Envoy's LocalInfo. */
export function findLocalAddress(version: 'v4' | 'v6'): string {
  const family = version === 'v4' ? 'IPv4' : 'IPv6';
  for (const addresses of Object.values(networkInterfaces())) {
    for (const entry of addresses ?? []) if (!entry.internal && entry.family === family) return entry.address;
  }
  return version === 'v4' ? '127.0.0.1' : '::1';
}
