// Who the proxy is, as control planes are told: id, cluster, locality and metadata, by Istio's names.
import type { AgentSettings } from '../config/settings.ts';

/** A stock Envoy beside the agent, or Heddle's own proxy with its version. */
export type ProxyKind = { readonly kind: 'envoy' } | { readonly kind: 'heddle'; readonly version: string };

export type NodeMessage = {
  readonly id: string;
  readonly cluster: string;
  readonly locality?: { readonly region?: string; readonly zone?: string; readonly sub_zone?: string };
  readonly metadata: Readonly<Record<string, unknown>>;
};

/** Of the API that the agent speaks: istiod chooses by it what to send. */
const ISTIO_VERSION = '1.32.0';
/** Istio's node type of gateways is not the word of its command line. */
const NODE_TYPES = { sidecar: 'sidecar', router: 'router', waypoint: 'waypoint' } as const;

/** Source: istio model.Proxy ServiceNode: type, address, name and DNS domain. */
export function nodeId({ role, addresses, podName, namespace, dnsDomain }: AgentSettings): string {
  return [NODE_TYPES[role], addresses[0] ?? '', `${podName}.${namespace}`, dnsDomain].join('~');
}

export function nodeOf(settings: AgentSettings, proxy: ProxyKind): NodeMessage {
  return {
    id: nodeId(settings),
    cluster: serviceCluster(settings),
    ...locality(settings),
    metadata: nodeMetadata(settings, proxy),
  };
}

function nodeMetadata(settings: AgentSettings, proxy: ProxyKind): Readonly<Record<string, unknown>> {
  const { annotations, ports, drain, discovery, proxyConfig } = settings;
  return {
    ISTIO_VERSION,
    MESH_ID: proxyConfig.meshId || settings.trustDomain,
    ...(settings.role === 'sidecar' ? { INTERCEPTION_MODE: proxyConfig.interceptionMode || 'REDIRECT' } : {}),
    // What the environment says wins over defaults, and loses against what is known for sure.
    ...settings.metadata,
    ...(settings.explicit === null ? {} : { INTERCEPTION_MODE: 'NONE' }),
    NAME: settings.podName,
    NAMESPACE: settings.namespace,
    WORKLOAD_NAME: workloadName(settings),
    INSTANCE_IPS: settings.addresses.join(','),
    LABELS: settings.labels,
    ...(Object.keys(annotations).length > 0 ? { ANNOTATIONS: annotations } : {}),
    SERVICE_ACCOUNT: settings.serviceAccount,
    CLUSTER_ID: settings.clusterId,
    PILOT_SAN: [discovery.san],
    ENVOY_PROMETHEUS_PORT: ports.proxyPrometheus,
    ENVOY_STATUS_PORT: ports.proxyStatus,
    ...(drain.exitsOnZeroConnections ? { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' } : {}),
    PROXY_CONFIG: proxyConfig.json,
    ...(proxy.kind === 'envoy' ? { HEDDLE_PROXY: 'envoy' } : { HEDDLE_VERSION: proxy.version }),
  };
}

/** Of ISTIO_META_WORKLOAD_NAME; else as the pod is called. */
function workloadName({ metadata, podName }: AgentSettings): string {
  const said = metadata['WORKLOAD_NAME'];
  return typeof said === 'string' && said !== '' ? said : podName;
}

/** Source: istio pkg/bootstrap, getServiceCluster. */
export function serviceCluster(settings: AgentSettings): string {
  const { labels, namespace, metadata, proxyConfig } = settings;
  const said = proxyConfig.serviceCluster;
  const canonical = labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'];
  if (proxyConfig.tracingServiceName.startsWith('CANONICAL_NAME')) {
    const name = canonical ?? workloadName(settings);
    return proxyConfig.tracingServiceName === 'CANONICAL_NAME_ONLY' ? name : `${name}.${namespace}`;
  }
  if (said !== '' && said !== 'istio-proxy') return said;
  const name = labels['app'] ?? (metadata['WORKLOAD_NAME'] as string | undefined) ?? 'istio-proxy';
  return `${name}.${namespace}`;
}

/** Of the label istio-locality, 'region/zone/subzone' or with dots. */
function locality({ labels }: AgentSettings): Pick<NodeMessage, 'locality'> {
  const label = labels['istio-locality'] ?? '';
  const [region, zone, subZone] = (label.includes('/') ? label.split('/') : label.split('.')) as (string | undefined)[];
  if (region === undefined || region === '') return {};
  return {
    locality: { region, ...(zone ? { zone } : {}), ...(subZone ? { sub_zone: subZone } : {}) },
  };
}
