// The Lua filter (envoy.filters.http.lua): scripts that look at requests and responses and change them.
import type { Logger } from '../../../../telemetry/log.ts';
import type { ClusterManager } from '../../../cluster/cluster.ts';
import { DATA_SOURCE_FIELDS } from '../../../formatter/data-source.ts';
import { defineHttpFilter, type HttpFilterFactory } from '../../filter.ts';
import { decodeLua, decodeLuaRoute, type LuaConfig, type LuaPb, type LuaPerRoutePb } from './lua-config.ts';
import type { LuaRouteConfig } from './lua-config.ts';
import { LuaFilter } from './lua-filter.ts';

const TYPE = 'envoy.extensions.filters.http.lua.v3.Lua';
const ROUTE_TYPE = 'envoy.extensions.filters.http.lua.v3.LuaPerRoute';

export type LuaFilterParts = {
  readonly clusters: Pick<ClusterManager, 'get'>;
  /** Absent: nothing is logged. */
  readonly luaLog?: Logger;
};

/** Makes the filter of a worker. */
export function makeLua({ clusters, luaLog }: LuaFilterParts): HttpFilterFactory {
  const log = luaLog ?? null;
  return defineHttpFilter<LuaConfig, LuaRouteConfig, LuaPb, LuaPerRoutePb>({
    name: 'envoy.filters.http.lua',
    configType: TYPE,
    routeConfigType: ROUTE_TYPE,
    fields: {
      [TYPE]: 'inline_code source_codes default_source_code stat_prefix clear_route_cache filter_context',
      [ROUTE_TYPE]: 'disabled name source_code filter_context',
      ...DATA_SOURCE_FIELDS,
    },
    stands: 'anywhere',
    decode: (message, d) => decodeLua(message, d, log),
    decodeRoute: (message, d) => decodeLuaRoute(message, d, log),
    create: (config, context) => new LuaFilter(config, context, { clusters, log }),
  });
}
