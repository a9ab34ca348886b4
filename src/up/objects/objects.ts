// Placement → the Kubernetes and Istio objects that stand for it: what an API server and its controllers would have.
import type { ConfigObject } from '../../control/source/object.ts';
import type { ExternalPlace, GatewayPlace, Placement, WorkloadPlace } from '../place/placement.ts';

export type Json = Readonly<Record<string, unknown>>;

/** What is there besides: files of the user's. */
export type Beside = {
  has(kind: string, namespace: string, name: string): boolean;
  services(): readonly ConfigObject[];
  /** Some file has settings of the mesh. */
  readonly hasMeshConfig: boolean;
  /** Names of Secrets that gateways want and nobody has, by namespace. */
  readonly missingCertificates: readonly { readonly namespace: string; readonly name: string }[];
};

export type Pod = {
  readonly name: string;
  readonly namespace: string;
  readonly account: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly address: string;
  readonly ports: readonly {
    readonly name: string;
    readonly container: number;
    readonly target: number;
    readonly protocol: string;
  }[];
  /** What the Service made for it is called. */
  readonly service: string;
  readonly servicePorts: readonly { readonly name: string; readonly port: number; readonly container: number }[];
};

/** mTLS is there for whoever has a sidecar; what gateways take on each port is theirs to say. */
const MTLS_LABEL = { 'security.istio.io/tlsMode': 'istio' };

export function podsOf(placement: Placement): readonly Pod[] {
  return [...placement.workloads.map(workloadPod), ...placement.gateways.map(gatewayPod)];
}

function workloadPod({ name, namespace, account, labels, address, spec, ports }: WorkloadPlace): Pod {
  return {
    ...{ name, namespace, account, address, service: spec.service },
    // Named as pods of a StatefulSet are, so that the owner's name is known.
    labels: { ...labels, ...MTLS_LABEL, 'statefulset.kubernetes.io/pod-name': name },
    ports: ports.map(({ spec: { name: port, protocol }, container, target }) => {
      return { name: port, container, target, protocol };
    }),
    servicePorts: ports.map(({ spec: { name: port, port: number }, container }) => {
      return { name: port, port: number, container };
    }),
  };
}

function gatewayPod({ name, namespace, account, labels, address, ports }: GatewayPlace): Pod {
  return {
    ...{ name, namespace, account, address, service: name },
    labels,
    ports: ports.map(({ name: port, target }) => ({ name: port, container: target, target, protocol: 'tcp' })),
    servicePorts: ports.map(({ name: port, port: number, target }) => ({
      name: port,
      port: number,
      container: target,
    })),
  };
}

/** What stays while the mesh runs. */
export function lastingObjects(placement: Placement, beside: Beside): Json[] {
  const pods = podsOf(placement);
  const namespaces = new Set(pods.map(({ namespace }) => namespace));
  return [
    ...[...namespaces].filter((name) => name !== 'default' && !beside.has('Namespace', '', name)).map(namespaceObject),
    ...accounts(pods, beside),
    ...ownServices(pods, beside),
    ...placement.externals.filter(({ spec }) => !beside.has('ServiceEntry', spec.namespace, spec.name)).map(entryOf),
    ...(beside.hasMeshConfig ? [] : [DEFAULT_MESH]),
  ];
}

function namespaceObject(name: string): Json {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { 'istio-injection': 'enabled' } } };
}

function accounts(pods: readonly Pod[], beside: Beside): Json[] {
  const seen = new Set<string>();
  return pods.flatMap(({ namespace, account }) => {
    const key = `${namespace}/${account}`;
    if (seen.has(key) || account === 'default' || beside.has('ServiceAccount', namespace, account)) return [];
    seen.add(key);
    return [{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account, namespace } }];
  });
}

