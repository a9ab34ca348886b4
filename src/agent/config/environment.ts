// Settings of an agent from flags, environment variables and the files of a pod, by pilot-agent's names.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ExplicitMode, parseExplicit } from '../../base/explicit-mode.ts';
import { parseIp } from '../../base/ip.ts';
import type { KeyKind } from '../../identity/certificate-request.ts';
import { readDownwardApi } from './downward-api.ts';
import { type ConfigText, readProxyConfig } from './proxy-config.ts';
import type { AgentSettings, CertificateSettings, ProxyConfigValues, ProxyRole, ServerSettings } from './settings.ts';

export type Variables = Readonly<Record<string, string | undefined>>;

/** What flags may say; absent: what the environment says, or the default. */
export type AgentFlags = {
  readonly role?: ProxyRole;
  readonly domain?: string;
  readonly meshConfigPath?: string;
  readonly discovery?: string;
  readonly authority?: string;
  readonly joinToken?: string;
  readonly token?: string;
  readonly rootCa?: string;
  readonly uds?: string;
  readonly configPath?: string;
  readonly serviceCluster?: string;
  readonly concurrency?: number;
  readonly proxyLogLevel?: string;
  readonly proxyComponentLogLevel?: string;
};

/** The machine, as far as it says who the workload is. */
export type MachineFacts = {
  readonly variables: Variables;
  /** All but loopback and link-local ones. */
  readonly addresses: readonly string[];
  /** Null: there is no such file. */
  readonly readText: (path: string) => string | null;
};

/** Source: istio pkg/config/constants; all are below the working directory, which is / in istio's images. */
export const PATHS = Object.freeze({
  uds: './var/run/secrets/workload-spiffe-uds',
  token: './var/run/secrets/tokens/istio-token',
  root: './var/run/secrets/istio/root-cert.pem',
  mesh: './etc/istio/config/mesh',
  labels: './etc/istio/pod/labels',
  annotations: './etc/istio/pod/annotations',
});

export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** Every reason why not comes at once, one a line. */
export function readSettings(flags: AgentFlags, machine: MachineFacts): AgentSettings | { readonly error: string } {
  const { variables } = machine;
  const of = (name: string): string => variables[name] ?? '';
  const errors: string[] = [];
  const annotations = podFile(machine, PATHS.annotations, errors);
  const proxyConfig = effectiveProxyConfig(flags, machine, annotations);
  if ('error' in proxyConfig) return proxyConfig;
  const namespace = of('POD_NAMESPACE') || 'default';
  const metadata = readMetadata(variables, proxyConfig.proxyMetadata, errors);
  const labels = readLabels(machine, metadata, errors);
  const certificate = certificateSettings(variables, errors);
  const port = (name: string, otherwise: number): number => numberOf(variables, name, otherwise, errors, 65_535);
  const drain = {
    terminationMs: proxyConfig.terminationDrainDurationMs,
    exitsOnZeroConnections: isTrue(of('EXIT_ON_ZERO_ACTIVE_CONNECTIONS')),
    minimumMs: durationOf(variables, 'MINIMUM_DRAIN_DURATION', 5000, errors),
  };
  const ports = {
    admin: proxyConfig.adminPort,
    proxyPrometheus: port('ENVOY_PROMETHEUS_PORT', 15_090),
    proxyStatus: port('ENVOY_STATUS_PORT', 15_021),
    status: proxyConfig.statusPort,
  };
  const proxyMark =
    of('HEDDLE_PROXY_MARK') === '' ? null : numberOf(variables, 'HEDDLE_PROXY_MARK', 0, errors, 0x7fffffff);
  const explicit = explicitOf(metadata, of('INSTANCE_IP'), errors);
  // The machine's own addresses are those of all its workloads.
  const addresses = addressesOf(of('INSTANCE_IP'), explicit === null ? machine.addresses : [], errors);
  const adminSocket = adminSocketOf(of('HEDDLE_ADMIN_SOCKET'), errors);
  if (errors.length > 0) return { error: errors.join('\n') };
  return {
    role: flags.role ?? 'sidecar',
    podName: of('POD_NAME'),
    namespace,
    serviceAccount: of('SERVICE_ACCOUNT') || 'default',
    dnsDomain: flags.domain || `${namespace}.svc.cluster.local`,
    trustDomain: of('TRUST_DOMAIN') || 'cluster.local',
    identity: identityOf(of('TRUST_DOMAIN'), namespace, of('SERVICE_ACCOUNT')),
    clusterId: of('ISTIO_META_CLUSTER_ID') || 'Kubernetes',
    addresses,
    labels,
    annotations,
    metadata,
    proxyConfig,
    ...servers(flags, variables, proxyConfig),
    joinTokenPath: flags.joinToken ?? of('HEDDLE_JOIN_TOKEN_FILE'),
    tokenPath: tokenPath(flags, machine),
    certificate,
    udsDirectory: flags.uds ?? PATHS.uds,
    configDirectory: flags.configPath ?? proxyConfig.configPath,
    ports,
    adminSocket,
    explicit,
    drain,
    dnsAddress: of('DNS_PROXY_ADDR'),
    appProbers: of('ISTIO_KUBE_APP_PROBERS'),
    prometheusAnnotations: of('ISTIO_PROMETHEUS_ANNOTATIONS'),
    isMetricsLocal: isTrue(of('METRICS_LOCALHOST_ACCESS_ONLY')),
    probesLocalhost: isTrue(of('REWRITE_PROBE_LEGACY_LOCALHOST_DESTINATION')),
    proxyLogLevel: flags.proxyLogLevel ?? 'warning,misc:error',
    proxyComponentLogLevel: flags.proxyComponentLogLevel ?? '',
    concurrency: flags.concurrency ?? proxyConfig.concurrency,
    proxyMark,
  };
}

