// Names of clusters: they are part of the interface between a control plane and those who read its configuration.

/** The cluster of a destination that nothing stands for. */
export const UNKNOWN_SERVICE = 'UnknownService';

export function outboundCluster(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`;
}

/** The host and port that such a name tells; null for other names. */
export function parseCluster(name: string): { readonly host: string; readonly port: string } | null {
  const parts = name.split('|');
  return parts.length === 4 ? { host: parts[3]!, port: parts[1]! } : null;
}
