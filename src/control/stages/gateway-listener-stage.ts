// Listeners of gateways as resources: one for each port on which servers that the proxy plays have something to do.
import type { Memo, Reader } from '../../base/collection.ts';
import type { EncodedResource } from '../../xds/server/resource.ts';
import { encodeResource } from '../generate/encode.ts';
import { type ChainContext, gatewayChains, type GatewayRoutes } from '../generate/listener/gateway/chains.ts';
import { gatewayListener } from '../generate/listener/gateway/listener.ts';
import { isUnspecified } from '../generate/listener/outbound/addresses.ts';
import { type TraceIdentity, traceIdentity } from '../generate/listener/settings.ts';
import { accessFilters } from '../generate/rbac/filters.ts';
import { byAge, isVisible } from '../model/hosts.ts';
import { type Labels, sortedLabels, workloadKey } from '../model/labels.ts';
import { parseClass, pickClass, type ProxyClass, type ProxyNode } from '../model/proxy.ts';
import type { RouteSet } from '../model/route.ts';
import { scopeKey } from '../model/scope.ts';
import { sameResources } from './endpoint-resources-stage.ts';
import { gatewayPlayerKey, type GatewaysStage } from './gateways-stage.ts';
import type { Inputs } from './inputs.ts';
import { LISTENER, type ListenerParts, type ListMemo, SEPARATOR, settingsMemo } from './listeners/parts.ts';
import { firstService, seenServices } from './route-lookups.ts';
import { meshOf } from './services-stage.ts';
import { policyQuery, readPolicy } from './traffic-policy-stage.ts';

const FIELDS = ['kind', 'namespace', 'sidecar', 'labels', 'families', 'http10'] as const;
type Facts = Pick<ProxyClass, (typeof FIELDS)[number]>;

/** What of the node itself its listeners depend on: rules on access select it, traces name it. */
type Own = {
  readonly labels: Labels;
  readonly identity: TraceIdentity;
  /** Where it binds instead of the wildcard, if nothing is redirected: others share the machine's addresses. */
  readonly address?: string;
};

export type GatewayListenerParts = ListenerParts & { readonly gateways: Pick<GatewaysStage, 'merged'> };

/** The table of a gateway's listeners: memo and key. */
export function gatewayListenerTable(
  listeners: ListMemo,
  facts: Facts,
  node: Pick<ProxyNode, 'labels' | 'workloadName' | 'namespace' | 'cluster' | 'addresses' | 'metadata' | 'explicit'>,
): { readonly memo: ListMemo; readonly key: string } {
  const labels = sortedLabels(node.labels);
  const address = node.explicit === null ? undefined : node.explicit.bind || node.addresses[0];
  const own: Own = { labels, identity: traceIdentity(node), ...(address !== undefined && { address }) };
  const key = [pickClass(facts, ...FIELDS), JSON.stringify(own), gatewayPlayerKey(node)].join(SEPARATOR);
  return { memo: listeners, key };
}

export function gatewayListenerStage(inputs: Inputs, parts: GatewayListenerParts): ListMemo {
  const { graph } = inputs;
  const settingsOf = settingsMemo(inputs, parts, 'gateways');
  const contextOf = contexts(inputs, parts);
  // One listener: a change of another port ends here.
  const pieces = graph.memo<EncodedResource | null>(
    'listeners of gateway ports',
    (key, read) => {
      const [classText = '', ownText = '', player = '', place = ''] = key.split(SEPARATOR);
      const facts = parseClass<keyof Facts>(classText);
      const { labels, identity, address = '' } = JSON.parse(ownText) as Own;
      const merged = read.get(parts.gateways.merged, player).listeners.find((one) => placeOf(one) === place);
      if (merged === undefined) return null;
      const { port } = merged;
      const bind = merged.bind === '' || isUnspecified(merged.bind) ? address || merged.bind : merged.bind;
      const chains = gatewayChains(merged, contextOf(facts, read));
      const { policies, closedBy } = read.get(parts.security.security, workloadKey(facts.namespace, labels));
      const settings = settingsOf(facts, read);
      const access = accessFilters({ policies, closedBy, trustDomains: settings.trustDomains });
      const { families } = facts;
      const listener = gatewayListener({ bind, port, families, chains, access, settings, identity });
      return listener === null ? null : encodeResource(LISTENER, listener.name ?? '', listener);
    },
    (a, b) => a?.name === b?.name && a?.version === b?.version,
  );
  return graph.memo<readonly EncodedResource[]>(
    'listeners of gateways',
    (key, read) => {
      const player = key.split(SEPARATOR)[2] ?? '';
      const places = read.get(parts.gateways.merged, player).listeners.map(placeOf).sort();
      return places.flatMap((place) => read.get(pieces, `${key}${SEPARATOR}${place}`) ?? []);
    },
    sameResources,
  );
}

function placeOf({ bind, port }: { readonly bind: string; readonly port: number }): string {
  return `${bind}|${port}`;
}

/** Rules for connections that join gateways, and the services that they lead to, as the proxy may see them. */
function contexts(inputs: Inputs, parts: GatewayListenerParts): (facts: Facts, read: Reader) => ChainContext {
  const { graph } = inputs;
  type Rules = GatewayRoutes & Pick<RouteSet, 'creationMs' | 'exportTo'>;
  const rules = graph.map<RouteSet, Rules>('connections by gateways', parts.routeSets, (_key, set) => {
    const { key, namespace, name, hosts, parents, l4, creationMs, exportTo } = set;
    if (l4.length === 0 || !parents.some((parent) => parent !== 'mesh')) return undefined;
    return { key, namespace, name, hosts, parents, l4, creationMs, exportTo };
  });
  const byParent = rules.index('by gateway', (_key, set) => new Set(set.parents));
  const statPatterns: Memo<string> = graph.memo('names of statistics', (_key, read) => {
    return meshOf(inputs, read).outboundClusterStatName;
  });
  return (facts, read) => {
    const { namespace, labels } = facts;
    const rank = (set: Rules): number => (set.exportTo.has('*') ? 2 : set.namespace === namespace ? 0 : 1);
    return {
      routesOf: (gateway) =>
        read
          .lookup(byParent, gateway)
          .filter((set) => isVisible(set.exportTo, set.namespace, namespace))
          .sort((a, b) => rank(a) - rank(b) || byAge(a, b)),
      services: () => {
        const services = read.get(parts.scopes.services, scopeKey(facts));
        return services.flatMap((key) => read.get(parts.services.services, key) ?? []);
      },
      lookup: {
        serviceOf: (host) => firstService(seenServices(read, parts, { namespace, labels }, host)),
        policyOf: (service) => {
          const ref = read.get(parts.policies.refs, policyQuery(namespace, service.key, labels));
          return readPolicy(parts.policies, read, ref);
        },
        statPattern: read.get(statPatterns, ''),
      },
    };
  };
}
