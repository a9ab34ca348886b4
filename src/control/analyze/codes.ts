// The messages of the analysis, under Istio's codes: how much they matter, their words, and what they mean.

export type Level = 'Error' | 'Warning' | 'Info';

export type CodeEntry = {
  /** As Istio calls it. */
  readonly name: string;
  readonly level: Level;
  /** With the places %s, %d, %v and %q; users match on these words, so they are Istio's. */
  readonly template: string;
  /** What it means and what to do, for the table in docs/analyze.md. */
  readonly about: string;
};

const RELATIVE =
  'Using the INSERT_FIRST or ADD option or setting the priority may help in ensuring the EnvoyFilter is applied ' +
  'correctly.';

export const CODES = {
  IST0101: {
    name: 'ReferencedResourceNotFound',
    level: 'Error',
    template: 'Referenced %s not found: %q',
    about: 'A host, port, subset, gateway, Secret, namespace, selector or reference leads to nothing.',
  },
  IST0102: {
    name: 'NamespaceNotInjected',
    level: 'Info',
    template:
      "The namespace is not enabled for Istio injection. Run 'kubectl label namespace %s istio-injection=enabled' to " +
      "enable it, or 'kubectl label namespace %s istio-injection=disabled' to explicitly mark it as not needing " +
      'injection.',
    about: 'The namespace says neither that its pods get a proxy nor that they get none.',
  },
  IST0103: {
    name: 'PodMissingProxy',
    level: 'Warning',
    template:
      'The pod %s is missing the Istio proxy. This can often be resolved by restarting or redeploying the workload.',
    about: 'A pod of an injected namespace has no container istio-proxy.',
  },
  IST0106: {
    name: 'SchemaValidationError',
    level: 'Error',
    template: 'Schema validation error: %v',
    about: 'The object is not valid, or is defined twice: it has no effect.',
  },
  IST0107: {
    name: 'MisplacedAnnotation',
    level: 'Warning',
    template: 'Misplaced annotation: %s can only be applied to %s',
    about: 'An annotation of Istio on a kind of object where nobody reads it.',
  },
  IST0108: {
    name: 'UnknownAnnotation',
    level: 'Warning',
    template: 'Unknown annotation: %s',
    about: 'An annotation under istio.io that Istio does not have.',
  },
  IST0109: {
    name: 'ConflictingMeshGatewayVirtualServiceHosts',
    level: 'Error',
    template:
      'The VirtualServices %s associated with mesh gateway define the same host %s which can lead to undefined ' +
      'behavior. This can be fixed by merging the conflicting VirtualServices into a single resource.',
    about: 'Sidecars take the rules of one VirtualService for a host: the oldest one wins, the others have no effect.',
  },
  IST0110: {
    name: 'ConflictingSidecarWorkloadSelectors',
    level: 'Error',
    template: 'The Sidecars %v in namespace %q select the same workload pod %q, which can lead to undefined behavior.',
    about: 'Only one Sidecar can apply to a workload.',
  },
  IST0111: {
    name: 'MultipleSidecarsWithoutWorkloadSelectors',
    level: 'Error',
    template: 'The Sidecars %v in namespace %q have no workload selector, which can lead to undefined behavior.',
    about: 'Only one Sidecar can be the default of a namespace.',
  },
  IST0112: {
    name: 'VirtualServiceDestinationPortSelectorRequired',
    level: 'Error',
    template:
      'This VirtualService routes to a service %q that exposes multiple ports %v. Specifying a port in the ' +
      'destination is required to disambiguate.',
    about: 'Without a port nobody knows which of the ports of the service is meant.',
  },
  IST0116: {
    name: 'DeploymentAssociatedToMultipleServices',
    level: 'Warning',
    template: 'This deployment %s is associated with multiple services using port %d but different protocols: %v',
    about: 'Services that select the same workload say different transport protocols for one port.',
  },
  IST0118: {
    name: 'PortNameIsNotUnderNamingConvention',
    level: 'Info',
    template: "Port name %s (port: %d, targetPort: %s) doesn't follow the naming convention of Istio port.",
    about: 'The protocol of the port is guessed from its first bytes. Name it PROTOCOL-…, or set appProtocol.',
  },
  IST0123: {
    name: 'NamespaceMultipleInjectionLabels',
    level: 'Warning',
    template:
      'The namespace has more than one type of injection labels %v, which may lead to undefined behavior. Make sure ' +
      'only one injection label exists.',
    about: 'Labels istio-injection, istio.io/rev and istio.io/dataplane-mode exclude one another.',
  },
  IST0125: {
    name: 'InvalidAnnotation',
    level: 'Warning',
    template: 'Invalid annotation %s: %s',
    about: 'An annotation of Istio has a value that cannot be read.',
  },
  IST0126: {
    name: 'UnknownMeshNetworksServiceRegistry',
    level: 'Error',
    template: 'Unknown service registry %s in network %s',
    about: 'MeshNetworks name a cluster that nobody knows of.',
  },
  IST0127: {
    name: 'NoMatchingWorkloadsFound',
    level: 'Warning',
    template: 'No matching workloads for this resource with the following labels: %s',
    about: 'An AuthorizationPolicy guards nothing.',
  },
  IST0128: {
    name: 'NoServerCertificateVerificationDestinationLevel',
    level: 'Warning',
    template:
      'DestinationRule %s in namespace %s has TLS mode set to %s but no caCertificates are set to validate server ' +
      'identity for host: %s',
    about: 'TLS is spoken to whoever answers: set caCertificates, or a credentialName with a workloadSelector.',
  },
  IST0129: {
    name: 'NoServerCertificateVerificationPortLevel',
    level: 'Warning',
    template:
      'DestinationRule %s in namespace %s has TLS mode set to %s but no caCertificates are set to validate server ' +
      'identity for host: %s at port %s',
    about: 'The same for the settings of one port.',
  },
  IST0130: {
    name: 'VirtualServiceUnreachableRule',
    level: 'Warning',
    template: 'VirtualService rule %v not used (%s).',
    about: 'Earlier rules take all requests that this rule is for.',
  },
  IST0131: {
    name: 'VirtualServiceIneffectiveMatch',
    level: 'Info',
    template: 'VirtualService rule %v match %v is not used (duplicate/overlapping match in rule %v).',
    about: 'An earlier match takes all requests that this one is for.',
  },
  IST0132: {
    name: 'VirtualServiceHostNotFoundInGateway',
    level: 'Warning',
    template: 'one or more host %v defined in VirtualService %s not found in Gateway %s.',
    about: 'The gateway listens for none of the hosts, or not for the namespace: the rules have no effect there.',
  },
  IST0133: {
    name: 'SchemaWarning',
    level: 'Warning',
    template: 'Schema validation warning: %v',
    about: 'The object takes effect, and probably not as meant.',
  },
  IST0134: {
    name: 'ServiceEntryAddressesRequired',
    level: 'Warning',
    template: 'ServiceEntry addresses are required for this protocol.',
    about: 'Connections of plain TCP are told apart by address: without one, the port catches those of others.',
  },
  IST0135: {
    name: 'DeprecatedAnnotation',
    level: 'Info',
    template: 'Annotation %q has been deprecated%s and may not work in future Istio versions.',
    about: 'The annotation will be gone one day.',
  },
  IST0136: {
    name: 'AlphaAnnotation',
    level: 'Info',
    template: 'Annotation %q is part of an alpha-phase feature and may be incompletely supported.',
    about: 'The annotation may change. Only looked for with --also IST0136.',
  },
  IST0137: {
    name: 'DeploymentConflictingPorts',
    level: 'Warning',
    template: 'This deployment %s is associated with multiple services %v using targetPort %q but different ports: %v.',
    about: 'Services that select the same workload must call one target port by the same port.',
  },
  IST0138: {
    name: 'GatewayDuplicateCertificate',
    level: 'Warning',
    template: 'Duplicate certificate in multiple gateways %v may cause 404s if clients re-use HTTP2 connections.',
    about: 'Browsers send requests for one gateway over connections to the other: use one Gateway for the certificate.',
  },
  IST0143: {
    name: 'LocalhostListener',
    level: 'Error',
    template: 'Port %v is exposed in a Service but listens on localhost. It will not be exposed to other pods.',
    about: 'Arguments of the container bind the port of a Service to the loopback address.',
  },
  IST0144: {
    name: 'InvalidApplicationUID',
    level: 'Warning',
    template: 'User ID (UID) 1337 is reserved for the sidecar proxy.',
    about: 'What runs as the proxy is not captured.',
  },
  IST0145: {
    name: 'ConflictingGateways',
    level: 'Error',
    template: 'Conflict with gateways %s (workload selector %s, port %s, hosts %v).',
    about: 'Two Gateways give the same proxies a server for the same port and hosts.',
  },
  IST0146: {
    name: 'ImageAutoWithoutInjectionWarning',
    level: 'Warning',
    template: '%s %s contains `image: auto` but does not match any Istio injection webhook selectors.',
    about: 'Nothing will put an image in place of auto.',
  },
  IST0147: {
    name: 'ImageAutoWithoutInjectionError',
    level: 'Error',
    template: '%s %s contains `image: auto` but does not match any Istio injection webhook selectors.',
    about: 'The same for a pod, where it is too late.',
  },
  IST0149: {
    name: 'JwtClaimBasedRoutingWithoutRequestAuthN',
    level: 'Error',
    template:
      'The virtual service uses the JWT claim based routing (key: %s) but found no request authentication for the ' +
      'gateway (%s) pod (%s). The request authentication must first be applied for the gateway pods to validate the ' +
      'JWT token and make the claims available for routing.',
    about: 'Nobody reads the token whose claims decide on the route.',
  },
  IST0150: {
    name: 'ExternalNameServiceTypeInvalidPortName',
    level: 'Warning',
    template:
      'Port name for ExternalName service is invalid. Proxy may prevent tcp named ports and unmatched traffic for ' +
      'ports serving TCP protocol from being forwarded correctly',
    about: 'A port of plain TCP has no address by which it could be told from others: name it by its protocol.',
  },
  IST0151: {
    name: 'EnvoyFilterUsesRelativeOperation',
    level: 'Warning',
    template:
      'This EnvoyFilter does not have a priority and has a relative patch operation set which can cause the ' +
      `EnvoyFilter not to be applied. ${RELATIVE.replace(' or ADD', ' of ADD')}`,
    about: 'The patch is relative to something that another EnvoyFilter may only add later: give it a priority.',
  },
  IST0152: {
    name: 'EnvoyFilterUsesReplaceOperationIncorrectly',
    level: 'Error',
    template: 'The REPLACE operation is only valid for HTTP_FILTER and NETWORK_FILTER.',
    about: 'The patch has no effect.',
  },
  IST0153: {
    name: 'EnvoyFilterUsesAddOperationIncorrectly',
    level: 'Error',
    template: 'The ADD operation will be ignored when applyTo is set to ROUTE_CONFIGURATION, or HTTP_ROUTE.',
    about: 'The patch has no effect.',
  },
  IST0154: {
    name: 'EnvoyFilterUsesRemoveOperationIncorrectly',
    level: 'Error',
    template: 'The REMOVE operation will be ignored when applyTo is set to ROUTE_CONFIGURATION, or HTTP_ROUTE.',
    about: 'The patch has no effect.',
  },
  IST0155: {
    name: 'EnvoyFilterUsesRelativeOperationWithProxyVersion',
    level: 'Warning',
    template:
      'This EnvoyFilter does not have a priority and has a relative patch operation (NSTERT_BEFORE/AFTER, REPLACE, ' +
      'MERGE, DELETE) and proxyVersion set which can cause the EnvoyFilter not to be applied during an upgrade. ' +
      RELATIVE,
    about: 'As IST0151, where the thing that is patched is only there for some versions of the proxy.',
  },
  IST0157: {
    name: 'InvalidTelemetryProvider',
    level: 'Warning',
    template: 'The Telemetry %v in namespace %q with empty providers will be ignored.',
    about: 'Neither the Telemetry nor the MeshConfig says where access logs go.',
  },
  IST0159: {
    name: 'ConflictingTelemetryWorkloadSelectors',
    level: 'Error',
    template:
      'The Telemetries %v in namespace %q select the same workload pod %q, which can lead to undefined behavior.',
    about: 'Only one Telemetry can apply to a workload by its labels.',
  },
  IST0160: {
    name: 'MultipleTelemetriesWithoutWorkloadSelectors',
    level: 'Error',
    template: 'The Telemetries %v in namespace %q have no workload selector, which can lead to undefined behavior.',
    about: 'Only one Telemetry can be the default of a namespace.',
  },
  IST0161: {
    name: 'InvalidGatewayCredential',
    level: 'Error',
    template:
      'The credential referenced by the Gateway %s in namespace %s is invalid, which can cause the traffic not to ' +
      'work as expected.',
    about: 'The Secret has no certificate with its key, or the certificate has expired.',
  },
  IST0162: {
    name: 'GatewayPortNotDefinedOnService',
    level: 'Warning',
    template:
      'The gateway is listening on a target port (port %d) that is not defined in the Service associated with its ' +
      'workload instances (Pod selector %s). If you need to access the gateway port through the gateway Service, it ' +
      'will not be available.',
    about: 'No Service of the gateway leads to the port.',
  },
  IST0165: {
    name: 'ReferencedInternalGateway',
    level: 'Warning',
    template: 'Gateway reference in VirtualService %s is to an implementation-generated internal Gateway: %s.',
    about: 'The name is made up by a control plane and may change: use an HTTPRoute.',
  },
  IST0166: {
    name: 'IneffectiveSelector',
    level: 'Warning',
    template: 'Ineffective selector on Kubernetes Gateway %s. Use the TargetRef field instead.',
    about: 'Proxies of a Gateway of the Gateway API take only policies that name the Gateway.',
  },
  IST0167: {
    name: 'IneffectivePolicy',
    level: 'Warning',
    template: 'The policy has no impact: %s.',
    about: 'A Sidecar for workloads that have no sidecar.',
  },
  IST0173: {
    name: 'DestinationRuleSubsetNotSelectPods',
    level: 'Error',
    template:
      'The Subset %s defined in the DestinationRule does not select any pods. Which may lead to 503 UH ' +
      '(NoHealthyUpstream).',
    about: 'No workload of the service has the labels of the subset.',
  },
  IST0174: {
    name: 'UnknownDestinationRuleHost',
    level: 'Warning',
    template: 'The host %s defined in the DestinationRule does not match any services in the mesh.',
    about: 'The rule is for nothing.',
  },
  IST0177: {
    name: 'ConflictingServiceEntryProtocol',
    level: 'Warning',
    template: 'The ServiceEntries %s define host %s, port %d with different protocols: %s.',
    about: 'Several ServiceEntries for one host and port must agree on its protocol.',
  },
} as const satisfies Readonly<Record<string, CodeEntry>>;

export type Code = keyof typeof CODES;

export function entryOf(code: Code): CodeEntry {
  return CODES[code];
}

export function isCode(text: string): text is Code {
  return Object.hasOwn(CODES, text);
}
