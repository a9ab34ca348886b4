// Whether a connection comes from this machine.
import type { Address } from '../../base/byte-stream.ts';
import { hasIp } from '../../base/ip.ts';

export const SOURCE_TYPE = 'envoy.extensions.matching.common_inputs.network.v3.SourceTypeInput';

/** What the input of this name gives. */
export function sourceType(local: Address, remote: Address): string | undefined {
  return isSameIpOrLoopback(local, remote) ? 'local' : undefined;
}

/** Source: Envoy Network::Utility::isSameIpOrLoopback; of 127.0.0.0/8 only the first address is a loopback to it. */
export function isSameIpOrLoopback(local: Address, remote: Address): boolean {
  if (remote.family === 'unix') return true;
  if (remote.address === '127.0.0.1' || remote.address === '::1') return true;
  return hasIp(local) && local.address === remote.address;
}
