// The HTTP connection manager as a network filter: where HTTP begins for a chain.
import type { HttpConnectionManager } from '../../proto/generated/types.d.ts';
import { HttpManagerFilter, makeHttpManager } from '../http/http-manager.ts';
import { defineNetworkFilter, type NetworkFilterFactory, type StandIn } from '../network/filter.ts';
import {
  decodeHttpConnectionManager,
  type HttpFilterSpec,
  type HttpManagerConfig,
  type HttpManagerEnvironment,
} from './http-connection-manager.ts';

function standInsOf(filters: readonly HttpFilterSpec[]): StandIn[] {
  return filters.flatMap(({ factory, config }) => {
    const effect = factory.standsIn?.(config as never);
    return effect === undefined ? [] : [{ name: factory.name, effect }];
  });
}

export function makeHttpConnectionManager(environment: HttpManagerEnvironment): NetworkFilterFactory {
  return defineNetworkFilter<HttpManagerConfig, HttpConnectionManager>({
    name: 'envoy.filters.network.http_connection_manager',
    configType: 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    // Its fields are in HTTP_CONNECTION_MANAGER_FIELDS.
    fields: {},
    isTerminal: true,
    standIns: ({ filters, upgradeFilters }) => standInsOf([...filters, ...[...upgradeFilters.values()].flat()]),
    decode: (message, d, chain) => decodeHttpConnectionManager(message, d, environment, chain.bufferLimitBytes),
    create: (config, context) => {
      const { routes = null } = environment;
      const manager = makeHttpManager(config, routes === null ? context : { ...context, routes });
      return new HttpManagerFilter(manager, routes);
    },
  });
}
