// The stages behind clusters, endpoints and name tables, and what they make for one proxy.
import { callersStage } from '../../src/control/stages/callers-stage.ts';
import {
  clusterResourcesStage,
  clusterTables,
  sniClusterTable,
} from '../../src/control/stages/cluster-resources-stage.ts';
import {
  endpointResourcesStage,
  endpointTables,
  sniEndpointTable,
} from '../../src/control/stages/endpoint-resources-stage.ts';
import { workloadKey } from '../../src/control/model/labels.ts';
import { nameTableKey, nameTableStage } from '../../src/control/stages/name-table-stage.ts';
import { plainStage } from '../../src/control/stages/plain-stage.ts';
import { routesStage } from '../../src/control/stages/routes-stage.ts';
import { scopesStage } from '../../src/control/stages/scopes-stage.ts';
import { securityStage } from '../../src/control/stages/security-stage.ts';
import { servicesStage, type ServicesStage } from '../../src/control/stages/services-stage.ts';
import { trafficPolicyStage, type TrafficPolicyStage } from '../../src/control/stages/traffic-policy-stage.ts';
import type { ProxyClass } from '../../src/control/model/proxy.ts';
import type { EncodedResource } from '../../src/xds/server/resource.ts';
import { shown, type StageRig } from './stage-rig.ts';

type Json = { readonly [key: string]: unknown };

export type Called = {
  readonly facts: Partial<ProxyClass>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly addresses?: readonly string[];
};

export type CallRig = StageRig & {
  readonly services: ServicesStage;
  readonly policies: TrafficPolicyStage;
  /** Everything for one proxy, by type and name. */
  resources(proxy: Called): ReadonlyMap<string, EncodedResource>;
  cluster(proxy: Called, name: string): Json | undefined;
  endpoints(proxy: Called, name: string): Json | undefined;
};

export const CLUSTER = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
export const ENDPOINTS = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
export const NAME_TABLE = 'type.googleapis.com/istio.networking.nds.v1.NameTable';

const NOWHERE = { region: '', zone: '', subZone: '' };

export function callRig(rig: StageRig): CallRig {
  const { inputs } = rig;
  const services = servicesStage(inputs);
  const policies = trafficPolicyStage(inputs, services);
  const routes = routesStage(inputs, services);
  const scopes = scopesStage(inputs, { services: services.services, routeSets: routes.routeSets });
  const callers = callersStage(inputs, { services, policies, scopes });
  const plain = plainStage(inputs, securityStage(inputs).lookup);
  const parts = { services, policies, scopes, callers, plain };
  const endpoints = endpointResourcesStage(inputs, parts);
  const clusters = clusterResourcesStage(inputs, parts);
  const names = nameTableStage(inputs, parts);
  const resources = (proxy: Called): ReadonlyMap<string, EncodedResource> => {
    const addresses = proxy.addresses ?? [];
    const facts: ProxyClass = { ...DEFAULTS, ...proxy.facts };
    const key = workloadKey(facts.namespace, proxy.labels ?? {});
    const sidecar = facts.role === 'sidecar' ? scopes.sidecarOf.retain(key) : '';
    const own = { ...facts, sidecar };
    const tables = [...clusterTables(clusters, own, addresses), ...endpointTables(endpoints, own)];
    if (facts.role === 'router') tables.push(sniClusterTable(clusters, own), sniEndpointTable(endpoints, own));
    tables.push({ memo: names.tables, key: nameTableKey(own) });
    const found = new Map<string, EncodedResource>();
    for (const { memo, key } of tables) {
      for (const resource of memo.retain(key)) found.set(`${resource.typeUrl} ${resource.name}`, resource);
    }
    return found;
  };
  const show = (proxy: Called, key: string): Json | undefined => {
    const resource = resources(proxy).get(key);
    return resource === undefined ? undefined : (shown(resource.typeUrl, resource.body) as Json);
  };
  return {
    ...rig,
    ...{ services, policies, resources },
    cluster: (proxy, name) => show(proxy, `${CLUSTER} ${name}`),
    endpoints: (proxy, name) => show(proxy, `${ENDPOINTS} ${name}`),
  };
}

const DEFAULTS: ProxyClass = {
  ...{ role: 'sidecar', kind: 'istio-proxy', namespace: 'default', dnsDomain: '', sidecar: '', labels: {} },
  ...{ families: 'v4', interception: 'REDIRECT', locality: NOWHERE, network: '', cluster: 'Kubernetes' },
  ...{ dnsCapture: false, http10: false, explicit: false },
};
