// MeshConfig → the settings of the mesh, with Istio's defaults (istio.mesh.v1alpha1, DefaultMeshConfig).
import { durationMs } from '../../model/duration.ts';
import type { Mesh } from '../../model/mesh.ts';

/** What is not said in a MeshConfig but when the control plane is started. */
export type MeshPlace = Pick<Mesh, 'clusterDomain' | 'cluster' | 'network'> &
  Partial<Pick<Mesh, 'scopesGateways' | 'assignsAddresses'>>;

type Json = Readonly<Record<string, unknown>>;

/** `spec` was validated when it was read; null gives the defaults. */
export function translateMeshConfig(spec: Json | null, place: MeshPlace): Mesh {
  const raw = spec ?? {};
  const text = (field: string, fallback: string): string => (raw[field] as string | undefined) || fallback;
  const flag = (field: string, fallback: boolean): boolean => (raw[field] as boolean | undefined) ?? fallback;
  const list = (field: string): string[] => (raw[field] as string[] | undefined) ?? [];
  const number = (field: string, fallback: number): number => (raw[field] as number | undefined) || fallback;
  const milliseconds = (field: string, fallback: number): number => durationMs(String(raw[field] ?? '')) ?? fallback;
  const part = (field: string): Json => (raw[field] as Json | undefined) ?? {};
  const providers = part('defaultProviders') as Record<string, string[] | undefined>;
  return {
    scopesGateways: false,
    assignsAddresses: false,
    ...place,
    trustDomain: text('trustDomain', 'cluster.local'),
    trustDomainAliases: list('trustDomainAliases'),
    rootNamespace: text('rootNamespace', 'istio-system'),
    // Where it is written at all, its zero counts.
    outboundTrafficPolicy:
      raw['outboundTrafficPolicy'] === undefined || part('outboundTrafficPolicy')['mode'] === 'ALLOW_ANY'
        ? 'ALLOW_ANY'
        : 'REGISTRY_ONLY',
    connectTimeoutMs: milliseconds('connectTimeout', 10_000),
    protocolDetectionTimeoutMs: milliseconds('protocolDetectionTimeout', 0),
    isAutoMtls: flag('enableAutoMtls', true),
    isTracingEnabled: flag('enableTracing', true),
    isPrometheusMerge: flag('enablePrometheusMerge', true),
    verifyCertificateAtClient: flag('verifyCertificateAtClient', true),
    h2UpgradePolicy: raw['h2UpgradePolicy'] === 'UPGRADE' ? 'UPGRADE' : 'DO_NOT_UPGRADE',
    accessLogFile: text('accessLogFile', ''),
    accessLogEncoding: raw['accessLogEncoding'] === 'JSON' ? 'JSON' : 'TEXT',
    accessLogFormat: text('accessLogFormat', ''),
    inboundClusterStatName: text('inboundClusterStatName', ''),
    outboundClusterStatName: text('outboundClusterStatName', ''),
    inboundTrafficPolicy: part('inboundTrafficPolicy')['mode'] === 'LOCALHOST' ? 'LOCALHOST' : 'PASSTHROUGH',
    pathNormalization:
      (part('pathNormalization')['normalization'] as Mesh['pathNormalization'] | undefined) ?? 'DEFAULT',
    defaultServiceExportTo: list('defaultServiceExportTo'),
    defaultVirtualServiceExportTo: list('defaultVirtualServiceExportTo'),
    defaultDestinationRuleExportTo: list('defaultDestinationRuleExportTo'),
    dnsRefreshRateMs: milliseconds('dnsRefreshRate', 60_000),
    proxyListenPort: number('proxyListenPort', 15001),
    proxyInboundListenPort: number('proxyInboundListenPort', 15006),
    proxyHttpPort: number('proxyHttpPort', 0),
    minTlsVersion: part('meshMTLS')['minProtocolVersion'] === 'TLSV1_3' ? 'TLSV1_3' : 'TLSV1_2',
    defaultProviders: {
      // As Istio's charts write it where nobody says anything of providers.
      metrics: providers['metrics'] ?? (raw['defaultProviders'] === undefined ? ['prometheus'] : []),
      tracing: providers['tracing'] ?? [],
      accessLogging: providers['accessLogging'] ?? [],
    },
    raw,
  };
}
