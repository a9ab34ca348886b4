// Names of statistics, as patterns of the mesh make them.
import type { Service } from '../../../model/service.ts';

/** The pattern of the mesh's `outboundClusterStatName` or `inboundClusterStatName`, filled in. */
export function statName(
  pattern: string,
  at: {
    readonly host: string;
    readonly subset: string;
    readonly port: number;
    readonly portName: string;
    readonly service: Pick<Service, 'name' | 'namespace' | 'registry'> | null;
  },
): string {
  const { service } = at;
  const short = service?.registry === 'Kubernetes' ? `${service.name}.${service.namespace}` : at.host;
  return pattern
    .replaceAll('%SERVICE%', short)
    .replaceAll('%SERVICE_NAME%', service?.registry === 'Kubernetes' ? service.name : at.host)
    .replaceAll('%SERVICE_FQDN%', at.host)
    .replaceAll('%SUBSET_NAME%', at.subset)
    .replaceAll('%TARGET_PORT%', '0')
    .replaceAll('%SERVICE_PORT%', String(at.port))
    .replaceAll('%SERVICE_PORT_NAME%', at.portName);
}
