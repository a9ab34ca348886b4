// Decodes socket options that a configuration spells out; net/socket-options.ts has those that fields stand for.
import type { Address } from '../../base/byte-stream.ts';
import type { SocketOption } from '../../net/engine.ts';
import type { SocketOption as SocketOptionPb } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';

export const SOCKET_OPTION_FIELDS = {
  'envoy.config.core.v3.SocketOption': 'description level name int_value buf_value state type ip_version',
  'envoy.config.core.v3.SocketOption.SocketType': 'stream datagram',
  'envoy.config.core.v3.SocketOption.SocketType.Stream': '',
  'envoy.config.core.v3.SocketOption.SocketType.Datagram': '',
} as const;

/** For which sockets options are meant. */
export type SocketKind = { readonly family: Address['family']; readonly type: 'stream' | 'datagram' };

const STATES = { STATE_PREBIND: 'prebind', STATE_BOUND: 'bound', STATE_LISTENING: 'listening' } as const;

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
