// Whether an object takes effect as it is: what is read and validated, and not built yet, is said to be so.
import type { ClosedBy } from './model/policy.ts';
import type { ConfigObject } from './source/object.ts';

export const IN_EFFECT = 'in effect';

/** Kinds without an effect of their own. */
const INERT: ReadonlySet<string> = new Set([
  ...['EnvoyFilter', 'TrafficExtension', 'WasmPlugin', 'ProxyConfig', 'WorkloadGroup', 'UDPRoute', 'BackendTLSPolicy'],
  ...['MeshNetworks', 'RequestAuthentication'],
]);
/** Of Telemetry, what access-logs-stage.ts reads. */
const LOG_FIELDS: ReadonlySet<string> = new Set(['providers', 'disabled']);

type Json = Readonly<Record<string, unknown>>;

/** `closed`: it guards access and is not understood, so what it selects is closed. */
export function effectOf(object: ConfigObject | undefined, closed: ClosedBy | undefined): string {
  if (closed !== undefined) return `not in effect yet, the workloads it selects are closed: ${closed.reason}`;
  if (object === undefined) return IN_EFFECT;
  if (INERT.has(object.kind)) return `${object.kind} is read, and has no effect yet`;
  return object.kind === 'Telemetry' ? effectOfTelemetry(object.spec) : IN_EFFECT;
}

function effectOfTelemetry(spec: Json): string {
  const others = Object.keys(spec).filter((field) => field !== 'accessLogging');
  const logs = (spec['accessLogging'] as Json[] | undefined) ?? [];
  const fields = logs.flatMap((log) => Object.keys(log)).filter((field) => !LOG_FIELDS.has(field));
  if (spec['selector'] !== undefined || spec['targetRefs'] !== undefined)
    return 'without effect yet: it selects workloads';
  const without = [...others, ...fields.map((field) => `accessLogging.${field}`)];
  const names = logs.flatMap((log) => (log['providers'] as Json[] | undefined) ?? []).map(({ name }) => String(name));
  without.push(...names.filter((name) => name !== 'envoy').map((name) => `the provider ${name}`));
  if (logs.length > 1) without.push('all of accessLogging but the first');
  return without.length === 0 ? IN_EFFECT : `without effect yet: ${[...new Set(without)].join(', ')}`;
}
