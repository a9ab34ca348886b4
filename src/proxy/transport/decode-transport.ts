// Decodes the transport socket of a cluster, or the one inside another.
import type { ConfigDecoder } from '../config-decoder.ts';
import type { TransportConfig, UpstreamTransport } from './transport.ts';

const RAW_BUFFER = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';

export const TRANSPORT_SOCKET_FIELDS = {
  'envoy.config.core.v3.TransportSocket': 'name typed_config',
  [RAW_BUFFER]: '',
} as const;

/** Null for plain text; `d` is at the socket. */
export function decodeUpstreamTransport(
  socket: { readonly typed_config?: unknown } | undefined,
  d: ConfigDecoder,
): TransportConfig<UpstreamTransport> | null {
  if (socket === undefined) return null;
  const dt = d.at('typed_config');
  if (socket.typed_config === undefined) {
    dt.reject('', 'is required');
    return null;
  }
  const unpacked = d.environment.unpack(socket.typed_config, dt);
  if (unpacked === null || unpacked.type === RAW_BUFFER) return null;
  const factory = d.environment.upstreamTransport?.(unpacked.type) ?? null;
  if (factory === null) {
    dt.reject('', `no transport socket of type ${unpacked.type} for clusters`);
    return null;
  }
  return { factory, config: factory.decode(unpacked.message as never, dt) };
}