/** A Service for each name that no file has one for. */
function ownServices(pods: readonly Pod[], beside: Beside): Json[] {
  const made = new Map<string, Json>();
  for (const { namespace, service, servicePorts } of pods) {
    const key = `${namespace}/${service}`;
    if (servicePorts.length === 0 || made.has(key) || beside.has('Service', namespace, service)) continue;
    const ports = servicePorts.map(({ name, port, container }) => ({ name, port, targetPort: container }));
    made.set(key, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: service, namespace, labels: { app: service } },
      spec: { selector: { app: service }, ports },
    });
  }
  return [...made.values()];
}

function entryOf({ spec, app }: ExternalPlace): Json {
  const name = `${spec.protocol}-${spec.port}`;
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: spec.name, namespace: spec.namespace },
    spec: {
      hosts: [spec.host],
      location: 'MESH_EXTERNAL',
      resolution: 'STATIC',
      ports: [{ number: spec.port, name, protocol: spec.protocol.toUpperCase() }],
      endpoints: [{ address: app.address, ports: { [name]: app.port } }],
    },
  };
}

/** Access logs are what recent requests are shown from. Keys as in Istio's own JSON format, and a few more. */
export const ACCESS_LOG_FORMAT: Readonly<Record<string, string>> = {
  start_time: '%START_TIME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  grpc_status: '%GRPC_STATUS_NUMBER%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_tls_version: '%UPSTREAM_TLS_VERSION%',
  upstream_peer_uri_san: '%UPSTREAM_PEER_URI_SAN%',
  downstream_tls_version: '%DOWNSTREAM_TLS_VERSION%',
  downstream_peer_uri_san: '%DOWNSTREAM_PEER_URI_SAN%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  route_name: '%ROUTE_NAME%',
};

const DEFAULT_MESH: Json = {
  apiVersion: 'mesh.istio.io/v1alpha1',
  kind: 'MeshConfig',
  metadata: { name: 'mesh' },
  spec: {
    accessLogFile: '/dev/stdout',
    accessLogEncoding: 'JSON',
    accessLogFormat: JSON.stringify(ACCESS_LOG_FORMAT),
  },
};

/** What a controller makes of pods and the Services that select them. `isReady` by the pod's name. */
export function endpointObjects(
  pods: readonly Pod[],
  services: readonly { readonly namespace: string; readonly name: string; readonly spec: Json }[],
  isReady: (name: string) => boolean,
): Json[] {
  const slices: Json[] = [];
  for (const { namespace, name, spec } of services) {
    const selector = Object.entries((spec['selector'] ?? {}) as Record<string, string>);
    if (selector.length === 0) continue;
    for (const pod of pods) {
      if (pod.namespace !== namespace || !selector.every(([key, value]) => pod.labels[key] === value)) continue;
      const ports = portsBehind((spec['ports'] ?? []) as readonly Json[], pod);
      if (ports.length > 0) slices.push(sliceOf(name, pod, ports, isReady(pod.name)));
    }
  }
  return slices;
}

function portsBehind(servicePorts: readonly Json[], pod: Pod): Json[] {
  return servicePorts.flatMap((port) => {
    const wanted = port['targetPort'] ?? port['port'];
    const found = pod.ports.find(({ name, container }) => name === wanted || container === wanted);
    return found === undefined ? [] : [{ name: port['name'] ?? '', port: found.target, protocol: 'TCP' }];
  });
}

function sliceOf(service: string, pod: Pod, ports: readonly Json[], ready: boolean): Json {
  const { name, namespace, address } = pod;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${service}-${name}`, namespace, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports,
    endpoints: [{ addresses: [address], conditions: { ready }, targetRef: { kind: 'Pod', name, namespace } }],
  };
}

export function podObject({ name, namespace, account, labels, address, ports }: Pod, isReady: boolean): Json {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: {
      serviceAccountName: account,
      containers: [
        {
          name: 'app',
          ports: ports.map(({ name: port, container }) => ({ name: port.slice(0, 15), containerPort: container })),
        },
      ],
    },
    status: {
      phase: 'Running',
      podIP: address,
      podIPs: [{ ip: address }],
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
    },
  };
}
