// The HTTP connection manager as a network filter: where HTTP begins for a chain.
import type { HttpConnectionManager } from '../../proto/generated/types.d.ts';
import { HttpManagerFilter, makeHttpManager } from '../http/http-manager.ts';
import { defineNetworkFilter, type NetworkFilterFactory } from '../network/filter.ts';
import {
  decodeHttpConnectionManager,
  type HttpManagerConfig,
  type HttpManagerEnvironment,
} from './http-connection-manager.ts';

export function makeHttpConnectionManager(environment: HttpManagerEnvironment): NetworkFilterFactory {
  return defineNetworkFilter<HttpManagerConfig, HttpConnectionManager>({
    name: 'envoy.filters.network.http_connection_manager',
    configType: 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    // Its fields are in HTTP_CONNECTION_MANAGER_FIELDS.
    fields: {},
    isTerminal: true,
    decode: (message, d, chain) => decodeHttpConnectionManager(message, d, environment, chain.bufferLimitBytes),
    create: (config, context) => {
      const { routes = null } = environment;
      const manager = makeHttpManager(config, routes === null ? context : { ...context, routes });
      return new HttpManagerFilter(manager, routes);
    },
  });
}
