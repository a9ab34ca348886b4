// The one table behind HTTP_PROXY: every host and port that may be asked for, by its whole authority.
import type { PlannedHost, PlanRoutes, PlanService } from '../route/sidecar-plan.ts';
import { planVirtualHosts } from '../route/sidecar-plan.ts';
import { type NamingCaller, serviceDomains } from '../route/domains.ts';
import type { Caller } from '../route/route-context.ts';
import { isHttp, type Protocol } from '../../model/service.ts';
import { tunnelName } from './ports.ts';

/** What of a port that may be asked for the table depends on. */
export type TablePort = {
  readonly service: PlanService;
  readonly port: { readonly number: number; readonly protocol: Protocol };
  /** Without a rule for connections it leads nowhere. */
  readonly isUnreachable: boolean;
};

export type TableHost = PlannedHost & {
  /** The cluster that ends its tunnels; '' for none: it is refused, or nobody knows the host. */
  readonly tunnel: string;
  /** What becomes of a request that is no tunnel. */
  readonly requests: 'routed' | 'connections only' | 'unreachable';
};

export type TableInput = {
  /** By 'HOST:PORT'. */
  readonly ports: ReadonlyMap<string, TablePort>;
  /** The table that a listener of that port would have behind redirect: its services and rules. */
  readonly ofPort: (port: number) => {
    readonly services: readonly PlanService[];
    readonly routes: readonly PlanRoutes[];
  };
  readonly caller: Caller & NamingCaller;
};

/** Names alone, without a port, are those of this one. */
const PLAIN_PORT = 80;

export function planTable(input: TableInput): TableHost[] {
  const { ports, caller } = input;
  const hosts: TableHost[] = [];
  const taken = new Set<string>();
  const add = (host: Omit<TableHost, 'domains'>, domains: readonly string[]): void => {
    const suffix = `:${host.port}`;
    const free = domains.filter((domain) => {
      const isOfPort = host.port === PLAIN_PORT || domain.endsWith(suffix);
      return isOfPort && !taken.has(domain.toLowerCase());
    });
    for (const domain of free) taken.add(domain.toLowerCase());
    if (free.length > 0) hosts.push({ ...host, domains: free });
  };
  for (const number of new Set([PLAIN_PORT, ...[...ports.values()].map(({ port }) => port.number)])) {
    const planned = planVirtualHosts({ port: number, writesPorts: true, ...input.ofPort(number), caller });
    for (const host of planned) {
      const asked = ports.get(host.name);
      if (asked?.isUnreachable && host.routes === '') {
        add({ ...host, tunnel: '', requests: 'unreachable' }, host.domains);
        continue;
      }
      const tunnel = asked === undefined ? tunnelOfRules(number, ports) : tunnelOf(asked);
      add({ ...host, tunnel, requests: 'routed' }, host.domains);
    }
  }
  for (const [name, asked] of ports) {
    const { service, port } = asked;
    if (isHttp(port.protocol) || port.protocol === 'UNSUPPORTED') continue;
    const isOut = asked.isUnreachable;
    const { domains } = serviceDomains(service, port.number, caller);
    const host = { name, routes: '', host: service.hostname, port: port.number };
    add(
      { ...host, tunnel: isOut ? '' : tunnelOf(asked), requests: isOut ? 'unreachable' : 'connections only' },
      domains,
    );
  }
  return hosts.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function tunnelOf({ service, port }: TablePort): string {
  return tunnelName(service.hostname, port);
}

/** A host that only rules know: its requests are those of any host of the port, if something listens for them. */
function tunnelOfRules(port: number, ports: ReadonlyMap<string, TablePort>): string {
  const isHeard =
    port === PLAIN_PORT || [...ports.values()].some(({ port: one }) => one.number === port && isHttp(one.protocol));
  return isHeard ? tunnelName('', { number: port, protocol: 'HTTP' }) : '';
}
