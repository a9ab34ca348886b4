// Service of Kubernetes → service of the mesh.
import { spiffeId } from '../../../base/spiffe.ts';
import type { Mesh } from '../../model/mesh.ts';
import { type Resolution, type Service, type ServicePort, serviceKey } from '../../model/service.ts';
import type { ConfigObject } from '../../source/object.ts';
import { type Json, namesIn, numberIn, partsIn, textIn, textsIn } from '../fields.ts';
import { visibility } from '../istio/names.ts';
import { protocolOfPort } from './protocol.ts';

const EXPORT_TO = 'networking.istio.io/exportTo';
const CANONICAL_ACCOUNTS = 'alpha.istio.io/canonical-serviceaccounts';
const KUBERNETES_ACCOUNTS = 'alpha.istio.io/kubernetes-serviceaccounts';
const TRAFFIC_DISTRIBUTION = 'networking.istio.io/traffic-distribution';

const EVERYONE: readonly string[] = ['*'];

export function kubernetesHost(name: string, namespace: string, clusterDomain: string): string {
  return `${name}.${namespace}.svc.${clusterDomain}`;
}

/** `aliases`: hosts of ExternalName services that stand for this one. */
export function translateService(object: ConfigObject, mesh: Mesh, aliases: readonly string[]): Service {
  const { spec, namespace, name } = object;
  const hostname = kubernetesHost(name, namespace, mesh.clusterDomain);
  const externalName = textIn(spec, 'type') === 'ExternalName' ? textIn(spec, 'externalName') : '';
  const isHeadless = externalName === '' && textIn(spec, 'clusterIP') === 'None';
  return {
    ...{ key: serviceKey(namespace, hostname), hostname, namespace, name, registry: 'Kubernetes' },
    ports: partsIn(spec, 'ports').map(translatePort),
    resolution: resolutionOf(externalName, isHeadless),
    addresses: addressesOf(spec),
    autoAddresses: { v4: '', v6: '' },
    isMeshExternal: false,
    isHeadless,
    exportTo: exportToOf(object, mesh),
    subjectAltNames: accountNamesOf(object, mesh),
    labels: object.labels,
    selector: namesIn(spec, 'selector'),
    externalName,
    aliases,
    publishNotReadyAddresses: spec['publishNotReadyAddresses'] === true,
    trafficDistribution: trafficDistributionOf(object),
    creationMs: object.creationMs,
    origin: `Service/${namespace}/${name}`,
  };
}

function resolutionOf(externalName: string, isHeadless: boolean): Resolution {
  if (externalName !== '') return 'Alias';
  return isHeadless ? 'Passthrough' : 'ClientSideLB';
}

function translatePort(port: Json): ServicePort {
  const number = numberIn(port, 'port');
  const name = textIn(port, 'name');
  const { targetPort, appProtocol } = port;
  return {
    ...{ name, number },
    protocol: protocolOfPort(
      number,
      name,
      textIn(port, 'protocol') || 'TCP',
      typeof appProtocol === 'string' ? appProtocol : null,
    ),
    targetPort: typeof targetPort === 'string' || typeof targetPort === 'number' ? targetPort : 0,
  };
}

function addressesOf(spec: Json): readonly string[] {
  const all = textsIn(spec, 'clusterIPs');
  const first = textIn(spec, 'clusterIP');
  const addresses = all.length > 0 ? all : [first];
  return addresses.filter((address) => address !== '' && address !== 'None');
}

function exportToOf(object: ConfigObject, mesh: Mesh): ReadonlySet<string> {
  const defaults = mesh.defaultServiceExportTo.length === 0 ? EVERYONE : mesh.defaultServiceExportTo;
  return visibility(listIn(object.annotations[EXPORT_TO]), defaults, object.namespace);
}

function accountNamesOf(object: ConfigObject, mesh: Mesh): readonly string[] {
  const { trustDomain } = mesh;
  const { namespace, annotations } = object;
  const accounts = listIn(annotations[KUBERNETES_ACCOUNTS]).map((account) =>
    spiffeId({ trustDomain, namespace, account }),
  );
  return [...listIn(annotations[CANONICAL_ACCOUNTS]), ...accounts].sort();
}

/** The annotation has older control planes' values also. */
function trafficDistributionOf(object: ConfigObject): Service['trafficDistribution'] {
  const value = textIn(object.spec, 'trafficDistribution') || (object.annotations[TRAFFIC_DISTRIBUTION] ?? '');
  switch (value) {
    case 'PreferClose':
    case 'PreferSameZone':
    case 'PreferSameNode':
    case 'PreferSameRegion':
    case 'Any':
      return value;
    default:
      return '';
  }
}

function listIn(text: string | undefined): readonly string[] {
  const parts = (text ?? '').split(',').map((part) => part.trim());
  return parts.filter((part) => part !== '');
}
