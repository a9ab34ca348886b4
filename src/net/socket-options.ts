// The socket options that Envoy's fields stand for, with the levels, names and moments it sets them at.
import type { Address } from '../base/byte-stream.ts';
import type { SocketOption } from './engine.ts';
import * as native from './native.ts';

/** IP_TRANSPARENT of a listener: connections to foreign addresses may be accepted. Envoy sets it twice as well. */
export function listenerTransparent(family: Address['family'], on: boolean): SocketOption[] {
  return (['prebind', 'bound'] as const).flatMap((state) => transparent(family, on, state));
}

/** IP_TRANSPARENT of a dialled socket: it may be bound to an address that is not ours. */
export function dialTransparent(family: Address['family']): SocketOption[] {
  return transparent(family, true, 'prebind');
}

/** IP_FREEBIND: the address need not exist yet. */
export function freebind(family: Address['family'], on: boolean): SocketOption[] {
  return byFamily(family, on, 'prebind', 'IP_FREEBIND', native.IP_FREEBIND, native.IPV6_FREEBIND);
}

/** SO_MARK, by which routing and filter rules tell the proxy's own packets. */
export function mark(value: number): SocketOption {
  return { level: native.SOL_SOCKET, name: native.SO_MARK, value, state: 'prebind', label: 'SO_MARK' };
}

/** TCP_FASTOPEN of a listener: length of the queue, 0 switches it off. */
export function fastOpen(queueLength: number): SocketOption {
  return {
    level: native.SOL_TCP,
    name: native.TCP_FASTOPEN,
    value: queueLength,
    state: 'listening',
    label: 'TCP_FASTOPEN',
  };
}

/** Keep-alive with the system's own values where one is absent; seconds and a count. */
export function keepAlive(idleS?: number, intervalS?: number, probes?: number): SocketOption[] {
  const options: SocketOption[] = [
    { level: native.SOL_SOCKET, name: native.SO_KEEPALIVE, value: 1, state: 'prebind', label: 'SO_KEEPALIVE' },
  ];
  const add = (name: number, value: number | undefined, label: string): void => {
    if (value !== undefined) options.push({ level: native.SOL_TCP, name, value, state: 'prebind', label });
  };
  add(native.TCP_KEEPCNT, probes, 'TCP_KEEPCNT');
  add(native.TCP_KEEPIDLE, idleS, 'TCP_KEEPIDLE');
  add(native.TCP_KEEPINTVL, intervalS, 'TCP_KEEPINTVL');
  return options;
}

function transparent(family: Address['family'], on: boolean, state: SocketOption['state']): SocketOption[] {
  return byFamily(family, on, state, 'IP_TRANSPARENT', native.IP_TRANSPARENT, native.IPV6_TRANSPARENT);
}

/** An IPv6 socket has a flag of each family; the IPv4 one is for its IPv4-mapped clients. */
function byFamily(
  family: Address['family'],
  on: boolean,
  state: SocketOption['state'],
  label: string,
  name4: number,
  name6: number,
): SocketOption[] {
  if (family === 'unix') return [];
  const value = on ? 1 : 0;
  const options: SocketOption[] = [{ level: native.SOL_IP, name: name4, value, state, label }];
  if (family === 'ipv6')
    options.push({ level: native.SOL_IPV6, name: name6, value, state, label: label.replace('IP', 'IPV6') });
  return options;
}
