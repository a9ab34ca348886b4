// The HTTP connection manager as a network filter: where HTTP begins for a chain.
import type { HttpConnectionManager } from '../../proto/generated/types.d.ts';
import type { Awaited, HttpExtension } from '../http/filter-discovery.ts';
import { HttpManagerFilter, makeHttpManager } from '../http/http-manager.ts';
import { defineNetworkFilter, type NetworkFilterFactory, type StandIn } from '../network/filter.ts';
import { presentOf } from '../xds/followed-extension.ts';
import type { Holders } from '../xds/holders.ts';
import {
  decodeHttpConnectionManager,
  type HttpFilterSpec,
  type HttpManagerConfig,
  type HttpManagerEnvironment,
} from './http-connection-manager.ts';

function standInsOf(filters: readonly HttpFilterSpec[], extensions: Holders<HttpExtension> | undefined): StandIn[] {
  return filters.flatMap((spec) => {
    const present = spec.factory === null ? presentOf(extensions, spec.discovery) : spec;
    const effect = present?.factory.standsIn?.(present.config as never);
    return present === null || effect === undefined ? [] : [{ name: present.factory.name, effect }];
  });
}

export function makeHttpConnectionManager(environment: HttpManagerEnvironment): NetworkFilterFactory {
  return defineNetworkFilter<HttpManagerConfig, HttpConnectionManager>({
    name: 'envoy.filters.network.http_connection_manager',
    configType: 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    // Its fields are in HTTP_CONNECTION_MANAGER_FIELDS.
    fields: {},
    isTerminal: true,
    standIns: ({ filters, upgradeFilters, tracer }) => [
      ...standInsOf([...filters, ...[...upgradeFilters.values()].flat()], environment.extensions),
      ...(tracer === '' ? [] : [{ name: tracer, effect: 'inert' as const }]),
    ],
    decode: (message, d, chain) => decodeHttpConnectionManager(message, d, environment, chain.bufferLimitBytes),
    create: (config, context) => {
      const { routes = null, extensions } = environment;
      const discovered: Awaited[] = [];
      const manager = makeHttpManager(config, {
        ...{ ...context, discovered },
        ...(routes === null ? {} : { routes }),
        ...(extensions === undefined ? {} : { extensions }),
      });
      return new HttpManagerFilter(manager, routes, discovered);
    },
  });
}
