// What all route configurations say besides their virtual hosts.
import type { MessageTypes } from '../../../proto/generated/types.d.ts';
import type { Mesh } from '../../model/mesh.ts';
import { joinTable } from './virtual-host-bytes.ts';

type TableHeader = Omit<MessageTypes['envoy.config.route.v3.RouteConfiguration'], 'virtual_hosts'>;

/** What validation lets a fixed response have; Envoy's own limit is 4 KiB. */
export const MAX_DIRECT_RESPONSE_BYTES = 1024 * 1024;

export function tableHeader(name: string): TableHeader {
  return {
    name,
    validate_clusters: false,
    max_direct_response_body_size_bytes: MAX_DIRECT_RESPONSE_BYTES,
    ignore_port_in_host_matching: true,
  };
}

/** A table that a proxy may still ask for and that has no more hosts. */
export function emptyTable(name: string): Uint8Array {
  return joinTable({ name, validate_clusters: false }, [], null);
}

/** Whether proxies tell the application which attempt a request is. */
export function countsAttempts({ raw }: Pick<Mesh, 'raw'>): boolean {
  const config = raw['defaultConfig'] as { proxyHeaders?: { attemptCount?: { disabled?: boolean } } } | undefined;
  return config?.proxyHeaders?.attemptCount?.disabled !== true;
}
