// The kinds that the source reads: their groups, whether they have a namespace, and by what they are validated.

export type Kind = {
  readonly group: string;
  readonly kind: string;
  readonly versions: readonly string[];
  readonly isNamespaced: boolean;
  /** 'crd': the published schema; 'core': what we read of Kubernetes' own kinds; 'mesh': the protobuf message. */
  readonly schema: 'crd' | 'core' | 'mesh';
};

const ISTIO_NETWORKING = ['v1', 'v1beta1', 'v1alpha3'];
const ISTIO_SECURITY = ['v1', 'v1beta1'];

/** Where a MeshConfig and MeshNetworks are found under names of our own: they are no kinds of Kubernetes. */
export const MESH_GROUP = 'mesh.istio.io';
export const MESH_CONFIG_KEY = 'MeshConfig//mesh';
export const MESH_NETWORKS_KEY = 'MeshNetworks//mesh';

function kindsOf(
  schema: Kind['schema'],
  group: string,
  versions: readonly string[],
  names: string,
  isNamespaced = true,
): Kind[] {
  return names.split(' ').map((kind) => ({ group, kind, versions, isNamespaced, schema }));
}

const GATEWAY_API = 'gateway.networking.k8s.io';

export const KINDS: readonly Kind[] = [
  ...kindsOf('core', '', ['v1'], 'ConfigMap Secret Service Pod ServiceAccount'),
  ...kindsOf('core', '', ['v1'], 'Namespace Node', false),
  ...kindsOf('core', 'discovery.k8s.io', ['v1'], 'EndpointSlice'),
  ...kindsOf('core', 'apps', ['v1'], 'Deployment StatefulSet'),

  ...kindsOf('crd', 'networking.istio.io', ISTIO_NETWORKING, 'VirtualService DestinationRule Gateway ServiceEntry'),
  ...kindsOf('crd', 'networking.istio.io', ISTIO_NETWORKING, 'Sidecar WorkloadEntry WorkloadGroup'),
  ...kindsOf('crd', 'networking.istio.io', ['v1beta1'], 'ProxyConfig'),
  ...kindsOf('crd', 'networking.istio.io', ['v1alpha3'], 'EnvoyFilter'),
  ...kindsOf('crd', 'security.istio.io', ISTIO_SECURITY, 'PeerAuthentication AuthorizationPolicy'),
  ...kindsOf('crd', 'security.istio.io', ISTIO_SECURITY, 'RequestAuthentication'),
  ...kindsOf('crd', 'telemetry.istio.io', ['v1', 'v1alpha1'], 'Telemetry'),
  ...kindsOf('crd', 'extensions.istio.io', ['v1alpha1'], 'WasmPlugin TrafficExtension'),

  ...kindsOf('crd', GATEWAY_API, ['v1', 'v1beta1'], 'GatewayClass', false),
  ...kindsOf('crd', GATEWAY_API, ['v1', 'v1beta1'], 'Gateway HTTPRoute ReferenceGrant'),
  ...kindsOf('crd', GATEWAY_API, ['v1'], 'GRPCRoute ListenerSet'),
  ...kindsOf('crd', GATEWAY_API, ['v1', 'v1alpha2'], 'TCPRoute UDPRoute'),
  ...kindsOf('crd', GATEWAY_API, ['v1', 'v1alpha2', 'v1alpha3'], 'TLSRoute'),
  ...kindsOf('crd', GATEWAY_API, ['v1', 'v1alpha3'], 'BackendTLSPolicy'),

  ...kindsOf('mesh', MESH_GROUP, ['v1alpha1'], 'MeshConfig MeshNetworks', false),
];

const BY_NAME: ReadonlyMap<string, Kind> = new Map(KINDS.map((kind) => [`${kind.group}/${kind.kind}`, kind]));

/** Undefined: nothing of Heddle reads objects of that kind. */
export function findKind(group: string, kind: string): Kind | undefined {
  return BY_NAME.get(`${group}/${kind}`);
}

/** 'networking.istio.io/v1' → its group and version; the core group is ''. */
export function splitApiVersion(apiVersion: string): { readonly group: string; readonly version: string } {
  const slash = apiVersion.indexOf('/');
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}
