// Where a service is called: its addresses as the caller sees them, by family.
import { type ProxyClass, wildcardAddresses } from '../../../model/proxy.ts';
import type { Service } from '../../../model/service.ts';

type Caller = Pick<ProxyClass, 'families' | 'dnsCapture'>;

/**
 * The addresses (or ranges) on which the caller's proxy listens for a service: each list is one listener, its first
 * address names it. A service without any is called by a name that resolves to who knows what: the wildcard.
 */
export function listenAddresses(service: Service, caller: Caller): readonly (readonly string[])[] {
  const families = caller.families.split(',');
  const own = service.addresses.filter((address) => families.includes(familyOf(address)));
  const addresses = own.length > 0 ? sorted(own, families) : service.addresses;
  if (addresses.length === 0) return [automatic(service, caller) ?? unspecified(service, caller)];
  if (service.registry === 'Kubernetes') return [addresses];
  return addresses.map((address) => [address]);
}

function sorted(addresses: readonly string[], families: readonly string[]): readonly string[] {
  const [first] = families;
  return [
    ...addresses.filter((address) => familyOf(address) === first),
    ...addresses.filter((address) => familyOf(address) !== first),
  ];
}

function automatic({ autoAddresses }: Service, { families, dnsCapture }: Caller): readonly string[] | null {
  if (!dnsCapture) return null;
  const known = families.split(',').map((family) => (family === 'v4' ? autoAddresses.v4 : autoAddresses.v6));
  const addresses = known.filter((address) => address !== '');
  return addresses.length === 0 ? null : addresses;
}

/** Kubernetes knows headless services as IPv4's wildcard even among IPv6 pods; others follow the caller. */
function unspecified({ registry }: Service, { families }: Caller): readonly string[] {
  return registry === 'Kubernetes' ? ['0.0.0.0'] : wildcardAddresses(families);
}

export function familyOf(address: string): 'v4' | 'v6' {
  return address.includes(':') ? 'v6' : 'v4';
}

export function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** By which callers of one namespace may call an alias: as the search list of their resolver completes names. */
export function shortNames(hostname: string, dnsDomain: string): readonly string[] {
  const shared = dnsDomain.split('.').slice(1).join('.');
  if (shared === '' || !hostname.endsWith(`.${shared}`)) return [];
  const parts = hostname.slice(0, -shared.length - 1).split('.');
  const [name, namespace] = parts;
  if (parts.length !== 2 || name === undefined || namespace === undefined) return [];
  const [service = ''] = shared.split('.');
  const names = [`${name}.${namespace}`, ...(service === 'svc' ? [`${name}.${namespace}.svc`] : [])];
  return dnsDomain.startsWith(`${namespace}.`) ? [name, ...names] : names;
}