/** Nothing is asked for that would be a guess: an authority refuses a name that is not the workload's. */
function identityOf(trustDomain: string, namespace: string, serviceAccount: string): string {
  if (trustDomain === '' || serviceAccount === '') return '';
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

/** A join token takes the place of a pod's token, so that none has to be switched off. */
function tokenPath({ token, joinToken }: AgentFlags, { readText, variables }: MachineFacts): string {
  if (token !== undefined) return token;
  if (joinToken !== undefined || (variables['HEDDLE_JOIN_TOKEN_FILE'] ?? '') !== '') return '';
  return readText(PATHS.token) === null ? '' : PATHS.token;
}

function effectiveProxyConfig(
  flags: AgentFlags,
  { variables, readText }: MachineFacts,
  annotations: Readonly<Record<string, string>>,
): ProxyConfigValues | { readonly error: string } {
  const meshPath = flags.meshConfigPath ?? PATHS.mesh;
  const overrides: Record<string, unknown> = {};
  const { discovery, serviceCluster, concurrency } = flags;
  const discoveryAddress = discovery ?? annotations['sidecar.istio.io/discoveryAddress'];
  if (discoveryAddress !== undefined) overrides['discoveryAddress'] = discoveryAddress;
  const statusPort = annotations['status.sidecar.istio.io/port'];
  if (statusPort !== undefined) overrides['statusPort'] = Number(statusPort);
  if (serviceCluster !== undefined) overrides['serviceCluster'] = serviceCluster;
  if (concurrency !== undefined) overrides['concurrency'] = concurrency;
  const texts: readonly (ConfigText & { readonly isMesh?: boolean })[] = [
    { origin: meshPath, text: readText(meshPath) ?? '', isMesh: true },
    { origin: 'PROXY_CONFIG', text: variables['PROXY_CONFIG'] ?? '' },
    { origin: 'annotation proxy.istio.io/config', text: annotations['proxy.istio.io/config'] ?? '' },
    { origin: 'flags and annotations', text: JSON.stringify(overrides) },
  ];
  return readProxyConfig(texts);
}

function servers(
  { rootCa, authority }: AgentFlags,
  variables: Variables,
  { discoveryAddress }: ProxyConfigValues,
): { readonly discovery: ServerSettings; readonly authority: ServerSettings } {
  const san = variables['ISTIOD_SAN'] ?? '';
  const at = (address: string, root: string): ServerSettings => ({
    address,
    san: san || sanOf(address),
    rootPath: rootCa ?? (root || PATHS.root),
  });
  const caAddress = authority ?? variables['CA_ADDR'] ?? '';
  return {
    discovery: at(discoveryAddress, variables['XDS_ROOT_CA'] ?? ''),
    authority: at(caAddress || discoveryAddress, variables['CA_ROOT_CA'] ?? ''),
  };
}

/** Source: istio pilot-agent GetPilotSan: on a developer's machine istiod shows its usual certificate. */
function sanOf(address: string): string {
  const host = address.slice(0, Math.max(0, address.lastIndexOf(':'))).replaceAll(/^\[|\]$/g, '');
  return host === 'localhost' ? 'istiod.istio-system.svc' : host;
}

function addressesOf(instance: string, own: readonly string[], errors: string[]): readonly string[] {
  if (instance !== '' && parseIp(instance) === null) errors.push(`INSTANCE_IP: ${instance} is no IP address`);
  const all = [...new Set(instance === '' ? own : [instance, ...own])];
  return all.length === 0 ? ['127.0.0.1'] : all;
}

/** The length of sun_path on the systems that have the shortest. */
const MAX_SOCKET_PATH = 103;

function adminSocketOf(path: string, errors: string[]): string {
  if (path !== '' && !path.startsWith('/')) errors.push(`HEDDLE_ADMIN_SOCKET: ${path} is no absolute path`);
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    errors.push(`HEDDLE_ADMIN_SOCKET: ${path} is longer than the ${MAX_SOCKET_PATH} bytes that a socket may have`);
  }
  return path;
}

