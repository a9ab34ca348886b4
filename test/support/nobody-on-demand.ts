// Where nobody can be asked for clusters.
import type { ClusterDemands } from '../../src/proxy/cluster/cluster.ts';

export const nobodyOnDemand: ClusterDemands = {
  announce: () => undefined,
  ask: () => false,
  giveUp: () => undefined,
};
