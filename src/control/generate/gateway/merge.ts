// The gateways that one proxy plays, merged: which servers share a listener, and under which route configurations.
import type { Gateway, GatewayServer } from '../../model/gateway.ts';
import { byAge } from '../../model/hosts.ts';
import { parseProtocol } from '../../model/protocol.ts';
import { isHttp, type Protocol } from '../../model/service.ts';

export type MergedServer = {
  /** 'NAMESPACE/NAME' of the gateway: what routes name as parent. */
  readonly gateway: string;
  readonly server: GatewayServer;
  /** '' where no HTTP is spoken. */
  readonly routeName: string;
};

/** What shares one address. */
export type MergedListener = {
  /** Where the proxy listens: the target port of the gateway's service. */
  readonly port: number;
  readonly bind: string;
  /** Of the first server. */
  readonly protocol: Protocol;
  /** Those of plain HTTP share a chain; those of TLS have one each, told apart by SNI. */
  readonly servers: readonly MergedServer[];
};

export type MergedGateway = {
  readonly listeners: readonly MergedListener[];
  /** By name of the route configuration. */
  readonly routes: ReadonlyMap<string, readonly MergedServer[]>;
  /** Servers that have no place beside older ones, with the reason. */
  readonly skipped: readonly { readonly gateway: string; readonly server: string; readonly reason: string }[];
};

/**
 * `targetPorts` says where the proxy takes what comes for a port of its services; a port of none is taken as it is.
 * Source: Istio pilot/pkg/model, mergeGateways.
 */
export function mergeGateways(
  gateways: readonly Gateway[],
  targetPorts: (port: number) => readonly number[],
): MergedGateway {
  const merger = new Merger();
  for (const gateway of [...gateways].sort(byAge)) {
    for (const server of gateway.servers) {
      const targets = server.targetPort > 0 ? [server.targetPort] : targetPorts(server.port.number);
      for (const port of targets.length > 0 ? targets : [server.port.number]) merger.add(gateway, server, port);
    }
  }
  return merger.result();
}

/** Whether the proxy itself ends TLS there, so that it sees what is inside. */
export function endsTls({ tls }: GatewayServer): boolean {
  return tls !== null && tls.mode !== 'PASSTHROUGH' && tls.mode !== 'AUTO_PASSTHROUGH';
}

/** TLS comes in, whoever ends it. A server of plain HTTP may have TLS settings only to redirect. */
export function isTlsServer({ tls, port }: GatewayServer): boolean {
  return tls !== null && !isHttp(parseProtocol(port.protocol));
}

type Open = {
  readonly port: number;
  readonly bind: string;
  readonly protocol: Protocol;
  readonly servers: MergedServer[];
};

class Merger {
  readonly #listeners = new Map<string, Open>();
  readonly #byPort = new Map<number, Open[]>();
  /** Hosts of TLS servers by 'PORT|BIND': chains could not be told apart. */
  readonly #tlsHosts = new Map<string, Set<string>>();
  readonly #skipped: MergedGateway['skipped'][number][] = [];

  add(gateway: Gateway, server: GatewayServer, port: number): void {
    const reason = this.#conflict(server, port);
    if (reason !== null) {
      this.#skipped.push({ gateway: gateway.key, server: server.name || String(server.port.number), reason });
      return;
    }
    const protocol = parseProtocol(server.port.protocol);
    const key = `${port}|${server.bind}`;
    let listener = this.#listeners.get(key);
    if (listener === undefined) {
      listener = { port, bind: server.bind, protocol, servers: [] };
      this.#listeners.set(key, listener);
      this.#byPort.set(port, [...(this.#byPort.get(port) ?? []), listener]);
    }
    listener.servers.push({ gateway: gateway.key, server, routeName: routeNameOf(gateway, server, port) });
    if (!isTlsServer(server)) return;
    const hosts = this.#tlsHosts.get(key) ?? new Set();
    this.#tlsHosts.set(key, hosts);
    for (const { host } of server.hosts) hosts.add(host);
  }

  #conflict(server: GatewayServer, port: number): string | null {
    const known = this.#listeners.get(`${port}|${server.bind}`);
    if (known === undefined) return null;
    const isTls = isTlsServer(server);
    const [first] = known.servers as [MergedServer];
    if (isTls !== isTlsServer(first.server)) {
      const other = isTls ? 'a server without TLS' : 'a server with TLS';
      return `port ${port} is taken by ${other} of gateway ${first.gateway}`;
    }
    if (isTls) {
      const taken = this.#tlsHosts.get(`${port}|${server.bind}`);
      const twice = server.hosts.filter(({ host }) => taken?.has(host)).map(({ host }) => host);
      return twice.length === 0 ? null : `port ${port}: the hosts ${twice.join(', ')} are taken by an older server`;
    }
    const isWeb = isHttp(parseProtocol(server.port.protocol));
    if (isWeb && isHttp(known.protocol)) return null;
    return `port ${port} speaks ${known.protocol} for gateway ${first.gateway} already`;
  }

  result(): MergedGateway {
    const listeners = [...this.#listeners.values()];
    const routes = new Map<string, MergedServer[]>();
    for (const server of listeners.flatMap(({ servers }) => servers)) {
      if (server.routeName === '') continue;
      routes.set(server.routeName, [...(routes.get(server.routeName) ?? []), server]);
    }
    return { listeners, routes, skipped: this.#skipped };
  }
}

/**
 * 'http.8080', with a bind 'http.8080.10.0.0.1'; 'https.443.PORT-NAME.GATEWAY.NAMESPACE', as each server of TLS has a
 * chain of its own. Source: Istio pilot/pkg/model, gatewayRDSRouteName.
 */
function routeNameOf(gateway: Gateway, server: GatewayServer, port: number): string {
  const bind = server.bind === '' ? '' : `.${server.bind}`;
  const protocol = parseProtocol(server.port.protocol);
  if (isHttp(protocol)) return `http.${port}${bind}`;
  if (protocol !== 'HTTPS' || !endsTls(server)) return '';
  return `https.${server.port.number}.${server.port.name}.${gateway.name}.${gateway.namespace}${bind}`;
}
