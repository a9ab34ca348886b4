// Settings of the whole mesh, with Istio's defaults filled in.

/** Istio's MeshConfig, as far as it takes effect; `raw` keeps it whole for the providers and lesser fields. */
export type Mesh = {
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  readonly rootNamespace: string;
  readonly clusterDomain: string;
  /** Name of this cluster, and network of workloads that say none. */
  readonly cluster: string;
  readonly network: string;
  /** A Gateway selects proxies of its own namespace only (istiod: PILOT_SCOPE_GATEWAY_TO_NAMESPACE). */
  readonly scopesGateways: boolean;
  /** Services without an address get one, as an API server gives it. */
  readonly assignsAddresses: boolean;
  readonly outboundTrafficPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  readonly connectTimeoutMs: number;
  readonly protocolDetectionTimeoutMs: number;
  readonly isAutoMtls: boolean;
  readonly isTracingEnabled: boolean;
  readonly isPrometheusMerge: boolean;
  readonly verifyCertificateAtClient: boolean;
  readonly h2UpgradePolicy: 'DO_NOT_UPGRADE' | 'UPGRADE';
  readonly accessLogFile: string;
  readonly accessLogEncoding: 'TEXT' | 'JSON';
  readonly accessLogFormat: string;
  readonly inboundClusterStatName: string;
  readonly outboundClusterStatName: string;
  readonly inboundTrafficPolicy: 'PASSTHROUGH' | 'LOCALHOST';
  readonly pathNormalization: 'DEFAULT' | 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES';
  readonly defaultServiceExportTo: readonly string[];
  readonly defaultVirtualServiceExportTo: readonly string[];
  readonly defaultDestinationRuleExportTo: readonly string[];
  readonly dnsRefreshRateMs: number;
  readonly proxyListenPort: number;
  readonly proxyInboundListenPort: number;
  readonly proxyHttpPort: number;
  readonly minTlsVersion: 'TLSV1_2' | 'TLSV1_3';
  readonly defaultProviders: {
    readonly metrics: readonly string[];
    readonly tracing: readonly string[];
    readonly accessLogging: readonly string[];
  };
  readonly raw: Readonly<Record<string, unknown>>;
};
