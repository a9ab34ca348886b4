// What decoding takes from the process: opening Anys, filters by type, files and variables for formats.
import { readFileSync } from 'node:fs';
import { type Any, unpackAny } from '../../proto/any.ts';
import { Report } from '../../proto/report.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { AccessLogFiles } from '../../telemetry/access-log-file.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { Clock, Random } from '../../base/clock.ts';
import type { SharedCells } from '../../base/shared-cells.ts';
import { decodeClusterDemand } from './cluster-demand.ts';
import type { UpstreamFilterFactory } from '../cluster/upstream-filter.ts';
import type { HttpClient } from '../cluster/upstream-client/http-client.ts';
import type { LogServices } from '../access-log/service/log-services.ts';
import type { ConfigDecoder, DecodeEnvironment } from '../config-decoder.ts';
import type { DnsCacheClaims } from '../dns-cache/dns-caches.ts';
import type { FileContents } from '../formatter/file-contents.ts';
import type { AdminTaps } from '../http/admin-taps.ts';
import type { HttpExtension } from '../http/filter-discovery.ts';
import type { HttpFilterFactory, Runtime } from '../http/filter.ts';
import type { LocalNode } from '../istio/node.ts';
import type { StaticSecrets } from '../tls/static-secrets.ts';
import type { UpstreamTransportFactory } from '../transport/transport.ts';
import type { Holders } from '../xds/holders.ts';
import { decodeConfigSource } from './config-source.ts';
import type { RouteEnvironment } from './route-environment.ts';
import { decodeUpstreamFilters } from './upstream-http-filters.ts';

export type EnvironmentParts = {
  readonly clock: Clock;
  readonly hostname: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Absent when nothing may be opened (validation). */
  readonly accessLogFiles: AccessLogFiles | undefined;
  readonly httpFilters: readonly HttpFilterFactory[];
  readonly upstreamFilters?: readonly UpstreamFilterFactory[];
  /** HTTP filters by name; absent where only a part is decoded. */
  readonly extensions?: Holders<HttpExtension>;
  readonly upstreamTransports?: readonly UpstreamTransportFactory[];
  readonly runtime: Runtime;
  readonly random: Random;
  readonly hasCluster: (name: string) => boolean;
  /** As in DecodeEnvironment. */
  readonly shared?: SharedCells;
  readonly version?: string;
  readonly staticSecrets?: StaticSecrets;
  readonly dnsCaches?: DnsCacheClaims;
  readonly taps?: AdminTaps | null;
  readonly stats?: StatStore;
  readonly hasAds?: boolean;
  readonly isAdsDelta?: boolean;
  readonly httpClient?: HttpClient;
  readonly logServices?: LogServices;
  readonly localNode?: LocalNode;
  readonly fileContents?: FileContents;
  /** Where scripts write; absent: nowhere. */
  readonly scriptLog?: Logger;
  /** The cluster that this proxy is of (--service-cluster, node.cluster). */
  readonly serviceCluster?: string;
};

export type ProxyDecodeEnvironment = DecodeEnvironment &
  EnvironmentParts &
  RouteEnvironment & {
    readonly filterFactory: (type: string) => HttpFilterFactory | null;
    /** Whether anything that was decoded comes from elsewhere. */
    readonly usesPlaces: () => boolean;
  };

export function makeDecodeEnvironment(parts: EnvironmentParts): ProxyDecodeEnvironment {
  const byType = new Map<string, HttpFilterFactory>();
  const byRouteType = new Map<string, HttpFilterFactory>();
  let usesPlaces = false;
  const upstream = new Map<string, HttpFilterFactory>();
  for (const factory of parts.httpFilters) {
    if (factory.stands !== undefined) upstream.set(factory.configType, factory);
    if (factory.stands === 'upstream') continue;
    byType.set(factory.configType, factory);
    byRouteType.set(factory.routeConfigType ?? factory.configType, factory);
  }
  const upstreamParts = { factoryOf: (type: string) => upstream.get(type) ?? null, extensions: parts.extensions };
  return {
    ...parts,
    usesPlaces: () => usesPlaces,
    configPlace: (message, d) => {
      usesPlaces = true;
      return decodeConfigSource(message, d);
    },
    clusterDemand: decodeClusterDemand,
    filterFactory: (type) => byType.get(type) ?? null,
    httpFilter: (type) => byType.get(type) ?? null,
    upstreamChain: (filters, owner, d) => decodeUpstreamFilters(filters, owner, d, upstreamParts),
    upstreamFilter: (type) => parts.upstreamFilters?.find(({ configType }) => configType === type) ?? null,
    upstreamTransport: (type) => parts.upstreamTransports?.find(({ configType }) => configType === type) ?? null,
    unpack: unpackExtension,
    readFile(path) {
      try {
        return readFileSync(path);
      } catch (error) {
        return { error: (error as Error).message };
      }
    },
    routeFilter(name, any, isOptional, d) {
      const unpacked = unpackExtension(any, d);
      if (unpacked === null) return null;
      const factory = byRouteType.get(unpacked.type) ?? byType.get(unpacked.type);
      if (factory === undefined) {
        if (isOptional) return null;
        d.reject(
          '',
          `no filter takes a per-route configuration of type ${unpacked.type} (for ${JSON.stringify(name)})`,
        );
        return null;
      }
      const refusal = routeTypeRefusal(factory, unpacked);
      if (refusal !== null) {
        if (refusal.isFatal || !isOptional) d.reject('', refusal.reason);
        return null;
      }
      const decode = factory.decodeRoute ?? factory.decode;
      return { config: decode.call(factory, unpacked.message as never, d), type: unpacked.type };
    },
  };
}

/**
 * Why a filter cannot be configured per route by a message of this type; null: it can. Envoy refuses the same, and
 * takes an empty message of whatever type the filter has for the route's.
 */
function routeTypeRefusal(
  { name, routeConfigType, decodeRoute }: HttpFilterFactory,
  { type, message }: { readonly type: string; readonly message: object },
): { readonly reason: string; readonly isFatal: boolean } | null {
  if (routeConfigType !== undefined) {
    if (type === routeConfigType || Object.keys(message).length === 0) return null;
    return { reason: `${type} configures ${name} in a chain: a route takes ${routeConfigType}`, isFatal: true };
  }
  if (decodeRoute !== undefined) return null;
  return { reason: `${name} has no per-route configuration: remove this ${type}`, isFatal: false };
}

/** As DecodeEnvironment's `unpack`. Fields that are not known are whoever's who read the whole message. */
export function unpackExtension(
  any: unknown,
  d: ConfigDecoder,
): { readonly type: string; readonly message: object } | null {
  if (any === undefined) {
    d.reject('', 'is required');
    return null;
  }
  const report = new Report();
  const unpacked = unpackAny(any as Any, report);
  for (const { kind, path, reason } of report.problems) if (kind !== 'unknown-field') d.reject(path, reason);
  if (unpacked === undefined) return null;
  return { type: unpacked.type.fullName, message: unpacked.message };
}
