// Decodes socket options, spelled out or by the fields that stand for them.
import type { SocketOption } from '../../net/engine.ts';
import type { SocketOption as SocketOptionPb, TcpKeepalive } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';

export const SOCKET_OPTION_FIELDS = {
  'envoy.config.core.v3.SocketOption': 'description level name int_value buf_value state type ip_version',
  'envoy.config.core.v3.SocketOption.SocketType': 'stream datagram',
  'envoy.config.core.v3.SocketOption.SocketType.Stream': '',
  'envoy.config.core.v3.SocketOption.SocketType.Datagram': '',
} as const;

/** For which sockets options are meant. */
export type SocketKind = { readonly family: 'ipv4' | 'ipv6' | 'unix'; readonly type: 'stream' | 'datagram' };

const STATES = { STATE_PREBIND: 'prebind', STATE_BOUND: 'bound', STATE_LISTENING: 'listening' } as const;

// Source: Linux asm-generic/socket.h, linux/in.h, linux/in6.h, linux/tcp.h.
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const SO_MARK = 36;
const SOL_IP = 0;
const IP_TRANSPARENT = 19;
const IP_FREEBIND = 15;
const SOL_IPV6 = 41;
const IPV6_TRANSPARENT = 75;
const IPV6_FREEBIND = 78;
const SOL_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_FASTOPEN = 23;

/** Those of a list that are for this kind of socket. */
export function decodeSocketOptions(
  options: readonly SocketOptionPb[] | undefined,
  kind: SocketKind,
  d: ConfigDecoder,
): SocketOption[] {
  const decoded: SocketOption[] = [];
  for (const [i, option] of (options ?? []).entries()) {
    if (option.type?.stream !== undefined && kind.type !== 'stream') continue;
    if (option.type?.datagram !== undefined && kind.type !== 'datagram') continue;
    if (option.ip_version === 'SOCKET_IP_VERSION_IPV4' && kind.family !== 'ipv4') continue;
    if (option.ip_version === 'SOCKET_IP_VERSION_IPV6' && kind.family !== 'ipv6') continue;
    const value = option.buf_value === undefined ? Number(option.int_value ?? 0) : Buffer.from(option.buf_value);
    if (typeof value === 'number' && !Number.isSafeInteger(value)) d.reject(`[${i}].int_value`, 'is out of range');
    const level = Number(option.level ?? 0);
    const name = Number(option.name ?? 0);
    decoded.push({
      level,
      name,
      value,
      state: STATES[(option.state ?? 'STATE_PREBIND') as keyof typeof STATES],
      label: option.description ? option.description : `socket option ${level}/${name}`,
    });
  }
  return decoded;
}

function option(
  level: number,
  name: number,
  value: number,
  label: string,
  state: SocketOption['state'] = 'prebind',
): SocketOption {
  return { level, name, value, state, label };
}

export function transparentOptions(family: SocketKind['family']): SocketOption[] {
  const v4 = option(SOL_IP, IP_TRANSPARENT, 1, 'IP_TRANSPARENT');
  if (family === 'unix') return [];
  return family === 'ipv6' ? [v4, option(SOL_IPV6, IPV6_TRANSPARENT, 1, 'IPV6_TRANSPARENT')] : [v4];
}

export function freebindOptions(family: SocketKind['family']): SocketOption[] {
  if (family === 'unix') return [];
  return family === 'ipv6'
    ? [option(SOL_IPV6, IPV6_FREEBIND, 1, 'IPV6_FREEBIND')]
    : [option(SOL_IP, IP_FREEBIND, 1, 'IP_FREEBIND')];
}

export function fastOpenOptions(queueLength: number): SocketOption[] {
  return [option(SOL_TCP, TCP_FASTOPEN, queueLength, 'TCP_FASTOPEN', 'listening')];
}

export function markOptions(mark: number): SocketOption[] {
  return mark === 0 ? [] : [option(SOL_SOCKET, SO_MARK, mark, 'SO_MARK')];
}

/** TCP keep-alive on a listening socket, which accepted sockets inherit. */
export function keepAliveOptions(keepAlive: TcpKeepalive | undefined): SocketOption[] {
  if (keepAlive === undefined) return [];
  const options = [option(SOL_SOCKET, SO_KEEPALIVE, 1, 'SO_KEEPALIVE')];
  const { keepalive_time: idle, keepalive_interval: interval, keepalive_probes: probes } = keepAlive;
  if (idle !== undefined) options.push(option(SOL_TCP, TCP_KEEPIDLE, idle, 'TCP_KEEPIDLE'));
  if (interval !== undefined) options.push(option(SOL_TCP, TCP_KEEPINTVL, interval, 'TCP_KEEPINTVL'));
  if (probes !== undefined) options.push(option(SOL_TCP, TCP_KEEPCNT, probes, 'TCP_KEEPCNT'));
  return options;
}
