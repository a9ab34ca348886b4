// Addresses as logs and headers show them.
import type { Address } from '../../base/byte-stream.ts';
import { hasIp } from '../../base/ip.ts';

/** '127.0.0.1:80', '[::1]:80', or the text of an address without port. */
export function withPort(address: Address): string {
  if (address.family === 'ipv4') return `${address.address}:${address.port}`;
  return address.family === 'ipv6' ? `[${address.address}]:${address.port}` : address.address;
}

export function withoutPort(address: Address): string {
  return address.address;
}

/** The network of an address, '10.0.0.0/8'; null when it has no such prefix. */
export function maskAddress(address: Address, bits: number): string | null {
  if (address.family === 'ipv4') {
    if (bits > 32) return null;
    const number = address.address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    const size = 2 ** (32 - bits);
    const network = Math.floor(number / size) * size;
    return `${[24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256).join('.')}/${bits}`;
  }
  if (!hasIp(address) || bits > 128) return null;
  const groups = ipv6Groups(address.address).map((group, index) => {
    const kept = Math.min(16, Math.max(0, bits - index * 16));
    return group & (0xffff << (16 - kept)) & 0xffff;
  });
  return `${shortestIpv6(groups)}/${bits}`;
}

function ipv6Groups(text: string): number[] {
  const plain = (text.split('%')[0] as string).replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    return `${(Number(a) * 256 + Number(b)).toString(16)}:${(Number(c) * 256 + Number(d)).toString(16)}`;
  });
  const [head = '', tail] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...new Array<string>(Math.max(0, zeros)).fill('0'), ...right].map((group) =>
    Number.parseInt(group, 16),
  );
}

/** RFC 5952: the longest run of two or more zero groups becomes '::'. */
function shortestIpv6(groups: readonly number[]): string {
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < groups.length; i++) {
    let length = 0;
    while (groups[i + length] === 0) length++;
    if (length > bestLength) {
      best = i;
      bestLength = length;
    }
    i += length;
  }
  const hex = groups.map((group) => group.toString(16));
  if (best < 0) return hex.join(':');
  return `${hex.slice(0, best).join(':')}::${hex.slice(best + bestLength).join(':')}`;
}
