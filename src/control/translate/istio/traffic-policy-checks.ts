// What is wrong with a traffic policy that its schema lets pass: values that Envoy would refuse.
import { isMaglevTable, MAX_RING, MAX_STREAMS } from '../../model/limits.ts';
import type { ServicePolicy, TrafficPolicy } from '../../model/traffic-policy.ts';
import type { Complaint } from '../complaint.ts';
import { isJson, type Json } from '../fields.ts';

type Check = {
  readonly path: readonly string[];
  readonly isRight: (value: number) => boolean;
  readonly message: string;
  readonly remedy: string;
};

const isPercent = (value: number): boolean => value >= 0 && value <= 100;
const PERCENT = { isRight: isPercent, message: 'is no percentage; the nearest is used', remedy: 'write 0 to 100' };

const CHECKS: readonly Check[] = [
  { path: ['outlierDetection', 'maxEjectionPercent'], ...PERCENT },
  { path: ['retryBudget', 'percent'], ...PERCENT },
  { path: ['loadBalancer', 'warmup', 'minimumPercent'], ...PERCENT },
  {
    path: ['loadBalancer', 'warmup', 'aggression'],
    isRight: (value) => value > 0,
    message: 'is not above 0; 1 is used',
    remedy: 'write a number above 0',
  },
  {
    path: ['loadBalancer', 'consistentHash', 'maglev', 'tableSize'],
    isRight: (value) => value === 0 || isMaglevTable(value),
    message: 'is not a prime number of at most 5000011; 65537 is used',
    remedy: 'write a prime number',
  },
  {
    path: ['loadBalancer', 'consistentHash', 'ringHash', 'minimumRingSize'],
    isRight: (value) => value <= MAX_RING,
    message: `is more than ${MAX_RING}, which is used`,
    remedy: 'write a smaller number',
  },
  {
    path: ['connectionPool', 'http', 'maxConcurrentStreams'],
    isRight: (value) => value <= MAX_STREAMS,
    message: `is more than ${MAX_STREAMS}, which is used`,
    remedy: 'write a smaller number',
  },
];

/** What generate/cluster/heddle.ts leaves out. */
const ONLY_ENVOY: readonly (readonly string[])[] = [['loadBalancer', 'consistentHash']];

export function complaintsOfPolicy(rule: ServicePolicy): readonly Complaint[] {
  const found: Complaint[] = [];
  const objectKey = rule.origins[0] ?? '';
  for (const [path, policy] of partsOf(rule)) {
    for (const check of CHECKS) {
      const value = valueAt(policy, check.path);
      if (value === null || check.isRight(value)) continue;
      const fieldPath = [path, ...check.path].join('.');
      const message = `${value} ${check.message}`;
      found.push({ objectKey, fieldPath, message, remedy: check.remedy, severity: 'warning' });
    }
    for (const parts of ONLY_ENVOY) {
      if (!isSet(policy, parts)) continue;
      const message = "has no effect in Heddle's proxies yet, which go on without it";
      const remedy = 'put the real Envoy where it matters';
      found.push({ objectKey, fieldPath: [path, ...parts].join('.'), message, remedy, severity: 'warning' });
    }
  }
  return found;
}

/** Every place where settings may stand. */
function partsOf(rule: ServicePolicy): (readonly [string, Json])[] {
  const tops: (readonly [string, TrafficPolicy | null])[] = [
    ['spec.trafficPolicy', rule.trafficPolicy],
    ...rule.subsets.map((subset, index) => [`spec.subsets[${index}].trafficPolicy`, subset.trafficPolicy] as const),
  ];
  return tops.flatMap(([path, policy]) => {
    if (policy === null) return [];
    const ports = policy.portLevelSettings ?? [];
    const ofPorts = ports.map((settings, index) => [`${path}.portLevelSettings[${index}]`, settings] as const);
    return [[path, policy] as const, ...ofPorts];
  });
}

function isSet(policy: Json, path: readonly string[]): boolean {
  let at: unknown = policy;
  for (const field of path) at = isJson(at) ? at[field] : undefined;
  return at !== undefined && at !== null;
}

function valueAt(policy: Json, path: readonly string[]): number | null {
  let at: unknown = policy;
  for (const field of path) at = isJson(at) ? at[field] : undefined;
  if (typeof at !== 'number' && typeof at !== 'string') return null;
  const value = Number(at);
  return Number.isNaN(value) ? null : value;
}
