// Gateways and the proxies that play them: whether there are some, what leads to their ports, their credentials.
import { X509Certificate } from 'node:crypto';
import { readKeyPair } from '../../credentials/secret-content.ts';
import type { Gateway } from '../../model/gateway.ts';
import { hasLabels, selects } from '../../model/labels.ts';
import type { PathPart } from '../../source/finding.ts';
import type { ConfigObject } from '../../source/object.ts';
import { partIn, partsIn, textIn, textsIn } from '../../translate/fields.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Report } from '../message.ts';
import { selectorText, type Workload, type World } from '../world.ts';

/** Of the gateway that every installation of Istio brings: where it is selected, its pods may be elsewhere. */
const DEFAULT_GATEWAY = { app: 'istio-ingressgateway', istio: 'ingressgateway' };

export const gatewayPorts: Analyzer = {
  name: 'gateway.IngressGatewayPortAnalyzer',
  description: "Checks a gateway's ports against the gateway's Kubernetes service ports",
  codes: ['IST0101', 'IST0162'],
  run(world, report) {
    if (!world.hasPods) return;
    for (const [key, gateway] of world.gateways) {
      const object = world.objects.get(key);
      if (object === undefined) continue;
      const workloads = world.workloadsOf(gateway);
      const selector = selectorText(gateway.selector);
      if (workloads.length === 0) {
        if (isDefault(gateway)) continue;
        const [first] = Object.keys(gateway.selector).sort();
        const path = ['spec', 'selector', ...(first === undefined ? [] : [first])];
        report('IST0101', object, path, 'selector', selector);
        continue;
      }
      const ports = reachablePorts(world, workloads);
      for (const [at, { port }] of gateway.servers.entries()) {
        if (port.number === 0 || ports.has(port.number)) continue;
        report('IST0162', object, ['spec', 'servers', at, 'port', 'number'], port.number, selector);
      }
    }
  },
};

function isDefault({ selector }: Gateway): boolean {
  return hasLabels(selector) && selects(selector, DEFAULT_GATEWAY);
}

/** Ports of the workloads that Services lead to, and those of the Services: a Gateway may name either. */
function reachablePorts(world: World, workloads: readonly Workload[]): ReadonlySet<number> {
  const ports = new Set<number>();
  for (const workload of workloads) {
    for (const service of world.servicesOf(workload)) {
      for (const { protocol, number, targetPort } of service.ports) {
        if (protocol === 'UDP') continue;
        ports.add(number);
        if (typeof targetPort === 'number') ports.add(targetPort === 0 ? number : targetPort);
        else ports.add(containerPort(workload, targetPort) ?? number);
      }
    }
  }
  return ports;
}

function containerPort({ pod }: Workload, name: string): number | undefined {
  const ports = partsIn(pod ?? {}, 'containers').flatMap((container) => partsIn(container, 'ports'));
  const number = ports.find((port) => textIn(port, 'name') === name)?.['containerPort'];
  return typeof number === 'number' ? number : undefined;
}

export const gatewaySecrets: Analyzer = {
  name: 'gateway.SecretAnalyzer',
  description: "Checks a gateway's referenced secrets for correctness",
  codes: ['IST0101', 'IST0161'],
  run(world, report) {
    for (const [key, gateway] of world.gateways) {
      const object = world.objects.get(key);
      if (object !== undefined) checkSecrets(world, object, gateway, report);
    }
  },
};

function checkSecrets(world: World, object: ConfigObject, gateway: Gateway, report: Report): void {
  const namespaces = [...new Set(world.workloadsOf(gateway).map(({ namespace }) => namespace))];
  // Where its proxies are is not known: the one that has the Secret is meant.
  const isUnknown = namespaces.length === 0;
  for (const [at, server] of partsIn(object.spec, 'servers').entries()) {
    const tls = partIn(server, 'tls');
    const path: PathPart[] = ['spec', 'servers', at, 'tls'];
    const single = textIn(tls, 'credentialName');
    const named = textsIn(tls, 'credentialNames').map((name, i): [string, PathPart[]] => [
      name,
      [...path, 'credentialNames', i],
    ]);
    if (single !== '') named.push([single, [...path, 'credentialName']]);
    for (const [name, place] of named) {
      if (name.includes('://')) continue;
      const found = world
        .kind('Secret')
        .find((secret) => secret.name === name && (isUnknown || namespaces.includes(secret.namespace)));
      if (found === undefined) {
        if (!world.settings.makesSecrets) report('IST0101', object, place, 'credentialName', name);
      } else if (!isUsable(found, world.settings.nowMs)) report('IST0161', object, place, object.name, found.namespace);
    }
  }
}

function isUsable(secret: ConfigObject, nowMs: number): boolean {
  const pair = readKeyPair(secret);
  if (typeof pair === 'string') return false;
  try {
    const { validTo, validFrom } = new X509Certificate(pair.chain);
    return Date.parse(validFrom) <= nowMs && nowMs <= Date.parse(validTo);
  } catch {
    return false;
  }
}
