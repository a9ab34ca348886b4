// What an agent is told, by flags, environment and files together: who its workload is, whom it asks, where it serves.
import type { ExplicitMode } from '../../base/explicit-mode.ts';
import type { KeyKind } from '../../identity/certificate-request.ts';

export type ProxyRole = 'sidecar' | 'router' | 'waypoint';

export type AgentPorts = {
  /** Of the proxy: its admin interface, its statistics for Prometheus, and readiness as others see it. */
  readonly admin: number;
  readonly proxyPrometheus: number;
  readonly proxyStatus: number;
  /** The agent's own. */
  readonly status: number;
};

export type DrainSettings = {
  /** How long the proxy may go on for what is in progress. */
  readonly terminationMs: number;
  /** Ends earlier when no connection is left, after `minimumMs` at least. */
  readonly exitsOnZeroConnections: boolean;
  readonly minimumMs: number;
};

export type CertificateSettings = {
  readonly ttlS: number;
  /** Renewal begins at a random point of this part of a certificate's life. */
  readonly renewFrom: number;
  readonly renewTo: number;
  readonly key: KeyKind;
  /** Where key, chain and roots are kept over restarts; '' for nowhere. */
  readonly outputDirectory: string;
  /** Where they are read at the start: what authenticates the first request; '' for nowhere. */
  readonly provisionedDirectory: string;
};

export type ServerSettings = {
  /** 'host:port' */
  readonly address: string;
  /** The name that its certificate must have. */
  readonly san: string;
  /** PEM file of its roots; 'SYSTEM' for the machine's. */
  readonly rootPath: string;
};

export type AgentSettings = {
  readonly role: ProxyRole;
  readonly podName: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly dnsDomain: string;
  readonly trustDomain: string;
  /** The SPIFFE ID that is asked for; '': the authority takes it from what proves who asks. */
  readonly identity: string;
  readonly clusterId: string;
  /** The first one is the workload's. */
  readonly addresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Of ISTIO_META_*, ISTIO_METAJSON_* and proxyMetadata. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly proxyConfig: ProxyConfigValues;
  readonly discovery: ServerSettings;
  readonly authority: ServerSettings;
  /** A token that is good once; '/dev/fd/N' is read at the start, and the token kept. */
  readonly joinTokenPath: string;
  /** A token that is renewed by others in its file; '' without one. */
  readonly tokenPath: string;
  readonly certificate: CertificateSettings;
  /** Where the sockets are, and the bootstrap. */
  readonly udsDirectory: string;
  readonly configDirectory: string;
  readonly ports: AgentPorts;
  /** Path of a unix socket for the proxy's admin interface; '' for `ports.admin` on loopback. */
  readonly adminSocket: string;
  /** Capture without redirect, where all workloads share a loopback; null for every other way. */
  readonly explicit: ExplicitMode | null;
  readonly drain: DrainSettings;
  /** DNS_PROXY_ADDR, 'host:port'; '' for 15053 on loopback. */
  readonly dnsAddress: string;
  /** JSON of ISTIO_KUBE_APP_PROBERS and ISTIO_PROMETHEUS_ANNOTATIONS; '' without. */
  readonly appProbers: string;
  readonly prometheusAnnotations: string;
  /** METRICS_LOCALHOST_ACCESS_ONLY, REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION. */
  readonly isMetricsLocal: boolean;
  readonly probesLocalhost: boolean;
  /** The proxy's own log. */
  readonly proxyLogLevel: string;
  readonly proxyComponentLogLevel: string;
  readonly concurrency: number | null;
  /** SO_MARK of all that the proxy dials, where capture knows it by that; null: none. */
  readonly proxyMark: number | null;
};

/** What takes effect of istio.mesh.v1alpha1.ProxyConfig, and all of it as it was written, for the node. */
export type ProxyConfigValues = {
  readonly json: Readonly<Record<string, unknown>>;
  readonly serviceCluster: string;
  readonly discoveryAddress: string;
  readonly drainDurationS: number;
  readonly terminationDrainDurationMs: number;
  readonly adminPort: number;
  readonly statusPort: number;
  readonly concurrency: number | null;
  readonly runtimeValues: Readonly<Record<string, string>>;
  readonly extraStatTags: readonly string[];
  readonly statsInclusion: {
    readonly prefixes: readonly string[] | null;
    readonly suffixes: readonly string[] | null;
    readonly regexps: readonly string[] | null;
  };
  readonly proxyMetadata: Readonly<Record<string, string>>;
  readonly tracingServiceName: string;
  readonly configPath: string;
  readonly binaryPath: string;
  readonly readinessProbe: Readonly<Record<string, unknown>> | null;
  readonly interceptionMode: string;
  readonly meshId: string;
  readonly fileFlushIntervalMs: number;
  /** Null: the proxy's own default. */
  readonly fileFlushMinSizeKb: number | null;
  /** Fields that are set and do nothing here. */
  readonly withoutEffect: readonly string[];
};
