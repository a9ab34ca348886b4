// Deployments whose Services disagree on a port.
import { hasLabels, selects } from '../../model/labels.ts';
import type { ConfigObject } from '../../source/object.ts';
import { type Json, namesIn, numberIn, partsIn, textIn } from '../../translate/fields.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Report } from '../message.ts';
import { fullName, type Workload } from '../world.ts';
import { isInMesh } from './injection.ts';

const WAYPOINT = 'istio.io-mesh-controller';
const MANAGED_BY = 'gateway.istio.io/managed';

export const servicePorts: Analyzer = {
  name: 'deployment.MultiServiceAnalyzer',
  description: 'Checks association between services and pods',
  codes: ['IST0116', 'IST0137'],
  run(world, report) {
    const byNamespace = Map.groupBy(world.kind('Service'), ({ namespace }) => namespace);
    for (const workload of world.workloads) {
      const { object, pod, namespace, labels, name } = workload;
      if (pod === null || object.kind === 'Pod' || isWaypoint(workload) || !isInMesh(world, workload)) continue;
      const services = (byNamespace.get(namespace) ?? []).filter((service) => isFor(service, labels));
      if (services.length > 1) check(object, name, services, report);
    }
  },
};

function isWaypoint({ object }: Workload): boolean {
  return object.labels[MANAGED_BY] === WAYPOINT;
}

function isFor({ spec }: ConfigObject, labels: Readonly<Record<string, string>>): boolean {
  const selector = namesIn(spec, 'selector');
  return hasLabels(selector) && selects(selector, labels);
}

type Said = { readonly service: string; readonly port: number; readonly transport: string; readonly target: string };

function check(object: ConfigObject, name: string, services: readonly ConfigObject[], report: Report): void {
  const said = services.flatMap((service) => partsIn(service.spec, 'ports').map((port) => saidOf(service, port)));
  for (const [port, all] of Map.groupBy(said, (one) => one.port)) {
    if (new Set(all.map(({ transport }) => transport)).size < 2) continue;
    report('IST0116', object, ['metadata', 'name'], name, port, all.map(({ service }) => service).sort());
  }
  for (const [target, all] of Map.groupBy(said, (one) => one.target)) {
    const byPort = new Map(all.map(({ port, service }) => [port, service]));
    if (byPort.size < 2) continue;
    const ports = [...byPort.keys()].sort((a, b) => a - b);
    report('IST0137', object, ['metadata', 'name'], name, [...byPort.values()].sort(), target, ports);
  }
}

function saidOf(service: ConfigObject, port: Json): Said {
  const number = numberIn(port, 'port');
  const { targetPort } = port;
  const target = targetPort === undefined || targetPort === 0 || targetPort === '' ? number : targetPort;
  return {
    service: fullName(service),
    port: number,
    transport: textIn(port, 'protocol') || 'TCP',
    target: String(target),
  };
}
