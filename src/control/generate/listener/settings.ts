// What listeners take from the settings of the mesh and from the kind of proxy, worked out once per class of proxies.
import { canonicalName, canonicalRevision, type Labels } from '../../model/labels.ts';
import type { Mesh } from '../../model/mesh.ts';
import type { ProxyKind } from '../../model/proxy.ts';
import { type AccessLogSettings, meshAccessLog } from './access-log.ts';

/** Who a proxy is in its traces: literal tags of every span. */
export type TraceIdentity = {
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  readonly meshId: string;
  readonly cluster: string;
  readonly namespace: string;
};

export type ListenerSettings = {
  /** Whether the proxy has Istio's filters: metadata exchange and ALPN. */
  readonly hasIstioFilters: boolean;
  /** Whether istio.stats counts (default metrics provider prometheus). */
  readonly hasStats: boolean;
  readonly accessLog: AccessLogSettings | null;
  readonly pathNormalization: Mesh['pathNormalization'];
  readonly isTracingEnabled: boolean;
  /** Percent of requests that are traced. */
  readonly traceSampling: number;
  readonly http10: boolean;
  readonly detectionTimeoutMs: number;
  readonly trustDomains: readonly string[];
  readonly minTlsVersion: Mesh['minTlsVersion'];
  readonly listenPort: number;
  readonly inboundListenPort: number;
  readonly outboundStatName: string;
  readonly inboundStatName: string;
  readonly headers: HeaderSettings;
  readonly gateway: GatewaySettings;
  readonly tlsDefaults: TlsDefaults;
};

/** ProxyConfig.gatewayTopology of the mesh: what stands before its gateways. */
export type GatewaySettings = {
  readonly trustedProxies: number;
  readonly forwardClientCert: string;
  readonly takesProxyProtocol: boolean;
};

/** MeshConfig.tlsDefaults: for servers of gateways that do not end the mesh's own TLS. */
export type TlsDefaults = {
  readonly cipherSuites: readonly string[];
  readonly ecdhCurves: readonly string[];
  readonly minProtocolVersion: string;
};

/** ProxyConfig.proxyHeaders of the mesh. */
export type HeaderSettings = {
  readonly server: string;
  readonly isServerDisabled: boolean;
  readonly isRequestIdDisabled: boolean;
  readonly isDebugSuppressed: boolean;
  readonly forwardedClientCert: string;
};

/** `accessLog` replaces the mesh's own where a Telemetry object says otherwise; undefined leaves it. */
export function listenerSettings(
  mesh: Mesh,
  kind: ProxyKind,
  http10: boolean,
  accessLog?: AccessLogSettings | null,
): ListenerSettings {
  const config = record(mesh.raw['defaultConfig']);
  const sampling = record(config['tracing'])['sampling'];
  return {
    hasIstioFilters: kind !== 'envoy',
    hasStats: kind !== 'envoy' && mesh.defaultProviders.metrics.includes('prometheus'),
    accessLog: accessLog === undefined ? meshAccessLog(mesh) : accessLog,
    pathNormalization: mesh.pathNormalization,
    isTracingEnabled: mesh.isTracingEnabled,
    traceSampling: typeof sampling === 'number' ? sampling : DEFAULT_TRACE_SAMPLING,
    http10,
    detectionTimeoutMs: mesh.protocolDetectionTimeoutMs,
    trustDomains: [...new Set([mesh.trustDomain, ...mesh.trustDomainAliases])],
    minTlsVersion: mesh.minTlsVersion,
    listenPort: mesh.proxyListenPort,
    inboundListenPort: mesh.proxyInboundListenPort,
    outboundStatName: mesh.outboundClusterStatName,
    inboundStatName: mesh.inboundClusterStatName,
    headers: headerSettings(record(config['proxyHeaders'])),
    gateway: gatewaySettings(record(config['gatewayTopology'])),
    tlsDefaults: tlsDefaults(record(mesh.raw['tlsDefaults'])),
  };
}

function gatewaySettings(topology: Readonly<Record<string, unknown>>): GatewaySettings {
  const { numTrustedProxies, forwardClientCertDetails, proxyProtocol } = topology;
  return {
    trustedProxies: typeof numTrustedProxies === 'number' ? numTrustedProxies : 0,
    forwardClientCert:
      typeof forwardClientCertDetails === 'string' && forwardClientCertDetails !== 'UNDEFINED'
        ? forwardClientCertDetails
        : '',
    takesProxyProtocol: typeof proxyProtocol === 'object' && proxyProtocol !== null,
  };
}

function tlsDefaults(defaults: Readonly<Record<string, unknown>>): TlsDefaults {
  const { cipherSuites, ecdhCurves, minProtocolVersion } = defaults;
  return {
    cipherSuites: Array.isArray(cipherSuites) ? (cipherSuites as string[]) : [],
    ecdhCurves: Array.isArray(ecdhCurves) ? (ecdhCurves as string[]) : [],
    minProtocolVersion: typeof minProtocolVersion === 'string' ? minProtocolVersion : '',
  };
}

/** Istio's own default: one request in a hundred. */
const DEFAULT_TRACE_SAMPLING = 1;

function headerSettings(headers: Readonly<Record<string, unknown>>): HeaderSettings {
  const server = record(headers['server']);
  return {
    server: typeof server['value'] === 'string' ? server['value'] : '',
    isServerDisabled: server['disabled'] === true,
    isRequestIdDisabled: record(headers['requestId'])['disabled'] === true,
    isDebugSuppressed: record(headers['envoyDebugHeaders'])['disabled'] === true,
    forwardedClientCert:
      typeof headers['forwardedClientCert'] === 'string' && headers['forwardedClientCert'] !== 'UNDEFINED'
        ? headers['forwardedClientCert']
        : '',
  };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** The name and revision that a workload has in telemetry, from its labels, or else its own name. */
export function traceIdentity(node: {
  readonly labels: Labels;
  readonly workloadName: string;
  readonly namespace: string;
  readonly cluster: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}): TraceIdentity {
  const meshId = node.metadata['MESH_ID'];
  return {
    canonicalService: canonicalName(node.labels, node.workloadName) || 'unknown',
    canonicalRevision: canonicalRevision(node.labels),
    meshId: typeof meshId === 'string' && meshId !== '' ? meshId : 'unknown',
    cluster: node.cluster || 'unknown',
    namespace: node.namespace || 'default',
  };
}

/** For listeners that name nobody. */
export const NOBODY: TraceIdentity = traceIdentity({
  labels: {},
  workloadName: '',
  namespace: '',
  cluster: '',
  metadata: {},
});
