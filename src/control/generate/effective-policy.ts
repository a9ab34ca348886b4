// What of a rule holds for one port and subset: ports do not inherit from the rule, subsets do, part by part.
import type { ServicePolicy, TrafficPolicy } from '../model/traffic-policy.ts';

/** `subset` is '' for the service as a whole. */
export function effectivePolicy(policy: ServicePolicy | null, port: number, subset: string): TrafficPolicy | null {
  const own = ofPort(policy?.trafficPolicy ?? null, port);
  const part = subset === '' ? undefined : policy?.subsets.find(({ name }) => name === subset);
  const override = ofPort(part?.trafficPolicy ?? null, port);
  if (own === null || override === null) return override ?? own;
  const merged: Record<string, unknown> = { ...own };
  for (const [name, value] of Object.entries(override)) {
    if (value !== undefined && value !== null && name !== 'portLevelSettings') merged[name] = value;
  }
  return merged as TrafficPolicy;
}

/** Settings of the port replace all others. */
function ofPort(policy: TrafficPolicy | null, port: number): TrafficPolicy | null {
  const found = policy?.portLevelSettings?.find((settings) => settings.port?.number === port);
  return (found as TrafficPolicy | undefined) ?? policy;
}

/**
 * The TLS mode by which endpoints are marked. Unlike in clusters, the rule's own mode holds for ports that say none,
 * and a subset takes nothing from the rule: as Istio does it.
 */
export function endpointTlsMode(policy: ServicePolicy | null, port: number, subset: string): string | null {
  const part = subset === '' ? policy : policy?.subsets.find(({ name }) => name === subset);
  const settings = part?.trafficPolicy;
  const ofThePort = settings?.portLevelSettings?.find((entry) => entry.port?.number === port && entry['tls'] != null);
  const tls = (ofThePort?.['tls'] as TrafficPolicy['tls']) ?? settings?.tls;
  return tls == null ? null : modeOf(tls);
}

/** A mode that is not said is DISABLE, the enum's first. */
export function modeOf(tls: NonNullable<TrafficPolicy['tls']>): string {
  return typeof tls['mode'] === 'string' ? tls['mode'] : 'DISABLE';
}
