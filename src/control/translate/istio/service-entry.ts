// ServiceEntry → a service for each of its hosts.
import { formatIp, parseCidr, parseIp } from '../../../base/ip.ts';
import type { Mesh } from '../../model/mesh.ts';
import { type Resolution, type Service, type ServicePort, serviceKey } from '../../model/service.ts';
import type { ConfigObject } from '../../source/object.ts';
import { type Json, namesIn, numberIn, partIn, partsIn, textIn, textsIn } from '../fields.ts';
import { parseProtocol } from '../../model/protocol.ts';
import { visibility } from './names.ts';

const RESOLUTIONS: Readonly<Record<string, Resolution>> = {
  NONE: 'Passthrough',
  STATIC: 'ClientSideLB',
  DNS: 'DNSLB',
  DNS_ROUND_ROBIN: 'DNSRoundRobinLB',
  DYNAMIC_DNS: 'DynamicDNS',
};
const EVERYONE: readonly string[] = ['*'];
const AUTO_ADDRESS = 'networking.istio.io/enable-autoallocate-ip';
const TRAFFIC_DISTRIBUTION = 'networking.istio.io/traffic-distribution';

export function translateServiceEntry(entry: ConfigObject, mesh: Mesh): readonly Service[] {
  const { spec, namespace } = entry;
  const defaults = mesh.defaultServiceExportTo.length === 0 ? EVERYONE : mesh.defaultServiceExportTo;
  const shared = {
    namespace,
    registry: 'External',
    ports: partsIn(spec, 'ports').map(translatePort),
    resolution: resolutionOfEntry(spec),
    addresses: textsIn(spec, 'addresses').flatMap(plainAddress),
    isMeshExternal: textIn(spec, 'location') !== 'MESH_INTERNAL',
    isHeadless: false,
    exportTo: visibility(textsIn(spec, 'exportTo'), defaults, namespace),
    subjectAltNames: textsIn(spec, 'subjectAltNames'),
    labels: entry.labels,
    selector: namesIn(partIn(spec, 'workloadSelector'), 'labels'),
    externalName: '',
    aliases: [],
    publishNotReadyAddresses: false,
    trafficDistribution: trafficDistributionOf(entry),
    creationMs: entry.creationMs,
    origin: `ServiceEntry/${namespace}/${entry.name}`,
  } as const;
  return textsIn(spec, 'hosts').map((host) => {
    const hostname = host.toLowerCase();
    const autoAddresses = assignedAddresses(entry, host);
    return { ...shared, key: serviceKey(namespace, hostname), hostname, name: hostname, autoAddresses };
  });
}

export function resolutionOfEntry(spec: Json): Resolution {
  return RESOLUTIONS[textIn(spec, 'resolution') || 'NONE'] ?? 'Passthrough';
}

function translatePort(port: Json): ServicePort {
  return {
    name: textIn(port, 'name'),
    number: numberIn(port, 'number'),
    protocol: parseProtocol(textIn(port, 'protocol')),
    targetPort: numberIn(port, 'targetPort'),
  };
}

/** A prefix that holds one address is that address. */
function plainAddress(text: string): string[] {
  if (parseIp(text) !== null) return [text];
  const cidr = parseCidr(text);
  if (cidr === null) return [];
  const isSingle = cidr.length === (text.includes(':') ? 128 : 32);
  return [isSingle ? formatIp(cidr.ip) : text];
}

/** Whether an address is made up for the entry's hosts: none is given, and one could be told from others. */
export function wantsAutoAddress(entry: ConfigObject, service: Service): boolean {
  return (
    entry.labels[AUTO_ADDRESS] !== 'false' &&
    service.addresses.length === 0 &&
    service.resolution !== 'Passthrough' &&
    !service.hostname.startsWith('*')
  );
}

/** What another control plane made up already, and wrote down. */
function assignedAddresses(entry: ConfigObject, host: string): Service['autoAddresses'] {
  const assigned = partsIn(entry.status, 'addresses').filter((address) => {
    const owner = textIn(address, 'host');
    return owner === '' || owner === host;
  });
  const values = assigned.map((address) => textIn(address, 'value')).filter((value) => value !== '');
  return {
    v4: values.find((value) => !value.includes(':')) ?? '',
    v6: values.find((value) => value.includes(':')) ?? '',
  };
}

function trafficDistributionOf(entry: ConfigObject): Service['trafficDistribution'] {
  const value = entry.annotations[TRAFFIC_DISTRIBUTION];
  if (value === 'PreferClose' || value === 'PreferSameZone' || value === 'PreferSameNode') return value;
  return '';
}
