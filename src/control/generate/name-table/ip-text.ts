// Whether a text is an address; prefixes and names are not.
import { parseIp } from '../../../base/ip.ts';

export function isIp(text: string): boolean {
  return parseIp(text) !== null;
}
