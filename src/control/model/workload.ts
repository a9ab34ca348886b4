// Workloads: what runs somewhere, its addresses, identity, and how it is reached. Ready for node proxies and waypoints.
import type { Locality } from './service.ts';

export type Workload = {
  /** 'CLUSTER//Pod/NAMESPACE/NAME', 'CLUSTER/networking.istio.io/WorkloadEntry/NAMESPACE/NAME'. */
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly addresses: readonly string[];
  readonly network: string;
  readonly cluster: string;
  readonly node: string;
  /** Service account; the SPIFFE identity follows from it and the trust domain. */
  readonly account: string;
  /** Name of the owner as telemetry shows it, and its kind. */
  readonly owner: string;
  readonly ownerKind: 'deployment' | 'job' | 'cronjob' | 'pod' | 'workloadentry' | 'statefulset' | 'daemonset';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly locality: Locality;
  readonly tunnel: 'none' | 'hbone';
  readonly waypoint: string;
  readonly health: 'healthy' | 'unhealthy';
  readonly hostname: string;
  readonly subdomain: string;
  /** Container or declared ports, by name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly weight: number;
  readonly origin: string;
};
