// What an exchange wishes of its upstream connection, from filter state: names of TLS, and whom a PROXY header names.
import type { ConnectionInfo, FilterStateObject, UpstreamSource } from '../stream-info.ts';
import type { SharedState, TransportWishes } from '../transport/transport.ts';
import type { TransportWants } from './cluster.ts';

/** Source: Envoy Network::UpstreamServerName, UpstreamSubjectAltNames, ApplicationProtocols. */
export const SERVER_NAME_KEY = 'envoy.network.upstream_server_name';
export const SAN_KEY = 'envoy.network.upstream_subject_alt_names';
export const ALPN_KEY = 'envoy.network.application_protocols';

export const NO_WISHES: TransportWishes = Object.freeze({
  serverName: '',
  subjectAltNames: null,
  applicationProtocols: null,
  connection: null,
  sharedState: null,
  source: null,
});

/** Who wishes: an exchange, or a mirrored one, which has no downstream connection. */
export type Wisher = {
  filterState: Map<string, FilterStateObject> | null;
  readonly connection: ConnectionInfo | null;
};

/** Null when nothing is wished. Source: Envoy TransportSocketOptionsUtility::fromFilterState. */
export function wishesOf(info: Wisher, wants: TransportWants | null): TransportWishes | null {
  const sharedState = sharedStateOf(info);
  const { connection, filterState } = info;
  const source = connection?.upstreamSource ?? null;
  const isUsual = sharedState === null && source === null;
  if (wants === null) return isUsual ? null : { ...NO_WISHES, sharedState, source };
  const inherited = connection?.filterState ?? null;
  const hasState = filterState !== null || (inherited !== null && inherited.size > 0);
  if (!hasState && source === null && !wants.needsConnection) return null;
  const serverName = filterState?.get(SERVER_NAME_KEY) ?? inherited?.get(SERVER_NAME_KEY);
  const names = filterState?.get(SAN_KEY) ?? inherited?.get(SAN_KEY);
  const protocols = filterState?.get(ALPN_KEY) ?? inherited?.get(ALPN_KEY);
  const isPlain = isUsual && serverName === undefined && names === undefined && protocols === undefined;
  if (isPlain && !wants.needsConnection) return null;
  return {
    serverName: serverName?.value ?? '',
    subjectAltNames: names === undefined ? null : listOf(names),
    applicationProtocols: protocols === undefined ? null : listOf(protocols),
    connection: wants.needsConnection ? connection : null,
    sharedState,
    source,
  };
}

/** Objects that go along upstream, those of the connection first. Source: Envoy objectsSharedWithUpstreamConnection. */
function sharedStateOf({ filterState, connection }: Wisher): SharedState | null {
  const inherited = connection?.filterState ?? null;
  if (filterState === null && inherited === null) return null;
  let shared: Map<string, FilterStateObject> | null = null;
  for (const state of [inherited, filterState]) {
    if (state === null) continue;
    for (const [key, object] of state) {
      if (object.sharing === undefined) continue;
      shared ??= new Map();
      shared.set(key, object);
    }
  }
  return shared;
}

/**
 * Connections that carry different objects are not shared; only objects of hashable kinds count. Source: Envoy
 * CommonUpstreamTransportSocketFactory::hashKey.
 */
export function sharedStateKey(shared: SharedState | null): string {
  if (shared === null) return '';
  let key = '';
  for (const [name, { isHashable, value }] of shared) if (isHashable === true) key += `${name} ${value}\n`;
  return key;
}

/** Nobody's requests leave with another client's address. Source: Envoy hashes upstream socket options. */
export function sourceKey(source: UpstreamSource | null): string {
  return source === null ? '' : `${source.address.address} ${source.address.port} ${source.mark}\n`;
}

/** Equal texts give the same list: with Istio's ALPN filter every request has one, and its key is found by it. */
function listOf({ value }: FilterStateObject): readonly string[] {
  let list = lists.get(value);
  if (list === undefined) {
    if (lists.size >= MAX_LISTS) lists.clear();
    list = Object.freeze(value.split(',').filter((one) => one !== ''));
    lists.set(value, list);
  }
  return list;
}
const lists = new Map<string, readonly string[]>();
const MAX_LISTS = 1000;
