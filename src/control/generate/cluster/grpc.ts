// Clusters for gRPC libraries, which know a small part of Envoy's.
import type { UpstreamTlsContext } from '../../../proto/generated/types.d.ts';
import type { ServicePort } from '../../model/service.ts';
import { effectivePolicy, modeOf } from '../effective-policy.ts';
import { typed } from '../listener/any.ts';
import { applyLoadBalancer } from './load-balancing.ts';
import { outboundName, statPrefix } from './names.ts';
import { discoveryType, type NamedCluster, type OutboundFacts } from './outbound.ts';

const UPSTREAM_TLS = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
/** The library's own bootstrap says where the files are. */
const PROVIDER = 'default';

export function grpcClusters(facts: OutboundFacts): NamedCluster[] {
  const { service, policy, mode } = facts;
  if (
    mode === 'sni' ||
    service.resolution === 'Alias' ||
    discoveryType(service, { role: 'sidecar', explicit: false }) !== 'EDS'
  )
    return [];
  if (service.resolution === 'DynamicDNS') return [];
  const subsets = ['', ...(policy?.subsets ?? []).map(({ name }) => name)];
  return service.ports.flatMap((port) =>
    port.protocol === 'UDP' ? [] : subsets.map((subset) => clusterOf(facts, port, subset)),
  );
}

function clusterOf({ service, policy, accounts }: OutboundFacts, port: ServicePort, subset: string): NamedCluster {
  const name = outboundName(port.number, subset, service.hostname);
  const effective = effectivePolicy(policy, port.number, subset);
  const cluster: NamedCluster = {
    name,
    type: 'EDS',
    alt_stat_name: statPrefix(name),
    eds_cluster_config: { eds_config: { ads: {} }, service_name: name },
  };
  const { loadBalancer, tls } = effective ?? {};
  // Round robin, unless the rule wants a ring: others are not understood.
  if (loadBalancer?.['consistentHash'] != null) {
    applyLoadBalancer(cluster, loadBalancer, { setting: null, isFailoverForced: false });
  }
  if (tls != null && modeOf(tls) === 'ISTIO_MUTUAL') {
    const names = (tls['subjectAltNames'] as readonly string[] | null | undefined) ?? accounts;
    cluster.transport_socket = {
      name: 'envoy.transport_sockets.tls',
      typed_config: typed(UPSTREAM_TLS, mutual(names)),
    };
  }
  return cluster;
}

const certificate = { instance_name: PROVIDER, certificate_name: 'default' };
const roots = { instance_name: PROVIDER, certificate_name: 'ROOTCA' };

/** Libraries of different ages read different fields. */
function mutual(names: readonly string[]): UpstreamTlsContext {
  return {
    common_tls_context: {
      tls_certificate_certificate_provider_instance: certificate,
      tls_certificate_provider_instance: certificate,
      combined_validation_context: {
        default_validation_context: {
          ca_certificate_provider_instance: roots,
          match_subject_alt_names: names.map((exact) => ({ exact })),
        },
        validation_context_certificate_provider_instance: roots,
      },
    },
  };
}
