// Up to which size datagrams are received: larger ones are dropped and counted.
import type { UdpSocketConfig } from '../../proto/generated/types.d.ts';

/** Source: Envoy DEFAULT_UDP_MAX_DATAGRAM_SIZE. */
const MAX_DATAGRAM_BYTES = 1500;

/**
 * Bytes. Where Envoy receives with GRO, which is its default towards hosts, its buffer holds the largest datagram there
 * is, whatever max_rx_datagram_size says.
 */
export function receiveLimit(config: UdpSocketConfig | undefined, prefersGroByDefault: boolean): number {
  if (config?.prefer_gro ?? prefersGroByDefault) return Number.POSITIVE_INFINITY;
  return Number(config?.max_rx_datagram_size ?? MAX_DATAGRAM_BYTES);
}
