// Sidecar → what its proxies may see and how they listen, before services and routes are looked up.
import { parseProtocol } from '../../model/protocol.ts';
import type { IngressListener } from '../../model/scope.ts';
import type { Protocol } from '../../model/service.ts';
import type { ConfigObject } from '../../source/object.ts';

export type HostPattern = { readonly namespace: string; readonly host: string };

export type SidecarRule = {
  /** 'NAMESPACE/NAME'. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly creationMs: number;
  readonly origin: string;
  /** null: all workloads of the namespace (of every namespace, in the root namespace). */
  readonly selector: Readonly<Record<string, string>> | null;
  /** null: none said, everything is seen. */
  readonly egress: readonly EgressRule[] | null;
  readonly ingress: readonly IngressListener[];
  /** '' : as the mesh says. */
  readonly outboundTrafficPolicy: '' | 'ALLOW_ANY' | 'REGISTRY_ONLY';
  readonly egressProxy: { readonly host: string; readonly subset: string; readonly port: number } | null;
  readonly inboundConnectionPool: Readonly<Record<string, unknown>> | null;
};

export type EgressRule = {
  readonly port: { readonly number: number; readonly protocol: Protocol; readonly name: string } | null;
  readonly bind: string;
  readonly captureMode: 'DEFAULT' | 'IPTABLES' | 'NONE';
  readonly hosts: readonly HostPattern[];
};

type Json = Readonly<Record<string, unknown>>;

export function translateSidecar(object: ConfigObject, originKey: string): SidecarRule {
  const { spec, namespace, name } = object;
  const selector = (spec['workloadSelector'] as Json | undefined)?.['labels'] as Record<string, string> | undefined;
  const outbound = (spec['outboundTrafficPolicy'] as Json | undefined) ?? {};
  const egressProxy = outbound['egressProxy'] as Json | undefined;
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    creationMs: object.creationMs,
    origin: originKey,
    selector: selector !== undefined && Object.keys(selector).length > 0 ? selector : null,
    egress: (spec['egress'] as Json[] | undefined)?.map((rule) => egressRule(rule, namespace)) ?? null,
    ingress: ((spec['ingress'] as Json[] | undefined) ?? []).map(ingressListener),
    outboundTrafficPolicy: policyOf(spec['outboundTrafficPolicy'] as Json | undefined),
    egressProxy:
      egressProxy === undefined
        ? null
        : {
            host: String(egressProxy['host']),
            subset: String(egressProxy['subset'] ?? ''),
            port: Number((egressProxy['port'] as Json | undefined)?.['number'] ?? 0),
          },
    inboundConnectionPool: (spec['inboundConnectionPool'] as Json | undefined) ?? null,
  };
}

/** A policy without mode has the protobuf's first value. */
function policyOf(policy: Json | undefined): SidecarRule['outboundTrafficPolicy'] {
  if (policy === undefined) return '';
  return policy['mode'] === 'ALLOW_ANY' ? 'ALLOW_ANY' : 'REGISTRY_ONLY';
}

function egressRule(rule: Json, namespace: string): EgressRule {
  return {
    port: portOf(rule['port']),
    bind: String(rule['bind'] ?? ''),
    captureMode: captureModeOf(rule['captureMode']),
    hosts: ((rule['hosts'] as string[] | undefined) ?? []).map((text) => hostPattern(text, namespace)),
  };
}

/** './reviews.bookinfo.svc.cluster.local', '~/*'; without a slash every namespace is meant. */
function hostPattern(text: string, namespace: string): HostPattern {
  const slash = text.indexOf('/');
  const part = slash < 0 ? '*' : text.slice(0, slash);
  return { namespace: part === '.' ? namespace : part, host: text.slice(slash + 1).toLowerCase() };
}

function ingressListener(rule: Json): IngressListener {
  return {
    port: portOf(rule['port']) ?? { number: 0, protocol: 'UNSUPPORTED', name: '' },
    bind: String(rule['bind'] ?? ''),
    captureMode: captureModeOf(rule['captureMode']),
    defaultEndpoint: String(rule['defaultEndpoint'] ?? ''),
    tls: (rule['tls'] as Json | undefined) ?? null,
    connectionPool: (rule['connectionPool'] as Json | undefined) ?? null,
  };
}

function captureModeOf(value: unknown): EgressRule['captureMode'] {
  return value === 'NONE' || value === 'IPTABLES' ? value : 'DEFAULT';
}

function portOf(value: unknown): EgressRule['port'] {
  if (value === undefined || value === null) return null;
  const port = value as { number?: number; protocol?: string; name?: string };
  return { number: port.number ?? 0, protocol: parseProtocol(port.protocol ?? ''), name: port.name ?? '' };
}
