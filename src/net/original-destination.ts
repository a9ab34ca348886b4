// Where an accepted connection was going before the kernel brought it here: by REDIRECT, or by TPROXY.
import type { Address, ByteStream } from '../base/byte-stream.ts';
import { fileDescriptor } from './engine.ts';
import { getIntOption, IP_TRANSPARENT, IPV6_TRANSPARENT, originalDestination, SOL_IP, SOL_IPV6 } from './native.ts';

/**
 * The destination that the client dialled, or null where the connection came as it was dialled or the system cannot
 * say. Connection tracking answers also for connections that nobody redirected: then it is the local address.
 * Source: Envoy Utility::getOriginalDst.
 */
export function originalDestinationOf(stream: ByteStream): Address | null {
  const fd = fileDescriptor(stream);
  const { localAddress } = stream;
  if (fd < 0 || localAddress.family === 'unix') return null;
  return originalDestination(fd, localAddress.family) ?? (isTransparent(fd) ? localAddress : null);
}

/** The flag comes down from the listening socket; only there TPROXY may deliver, and it leaves the address alone. */
function isTransparent(fd: number): boolean {
  // The IPv6 name of the same flag is refused on an IPv4 socket, and the IPv4 name works on both.
  return getIntOption(fd, SOL_IP, IP_TRANSPARENT) === 1 || getIntOption(fd, SOL_IPV6, IPV6_TRANSPARENT) === 1;
}
