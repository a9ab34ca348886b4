// All analyzers, in the order in which they are listed.
import type { Analyzer } from './analyzer.ts';
import { authorizationPolicies } from './policies/authorization-policy.ts';
import { envoyFilterPatches } from './policies/envoy-filter.ts';
import { gatewaySelectors } from './policies/gateway-selectors.ts';
import { sidecarSelectors, telemetrySelectors } from './policies/selectors.ts';
import { telemetryProviders } from './policies/telemetry.ts';
import { claimRoutes } from './traffic/claim-routes.ts';
import { caCertificates, subsets } from './traffic/destination-rule.ts';
import { gatewayCertificates, gatewayConflicts } from './traffic/gateway-conflicts.ts';
import { gatewayPorts, gatewaySecrets } from './traffic/gateway-workloads.ts';
import { meshNetworks } from './traffic/mesh-networks.ts';
import { references } from './traffic/references.ts';
import { entryAddresses, entryProtocols } from './traffic/service-entry.ts';
import { destinationHosts, destinationSubsets } from './traffic/virtual-service-destinations.ts';
import { virtualServiceGateways } from './traffic/virtual-service-gateways.ts';
import { conflictingHosts } from './traffic/virtual-service-hosts.ts';
import { unreachableRules } from './traffic/virtual-service-rules.ts';
import { alphaAnnotations, annotations } from './workloads/annotations.ts';
import { servicePorts } from './workloads/deployments.ts';
import { automaticImages, injection } from './workloads/injection.ts';
import { applicationUid, localListeners } from './workloads/pods.ts';
import { portNames } from './workloads/service-ports.ts';

/** Of findings of the source; it has nothing to run. */
const schema: Analyzer = {
  name: 'schema.ValidationAnalyzer',
  description: 'Validates objects as the API server does, with its schemas and rules',
  codes: ['IST0106', 'IST0133'],
  run: () => undefined,
};

export const ANALYZERS: readonly Analyzer[] = [
  ...[alphaAnnotations, annotations, applicationUid, authorizationPolicies, servicePorts],
  ...[caCertificates, subsets, envoyFilterPatches],
  ...[gatewayCertificates, gatewayConflicts, gatewayPorts, gatewaySecrets],
  ...[localListeners, references, automaticImages, injection, gatewaySelectors, meshNetworks],
  ...[schema, unreachableRules, portNames, entryAddresses, entryProtocols],
  ...[sidecarSelectors, telemetryProviders, telemetrySelectors],
  ...[conflictingHosts, destinationHosts, destinationSubsets, virtualServiceGateways, claimRoutes],
];
