// Names that a proxy's DNS server answers by itself, and their addresses.
import { isIp } from './ip-text.ts';
import type { Endpoint, Service } from '../../model/service.ts';

/** istio.networking.nds.v1.NameTable. */
export type NameTable = { readonly table: Readonly<Record<string, NameInfo>> };
export type NameInfo = {
  readonly ips: readonly string[];
  readonly registry: string;
  readonly shortname?: string;
  readonly namespace?: string;
};

export type NamedService = {
  readonly service: Service;
  /** Endpoints of a headless service. */
  readonly endpoints: readonly Endpoint[];
};

export type NameTableFacts = {
  /** Whether addresses that were made up are told. */
  readonly usesAutoAddresses: boolean;
  readonly families: string;
  readonly network: string;
  readonly cluster: string;
};

/** Of one name, a service of Kubernetes goes before others; entries add up. */
export function buildNameTable(services: readonly NamedService[], facts: NameTableFacts): NameTable {
  const table = Object.create(null) as Record<string, NameInfo>;
  for (const named of services) {
    const { service } = named;
    const addresses = addressesOf(named, facts, table);
    if (addresses.length === 0) continue;
    const known = table[service.hostname];
    if (known === undefined || (known.registry !== 'Kubernetes' && service.registry === 'Kubernetes')) {
      table[service.hostname] = infoOf(service, addresses);
    } else if (known.registry !== 'Kubernetes') {
      table[service.hostname] = { ...known, ips: [...new Set([...known.ips, ...addresses])] };
    }
  }
  return { table };
}

function infoOf(service: Service, ips: readonly string[]): NameInfo {
  const { registry, name, namespace } = service;
  // The agent answers 'name', 'name.namespace' and so on for those it knows the parts of.
  return registry === 'Kubernetes' ? { ips, registry, shortname: name, namespace } : { ips, registry };
}

function addressesOf(
  { service, endpoints }: NamedService,
  facts: NameTableFacts,
  table: Record<string, NameInfo>,
): readonly string[] {
  if (service.addresses.length > 0) return service.addresses.filter(isIp);
  if (service.resolution === 'Passthrough') return headlessAddresses(service, endpoints, facts, table);
  return facts.usesAutoAddresses ? autoAddresses(service, facts) : [];
}

function autoAddresses({ autoAddresses: { v4, v6 } }: Service, { families }: NameTableFacts): readonly string[] {
  const wanted = [families.includes('v4') ? v4 : '', families.includes('v6') ? v6 : ''];
  return wanted.filter((address) => address !== '');
}

/** As the cluster's own DNS has them: the addresses of its pods, and one name for each pod that has a subdomain. */
function headlessAddresses(
  service: Service,
  endpoints: readonly Endpoint[],
  { network, cluster }: NameTableFacts,
  table: Record<string, NameInfo>,
): readonly string[] {
  const portName = service.ports[0]?.name;
  const domain = service.hostname.slice(service.hostname.indexOf('.') + 1);
  const addresses: string[] = [];
  for (const endpoint of endpoints) {
    if (endpoint.portName !== portName || !isIp(endpoint.address) || !isServing(endpoint, service)) continue;
    if (endpoint.network !== '' && network !== '' && endpoint.network !== network) continue;
    if (endpoint.subdomain !== '') {
      const shortname = `${endpoint.hostname}.${endpoint.subdomain}`;
      const { registry, namespace } = service;
      table[`${shortname}.${domain}`] = { ips: [endpoint.address], registry, shortname, namespace };
    }
    if (endpoint.cluster === cluster || cluster === '') addresses.push(endpoint.address);
  }
  return addresses;
}

function isServing({ health }: Endpoint, service: Service): boolean {
  return health === 'healthy' || health === 'unknown' || service.publishNotReadyAddresses;
}
