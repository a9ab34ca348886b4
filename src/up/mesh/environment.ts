// The environment of the programs of a mesh: where they listen, how they find each other, and what an agent is told.
import { delimiter, dirname } from 'node:path';
import type { InnerStart } from '../launch/messages.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { PROXY_MARK } from '../network/pods.ts';
import {
  type ExternalPlace,
  type GatewayPlace,
  isRawTcp,
  type Placement,
  serviceHost,
  type WorkloadPlace,
} from '../place/placement.ts';
import { PARENT_FD } from '../process/spawn.ts';

type Variables = Record<string, string>;

/** REVIEWS of reviews, MY_DB of my-db. */
const variableName = (name: string): string => name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_');

/** What the user's shell has, without what is Heddle's own; `node` is the Node that Heddle runs with. */
function inherited(home: string): Variables {
  const variables: Variables = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined || /^(?:HEDDLE_|NODE_CHANNEL|MALLOC_|NODE_UNIQUE_ID)/.test(name)) continue;
    variables[name] = value;
  }
  variables['PATH'] = [dirname(process.execPath), variables['PATH'] ?? ''].join(delimiter);
  variables['HOME'] = home;
  return variables;
}

export function workloadEnvironment(
  place: WorkloadPlace,
  placement: Placement,
  manifest: Manifest,
  home: string,
): Variables {
  const { spec, ports, name, namespace, httpProxy } = place;
  const variables: Variables = {
    ...inherited(home),
    POD_NAME: name,
    POD_NAMESPACE: namespace,
    HOST: placement.capture === 'explicit' ? '127.0.0.1' : '0.0.0.0',
  };
  for (const [index, port] of ports.entries()) {
    if (index === 0) variables['PORT'] = String(port.app.port);
    variables[`PORT_${variableName(port.spec.name)}`] = String(port.app.port);
    variables[`PORT_${port.spec.port}`] = String(port.app.port);
  }
  addPeers(variables, place, placement, manifest);
  if (httpProxy !== null) {
    const url = `http://${httpProxy.address}:${httpProxy.port}`;
    for (const variable of ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'grpc_proxy']) {
      variables[variable] = url;
    }
    Object.assign(variables, {
      NODE_USE_ENV_PROXY: '1',
      NO_PROXY: 'localhost,127.0.0.1',
      no_proxy: 'localhost,127.0.0.1',
    });
  }
  return { ...variables, ...spec.environment };
}

/** Where each service is called: its name, or what stands for it on this machine's loopback. */
function addPeers(
  variables: Variables,
  { namespace, outbound }: WorkloadPlace,
  placement: Placement,
  manifest: Manifest,
): void {
  for (const peer of manifest.workloads) {
    const [first] = peer.ports;
    if (first === undefined) continue;
    const base = variableName(peer.service);
    const local = isRawTcp(first.protocol)
      ? outbound.get(`${serviceHost(peer.service, peer.namespace)}:${first.port}`)
      : undefined;
    const name = peer.namespace === namespace ? peer.service : `${peer.service}.${peer.namespace}`;
    variables[`${base}_HOST`] ??= local?.address ?? name;
    variables[`${base}_PORT`] ??= String(local?.port ?? first.port);
  }
  for (const { spec } of placement.externals) {
    const local = outbound.get(`${spec.host}:${spec.port}`);
    variables[`${variableName(spec.name)}_HOST`] ??= local?.address ?? spec.host;
    variables[`${variableName(spec.name)}_PORT`] ??= String(local?.port ?? spec.port);
  }
  const ingress = placement.gateways.find(({ kind, spec }) => kind === 'ingress' && spec.ports.some(isPlain));
  const port = ingress?.spec.ports.find(isPlain)?.port;
  if (ingress === undefined || port === undefined) return;
  const host = ingress.namespace === namespace ? ingress.name : `${ingress.name}.${ingress.namespace}`;
  variables['INGRESS_URL'] = `http://${host}:${port}`;
}

const isPlain = ({ protocol }: { readonly protocol: string }): boolean => protocol === 'http';

export function externalEnvironment({ spec, app }: ExternalPlace, home: string): Variables {
  return { ...inherited(home), HOST: app.address, PORT: String(app.port), ...spec.environment };
}

/** Of `heddle agent`. */
export function agentEnvironment(
  place: WorkloadPlace | GatewayPlace,
  placement: Placement,
  options: InnerStart,
  adminSocket: string,
): Variables {
  const isExplicit = isExplicitPlace(place, placement);
  const gone = /^(?:ISTIO_META|POD_|INSTANCE_IP|PROXY_CONFIG|HEDDLE_|NODE_CHANNEL|NODE_UNIQUE_ID)/;
  const kept = Object.entries(process.env).filter(([name, value]) => value !== undefined && !gone.test(name));
  const proxyConfig = {
    concurrency: 1,
    terminationDrainDuration: '1s',
    ...(isExplicit ? { interceptionMode: 'NONE' } : {}),
  };
  return {
    ...(Object.fromEntries(kept) as Variables),
    POD_NAME: place.name,
    POD_NAMESPACE: place.namespace,
    SERVICE_ACCOUNT: place.account,
    INSTANCE_IP: place.address,
    ISTIOD_SAN: 'istiod.istio-system.svc',
    ISTIO_META_WORKLOAD_NAME: place.spec.name,
    ISTIO_META_CLUSTER_ID: 'Kubernetes',
    ISTIO_METAJSON_LABELS: JSON.stringify(place.labels),
    PROXY_CONFIG: JSON.stringify(proxyConfig),
    SECRET_TTL: options.certificateLife,
    HEDDLE_ADMIN_SOCKET: adminSocket,
    HEDDLE_PARENT_FD: String(PARENT_FD),
    ...(isExplicit
      ? {
          ISTIO_METAJSON_EXPLICIT: JSON.stringify(explicitFacts(place)),
          ...(place.kind === 'workload' ? {} : { ISTIO_META_INTERCEPTION_MODE: 'NONE' }),
        }
      : { ISTIO_META_DNS_CAPTURE: 'true', ISTIO_META_DNS_UPSTREAMS: 'none', HEDDLE_PROXY_MARK: String(PROXY_MARK) }),
  };
}

/** Nothing redirects to it. */
export function isExplicitPlace(place: WorkloadPlace | GatewayPlace, { capture }: Placement): boolean {
  return capture === 'explicit' || place.kind === 'egress';
}

/** Metadata by which the control plane knows where this proxy's sockets are. */
function explicitFacts(place: WorkloadPlace | GatewayPlace): object {
  if (place.kind !== 'workload') return { bind: place.bind };
  return {
    httpProxy: place.httpProxy,
    inbound: Object.fromEntries(place.ports.map(({ target, app }) => [String(target), app])),
    outbound: Object.fromEntries(place.outbound),
  };
}
