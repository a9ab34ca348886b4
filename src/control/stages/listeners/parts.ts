// What the memos of listeners have in common: their parts, their keys, and the settings they read.
import type { Collection, Memo, Reader } from '../../../base/collection.ts';
import type { ExplicitMode } from '../../../base/explicit-mode.ts';
import type { EncodedResource } from '../../../xds/server/resource.ts';
import { type ListenerSettings, listenerSettings, type TraceIdentity } from '../../generate/listener/settings.ts';
import type { Labels } from '../../model/labels.ts';
import { parseClass, pickClass, type ProxyClass } from '../../model/proxy.ts';
import type { RouteSet } from '../../model/route.ts';
import type { AccessLogsStage } from '../access-logs-stage.ts';
import type { Inputs } from '../inputs.ts';
import type { ScopesStage } from '../scopes-stage.ts';
import type { SecurityStage } from '../security-stage.ts';
import { meshOf, type ServicesStage } from '../services-stage.ts';
import type { TrafficPolicyStage } from '../traffic-policy-stage.ts';

export type ListenerParts = {
  readonly services: ServicesStage;
  readonly policies: TrafficPolicyStage;
  readonly routeSets: Collection<RouteSet>;
  readonly scopes: ScopesStage;
  readonly security: SecurityStage;
  readonly accessLogs: AccessLogsStage;
};

export const PLAN_FIELDS = [
  ...(['namespace', 'dnsDomain', 'sidecar', 'labels', 'families', 'interception', 'dnsCapture', 'http10'] as const),
] as const;
export const OUTBOUND_FIELDS = ['kind', ...PLAN_FIELDS] as const;
export const INBOUND_FIELDS = ['kind', 'namespace', 'sidecar', 'families', 'interception', 'http10'] as const;
export type PlanFacts = Pick<ProxyClass, (typeof PLAN_FIELDS)[number]>;
export type OutboundFacts = Pick<ProxyClass, (typeof OUTBOUND_FIELDS)[number]>;
export type InboundFacts = Pick<ProxyClass, (typeof INBOUND_FIELDS)[number]>;

/** Who is called. */
export type Callee = {
  readonly labels: Labels;
  readonly addresses: readonly string[];
  readonly identity: TraceIdentity;
  /** Where it listens, by port, if nothing is redirected; absent elsewhere. */
  readonly inbound?: ExplicitMode['inbound'];
};

/** In no name, and in JSON only escaped. */
export const SEPARATOR = '\n';

export const LISTENER = 'envoy.config.listener.v3.Listener' as const;

/** Ports that every proxy has for itself: its state and its metrics. */
export const OWN_PORTS: readonly number[] = [15021, 15090];

export type SettingsOf = (facts: Pick<ProxyClass, 'kind' | 'http10' | 'namespace'>, read: Reader) => ListenerSettings;

/** `users`: whose settings they are, as each stage makes its own. */
export function settingsMemo(
  inputs: Inputs,
  { accessLogs }: Pick<ListenerParts, 'accessLogs'>,
  users: 'sidecars' | 'gateways',
): SettingsOf {
  const settings = inputs.graph.memo<ListenerSettings>(`listener settings of ${users}`, (key, read) => {
    const { kind, http10, namespace } = parseClass<'kind' | 'http10' | 'namespace'>(key);
    return listenerSettings(meshOf(inputs, read), kind, http10, read.get(accessLogs.ofNamespace, namespace));
  });
  return (facts, read) => read.get(settings, pickClass(facts, 'kind', 'http10', 'namespace'));
}

export function samePiece(a: EncodedResource | null, b: EncodedResource | null): boolean {
  return a?.version === b?.version && a?.name === b?.name;
}

export type ListMemo = Memo<readonly EncodedResource[]>;
