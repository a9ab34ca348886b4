// Decodes envoy.config.core.v3.ConfigSource: where resources come from that are only named.
import { existsSync } from 'node:fs';
import type {
  ApiConfigSource,
  ConfigSource,
  Duration,
  PathConfigSource,
  RateLimitSettings,
} from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { ADS_KEY, type ConfigPlace, type GrpcPlace, type PlaceSource } from '../xds/place.ts';
import { decodeGrpcService, GRPC_SERVICE_FIELDS } from './grpc-service.ts';

export const CONFIG_SOURCE_FIELDS = {
  'envoy.config.core.v3.ConfigSource':
    'path path_config_source api_config_source ads self initial_fetch_timeout resource_api_version',
  'envoy.config.core.v3.PathConfigSource': 'path watched_directory',
  'envoy.config.core.v3.WatchedDirectory': 'path',
  'envoy.config.core.v3.AggregatedConfigSource': '',
  'envoy.config.core.v3.SelfConfigSource': 'transport_api_version',
  'envoy.config.core.v3.ApiConfigSource':
    'api_type transport_api_version cluster_names grpc_services refresh_delay request_timeout rate_limit_settings ' +
    'set_node_on_first_message_only',
  'envoy.config.core.v3.RateLimitSettings': 'max_tokens fill_rate',
  ...GRPC_SERVICE_FIELDS,
} as const;

/** Source: Envoy ConfigSource.initial_fetch_timeout. */
const INITIAL_FETCH_TIMEOUT_MS = 15_000;
/** Source: Envoy Utility::apiConfigSourceRequestTimeout. */
const REQUEST_TIMEOUT_MS = 1_000;
/** Source: Envoy RateLimitSettings. */
const MAX_TOKENS = 100;
const FILL_RATE = 10;

/** The message at `d`; null after rejecting it. `self` is where the resource came from that says so. */
export function decodeConfigSource(
  message: ConfigSource | undefined,
  d: ConfigDecoder,
  self: ConfigPlace | null = null,
): ConfigPlace | null {
  if (message === undefined) {
    d.reject('', 'is required');
    return null;
  }
  if (message.resource_api_version === 'V2') d.reject('resource_api_version', 'must be V3: V2 is long gone');
  const initialFetchTimeoutMs = d.durationMs(message.initial_fetch_timeout, INITIAL_FETCH_TIMEOUT_MS);
  const source = decodeSource(message, d, self);
  if (source === null) return null;
  const key = source.kind === 'ads' ? ADS_KEY : keyOf({ ...message, initial_fetch_timeout: undefined });
  return Object.freeze({ key, source, message, initialFetchTimeoutMs });
}

function decodeSource(message: ConfigSource, d: ConfigDecoder, self: ConfigPlace | null): PlaceSource | null {
  if (message.ads !== undefined) {
    if (d.environment.hasAds !== true) d.reject('ads', 'there is no dynamic_resources.ads_config to ask');
    return { kind: 'ads' };
  }
  if (message.api_config_source !== undefined) {
    return decodeApiSource(message.api_config_source, d.at('api_config_source'));
  }
  if (message.path_config_source !== undefined) {
    return decodePath(message.path_config_source, d.at('path_config_source'));
  }
  if (message.path !== undefined) return decodePath({ path: message.path }, d);
  if (message.self !== undefined) {
    if (self === null) d.reject('self', 'is for resources that themselves came from a server');
    return self === null ? null : self.source;
  }
  d.reject('', 'config_source_specifier is required');
  return null;
}

/** Of dynamic_resources.ads_config, too. */
export function decodeApiSource(message: ApiConfigSource, d: ConfigDecoder): PlaceSource | null {
  const { api_type: type } = message;
  if (message.transport_api_version !== 'V3') {
    d.reject('transport_api_version', 'must be V3: V2 (and AUTO) xDS transport protocol versions are deprecated');
  }
  if (type === 'REST') return decodeRest(message, d);
  const kind = GRPC_TYPES[String(type ?? '')];
  if (kind === undefined) {
    d.reject('api_type', 'must be GRPC, DELTA_GRPC, AGGREGATED_GRPC, AGGREGATED_DELTA_GRPC or REST');
    return null;
  }
  const services = message.grpc_services ?? [];
  if (services.length !== 1 || services[0] === undefined) {
    d.reject('grpc_services', `must be one service; there are ${services.length}`);
    return null;
  }
  if (message.cluster_names !== undefined && message.cluster_names.length > 0) {
    d.reject('cluster_names', `takes no effect with ${String(type)}: use grpc_services`);
  }
  const target = decodeGrpcService(services[0], d.at('grpc_services', 0));
  if (target === null) return null;
  return {
    kind: 'grpc',
    ...kind,
    target,
    setsNodeOnFirstOnly: message.set_node_on_first_message_only ?? false,
    rateLimit: decodeRateLimit(message.rate_limit_settings),
  };
}

const GRPC_TYPES: Readonly<Record<string, Pick<GrpcPlace, 'isDelta' | 'isAggregated'>>> = {
  GRPC: { isDelta: false, isAggregated: false },
  DELTA_GRPC: { isDelta: true, isAggregated: false },
  AGGREGATED_GRPC: { isDelta: false, isAggregated: true },
  AGGREGATED_DELTA_GRPC: { isDelta: true, isAggregated: true },
};

function decodeRateLimit(message: RateLimitSettings | undefined): GrpcPlace['rateLimit'] {
  if (message === undefined) return null;
  return { maxTokens: message.max_tokens ?? MAX_TOKENS, fillRate: message.fill_rate ?? FILL_RATE };
}

function decodeRest(message: ApiConfigSource, d: ConfigDecoder): PlaceSource | null {
  const names = message.cluster_names ?? [];
  if (names.length !== 1 || names[0] === undefined) {
    d.reject('cluster_names', `must be one cluster; there are ${names.length}`);
    return null;
  }
  const refresh: Duration | undefined = message.refresh_delay;
  if (refresh === undefined) {
    d.reject('refresh_delay', 'is required with REST');
    return null;
  }
  return {
    kind: 'rest',
    clusterName: names[0],
    refreshMs: d.durationMs(refresh, 0),
    timeoutMs: d.durationMs(message.request_timeout, REQUEST_TIMEOUT_MS),
  };
}

function decodePath(message: PathConfigSource, d: ConfigDecoder): PlaceSource {
  const { path = '', watched_directory } = message;
  const watchedDirectory = watched_directory?.path ?? '';
  if (!existsSync(path)) {
    d.reject('path', `paths must refer to an existing path in the system: '${path}' does not exist`);
  }
  if (watchedDirectory !== '' && !existsSync(watchedDirectory)) {
    const reason = `unable to add filesystem watch for file ${watchedDirectory}/: No such file or directory`;
    d.reject('watched_directory.path', reason);
  }
  return { kind: 'path', path, watchedDirectory };
}

/** One text for equal messages. */
function keyOf(message: object): string {
  return JSON.stringify(message, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
}
