// The endpoints of all clusters as /config_dump?include_eds shows them. Source: Envoy, dumpEndpointConfigs.
import { TYPE_URL_PREFIX } from '../../proto/type-url.ts';
import type { ClusterStatus, HostStatus } from '../workers/crew.ts';
import type { JsonObject } from './dump-json.ts';
import { JsonList } from './json-writer.ts';
import { addressJson } from './listeners.ts';

export function endpointDump(
  clusters: Iterable<ClusterStatus>,
  isWanted: (name: string) => boolean,
  errors: ReadonlyMap<string, JsonObject>,
): JsonObject {
  const those = (addedViaApi: boolean): JsonList =>
    new JsonList(function* () {
      for (const cluster of clusters) {
        if (cluster.addedViaApi !== addedViaApi || !isWanted(cluster.name)) continue;
        yield { endpoint_config: assignment(cluster), ...(addedViaApi ? errors.get(cluster.name) : {}) };
      }
    });
  return { static_endpoint_configs: those(false), dynamic_endpoint_configs: those(true) };
}

function assignment({ name, hosts }: ClusterStatus): JsonObject {
  const groups = new Map<string, HostStatus[]>();
  for (const host of hosts) {
    const { region, zone, subZone } = host.locality;
    const key = JSON.stringify([host.priority, region, zone, subZone]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [host]);
    else group.push(host);
  }
  return {
    '@type': `${TYPE_URL_PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`,
    cluster_name: name,
    ...(groups.size === 0 ? {} : { endpoints: [...groups.values()].map(localityJson) }),
    policy: { overprovisioning_factor: 140 },
  };
}

function localityJson(hosts: readonly HostStatus[]): JsonObject {
  const { locality, priority } = hosts[0] as HostStatus;
  return {
    locality: {
      ...(locality.region === '' ? {} : { region: locality.region }),
      ...(locality.zone === '' ? {} : { zone: locality.zone }),
      ...(locality.subZone === '' ? {} : { sub_zone: locality.subZone }),
    },
    lb_endpoints: hosts.map((host) => ({
      endpoint: {
        address: addressJson(host.address),
        health_check_config: {},
        ...(host.hostname === '' ? {} : { hostname: host.hostname }),
      },
      health_status: host.edsHealth === 'UNKNOWN' ? 'HEALTHY' : host.edsHealth,
      load_balancing_weight: host.weight,
    })),
    load_balancing_weight: 0,
    ...(priority === 0 ? {} : { priority }),
  };
}
