// The effective ProxyConfig: Istio's defaults, then the mesh's file, PROXY_CONFIG and the pod's annotation over it.
import { load, YAMLException } from 'js-yaml';
import { fromJson } from '../../proto/json-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import type { ProxyConfigValues } from './settings.ts';

const TYPE = 'istio.mesh.v1alpha1.ProxyConfig';

/** Source: istio pkg/config/mesh, DefaultProxyConfig. */
export const DEFAULT_PROXY_CONFIG: Readonly<Record<string, unknown>> = Object.freeze({
  configPath: './etc/istio/proxy',
  binaryPath: '/usr/local/bin/envoy',
  serviceCluster: 'istio-proxy',
  drainDuration: '45s',
  discoveryAddress: 'istiod.istio-system.svc:15012',
  proxyAdminPort: 15000,
  controlPlaneAuthPolicy: 'MUTUAL_TLS',
  statNameLength: 189,
  statusPort: 15020,
  terminationDrainDuration: '5s',
});

/** Of the bootstrap that pilot-agent writes, and not of ours; all others take effect here or in the control plane. */
const WITHOUT_EFFECT = [
  ...['availabilityZone', 'connectionSettings', 'customConfigFile', 'discoveryRefreshDelay', 'envoyAccessLogService'],
  ...['envoyMetricsService', 'envoyMetricsServiceAddress', 'privateKeyProvider', 'proxyBootstrapTemplatePath', 'sds'],
  ...['statsCompression', 'statsdUdpAddress', 'tracing', 'zipkinAddress'],
];
const DEFAULT_FLUSH_MS = 1000;

export type ConfigText = { readonly origin: string; readonly text: string };

/**
 * Each text is a ProxyConfig in YAML, but where `isMesh` says that it is a MeshConfig, of which defaultConfig counts.
 * Fields that are set replace those before them, whole.
 */
export function readProxyConfig(
  texts: readonly (ConfigText & { readonly isMesh?: boolean })[],
): ProxyConfigValues | { readonly error: string } {
  let json: Record<string, unknown> = { ...DEFAULT_PROXY_CONFIG };
  for (const { origin, text, isMesh = false } of texts) {
    if (text.trim() === '') continue;
    const read = readYaml(text, origin);
    if ('error' in read) return read;
    const layer = isMesh ? recordOf(read.value['defaultConfig'] ?? {}) : read.value;
    const report = new Report();
    fromJson(registry.message(TYPE), layer, report);
    const [problem] = report.problems;
    if (problem !== undefined) {
      return { error: `${origin}: ${problem.path === '' ? '' : `${problem.path}: `}${problem.reason}` };
    }
    json = { ...json, ...camelCased(layer) };
  }
  return valuesOf(json);
}

function readYaml(
  text: string,
  origin: string,
): { readonly value: Record<string, unknown> } | { readonly error: string } {
  try {
    const value = load(text) ?? {};
    if (typeof value === 'object' && !Array.isArray(value)) return { value: value as Record<string, unknown> };
    return { error: `${origin}: it is no mapping of fields` };
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    return { error: `${origin}: broken YAML: ${error.reason}` };
  }
}

/** Top-level names as JSON has them: what one layer spells with underscores another may spell without. */
function camelCased(layer: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(layer).map(([name, value]) => [
    name.replaceAll(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase()),
    value,
  ]);
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function valuesOf(json: Readonly<Record<string, unknown>>): ProxyConfigValues {
  const text = (name: string): string => (typeof json[name] === 'string' ? json[name] : '');
  const number = (name: string): number => Number(json[name] ?? 0);
  const matcher = recordOf(json['proxyStatsMatcher'] ?? {});
  const concurrency = json['concurrency'];
  return {
    json,
    serviceCluster: text('serviceCluster'),
    discoveryAddress: text('discoveryAddress'),
    drainDurationS: Math.round(durationMs(text('drainDuration')) / 1000),
    terminationDrainDurationMs: durationMs(text('terminationDrainDuration')),
    adminPort: number('proxyAdminPort'),
    statusPort: number('statusPort'),
    concurrency: concurrency === undefined || concurrency === null ? null : Number(concurrency),
    runtimeValues: textsOf(json['runtimeValues']),
    extraStatTags: listOf(json['extraStatTags']) ?? [],
    statsInclusion: {
      prefixes: listOf(matcher['inclusionPrefixes']),
      suffixes: listOf(matcher['inclusionSuffixes']),
      regexps: listOf(matcher['inclusionRegexps']),
    },
    proxyMetadata: textsOf(json['proxyMetadata']),
    tracingServiceName: text('tracingServiceName'),
    configPath: text('configPath'),
    binaryPath: text('binaryPath'),
    readinessProbe: json['readinessProbe'] === undefined ? null : recordOf(json['readinessProbe']),
    interceptionMode: text('interceptionMode'),
    meshId: text('meshId'),
    fileFlushIntervalMs: durationMs(text('fileFlushInterval')) || DEFAULT_FLUSH_MS,
    fileFlushMinSizeKb: json['fileFlushMinSizeKb'] === undefined ? null : number('fileFlushMinSizeKb'),
    withoutEffect: WITHOUT_EFFECT.filter((name) => json[name] !== undefined),
  };
}

/** Of protobuf's JSON: '45s', '0.5s'. */
function durationMs(text: string): number {
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(text)?.[1];
  return seconds === undefined ? 0 : Number(seconds) * 1000;
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(recordOf(value)).map(([name, one]) => [name, String(one)]));
}

function listOf(value: unknown): readonly string[] | null {
  return Array.isArray(value) ? value.map(String) : null;
}
