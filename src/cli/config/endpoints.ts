// Endpoints as istioctl proxy-config tells them, out of /clusters?format=json: that knows what the outlier check found.
import { at, byText, type ConfigDump, type Json, listAt, textAt } from './dump.ts';
import { compareClusterNames } from './clusters.ts';

export type EndpointFilter = {
  readonly address?: string;
  readonly port?: number;
  readonly cluster?: string;
  readonly status?: string;
};

const isSame = (wanted: string | undefined, is: string): boolean =>
  wanted === undefined || wanted.toLowerCase() === is.toLowerCase();

/** Statuses of the clusters of which an endpoint is meant; a text says why there are none. */
export function readStatuses(text: string): readonly Json[] | string {
  try {
    const value: unknown = JSON.parse(text);
    const isThere = at(value, 'cluster_statuses') !== undefined || Object.keys(value as object).length === 0;
    return isThere ? listAt(value, 'cluster_statuses') : 'no answer of GET /clusters?format=json';
  } catch (error) {
    return `no JSON: ${(error as Error).message}`;
  }
}

export function selectStatuses(statuses: readonly Json[], filter: EndpointFilter): readonly Json[] {
  return statuses.filter((status) => hostsOf(status, filter).length > 0);
}

function hostsOf(status: Json, { address, port, cluster, status: health }: EndpointFilter): readonly Json[] {
  if (!isSame(cluster, textAt(status, 'name'))) return [];
  return listAt(status, 'host_statuses').filter((host) => {
    const place = placeOf(at(host, 'address'));
    const isThere = (address === undefined || isSame(address, place.address)) && (port ?? place.port) === place.port;
    return isThere && isSame(health, healthOf(host));
  });
}

export function endpointRows(statuses: readonly Json[], filter: EndpointFilter): string[][] {
  const found = statuses.flatMap((status) =>
    hostsOf(status, filter).map((host) => ({
      place: placeOf(at(host, 'address')),
      health: healthOf(host),
      check: at(host, 'health_status', 'failed_outlier_check') === true ? 'FAILED' : 'OK',
      cluster: textAt(status, 'name'),
    })),
  );
  found.sort(
    (a, b) => byText(a.place.address, b.place.address) || a.place.port - b.place.port || byText(a.cluster, b.cluster),
  );
  const rows = found.map(({ place, health, check, cluster }) => [placeText(place), health, check, cluster]);
  return [['ENDPOINT', 'STATUS', 'OUTLIER CHECK', 'CLUSTER'], ...rows];
}

function healthOf(host: Json): string {
  return textAt(host, 'health_status', 'eds_health_status') || 'UNKNOWN';
}

type Place = { readonly address: string; readonly port: number };

function placeText({ address, port }: Place): string {
  return port === 0 ? address : `${address}:${port}`;
}

function placeOf(address: unknown): Place {
  const socket = at(address, 'socket_address');
  if (socket !== undefined) return { address: textAt(socket, 'address'), port: Number(at(socket, 'port_value') ?? 0) };
  const pipe = textAt(address, 'pipe', 'path');
  if (pipe !== '') return { address: `unix://${pipe}`, port: 0 };
  const internal = at(address, 'envoy_internal_address');
  const name = textAt(internal, 'server_listener_name');
  return { address: name === '' ? 'unknown' : `envoy://${name}/${textAt(internal, 'endpoint_id')}`, port: 0 };
}

/** Of a dump with endpoints, as `istioctl proxy-config all` has them: with locality, without the outlier check. */
export function dumpedEndpointRows(dump: ConfigDump, { address, port, cluster, status }: EndpointFilter): string[][] {
  const all = [...dump.endpoints].sort((a, b) =>
    compareClusterNames(textAt(a, 'cluster_name'), textAt(b, 'cluster_name')),
  );
  const rows = all.flatMap((assignment) => {
    const name = textAt(assignment, 'cluster_name');
    return listAt(assignment, 'endpoints').flatMap((group) =>
      listAt(group, 'lb_endpoints').flatMap((one) => {
        const place = placeOf(at(one, 'endpoint', 'address'));
        const health = textAt(one, 'health_status') || 'UNKNOWN';
        const isThere = isSame(address, place.address) && (port ?? place.port) === place.port;
        if (!isThere || !isSame(cluster, name) || !isSame(status, health)) return [];
        return [[`endpoint/${placeText(place)}`, health, localityText(at(group, 'locality')), name]];
      }),
    );
  });
  return [['NAME', 'STATUS', 'LOCALITY', 'CLUSTER'], ...rows];
}

function localityText(locality: unknown): string {
  const [region, zone, subZone] = ['region', 'zone', 'sub_zone'].map((part) => textAt(locality, part));
  return [region, zone, subZone].filter((part) => part !== '').join('/');
}
