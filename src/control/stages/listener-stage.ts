// Listeners as resources: those of what workloads call, shared by all callers of a class as far as they name nobody,
// and those by which a workload is called, shared by replicas.
import type { Memo, Reader } from '../../base/collection.ts';
import type { EncodedResource } from '../../xds/server/resource.ts';
import { traceIdentity } from '../generate/listener/settings.ts';
import { sortedLabels } from '../model/labels.ts';
import { pickClass, type ProxyClass, type ProxyNode } from '../model/proxy.ts';
import type { Inputs } from './inputs.ts';
import { explicitMemos, requestsKey } from './listeners/explicit.ts';
import { inboundMemo } from './listeners/inbound.ts';
import { outboundMemos } from './listeners/outbound.ts';
import {
  type Callee,
  INBOUND_FIELDS,
  type ListenerParts,
  type ListMemo,
  OUTBOUND_FIELDS,
  type OutboundFacts,
  PLAN_FIELDS,
  SEPARATOR,
  settingsMemo,
} from './listeners/parts.ts';
import { connectionRules, outboundPlans } from './listeners/plans.ts';

export type ListenerResources = {
  /** Those without HTTP, and the one that capture leads to. */
  readonly shared: ListMemo;
  /** Those with HTTP: their traces name the workload. */
  readonly http: ListMemo;
  readonly inbound: ListMemo;
  /** Without redirect: what one proxy binds for its workload's calls, and what all of a class have inside. */
  readonly requests: ListMemo;
  readonly tunnels: ListMemo;
  /** Addresses of pods that have a listener each, for callers of a class. */
  readonly podAddresses: Memo<ReadonlySet<string>>;
};

type TableRef = { readonly memo: Memo<readonly EncodedResource[]>; readonly key: string };

/** Tables of a sidecar's listeners: memo and key, shared ones first. Read inside a stage. */
export function listenerTables(
  stage: ListenerResources,
  facts: OutboundFacts & Pick<ProxyClass, 'role'>,
  node: Pick<ProxyNode, 'labels' | 'workloadName' | 'namespace' | 'cluster' | 'addresses' | 'metadata' | 'explicit'>,
  read: Reader,
): readonly TableRef[] {
  if (facts.role !== 'sidecar' || facts.kind === 'grpc') return [];
  const identity = traceIdentity(node);
  const outbound = pickClass(facts, ...OUTBOUND_FIELDS);
  const inbound = pickClass(facts, ...INBOUND_FIELDS);
  const { explicit } = node;
  if (explicit !== null) {
    const own: Callee = {
      labels: sortedLabels(node.labels),
      addresses: node.addresses,
      identity,
      inbound: explicit.inbound,
    };
    const key = [outbound, JSON.stringify(identity)];
    return [
      { memo: stage.tunnels, key: key.join(SEPARATOR) },
      { memo: stage.requests, key: [...key, requestsKey(explicit)].join(SEPARATOR) },
      { memo: stage.inbound, key: [inbound, JSON.stringify(own)].join(SEPARATOR) },
    ];
  }
  const [own = ''] = node.addresses;
  // A pod's own listener would stand before its workload; only the pods of headless services have one.
  const pod = read.get(stage.podAddresses, pickClass(facts, ...PLAN_FIELDS)).has(own) ? own : '';
  const callee: Callee = { labels: sortedLabels(node.labels), addresses: node.addresses, identity };
  return [
    { memo: stage.shared, key: [outbound, pod].join(SEPARATOR) },
    { memo: stage.http, key: [outbound, pod, JSON.stringify(identity)].join(SEPARATOR) },
    { memo: stage.inbound, key: [inbound, JSON.stringify(callee)].join(SEPARATOR) },
  ];
}

export function listenerStage(inputs: Inputs, parts: ListenerParts): ListenerResources {
  const rules = connectionRules(inputs, parts);
  const plans = outboundPlans(inputs, parts, rules);
  const settingsOf = settingsMemo(inputs, parts, 'sidecars');
  return {
    ...outboundMemos(inputs, parts, plans, settingsOf),
    ...explicitMemos(inputs, parts, rules, settingsOf),
    inbound: inboundMemo(inputs, parts, settingsOf),
    podAddresses: inputs.graph.memo('pods with listeners', (key, read) => {
      const entries = [...read.get(plans, key).values()];
      return new Set(entries.map((entry) => entry.podAddress).filter((address) => address !== ''));
    }),
  };
}
