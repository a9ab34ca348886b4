// Decodes the transport sockets of a cluster: the one for all hosts, and those for hosts whose metadata matches.
import type { Cluster } from '../../proto/generated/types.d.ts';
import type { ClusterConfig, TransportMatch } from '../cluster/cluster-config.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeUpstreamTransport, TRANSPORT_SOCKET_FIELDS } from '../transport/decode-transport.ts';

export const CLUSTER_TRANSPORT_FIELDS = {
  'envoy.config.cluster.v3.Cluster.TransportSocketMatch': 'name match transport_socket',
  ...TRANSPORT_SOCKET_FIELDS,
} as const;

/** Of a match without a transport socket, which Envoy refuses. */
const NO_TRANSPORT = 'is required';

export function decodeTransports(
  message: Cluster,
  d: ConfigDecoder,
): Pick<ClusterConfig, 'transport' | 'transportMatches'> {
  const matches: TransportMatch[] = [];
  for (const [i, match] of (message.transport_socket_matches ?? []).entries()) {
    const dm = d.at('transport_socket_matches', i);
    if (match.transport_socket === undefined) dm.reject('transport_socket', NO_TRANSPORT);
    const transport = decodeUpstreamTransport(match.transport_socket, dm.at('transport_socket'));
    matches.push({ name: match.name ?? '', labels: new Map(Object.entries(match.match ?? {})), transport });
  }
  const transport = decodeUpstreamTransport(message.transport_socket, d.at('transport_socket'));
  return { transport, transportMatches: matches };
}
