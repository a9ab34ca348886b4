// What `/clusters` shows of a cluster, as plain data.
import type { Breaker, BreakerLimits } from '../cluster/circuit-breaker.ts';
import type { ClusterEntry } from '../cluster/cluster-entry.ts';
import type { ClusterConfig } from '../cluster/cluster-config.ts';
import type { HostEntry } from '../cluster/host.ts';
import { EXTERNAL, LOCAL } from '../cluster/outlier/layout.ts';
import type { ClusterStatus, HostStatus } from './crew.ts';

export function clusterStatus(cluster: ClusterEntry): ClusterStatus {
  const { DEFAULT, HIGH } = cluster.breakers;
  return {
    name: cluster.name,
    statName: cluster.statName,
    addedViaApi: cluster.config.addedViaApi,
    limits: { DEFAULT: limitsNow(DEFAULT), HIGH: limitsNow(HIGH) },
    hosts: cluster.hosts.map(hostStatus),
    ...outliersOf(cluster),
    ...originOf(cluster.config),
  };
}

/** Of retries: what a budget is worth now. */
function limitsNow({ limits, maxRetries }: Breaker): BreakerLimits {
  return { ...limits, maxRetries };
}

function outliersOf({ detector }: ClusterEntry): Pick<ClusterStatus, 'outliers'> {
  return detector === null ? {} : { outliers: { external: detector.rates(EXTERNAL), local: detector.rates(LOCAL) } };
}

function originOf({ origin }: ClusterConfig): Pick<ClusterStatus, 'origin'> {
  if (origin === undefined) return {};
  const { fingerprint: _fingerprint, ...told } = origin;
  return { origin: told };
}

function hostStatus(host: HostEntry): HostStatus {
  const { name, address, hostname, healthFlags, weight, locality, isCanary, priority } = host;
  const { cxActive, cxConnectFail, cxTotal, rqActive, rqError, rqPendingActive, rqSuccess, rqTimeout, rqTotal } = host;
  return {
    name,
    address,
    hostname,
    healthFlags,
    successRate: host.outlier?.successRate ?? -1,
    localOriginSuccessRate: host.outlier?.localOriginSuccessRate ?? -1,
    edsHealth: host.endpoint.edsHealth,
    weight,
    locality,
    isCanary,
    priority,
    // In the order of HOST_COUNTS.
    counts: [cxActive, cxConnectFail, cxTotal, rqActive, rqError, rqPendingActive, rqSuccess, rqTimeout, rqTotal],
  };
}
