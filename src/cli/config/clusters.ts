// Clusters as istioctl proxy-config tells them: service, port, subset and direction out of their names.
import { byText, type ConfigDump, type Json, managedBy, textAt } from './dump.ts';

export type ClusterFilter = {
  readonly fqdn?: string;
  readonly port?: number;
  readonly subset?: string;
  readonly direction?: string;
};

export type ClusterName = {
  readonly direction: string;
  readonly port: string;
  readonly subset: string;
  readonly host: string;
};

/** 'outbound|9080|v1|reviews.shop.svc.cluster.local', and its form in SNI: 'outbound_.9080_.v1_.reviews…'. */
export function parseClusterName(name: string): ClusterName {
  const parts = name.split(name.includes('|') ? '|' : '_.');
  if (parts.length < 4) return { direction: '', port: '', subset: '', host: name };
  const [direction = '', port = '', subset = '', host = ''] = parts;
  return { direction, port, subset, host };
}

export function compareClusterNames(a: string, b: string): number {
  const [left, right] = [parseClusterName(a), parseClusterName(b)];
  return (
    byText(left.host, right.host) ||
    byText(left.subset, right.subset) ||
    Number(left.port) - Number(right.port) ||
    byText(left.direction, right.direction)
  );
}

export function selectClusters(dump: ConfigDump, { fqdn, port, subset, direction }: ClusterFilter): readonly Json[] {
  const parts = [fqdn, subset, direction, ...(port === undefined ? [] : [`|${port}|`])];
  const isMeant = (name: string): boolean => parts.every((part) => part === undefined || name.includes(part));
  const meant = dump.clusters.filter((cluster) => isMeant(textAt(cluster, 'name')));
  return meant.sort((a, b) => compareClusterNames(textAt(a, 'name'), textAt(b, 'name')));
}

export function clusterRows(clusters: readonly Json[], named = false): string[][] {
  const rows = clusters.map((cluster) => {
    const name = textAt(cluster, 'name');
    const { direction, port, subset, host } = parseClusterName(name);
    const cells = [host, port || '-', subset || '-', direction || '-', typeOf(cluster), managedBy(cluster)];
    return [...(named ? [`cluster/${name}`] : []), ...cells];
  });
  const head = ['SERVICE FQDN', 'PORT', 'SUBSET', 'DIRECTION', 'TYPE', 'DESTINATION RULE'];
  return [[...(named ? ['NAME'] : []), ...head], ...rows];
}

function typeOf(cluster: Json): string {
  return textAt(cluster, 'type') || textAt(cluster, 'cluster_type', 'name') || 'STATIC';
}
