// Gateways of all APIs, which of them a proxy plays, and what its servers make of its ports.
import type { Collection, Index, Memo } from '../../base/collection.ts';
import { type MergedGateway, mergeGateways } from '../generate/gateway/merge.ts';
import { type BoundServer, gatewayServer } from '../generate/route/gateway-route.ts';
import type { Gateway } from '../model/gateway.ts';
import { labelPairs } from '../model/labels.ts';
import type { ConfigObject } from '../source/object.ts';
import type { Complaint } from '../translate/complaint.ts';
import { translateGateway } from '../translate/istio/gateway.ts';
import type { Inputs } from './inputs.ts';
import { meshOf } from './mesh-of.ts';
import type { ServicesStage } from './services-stage.ts';

export type GatewaysStage = {
  /** By object key. */
  readonly gateways: Collection<Gateway>;
  /** By 'NAMESPACE/NAME'. */
  readonly byName: Index<Gateway>;
  /** What a proxy plays, merged; key: `gatewayPlayerKey`. */
  readonly merged: Memo<MergedGateway>;
  /** Servers of one route configuration; key: `gatewayPlayerKey`, a line break, and its name. */
  readonly serversOf: Memo<readonly BoundServer[]>;
  /** Servers that have no place beside those of other gateways for the same proxies; by the keys of `gateways`. */
  readonly complaints: Collection<readonly Complaint[]>;
};

type Player = {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly addresses: readonly string[];
};

/** What decides which gateways a proxy plays, and on which ports. No line break is in it. */
export function gatewayPlayerKey({ namespace, labels, addresses }: Player): string {
  return JSON.stringify([namespace, labelPairs(labels), addresses]);
}

function parsePlayer(key: string): Player {
  const [namespace, labels, addresses] = JSON.parse(key) as [string, [string, string][], string[]];
  return { namespace, labels: Object.fromEntries(labels), addresses };
}

/** `others`: gateways of other APIs than Istio's, in the same form. */
export function gatewaysStage(
  inputs: Inputs,
  services: ServicesStage,
  others: readonly Collection<Gateway>[] = [],
): GatewaysStage {
  const { graph } = inputs;
  const istio = graph.map<ConfigObject, Gateway>("Istio's gateways", inputs.kind('Gateway'), (key, object, read) =>
    translateGateway(object, key, meshOf(inputs, read).scopesGateways),
  );
  const gateways = graph.union('gateways', istio, ...others);
  const merged = graph.memo<MergedGateway>('merged gateways', (key, read) => {
    const player = parsePlayer(key);
    const instances = player.addresses.flatMap((address) => read.lookup(services.instancesByAddress, address));
    const hosts = new Set(instances.map(({ serviceKey }) => serviceKey.slice(serviceKey.indexOf('/') + 1)));
    const played = [...read.all(gateways).values()].filter((gateway) => plays(player, hosts, gateway));
    const targets = instances.flatMap(({ ports }) => ports);
    return mergeGateways(played, (port) => [
      ...new Set(targets.filter((one) => one.servicePort.number === port).map((one) => one.targetPort)),
    ]);
  });
  const serversOf = graph.memo<readonly BoundServer[]>('servers of gateways', (key, read) => {
    const [player = '', routeName = ''] = key.split('\n');
    const servers = read.get(merged, player).routes.get(routeName) ?? [];
    return servers.map(({ gateway, server }) => gatewayServer(gateway, server));
  });
  const byName = gateways.index('by name', (_key, gateway) => [gateway.key]);
  return { gateways, byName, merged, serversOf, complaints: conflicts(inputs, gateways) };
}

/** Among gateways that say the same of who plays them; what further proxies play besides only those know. */
function conflicts({ graph }: Inputs, gateways: Collection<Gateway>): Collection<readonly Complaint[]> {
  const bySelection = gateways.index('by selection', (_key, gateway) => [selectionOf(gateway)]);
  const skipped = graph.memo<MergedGateway['skipped']>('servers without a place', (selection, read) => {
    return mergeGateways(read.lookup(bySelection, selection), () => []).skipped;
  });
  return graph.map<Gateway, readonly Complaint[]>('complaints of servers', gateways, (_key, gateway, read) => {
    const own = read.get(skipped, selectionOf(gateway)).filter((one) => one.gateway === gateway.key);
    const fieldPath = gateway.origin.startsWith('Gateway/') ? 'spec.servers' : 'spec.listeners';
    const remedy = 'Give it a port or hosts of its own; until then it is not served.';
    return own.length === 0
      ? undefined
      : own.map(({ server, reason }) => {
          const message = `server ${server}: ${reason}`;
          return { objectKey: gateway.origin, fieldPath, message, remedy, severity: 'error' };
        });
  });
}

function selectionOf({ selectorNamespace, selector, services }: Gateway): string {
  return JSON.stringify([selectorNamespace, Object.entries(selector).sort(), services]);
}

/** By labels, or as an endpoint of a service that stands for the gateway. */
function plays({ namespace, labels }: Player, hosts: ReadonlySet<string>, gateway: Gateway): boolean {
  if (gateway.selectorNamespace !== '' && gateway.selectorNamespace !== namespace) return false;
  if (gateway.services.length > 0) return gateway.services.some((host) => hosts.has(host));
  return Object.entries(gateway.selector).every(([label, value]) => labels[label] === value);
}
