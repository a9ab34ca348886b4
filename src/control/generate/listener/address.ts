// Addresses that listeners bind.
import type { Address, Listener } from '../../../proto/generated/types.d.ts';

const UNIX = 'unix://';

export function addressOf(bind: string, port: number): Address {
  if (bind.startsWith(UNIX)) return { pipe: { path: bind.slice(UNIX.length) } };
  return { socket_address: { address: bind, port_value: port } };
}

/** The first address, and those of further families. */
export function addressesOf(
  binds: readonly string[],
  port: number,
): Pick<Listener, 'address' | 'additional_addresses'> {
  const [first = '0.0.0.0', ...more] = binds;
  if (more.length === 0) return { address: addressOf(first, port) };
  return {
    address: addressOf(first, port),
    additional_addresses: more.map((bind) => ({ address: addressOf(bind, port) })),
  };
}
