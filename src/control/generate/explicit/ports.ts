// What a workload without redirect may ask its proxy for: ports of services, by name, as no address says more.
import type { EgressListener, Scope } from '../../model/scope.ts';
import { isHttp, type Protocol, type Service } from '../../model/service.ts';
import { hostPort } from '../route/domains.ts';
import { listenerFor } from '../route/sidecar-names.ts';

/** The port of hosts that only rules know, whether some service has it or none. */
export const PLAIN = Object.freeze({ number: 80, name: '', protocol: 'HTTP' as const });

export type AskedPort = {
  readonly service: Service;
  readonly port: { readonly number: number; readonly name: string; readonly protocol: Protocol };
  /** Keys of the route sets that may apply. */
  readonly routes: readonly string[];
};

/** By 'HOST:PORT', in the order of the scope. What a Sidecar names a port for goes before its general listener. */
export function askedPorts(
  scope: Pick<Scope, 'egress'>,
  service: (key: string) => Service | undefined,
): ReadonlyMap<string, AskedPort> {
  const asked = new Map<string, AskedPort>();
  for (const listener of scope.egress) {
    for (const key of listener.services) {
      const found = service(key);
      if (found === undefined || found.resolution === 'Alias') continue;
      for (const port of portsOf(listener, found)) {
        const name = hostPort(found.hostname, port.number);
        if (asked.has(name) || listenerFor(scope, { port: port.number, bind: '', host: '' }) !== listener) continue;
        asked.set(name, { service: found, port, routes: listener.routes });
      }
    }
  }
  return asked;
}

function portsOf(listener: EgressListener, service: Service): AskedPort['port'][] {
  const ports = listener.port === null ? service.ports : [listener.port];
  return ports.filter(({ number, protocol }) => number > 0 && protocol !== 'UDP');
}

/**
 * The internal listener that takes what comes out of a tunnel to that port, and the cluster that leads to it. Requests
 * say themselves whom they mean, so that all services of a port share one; bytes and TLS go where the tunnel was for.
 */
export function tunnelName(host: string, port: { readonly number: number; readonly protocol: Protocol }): string {
  return isHttp(port.protocol) ? `connect_${port.number}` : `connect_${host}_${port.number}`;
}

/** All of them, each once. */
export function tunnelNames(ports: ReadonlyMap<string, AskedPort>): readonly string[] {
  const names = [...ports.values()].map(({ service, port }) => tunnelName(service.hostname, port));
  return [...new Set([tunnelName('', PLAIN), ...names])];
}

/** Its endpoints are where the caller was going, which nobody knows here. */
export function isUnreachable({ resolution, registry }: Pick<Service, 'resolution' | 'registry'>): boolean {
  return (resolution === 'Passthrough' && registry === 'External') || resolution === 'DynamicDNS';
}
