// Names as Istio's objects write them, in full: hosts, gateways, namespaces of exportTo.
import { parseIp } from '../../../base/ip.ts';

/** A short name is a service of the object's own namespace. */
export function fullHost(host: string, namespace: string, clusterDomain: string): string {
  if (host === '' || host === '*' || host.includes('.') || parseIp(host) !== null) return host;
  return `${host}.${namespace}.svc.${clusterDomain}`;
}

/** 'NAMESPACE/NAME' of 'NAME', './NAME', 'NAMESPACE/NAME' or the old 'NAME.NAMESPACE.svc.DOMAIN'; 'mesh' stays. */
export function fullGateway(gateway: string, namespace: string): string {
  if (gateway === 'mesh') return gateway;
  if (gateway.startsWith('./')) return `${namespace}/${gateway.slice(2)}`;
  if (gateway.includes('/')) return gateway;
  const [name, ownNamespace] = gateway.split('.');
  return `${ownNamespace ?? namespace}/${name}`;
}

/** The namespaces that see it: '.' is its own; without a list, the mesh's; without that, everyone. */
export function visibility(
  exportTo: readonly string[] | undefined,
  ofMesh: readonly string[],
  namespace: string,
): ReadonlySet<string> {
  const names = [exportTo ?? [], ofMesh].find((list) => list.length > 0) ?? ['*'];
  return new Set(names.map((name) => (name === '.' ? namespace : name)));
}

/** Of names that `visibility` made. */
export function isVisibleIn(exportTo: ReadonlySet<string>, namespace: string): boolean {
  return exportTo.has('*') || exportTo.has(namespace);
}
