// A mesh of 1,000 services as istiod describes it to a sidecar: captured resources, each made a thousand.
import { type Capture, type CapturedResource, openCapture } from '../../test/captures/captures.ts';
import { served } from '../../test/captures/serve.ts';
import type { AdsServer, ServedResource } from '../../test/support/ads-server.ts';

export const SERVICES = 1000;
export const CLUSTER = 'envoy.config.cluster.v3.Cluster';
export const ENDPOINTS = 'envoy.config.endpoint.v3.ClusterLoadAssignment';
export const LISTENER = 'envoy.config.listener.v3.Listener';
export const ROUTES = 'envoy.config.route.v3.RouteConfiguration';

/** Of a proxy without Istio's own filters, so that Envoy's own build runs it, too. */
const CAPTURE = '40-stock-envoy-flags/client';
const TEMPLATE = 'productpage';
const CAPTURED_NAME = `outbound|9080||${TEMPLATE}.bookinfo.svc.cluster.local`;
const CAPTURED_LISTENER = '0.0.0.0_9080';
const CAPTURED_ROUTES = '9080';

type Json = Readonly<Record<string, unknown>>;

export function meshNode(): Pick<Capture, 'node'> {
  return openCapture(CAPTURE);
}

/** One listener, routes with a virtual host for each service, a cluster with two endpoints for each. */
export function serveMesh(ads: AdsServer, logPath: string): void {
  const cluster = find(CLUSTER, CAPTURED_NAME);
  const [host] = (find(ROUTES, CAPTURED_ROUTES) as { virtual_hosts: readonly Json[] }).virtual_hosts.filter(
    ({ name }) => name === `${TEMPLATE}.bookinfo.svc.cluster.local:9080`,
  );
  if (host === undefined) throw new Error(`bench: no virtual host of ${TEMPLATE}`);
  const all = <T>(make: (service: number) => T): T[] => Array.from({ length: SERVICES }, (_, i) => make(i));
  const hosts = all((i) => ({ ...renamed(host, i), domains: domainsOf(host, i) }));
  const routes = { ...find(ROUTES, CAPTURED_ROUTES), virtual_hosts: hosts };
  ads.set(CLUSTER, Object.fromEntries(all((i) => [clusterName(i), served({ json: renamed(cluster, i) })])));
  ads.set(ENDPOINTS, Object.fromEntries(all((i) => [clusterName(i), endpointsOf(i, 2)])));
  ads.set(LISTENER, { [CAPTURED_LISTENER]: served({ json: find(LISTENER, CAPTURED_LISTENER) }, logPath) });
  ads.set(ROUTES, { [CAPTURED_ROUTES]: served({ json: routes }) });
}

export function clusterName(service: number): string {
  return CAPTURED_NAME.replaceAll(TEMPLATE, serviceName(service));
}

function serviceName(service: number): string {
  return `service-${service}`;
}

/** The first one's address ends with `last`; the second one's does not change. */
export function endpointsOf(service: number, last: number): ServedResource {
  const captured = renamed(find(ENDPOINTS, CAPTURED_NAME), service) as unknown as {
    readonly endpoints: readonly [{ readonly lb_endpoints: readonly [Json & { readonly endpoint: Json }] } & Json];
  } & Json;
  const [locality] = captured.endpoints;
  const [one] = locality.lb_endpoints;
  const at = (end: number): Json => {
    const address = `10.${1 + (service >> 8)}.${service & 255}.${end}`;
    return { ...one, endpoint: { ...one.endpoint, address: { socket_address: { address, port_value: 9080 } } } };
  };
  return served({ json: { ...captured, endpoints: [{ ...locality, lb_endpoints: [at(last), at(1)] }] } });
}

function find(type: string, name: string): CapturedResource['json'] {
  const found = openCapture(CAPTURE)
    .types.get(`type.googleapis.com/${type}`)
    ?.find((one) => one.name === name);
  if (found === undefined) throw new Error(`bench: the capture has no ${type} ${name}`);
  return found.json;
}

function renamed(json: Json, service: number): Json {
  return JSON.parse(JSON.stringify(json).replaceAll(TEMPLATE, serviceName(service))) as Json;
}

function domainsOf({ domains }: Json, service: number): readonly string[] {
  const own = `10.${96 + (service >> 8)}.0.${service & 255}`;
  return (domains as readonly string[]).map((domain) =>
    /^[\d.]+$/.test(domain) ? own : domain.replaceAll(TEMPLATE, serviceName(service)),
  );
}
