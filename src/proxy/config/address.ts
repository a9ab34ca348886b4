// Decodes addresses: socket addresses, pipes and internal listeners; host names are for DNS clusters and not addresses.
import { parseIp } from '../../base/ip.ts';
import type { Address } from '../../base/byte-stream.ts';
import { internalAddress } from '../../net/address.ts';
import type { Address as AddressPb } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';

export const ADDRESS_FIELDS = {
  'envoy.config.core.v3.Address': 'socket_address pipe envoy_internal_address',
  'envoy.config.core.v3.SocketAddress': 'protocol address port_value ipv4_compat',
  'envoy.config.core.v3.Pipe': 'path mode',
  'envoy.config.core.v3.EnvoyInternalAddress': 'server_listener_name endpoint_id',
} as const;

/** Returns null after rejecting what cannot be listened on or dialled. `any`: what is dialled says how (endpoints). */
export function decodeAddress(
  message: AddressPb | undefined,
  d: ConfigDecoder,
  protocol: 'TCP' | 'UDP' | 'any' = 'TCP',
): Address | null {
  if (message?.pipe !== undefined) return { family: 'unix', address: message.pipe.path ?? '', port: 0 };
  const internal = message?.envoy_internal_address;
  if (internal !== undefined) {
    if (protocol === 'any') return internalAddress(internal.server_listener_name ?? '', internal.endpoint_id);
    d.reject('envoy_internal_address', 'is for endpoints: a listener without a socket has internal_listener instead');
    return null;
  }
  const socket = message?.socket_address;
  if (socket === undefined) {
    d.reject('', 'is required: socket_address or pipe');
    return null;
  }
  const text = socket.address ?? '';
  const ip = parseIp(text);
  if (ip === null) {
    const hint = protocol === 'any' ? ' (only clusters of type STRICT_DNS and LOGICAL_DNS resolve names)' : '';
    d.at('socket_address').reject('address', `malformed IP address: ${text}${hint}`);
    return null;
  }
  if (protocol !== 'any' && (socket.protocol === 'UDP') !== (protocol === 'UDP')) {
    d.at('socket_address').reject('protocol', `must be ${protocol} here`);
    return null;
  }
  return { family: text.includes(':') ? 'ipv6' : 'ipv4', address: text, port: socket.port_value ?? 0 };
}
