// What an exchange wishes of its upstream connection, from filter state: names of TLS, and whom a PROXY header names.
import type { ConnectionInfo, FilterStateObject } from '../stream-info.ts';
import type { TransportWishes } from '../transport/transport.ts';
import type { TransportWants } from './cluster.ts';

/** Source: Envoy Network::UpstreamServerName, UpstreamSubjectAltNames, ApplicationProtocols. */
export const SERVER_NAME_KEY = 'envoy.network.upstream_server_name';
export const SAN_KEY = 'envoy.network.upstream_subject_alt_names';
export const ALPN_KEY = 'envoy.network.application_protocols';

/** Who wishes: an exchange, or a mirrored one, which has no downstream connection. */
export type Wisher = {
  filterState: Map<string, FilterStateObject> | null;
  readonly connection: ConnectionInfo | null;
};

/** Null when nothing is wished. Source: Envoy TransportSocketOptionsUtility::fromFilterState. */
export function wishesOf(info: Wisher, wants: TransportWants | null): TransportWishes | null {
  if (wants === null) return null;
  const { connection, filterState } = info;
  const inherited = connection?.filterState ?? null;
  const hasState = filterState !== null || (inherited !== null && inherited.size > 0);
  if (!hasState && !wants.needsConnection) return null;
  const find = (key: string): FilterStateObject | undefined => filterState?.get(key) ?? inherited?.get(key);
  const serverName = find(SERVER_NAME_KEY);
  const names = find(SAN_KEY);
  const protocols = find(ALPN_KEY);
  const isPlain = serverName === undefined && names === undefined && protocols === undefined;
  if (isPlain && !wants.needsConnection) return null;
  return {
    serverName: serverName?.value ?? '',
    subjectAltNames: names === undefined ? null : listOf(names),
    applicationProtocols: protocols === undefined ? null : listOf(protocols),
    connection: wants.needsConnection ? connection : null,
  };
}

function listOf({ value }: FilterStateObject): readonly string[] {
  return value.split(',').filter((one) => one !== '');
}
