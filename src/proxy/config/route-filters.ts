// Decodes typed_per_filter_config of every level and merges the levels for each route.
import { type Any, unpackAny } from '../../proto/any.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { RouteFilterConfig } from '../route/route.ts';
import { routeEnvironment } from './route-environment.ts';

/** What one level says of one filter. */
export type LevelFilter = {
  readonly config: unknown;
  /** Full name of its message; '' without a configuration. */
  readonly type: string;
  readonly hasConfig: boolean;
  readonly disabled: boolean;
};
export type LevelFilters = ReadonlyMap<string, LevelFilter>;

const NONE: LevelFilters = new Map();
const FILTER_CONFIG = 'envoy.config.route.v3.FilterConfig';
const CORS_FILTER = 'envoy.filters.http.cors';
const CORS_TYPE_URL = 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy';

type FilterConfigPb = { config?: unknown; is_optional?: boolean; disabled?: boolean };

/** `cors` is the deprecated field of virtual hosts and routes: it counts where there is no typed configuration. */
export function decodeLevelFilters(
  messages: Readonly<Record<string, unknown>> | undefined,
  cors: object | undefined,
  d: ConfigDecoder,
  corsAt: ConfigDecoder = d,
): LevelFilters {
  if (messages === undefined && cors === undefined) return NONE;
  const filters = new Map<string, LevelFilter>();
  for (const [name, any] of Object.entries(messages ?? {})) {
    const filter = decodeFilter(name, any, d.at('typed_per_filter_config', name));
    if (filter !== null) filters.set(name, filter);
  }
  if (cors !== undefined && !filters.has(CORS_FILTER)) {
    // Both messages have the same fields.
    const any = { type_url: CORS_TYPE_URL, message: cors };
    const decoded = routeEnvironment(d).routeFilter?.(CORS_FILTER, any, true, corsAt.at('cors')) ?? null;
    if (decoded !== null) filters.set(CORS_FILTER, { ...decoded, hasConfig: true, disabled: false });
  }
  return filters;
}

function decodeFilter(name: string, any: unknown, d: ConfigDecoder): LevelFilter | null {
  let inner = any;
  let isOptional = false;
  if (typeOf(any) === FILTER_CONFIG) {
    const unpacked = d.environment.unpack(any, d);
    if (unpacked === null) return null;
    const wrapper = unpacked.message as FilterConfigPb;
    if (wrapper.disabled === true) return { config: null, type: '', hasConfig: false, disabled: true };
    if (wrapper.config === undefined) {
      d.reject('', 'Empty route/virtual host per filter configuration for a filter');
      return null;
    }
    inner = wrapper.config;
    isOptional = wrapper.is_optional === true;
  }
  const decode = routeEnvironment(d).routeFilter;
  if (decode === undefined) {
    d.reject('', `filter ${name} is not known`);
    return null;
  }
  const decoded = decode(name, inner, isOptional, d);
  return decoded === null ? null : { ...decoded, hasConfig: true, disabled: false };
}

/** The type of what is in it, which may stand in a TypedStruct. */
function typeOf(any: unknown): string {
  return unpackAny(any as Any)?.type.fullName ?? '';
}

/** Merges levels, the least specific first; equal inputs give one shared map. */
export function mergeFilters(levels: readonly LevelFilters[]): ReadonlyMap<string, RouteFilterConfig> {
  const merged = new Map<string, RouteFilterConfig>();
  for (const level of levels) {
    for (const [name, { config, type, hasConfig, disabled }] of level) {
      const before = merged.get(name);
      const { all = [], types = [] } = before ?? {};
      merged.set(name, {
        all: hasConfig ? [...all, config] : all,
        types: hasConfig ? [...types, type] : types,
        mostSpecific: hasConfig ? config : (before?.mostSpecific ?? null),
        disabled,
      });
    }
  }
  return merged.size === 0 ? NO_CONFIGS : merged;
}

const NO_CONFIGS: ReadonlyMap<string, RouteFilterConfig> = new Map();
