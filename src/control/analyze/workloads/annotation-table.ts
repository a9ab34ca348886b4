// The annotations that Istio knows: on which kinds, and how settled they are.

export type AnnotationEntry = {
  /** 'Any', or the kinds that may have it. */
  readonly kinds: readonly string[];
  readonly isAlpha: boolean;
  /** What to add to the message; null for one that is not deprecated. */
  readonly deprecation: string | null;
};

const POD_ALPHA = [
  'ambient.istio.io/bypass-inbound-capture ambient.istio.io/dns-capture inject.istio.io/templates istio.io/rev',
  'istio.io/reroute-virtual-interfaces prometheus.istio.io/merge-metrics proxy.istio.io/overrides',
  'readiness.status.sidecar.istio.io/applicationPorts readiness.status.sidecar.istio.io/failureThreshold',
  'readiness.status.sidecar.istio.io/initialDelaySeconds readiness.status.sidecar.istio.io/periodSeconds',
  'sidecar.istio.io/agentLogLevel sidecar.istio.io/bootstrapOverride sidecar.istio.io/componentLogLevel',
  'sidecar.istio.io/enableCoreDump sidecar.istio.io/interceptionMode sidecar.istio.io/logLevel',
  'sidecar.istio.io/nativeSidecar sidecar.istio.io/proxyCPU sidecar.istio.io/proxyCPULimit',
  'sidecar.istio.io/proxyImage sidecar.istio.io/proxyImageType sidecar.istio.io/proxyMemory',
  'sidecar.istio.io/proxyMemoryLimit sidecar.istio.io/rewriteAppHTTPProbers sidecar.istio.io/statsCompression',
  'sidecar.istio.io/statsHistogramBuckets sidecar.istio.io/status sidecar.istio.io/userVolume',
  'sidecar.istio.io/userVolumeMount status.sidecar.istio.io/port traffic.sidecar.istio.io/excludeInboundPorts',
  'traffic.sidecar.istio.io/excludeInterfaces traffic.sidecar.istio.io/excludeOutboundIPRanges',
  'traffic.sidecar.istio.io/excludeOutboundPorts traffic.sidecar.istio.io/includeInboundPorts',
  'traffic.sidecar.istio.io/includeOutboundIPRanges traffic.sidecar.istio.io/includeOutboundPorts',
  'traffic.sidecar.istio.io/kubevirtInterfaces',
];
const POD_DEPRECATED = [
  'sidecar.istio.io/discoveryAddress sidecar.istio.io/extraStatTags sidecar.istio.io/statsInclusionPrefixes',
  'sidecar.istio.io/statsInclusionRegexps sidecar.istio.io/statsInclusionSuffixes',
];
const GATEWAY_ALPHA = [
  'gateway.istio.io/name-override gateway.istio.io/service-account networking.istio.io/address-type',
  'networking.istio.io/service-type',
];
const ENTRY_ALPHA = [
  'istio.io/autoRegistrationGroup istio.io/connectedAt istio.io/disconnectedAt istio.io/workloadController',
];
const ANY_ALPHA = [
  'galley.istio.io/analyze-suppress gateway.istio.io/controller-version install.operator.istio.io/chart-owner',
  'install.operator.istio.io/owner-generation install.operator.istio.io/version',
];

const alpha = (...kinds: string[]): AnnotationEntry => ({ kinds, isAlpha: true, deprecation: null });
const settled = (...kinds: string[]): AnnotationEntry => ({ kinds, isAlpha: false, deprecation: null });
const deprecated = (kind: string): AnnotationEntry => ({ kinds: [kind], isAlpha: true, deprecation: '' });

function each(lines: readonly string[], entry: AnnotationEntry): [string, AnnotationEntry][] {
  return lines.flatMap((line) => line.split(' ')).map((name) => [name, entry]);
}

export const INJECT = 'sidecar.istio.io/inject';
/** Set by whoever injects: nothing is to be said of it. */
export const SIDECAR_STATUS = 'sidecar.istio.io/status';

export const ANNOTATIONS: ReadonlyMap<string, AnnotationEntry> = new Map([
  ...each(POD_ALPHA, alpha('Pod')),
  ...each(POD_DEPRECATED, deprecated('Pod')),
  ...each(GATEWAY_ALPHA, alpha('Gateway')),
  ...each(ENTRY_ALPHA, alpha('WorkloadEntry')),
  ...each(ANY_ALPHA, alpha('Any')),
  ['alpha.istio.io/canonical-serviceaccounts', deprecated('Service')],
  ['alpha.istio.io/kubernetes-serviceaccounts', deprecated('Service')],
  ['ambient.istio.io/redirection', settled('Pod')],
  ['ambient.istio.io/waypoint-inbound-binding', alpha('GatewayClass', 'Gateway')],
  ['istio.io/dry-run', alpha('AuthorizationPolicy')],
  ['kubernetes.io/ingress.class', settled('Ingress')],
  ['networking.istio.io/exportTo', alpha('Service')],
  ['networking.istio.io/traffic-distribution', alpha('Service', 'ServiceEntry')],
  ['proxy.istio.io/config', settled('Pod')],
  [INJECT, { kinds: ['Pod'], isAlpha: false, deprecation: ` in favor of the "${INJECT}" label` }],
  ['topology.istio.io/controlPlaneClusters', alpha('Namespace')],
  ['traffic.istio.io/nodeSelector', settled('Service')],
]);
