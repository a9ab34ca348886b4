// How a service is called: load balancing, pools, outliers, TLS; merged from all rules that apply to it.

/**
 * The parts keep the shape of Istio's `TrafficPolicy` (camelCase, durations as '5s' strings): they were validated when
 * they were read, and generators translate them in one place.
 */
export type TrafficPolicy = {
  readonly connectionPool?: Readonly<Record<string, unknown>>;
  readonly loadBalancer?: Readonly<Record<string, unknown>>;
  readonly outlierDetection?: Readonly<Record<string, unknown>>;
  readonly tls?: Readonly<Record<string, unknown>>;
  readonly tunnel?: Readonly<Record<string, unknown>>;
  readonly proxyProtocol?: Readonly<Record<string, unknown>>;
  readonly retryBudget?: Readonly<Record<string, unknown>>;
  readonly portLevelSettings?: readonly (Readonly<Record<string, unknown>> & { readonly port?: { number?: number } })[];
};

export type Subset = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly trafficPolicy: TrafficPolicy | null;
};

export type ServicePolicy = {
  /** The rules that were merged, first the one whose name metadata shows. */
  readonly origins: readonly string[];
  readonly namespace: string;
  readonly name: string;
  readonly host: string;
  readonly exportTo: ReadonlySet<string>;
  /** Labels of workloads to which it applies; empty for all. */
  readonly workloadSelector: Readonly<Record<string, string>>;
  readonly trafficPolicy: TrafficPolicy | null;
  readonly subsets: readonly Subset[];
  readonly creationMs: number;
};