function explicitOf(
  metadata: Readonly<Record<string, unknown>>,
  address: string,
  errors: string[],
): ExplicitMode | null {
  if (metadata['EXPLICIT'] === undefined) return null;
  const explicit = parseExplicit(metadata['EXPLICIT']);
  if (typeof explicit === 'string') errors.push(`ISTIO_METAJSON_EXPLICIT: ${explicit}`);
  if (address === '') errors.push('INSTANCE_IP: explicit mode needs the address that is the workload’s own');
  return typeof explicit === 'string' ? null : explicit;
}

// ─── Metadata ───────────────────────────────────────────────────────────────────────────────────────────────────────

const META = 'ISTIO_META_';
const META_JSON = 'ISTIO_METAJSON_';
/** The others are objects whose fields are metadata. */
const WHOLE: ReadonlySet<string> = new Set([`${META_JSON}LABELS`, `${META_JSON}EXPLICIT`]);

/** Source: istio pkg/bootstrap, GetNodeMetaData: variables win over proxyMetadata, JSON over single values. */
function readMetadata(
  variables: Variables,
  proxyMetadata: Readonly<Record<string, string>>,
  errors: string[],
): Readonly<Record<string, unknown>> {
  const metadata: Record<string, unknown> = {};
  for (const source of [proxyMetadata, variables]) {
    for (const [name, value] of Object.entries(source)) {
      if (name.startsWith(META) && value !== undefined) metadata[name.slice(META.length)] = value;
    }
  }
  for (const [name, value] of Object.entries(variables)) {
    if (!name.startsWith(META_JSON) || value === undefined) continue;
    const parsed = parseRecord(value);
    if (parsed === null) errors.push(`${name}: it is no JSON object`);
    else if (WHOLE.has(name)) metadata[name.slice(META_JSON.length)] = parsed;
    else Object.assign(metadata, parsed);
  }
  return metadata;
}

