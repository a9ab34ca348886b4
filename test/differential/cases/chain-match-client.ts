// A raw client that is everything a filter chain can be chosen by: a PROXY header, then a ClientHello or plain bytes.
import { clientHello } from '../../support/client-hello.ts';
import type { Case, ClientStep, Observation } from '../case.ts';
import { address, any, filter } from '../config.ts';
import type { Fields } from '../config.ts';

export type Connection = {
  /** Where the client wanted to go and where it came from, as the PROXY header says. */
  readonly to?: string;
  readonly from?: string;
  /** The loopback address that the client really has. */
  readonly direct?: string;
  /** A ClientHello with these; null for plain bytes. */
  readonly tls?: { readonly name?: string; readonly alpn?: readonly string[] } | null;
};

const LISTENER = 'envoy.extensions.filters.listener';
const PLAIN = 'hello, world\n';

export const proxyProtocol: Fields = filter(
  'envoy.filters.listener.proxy_protocol',
  `${LISTENER}.proxy_protocol.v3.ProxyProtocol`,
);
export const tlsInspector: Fields = filter(
  'envoy.filters.listener.tls_inspector',
  `${LISTENER}.tls_inspector.v3.TlsInspector`,
);

/** A chain that answers with its name. */
export function namedChain(name: string, match?: Fields): Fields {
  const reply = any('envoy.extensions.filters.network.direct_response.v3.Config', {
    response: { inline_string: name },
  });
  return {
    name,
    ...(match === undefined ? {} : { filter_chain_match: match }),
    filters: [{ name: 'envoy.filters.network.direct_response', typed_config: reply }],
  };
}

/** A listener that takes all facts from the client's bytes. */
export function inspectingListener(name: string, chains: readonly Fields[], around: Fields = {}): Fields {
  return {
    name,
    address: address(`listen.${name}`),
    stat_prefix: name,
    listener_filters: [proxyProtocol, tlsInspector],
    filter_chains: chains,
    ...around,
  };
}

export const byDefault: Fields = { default_filter_chain: namedChain('default') };

export function bytesOfConnection(connection: Connection): string {
  const { to = '10.0.0.1:443', from = '192.0.2.7:4000', tls = {} } = connection;
  const [toIp, toPort] = splitAddress(to);
  const [fromIp, fromPort] = splitAddress(from);
  const family = toIp.includes(':') ? 'TCP6' : 'TCP4';
  const head = `PROXY ${family} ${fromIp} ${toIp} ${fromPort} ${toPort}\r\n`;
  if (tls === null) return head + PLAIN;
  const { name, alpn } = tls;
  const hello = clientHello({
    ...(name === undefined ? {} : { serverName: name }),
    ...(alpn === undefined ? {} : { alpn }),
  });
  return head + hello.toString('latin1');
}

function splitAddress(text: string): [string, string] {
  const colon = text.lastIndexOf(':');
  return [text.slice(0, colon).replace(/^\[|\]$/g, ''), text.slice(colon + 1)];
}

/** Connections at once; compared is which chain answers each of them. */
export function connectionsCase(name: string, listener: string, connections: readonly Connection[]): Case {
  return {
    name,
    clients: connections.map((connection) => {
      const steps: ClientStep[] = [bytesOfConnection(connection), 'read-close'];
      return { to: listener, steps, ...(connection.direct === undefined ? {} : { from: connection.direct }) };
    }),
    view: answersOf,
  };
}

/** Whether a FIN or an RST ends the connection is chance: the chain closes with bytes unread. */
function answersOf({ clients, stats }: Observation): unknown {
  return { answers: clients.map(({ rest, timedOut }) => [rest, ...timedOut]), stats };
}
