// Joins the controller with what it stands on: the proxy's clusters, its node, its statistics and log.
import { FileWatch } from '../../net/file-watch.ts';
import type { LogLevel } from '../../telemetry/log.ts';
import { ScopeStreamCounts, ScopeUpdateCounts } from '../../xds/client/counts.ts';
import type { XdsSource } from '../../xds/client/types.ts';
import type { Core, CoreParts, Decoded } from '../core.ts';
import { xxHash64 } from '../route/xxhash64.ts';
import { type ControlledCrew, XdsController } from './controller.ts';
import { ADS_KEY, type ConfigPlace, type PlaceSource } from './place.ts';
import { grpcSource } from './sources/grpc-source.ts';
import { pathSource } from './sources/path-source.ts';
import { restSource } from './sources/rest-source.ts';

export type XdsParts = {
  readonly parts: CoreParts;
  readonly core: Core;
  readonly decoded: Decoded;
  readonly crew: ControlledCrew;
};

/** Whether anything of the configuration comes from elsewhere. */
export function isDynamic({ config }: Decoded): boolean {
  const { ads, clusters, listeners } = config.dynamic;
  return ads !== null || clusters !== null || listeners !== null || usesPlaces(config);
}

function usesPlaces({ clusters }: Decoded['config']): boolean {
  return clusters.some(({ discovery }) => discovery.kind === 'EDS');
}

export function startXds({ parts, core, decoded, crew }: XdsParts): XdsController {
  const { clock, stats } = core;
  const { dynamic } = decoded.config;
  const logger = parts.logs.logger('config');
  const http = decoded.environment.httpClient;
  if (http === undefined) throw new Error('xds: the proxy has no client of its own');
  const { node } = decoded;
  const common = {
    ...{ clock, http, node: () => node, watcher: new FileWatch() },
    log: (level: LogLevel, text: string) => logger.write(level, text),
  };
  const open = (source: PlaceSource, isAds: boolean): XdsSource => {
    switch (source.kind) {
      case 'grpc': {
        const place = isAds ? { ...source, isAggregated: true } : source;
        return grpcSource(common, place, place.isAggregated ? new ScopeStreamCounts(stats, '') : null);
      }
      case 'rest':
        return restSource(common, source);
      case 'path':
        return pathSource(common, source.path, source.watchedDirectory);
      default:
        if (dynamic.ads === null || dynamic.ads.kind === 'ads') throw new Error('xds: there is no ADS server');
        return open(dynamic.ads, true);
    }
  };
  const countParts = { stats, clock, hash: (version: string) => xxHash64(version) };
  const countsFor = (prefix: string, place: ConfigPlace): ScopeUpdateCounts => {
    const hasOwnStream = place.key !== ADS_KEY && place.source.kind === 'grpc' && !place.source.isAggregated;
    return new ScopeUpdateCounts(countParts, prefix, hasOwnStream ? new ScopeStreamCounts(stats, prefix) : null);
  };
  const controller = new XdsController({
    ...{ crew, dynamic, countsFor },
    openSource: (place) => open(place.source, false),
    warn: (text) => logger.warn(text),
  });
  controller.start();
  return controller;
}
