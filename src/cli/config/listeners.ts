// Listeners as istioctl proxy-config tells them: addresses, what each filter chain takes, and where it leads.
import { at, byText, type ConfigDump, type Json, listAt, textAt } from './dump.ts';
import { describeMatch } from './routes.ts';

export type ListenerFilter = { readonly address?: string; readonly port?: number; readonly type?: string };

const HTTP = /http_connection_manager/;
const TCP = /tcp_proxy/;
const BLACK_HOLE = 'BlackHoleCluster';

/** In the order of the dump. */
export function selectListeners(dump: ConfigDump, { address, port, type }: ListenerFilter): readonly Json[] {
  const isMeant = (listener: Json): boolean =>
    (address === undefined || addressesOf(listener).some((own) => own.toLowerCase() === address.toLowerCase())) &&
    (port === undefined || portOf(listener) === port) &&
    (type === undefined || typeOf(listener).toLowerCase() === type.toLowerCase());
  return dump.listeners.filter(isMeant);
}

/** `named`: with a first column of names, as where several kinds are told at once. */
export function listenerRows(listeners: readonly Json[], named = false): string[][] {
  const sorted = [...listeners].sort(
    (a, b) =>
      portOf(a) - portOf(b) ||
      byText(addressesOf(a)[0] ?? '', addressesOf(b)[0] ?? '') ||
      byText(typeOf(a), typeOf(b)) ||
      byText(textAt(a, 'name'), textAt(b, 'name')),
  );
  const rows = sorted.flatMap((listener) => {
    const chains = chainsOf(listener).map((chain) => [matchOf(chain), destinationOf(chain)] as const);
    const name = named ? [`listener/${textAt(listener, 'name')}`] : [];
    const place = [addressesOf(listener).join(','), String(portOf(listener))];
    return chains.sort(([, a], [, b]) => byText(b, a)).map((chain) => [...name, ...place, ...chain]);
  });
  return [[...(named ? ['NAME'] : []), 'ADDRESSES', 'PORT', 'MATCH', 'DESTINATION'], ...rows];
}

function chainsOf(listener: Json): readonly Json[] {
  const last = at(listener, 'default_filter_chain');
  return [...listAt(listener, 'filter_chains'), ...(last === undefined ? [] : [last as Json])];
}

function addressesOf(listener: Json): string[] {
  const first = textAt(listener, 'address', 'socket_address', 'address') || textAt(listener, 'address', 'pipe', 'path');
  const more = listAt(listener, 'additional_addresses').map((one) =>
    textAt(one, 'address', 'socket_address', 'address'),
  );
  return [first, ...more];
}

function portOf(listener: Json): number {
  return Number(at(listener, 'address', 'socket_address', 'port_value') ?? 0);
}

function isOf(filter: Json, kind: RegExp): boolean {
  return kind.test(textAt(filter, 'name')) || kind.test(textAt(filter, 'typed_config', '@type'));
}

function isBlackHole(filter: Json): boolean {
  return JSON.stringify(filter['typed_config'] ?? {}).includes(BLACK_HOLE);
}

/** HTTP, TCP, HTTP+TCP or UNKNOWN. */
function typeOf(listener: Json): string {
  const filters = chainsOf(listener).flatMap((chain) => listAt(chain, 'filters'));
  const isHttp = filters.some((filter) => isOf(filter, HTTP));
  const isTcp = filters.some((filter) => !isOf(filter, HTTP) && isOf(filter, TCP) && !isBlackHole(filter));
  if (isHttp) return isTcp ? 'HTTP+TCP' : 'HTTP';
  return isTcp ? 'TCP' : 'UNKNOWN';
}

/** What istiod asks of ALPN, under the names by which people know it. */
const PROTOCOLS: Readonly<Record<string, string>> = {
  'http/1.0,http/1.1,h2c,istio-http/1.0,istio-http/1.1,istio-h2': 'App: HTTP TLS',
  'istio,istio-http/1.0,istio-http/1.1,istio-h2': 'App: Istio HTTP Plain',
  'istio-peer-exchange,istio': 'App: TCP TLS',
  'http/1.0,http/1.1,h2c': 'App: HTTP',
};

function matchOf(chain: Json): string {
  const match = at(chain, 'filter_chain_match');
  const told: string[] = [];
  const list = (field: string): string => ((at(match, field) ?? []) as readonly string[]).join(',');
  const [names, protocols] = [list('server_names'), list('application_protocols')];
  const transport = textAt(match, 'transport_protocol');
  if (names !== '') told.push(`SNI: ${names}`);
  if (transport !== '') told.push(`Trans: ${transport}`);
  if (protocols !== '') told.push(PROTOCOLS[protocols] ?? `App: ${protocols}`);
  const number = at(match, 'destination_port');
  const port = number === undefined ? '' : `:${number}`;
  const ranges = listAt(match, 'prefix_ranges').map(
    (range) => `${textAt(range, 'address_prefix')}/${textAt(range, 'prefix_len') || '0'}`,
  );
  if (ranges.length > 0) told.push(`Addr: ${ranges.join(',')}${port}`);
  else if (port !== '') told.push(`Addr: *${port}`);
  return told.length === 0 ? 'ALL' : told.join('; ');
}

function destinationOf(chain: Json): string {
  for (const filter of listAt(chain, 'filters')) {
    const config = at(filter, 'typed_config');
    if (isOf(filter, HTTP)) {
      const inline = at(config, 'route_config') as Json | undefined;
      if (inline !== undefined) return describeRoutes(inline);
      const name = textAt(config, 'rds', 'route_config_name');
      return name === '' ? 'HTTP' : `Route: ${name}`;
    }
    if (isOf(filter, TCP) && !isBlackHole(filter)) return clusterText(tcpCluster(config));
  }
  return 'Non-HTTP/Non-TCP';
}

function tcpCluster(config: unknown): string {
  const shares = listAt(config, 'weighted_clusters', 'clusters');
  if (shares.length === 0) return textAt(config, 'cluster');
  return shares.map((one) => `${textAt(one, 'name')} (${textAt(one, 'weight')})`).join(', ');
}

function clusterText(cluster: string): string {
  return cluster.includes('Cluster') ? cluster : `Cluster: ${cluster}`;
}

function describeRoutes(config: Json): string {
  const hosts = listAt(config, 'virtual_hosts');
  const [host, ...others] = hosts;
  if (host !== undefined && others.length === 0) {
    const only = onlyCluster(host);
    if (only !== null) return clusterText(only);
  }
  const told = hosts.map((one) => {
    const domains = (at(one, 'domains') ?? []) as readonly string[];
    const routes = listAt(one, 'routes').map((route) => describeMatch(at(route, 'match')));
    const matches = routes.join(', ');
    return domains.length === 1 && domains[0] === '*' ? matches : `${domains.join('/')} ${matches}`;
  });
  return `Inline Route: ${told.join('; ')}`;
}

/** Of a host for everything, whose only route takes everything to one cluster. */
function onlyCluster(host: Json): string | null {
  const [route, ...others] = listAt(host, 'routes');
  const domains = at(host, 'domains') as readonly string[] | undefined;
  if (domains?.length !== 1 || domains[0] !== '*' || others.length > 0) return null;
  if (textAt(route, 'match', 'prefix') !== '/') return null;
  return textAt(route, 'route', 'cluster') || null;
}
