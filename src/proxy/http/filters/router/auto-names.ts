// Names that a request gives to the TLS connection it goes out on: SNI, and what the peer's certificate must say.
import { parseIp } from '../../../../base/ip.ts';
import { headerKey } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { Cluster } from '../../../cluster/cluster.ts';
import type { AutoNames } from '../../../cluster/cluster-config.ts';
import { SAN_KEY, SERVER_NAME_KEY, type Wisher, wishesOf } from '../../../cluster/wishes.ts';
import type { FilterStateObject } from '../../../stream-info.ts';
import type { TransportWishes } from '../../../transport/transport.ts';

/** What the request wishes of its connection; names that the cluster takes from requests become filter state. */
export function requestWishes(cluster: Cluster, info: Wisher, headers: Headers): TransportWishes | null {
  const { wants } = cluster;
  if (wants !== null && wants.autoNames !== null) noteNames(wants.autoNames, info, headers);
  return wishesOf(info, wants);
}

/** Source: Envoy Router::Filter::decodeHeaders. Rewrites of the host have happened. */
function noteNames(auto: AutoNames, info: Wisher, headers: Headers): void {
  const asked = auto.header === '' ? '' : (headers.get(headerKey(auto.header)) ?? '');
  const name = hostOf(asked === '' ? headers.authority : asked);
  if (auto.sni && parseIp(name) === null) note(info, SERVER_NAME_KEY, name);
  if (auto.san) note(info, SAN_KEY, name);
}

/** What a filter said before stays. */
function note(info: Wisher, key: string, value: string): void {
  if (info.filterState?.has(key) === true || info.connection?.filterState?.has(key) === true) return;
  const object: FilterStateObject = { value, typed: null, isReadOnly: false, lifeSpan: 'filter-chain' };
  info.filterState ??= new Map();
  info.filterState.set(key, object);
}

/** Without port and brackets. Source: Envoy Http::Utility::parseAuthority. */
function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  const hasPort = colon >= 0 && !authority.endsWith(']') && /^\d{1,5}$/.test(authority.slice(colon + 1));
  const host = hasPort ? authority.slice(0, colon) : authority;
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}
