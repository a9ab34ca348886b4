// Counters of gRPC calls on the upstream cluster, per method or all together. Source: Envoy Grpc::ContextImpl.
import type { Scope } from '../../../../telemetry/metrics.ts';
import { methodOfPath } from '../../../../wire/grpc/request.ts';
import type { Cluster, ClusterManager } from '../../../cluster/cluster.ts';
import type { RouteView } from '../../filter.ts';

/** Methods are named by clients: those beyond so many on one cluster count as calls without a name. */
export const MAX_METHODS = 2000;
/** Statuses beyond gRPC's own are named by upstreams: those beyond so many of one method count as failures only. */
const MAX_OTHER_STATUSES = 50;
const KNOWN_STATUSES = 17;

type Count = 'success' | 'failure' | 'total' | 'request_message_count' | 'response_message_count';

/** Counters under one prefix ('grpc.package.Service.Method.') of a cluster's scope, made when first needed. */
export class MethodStats {
  readonly #scope: Scope;
  readonly #prefix: string;
  readonly #cells = new Map<Count, number>();
  readonly #statuses = new Int32Array(KNOWN_STATUSES).fill(-1);
  #otherStatuses: Map<string, number> | null = null;
  #time = -1;

  constructor(scope: Scope, prefix: string) {
    this.#scope = scope;
    this.#prefix = prefix;
  }

  add(name: Count, n: number): void {
    let cell = this.#cells.get(name);
    if (cell === undefined) {
      cell = this.#scope.dynamicCounter(this.#prefix + name);
      this.#cells.set(name, cell);
    }
    this.#scope.add(cell, n);
  }

  /** A grpc-status as it came; undefined counts nothing. */
  chargeStatus(status: string | undefined): void {
    if (status === undefined) return;
    const cell = this.#statusCell(status);
    if (cell >= 0) this.#scope.inc(cell);
    this.chargeOutcome(status === '0');
  }

  chargeOutcome(isSuccess: boolean): void {
    this.add(isSuccess ? 'success' : 'failure', 1);
    this.add('total', 1);
  }

  chargeUpstreamTime(ms: number): void {
    if (this.#time < 0) this.#time = this.#scope.dynamicHistogram(`${this.#prefix}upstream_rq_time`);
    this.#scope.record(this.#time, ms);
  }

  /** -1 where there are too many. */
  #statusCell(status: string): number {
    const number = STATUS_NUMBERS.get(status);
    if (number === undefined) return this.#otherCell(status);
    const known = this.#statuses[number] as number;
    if (known >= 0) return known;
    const cell = this.#scope.dynamicCounter(this.#prefix + status);
    this.#statuses[number] = cell;
    return cell;
  }

  #otherCell(status: string): number {
    this.#otherStatuses ??= new Map();
    const known = this.#otherStatuses.get(status);
    if (known !== undefined) return known;
    if (this.#otherStatuses.size >= MAX_OTHER_STATUSES) return -1;
    const cell = this.#scope.dynamicCounter(this.#prefix + status);
    this.#otherStatuses.set(status, cell);
    return cell;
  }
}

const STATUS_NUMBERS: ReadonlyMap<string, number> = new Map(
  Array.from({ length: KNOWN_STATUSES }, (_, status) => [String(status), status]),
);

/** What one worker counts of the methods of one protocol ('grpc' or 'grpc-web'), by cluster. */
export class MethodTable {
  readonly #protocol: string;
  readonly #byScope = new WeakMap<Scope, Map<string, MethodStats>>();

  constructor(protocol: 'grpc' | 'grpc-web') {
    this.#protocol = protocol;
  }

  /** `name` is 'Service.Method', or '' for calls that are counted without one. */
  get(cluster: Cluster, name: string): MethodStats {
    let methods = this.#byScope.get(cluster.scope);
    if (methods === undefined) {
      methods = new Map();
      this.#byScope.set(cluster.scope, methods);
    }
    const known = methods.get(name);
    if (known !== undefined) return known;
    if (name !== '' && methods.size >= MAX_METHODS) return this.get(cluster, '');
    const stats = new MethodStats(cluster.scope, `${this.#protocol}.${name === '' ? '' : `${name}.`}`);
    methods.set(name, stats);
    return stats;
  }
}

/** 'package.Service.Method' of a path as statistics name it; null when it is not a method's. */
export function methodStatName(path: string, replacesDots = false): string | null {
  const name = methodOfPath(path);
  if (name === null) return null;
  const service = replacesDots ? name.service.replaceAll('.', '_') : name.service;
  return `${service}.${name.method}`;
}

/** The cluster that the request goes to as its route stands now; null when there is none. */
export function clusterOf(route: RouteView | null, clusters: ClusterManager): Cluster | null {
  return route === null || route.forward === null ? null : clusters.get(route.clusterName);
}
