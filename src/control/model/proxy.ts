// A connected proxy: what its node says and its credential proves; and the facts on which generated resources depend.
import type { ExplicitMode } from '../../base/explicit-mode.ts';
import type { NodeRole } from '../../base/node-id.ts';
import type { Locality } from './service.ts';

export type ProxyRole = NodeRole;
/** What understands the resources: ours, Istio's Envoy, the stock Envoy (capture 40's shape), or a gRPC library. */
export type ProxyKind = 'heddle' | 'istio-proxy' | 'envoy' | 'grpc';
export type Interception = 'REDIRECT' | 'TPROXY' | 'NONE';

export type ProxyNode = {
  readonly id: string;
  readonly role: ProxyRole;
  readonly kind: ProxyKind;
  readonly name: string;
  readonly namespace: string;
  /** 'bookinfo.svc.cluster.local': search domain of short names. */
  readonly dnsDomain: string;
  readonly account: string;
  readonly addresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly workloadName: string;
  readonly cluster: string;
  readonly network: string;
  readonly locality: Locality;
  readonly interception: Interception;
  /** Capture without redirect, with interception NONE; null for every other way. */
  readonly explicit: ExplicitMode | null;
  readonly dnsCapture: boolean;
  readonly dnsAutoAllocate: boolean;
  readonly http10: boolean;
  /** May accept HBONE. */
  readonly hbone: boolean;
  /** Certificates that the node's own files give (gateways): node.metadata.TLS_*; '' otherwise. */
  readonly metadata: Readonly<Record<string, unknown>>;
};

/** Families of the proxy's addresses, in order; decides the wildcard and loop-back addresses. */
export type Families = 'v4' | 'v6' | 'v4,v6' | 'v6,v4';

export function familiesOf(addresses: readonly string[]): Families {
  const kinds = [...new Set(addresses.map((a) => (a.includes(':') ? 'v6' : 'v4')))];
  if (kinds.length === 0) return 'v4';
  return kinds.join(',') as Families;
}

/** The wildcard address that listeners bind, and further ones for the second family. */
export function wildcardAddresses(families: Families): readonly string[] {
  return families.split(',').map((family) => (family === 'v4' ? '0.0.0.0' : '::'));
}

export function loopbackAddresses(families: Families): readonly string[] {
  return families.split(',').map((family) => (family === 'v4' ? '127.0.0.1' : '::1'));
}

/**
 * What shared outbound resources depend on: all proxies of one class share one encoding. A generator reads nothing of a
 * node besides its class. `labels` holds only those on which a visible rule selects (sourceLabels, and the like).
 */
export type ProxyClass = {
  readonly role: ProxyRole;
  readonly kind: ProxyKind;
  readonly namespace: string;
  readonly dnsDomain: string;
  /** Key of the Sidecar object that applies, '' for the namespace's default. */
  readonly sidecar: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly families: Families;
  readonly interception: Interception;
  /** Capture without redirect: no original destination is ever known. */
  readonly explicit: boolean;
  readonly locality: Locality;
  readonly network: string;
  readonly cluster: string;
  readonly dnsCapture: boolean;
  readonly http10: boolean;
};

/** A class as key of memos, and back. Fields are always in the same order. */
export function classKey(facts: Partial<ProxyClass>): string {
  return JSON.stringify(facts, fieldOrder(facts));
}

export function parseClass<K extends keyof ProxyClass>(key: string): Pick<ProxyClass, K> {
  return JSON.parse(key) as Pick<ProxyClass, K>;
}

/** The part of a class that one generator declares as its cache key. */
export function pickClass<K extends keyof ProxyClass>(facts: Pick<ProxyClass, K>, ...fields: readonly K[]): string {
  const picked: Partial<ProxyClass> = {};
  for (const field of fields) Object.assign(picked, { [field]: facts[field] });
  return classKey(picked);
}

const CLASS_FIELDS: readonly (keyof ProxyClass)[] = [
  ...(['role', 'kind', 'namespace', 'dnsDomain', 'sidecar', 'labels', 'families', 'interception'] as const),
  ...(['explicit', 'locality', 'network', 'cluster', 'dnsCapture', 'http10'] as const),
];

/** The replacer of JSON.stringify is also the order of keys, at every depth. */
function fieldOrder(facts: Partial<ProxyClass>): string[] {
  const labels = Object.keys(facts.labels ?? {}).sort();
  return [...new Set([...CLASS_FIELDS, 'region', 'zone', 'subZone', ...labels])];
}
