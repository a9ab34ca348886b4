// Names of a sidecar's route configurations, and the egress listener that each belongs to.
import type { EgressListener, Scope } from '../../model/scope.ts';
import { isHttp, type Service } from '../../model/service.ts';
import { outboundCluster, parseCluster } from './cluster-names.ts';
import { hostPort } from './domains.ts';

/** `host` is '' in tables of all services of a port; a port of 0 stands for all ports. */
export type RouteName = {
  readonly host: string;
  readonly port: number;
  /** 'unix:///path' or 'http_proxy', '' otherwise. */
  readonly bind: string;
};

/** The listener that proxies all of HTTP, where the mesh has one. */
export const HTTP_PROXY = 'http_proxy';

/** '9080', 'HOST:8000', 'outbound|8000||HOST', 'unix:///path', 'http_proxy'; null for other names. */
export function parseRouteName(name: string): RouteName | null {
  const cluster = parseCluster(name);
  if (cluster !== null) return { host: cluster.host, port: Number(cluster.port), bind: '' };
  if (name === HTTP_PROXY || name.startsWith('unix:')) return { host: '', port: 0, bind: name };
  const at = name.lastIndexOf(':');
  const port = name.slice(at + 1);
  if (!/^\d{1,5}$/.test(port)) return null;
  return { host: name.slice(0, Math.max(at, 0)), port: Number(port), bind: '' };
}

/** The first that has the port, or has none and so takes all. */
export function listenerFor(scope: Pick<Scope, 'egress'>, { port, bind }: RouteName): EgressListener | null {
  for (const listener of scope.egress) {
    if (listener.port === null) return listener;
    if (listener.port.number !== port) continue;
    if (port !== 0 || listener.bind === bind) return listener;
  }
  return null;
}

/** Sorted: libraries for gRPC have a table for each port that may speak it. */
export function libraryNamesOf(services: readonly Service[]): string[] {
  const names = services.flatMap(({ hostname, ports }) =>
    ports
      .filter(({ protocol }) => isHttp(protocol) || protocol === 'UNSUPPORTED')
      .map(({ number }) => outboundCluster(number, '', hostname)),
  );
  return [...new Set(names)].sort();
}

/** Sorted. Ports that the proxy looks at have a table for each service with an address of its own. */
export function routeNamesOf(
  listeners: readonly { readonly listener: EgressListener; readonly services: readonly Service[] }[],
  proxyHttpPort: number,
): string[] {
  const names = new Set<string>(proxyHttpPort > 0 ? [HTTP_PROXY] : []);
  for (const { listener, services } of listeners) {
    if (listener.port !== null) {
      const { number, protocol } = listener.port;
      if (isHttp(protocol) || protocol === 'UNSUPPORTED') names.add(number === 0 ? listener.bind : String(number));
      continue;
    }
    for (const service of services) {
      const hasAddress = service.addresses.length > 0 || service.isHeadless || service.autoAddresses.v4 !== '';
      for (const { number, protocol } of service.ports) {
        if (isHttp(protocol)) names.add(String(number));
        else if (protocol === 'UNSUPPORTED')
          names.add(hasAddress ? hostPort(service.hostname, number) : String(number));
      }
    }
  }
  return [...names].sort();
}
