// Outbound listeners without redirect: what a proxy binds for its own workload, and what is behind its tunnels.
import type { Memo, Reader } from '../../../base/collection.ts';
import type { ExplicitMode } from '../../../base/explicit-mode.ts';
import type { EncodedResource } from '../../../xds/server/resource.ts';
import { encodeResource } from '../../generate/encode.ts';
import {
  type ExplicitEntry,
  type ExplicitInput,
  peerEntry,
  peerListener,
  requestListener,
  tunnelEntries,
  tunnelListener,
} from '../../generate/explicit/listeners.ts';
import { type AskedPort, askedPorts } from '../../generate/explicit/ports.ts';
import type { TraceIdentity } from '../../generate/listener/settings.ts';
import { parseClass, pickClass } from '../../model/proxy.ts';
import { scopeKey } from '../../model/scope.ts';
import { sameResources } from '../endpoint-resources-stage.ts';
import type { Inputs } from '../inputs.ts';
import { firstService, seenServices } from '../route-lookups.ts';
import { meshOf } from '../services-stage.ts';
import { policyQuery, readPolicy } from '../traffic-policy-stage.ts';
import {
  LISTENER,
  type ListenerParts,
  type ListMemo,
  type OutboundFacts,
  PLAN_FIELDS,
  type PlanFacts,
  samePiece,
  SEPARATOR,
  type SettingsOf,
} from './parts.ts';
import type { Rules } from './plans.ts';

type Requests = Pick<ExplicitMode, 'httpProxy' | 'outbound'>;

/** The last part of the key of `requests`. */
export function requestsKey({ httpProxy, outbound }: ExplicitMode): string {
  return JSON.stringify({ httpProxy, outbound } satisfies Requests);
}

/** Keys: a class by `OUTBOUND_FIELDS`, the caller's identity, and for `requests` what `requestsKey` says. */
export function explicitMemos(
  inputs: Inputs,
  parts: ListenerParts,
  rules: Rules,
  settingsOf: SettingsOf,
): { readonly tunnels: ListMemo; readonly requests: ListMemo } {
  const { graph } = inputs;
  const inputOf = explicitInputs(inputs, parts, rules);
  const entries = graph.memo<ReadonlyMap<string, ExplicitEntry>>('plans of tunnels', (key, read) =>
    tunnelEntries(inputOf(parseClass<keyof PlanFacts>(key), read)),
  );
  const entry = graph.memo<ExplicitEntry | null>('entries of tunnel plans', (key, read) => {
    const [plan = '', name = ''] = key.split(SEPARATOR);
    return read.get(entries, plan).get(name) ?? null;
  });
  // One listener: a change elsewhere ends at its entry, and nothing is encoded again.
  const pieces = graph.memo<EncodedResource | null>(
    'listeners behind tunnels',
    (key, read) => {
      const [classText = '', identity = '', name = ''] = key.split(SEPARATOR);
      const facts = parseClass<keyof OutboundFacts>(classText);
      const found = read.get(entry, `${pickClass(facts, ...PLAN_FIELDS)}${SEPARATOR}${name}`);
      if (found === null) return null;
      const listener = tunnelListener(found, settingsOf(facts, read), JSON.parse(identity) as TraceIdentity);
      return encodeResource(LISTENER, name, listener);
    },
    samePiece,
  );
  const names = graph.memo<readonly string[]>('names of tunnels', (key, read) => [...read.get(entries, key).keys()]);
  const tunnels = graph.memo<readonly EncodedResource[]>(
    'tunnels of classes',
    (key, read) => {
      const [classText = ''] = key.split(SEPARATOR);
      const plan = pickClass(parseClass<keyof OutboundFacts>(classText), ...PLAN_FIELDS);
      return read.get(names, plan).flatMap((name) => read.get(pieces, `${key}${SEPARATOR}${name}`) ?? []);
    },
    sameResources,
  );
  const requests = graph.memo<readonly EncodedResource[]>(
    'listeners of one workload',
    (key, read) => {
      const [classText = '', identityText = '', places = '{}'] = key.split(SEPARATOR);
      const facts = parseClass<keyof OutboundFacts>(classText);
      const { httpProxy, outbound } = JSON.parse(places) as Requests;
      const settings = settingsOf(facts, read);
      const identity = JSON.parse(identityText) as TraceIdentity;
      const input = inputOf(facts, read);
      const listeners = httpProxy === null ? [] : [requestListener(httpProxy, settings, identity, input.scope)];
      for (const [hostPort, place] of Object.entries(outbound)) {
        // It comes when the service does.
        const asked = input.ports.get(hostPort);
        if (asked !== undefined) listeners.push(peerListener(peerEntry(asked, place, input), settings, identity));
      }
      return listeners.map((listener) => encodeResource(LISTENER, listener.name ?? '', listener));
    },
    sameResources,
  );
  return { tunnels, requests };
}

/** The ports that callers of a scope may ask for; key: `scopeKey`. */
function portsMemo({ graph }: Inputs, parts: ListenerParts): Memo<ReadonlyMap<string, AskedPort>> {
  const { services } = parts.services;
  return graph.memo('ports that may be asked for', (key, read) =>
    askedPorts(read.get(parts.scopes.scopes, key), (service) => read.get(services, service)),
  );
}

function explicitInputs(
  inputs: Inputs,
  parts: ListenerParts,
  rules: Rules,
): (facts: PlanFacts, read: Reader) => ExplicitInput {
  const { graph } = inputs;
  const ports = portsMemo(inputs, parts);
  const scopes = graph.memo<ExplicitInput['scope']>('outbound policies of scopes', (key, read) => {
    const { outboundTrafficPolicy, egressProxy } = read.get(parts.scopes.scopes, key);
    return { outboundTrafficPolicy, egressProxy };
  });
  const statPatterns = graph.memo<string>('names of statistics of tunnels', (_key, read) => {
    return meshOf(inputs, read).outboundClusterStatName;
  });
  return (facts, read) => ({
    facts,
    scope: read.get(scopes, scopeKey(facts)),
    ports: read.get(ports, scopeKey(facts)),
    routes: (key) => read.get(rules, key),
    policyOf: (service) => {
      const query = policyQuery(facts.namespace, service.key, facts.labels);
      return readPolicy(parts.policies, read, read.get(parts.policies.refs, query));
    },
    serviceOf: (host) => firstService(seenServices(read, parts, facts, host)),
    statPattern: read.get(statPatterns, ''),
  });
}
