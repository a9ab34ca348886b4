// What a proxy may see: services and routes by namespace and exportTo, narrowed by a Sidecar object.
import type { TrafficPolicy } from './traffic-policy.ts';
import type { Protocol } from './service.ts';

/** One egress listener of a Sidecar; without Sidecar there is one, that takes everything. */
export type EgressListener = {
  /** null: every port, captured. */
  readonly port: { readonly number: number; readonly protocol: Protocol; readonly name: string } | null;
  /** Address or 'unix://PATH'; '' where the service's address decides. */
  readonly bind: string;
  readonly captureMode: 'DEFAULT' | 'IPTABLES' | 'NONE';
  /** Keys of visible services, sorted as Istio does (creation time, then host), each host once. */
  readonly services: readonly string[];
  /** Keys of the route sets (virtual services, mesh routes) that may apply, in order of precedence. */
  readonly routes: readonly string[];
};

export type IngressListener = {
  readonly port: { readonly number: number; readonly protocol: Protocol; readonly name: string };
  readonly bind: string;
  readonly captureMode: 'DEFAULT' | 'IPTABLES' | 'NONE';
  /** '127.0.0.1:8080', 'unix:///path', '0.0.0.0:8080' (the workload's address), or ''. */
  readonly defaultEndpoint: string;
  readonly tls: Readonly<Record<string, unknown>> | null;
  readonly connectionPool: TrafficPolicy['connectionPool'] | null;
};

export type Scope = {
  /** As `scopeKey` makes it. */
  readonly key: string;
  readonly namespace: string;
  readonly hasSidecar: boolean;
  /** Keys of all services for which clusters are made: those of the listeners, and what their routes lead to. */
  readonly services: readonly string[];
  readonly egress: readonly EgressListener[];
  readonly ingress: readonly IngressListener[];
  readonly outboundTrafficPolicy: 'ALLOW_ANY' | 'REGISTRY_ONLY';
  /** Egress proxy of the Sidecar's outboundTrafficPolicy, as cluster destination; null without. */
  readonly egressProxy: { readonly host: string; readonly subset: string; readonly port: number } | null;
  readonly inboundConnectionPool: TrafficPolicy['connectionPool'] | null;
};

/**
 * Key of the scope of proxies in a namespace: 'bookinfo', or with the Sidecar that applies to them (of their own or the
 * root namespace) 'bookinfo|istio-system/default'.
 */
export function scopeKey(proxy: { readonly namespace: string; readonly sidecar: string }): string {
  return proxy.sidecar === '' ? proxy.namespace : `${proxy.namespace}|${proxy.sidecar}`;
}