function parseRecord(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** Of the pod, with the labels that the environment says underneath. */
function readLabels(
  machine: MachineFacts,
  metadata: Readonly<Record<string, unknown>>,
  errors: string[],
): Readonly<Record<string, string>> {
  const said = Object.entries((metadata['LABELS'] ?? {}) as Record<string, unknown>);
  const labels: Record<string, string> = {
    ...Object.fromEntries(said.map(([name, value]) => [name, String(value)])),
    ...podFile(machine, PATHS.labels, errors),
  };
  delete labels['pod-template-hash'];
  return labels;
}

function podFile({ readText }: MachineFacts, path: string, errors: string[]): Readonly<Record<string, string>> {
  const text = readText(path);
  if (text === null) return {};
  const read = readDownwardApi(text);
  if ('error' in read) errors.push(`${path}: ${read.error}`);
  return 'error' in read ? {} : read.values;
}

// ─── Numbers ────────────────────────────────────────────────────────────────────────────────────────────────────────

const DAY_S = 86_400;
/** Without SECRET_GRACE_PERIOD_RATIO: so far apart that a fleet does not renew as one. */
const RENEW_FROM = 0.5;
const RENEW_TO = 0.8;

function certificateSettings(variables: Variables, errors: string[]): CertificateSettings {
  const ratioText = variables['SECRET_GRACE_PERIOD_RATIO'] ?? '';
  const ratio = numberOf(variables, 'SECRET_GRACE_PERIOD_RATIO', RENEW_FROM, errors, 1);
  const jitter = numberOf(variables, 'SECRET_GRACE_PERIOD_RATIO_JITTER', 0.01, errors, 1);
  const isFixed = ratioText !== '';
  return {
    ttlS: Math.round(durationOf(variables, 'SECRET_TTL', DAY_S * 1000, errors) / 1000),
    renewFrom: isFixed ? Math.max(0, 1 - ratio - jitter) : RENEW_FROM,
    renewTo: isFixed ? Math.min(1, 1 - ratio + jitter) : RENEW_TO,
    key: keyKind(variables, errors),
    outputDirectory: variables['OUTPUT_CERTS'] ?? '',
    provisionedDirectory: variables['PROV_CERT'] ?? '',
  };
}

function keyKind(variables: Variables, errors: string[]): KeyKind {
  const bits = variables['WORKLOAD_RSA_KEY_SIZE'] ?? '';
  const curve = variables['ECC_CURVE'] ?? 'P256';
  if (bits !== '' && variables['ECC_SIGNATURE_ALGORITHM'] !== 'ECDSA') {
    if (bits === '2048' || bits === '3072' || bits === '4096') return `rsa${bits}`;
    errors.push(`WORKLOAD_RSA_KEY_SIZE: ${bits} is none of 2048, 3072, 4096`);
  }
  if (curve !== 'P256' && curve !== 'P384') errors.push(`ECC_CURVE: ${curve} is none of P256, P384`);
  return curve === 'P384' ? 'p384' : 'p256';
}

function numberOf(variables: Variables, name: string, otherwise: number, errors: string[], most: number): number {
  const text = variables[name] ?? '';
  if (text === '') return otherwise;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0 && value <= most) return value;
  errors.push(`${name}: ${text} is no number from 0 to ${most}`);
  return otherwise;
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Go's notation: '24h0m0s', '500ms'. */
function durationOf(variables: Variables, name: string, otherwiseMs: number, errors: string[]): number {
  const text = variables[name] ?? '';
  if (text === '') return otherwiseMs;
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)) {
    errors.push(`${name}: ${text} is no duration, such as 24h or 500ms`);
    return otherwiseMs;
  }
  let ms = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
    ms += Number(count) * (UNITS_MS[unit ?? ''] ?? 0);
  return ms;
}

function isTrue(text: string): boolean {
  return /^(?:1|t|true)$/i.test(text);
}

/** Source: istio's layout of certificates in a directory. */
export function certificateFiles(directory: string): {
  readonly chain: string;
  readonly key: string;
  readonly roots: string;
} {
  return {
    chain: join(directory, 'cert-chain.pem'),
    key: join(directory, 'key.pem'),
    roots: join(directory, 'root-cert.pem'),
  };
}
