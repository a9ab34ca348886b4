// Names of clusters, and the SNI by which a gateway that passes TLS through finds them.

export const BLACK_HOLE = 'BlackHoleCluster';
export const PASSTHROUGH = 'PassthroughCluster';
export const INBOUND_PASSTHROUGH = 'InboundPassthroughCluster';

export function outboundName(port: number, subset: string, host: string): string {
  return `outbound|${port}|${subset}|${host}`;
}

export function sniName(port: number, subset: string, host: string): string {
  return `outbound_.${port}_.${subset}_.${host}`;
}

export function inboundName(port: number): string {
  return `inbound|${port}||`;
}

/** Statistics of a name end at the semicolon, whatever dots the name has. */
export function statPrefix(name: string): string {
  return `${name};`;
}
