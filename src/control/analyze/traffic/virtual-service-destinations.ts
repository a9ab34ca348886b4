// Destinations of VirtualServices: hosts, ports and subsets that are not there, ports that must be said.
import { isHostWithin } from '../../model/hosts.ts';
import type { ServicePolicy } from '../../model/traffic-policy.ts';
import type { ConfigObject } from '../../source/object.ts';
import { textIn, textsIn } from '../../translate/fields.ts';
import { translateDestinationRule } from '../../translate/istio/destination-rule.ts';
import { isVisibleIn } from '../../translate/istio/names.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Report } from '../message.ts';
import type { World } from '../world.ts';
import { destinationsOf, portOf, type RouteDestination } from './destinations.ts';

export const destinationHosts: Analyzer = {
  name: 'virtualservice.DestinationHostAnalyzer',
  description: 'Checks the destination hosts associated with each virtual service',
  codes: ['IST0101', 'IST0112'],
  run(world, report) {
    for (const object of world.kind('VirtualService')) {
      for (const one of destinationsOf(object)) checkHost(world, object, one, report);
    }
  },
};

function checkHost(world: World, object: ConfigObject, one: RouteDestination, report: Report): void {
  const { destination, path, isMirror } = one;
  const host = textIn(destination, 'host');
  if (host === '') return;
  const service = world.findService(host, object.namespace, textsIn(object.spec, 'exportTo'));
  if (service === null) {
    report('IST0101', object, [...path, 'host'], isMirror ? 'mirror host' : 'host', host);
    return;
  }
  const port = portOf(destination);
  const known = service.ports.map(({ number }) => number);
  if (port === 0) {
    if (known.length > 1) report('IST0112', object, [...path, 'host'], host, known);
  } else if (!known.includes(port)) {
    report('IST0101', object, [...path, 'port', 'number'], 'host:port', `${host}:${port}`);
  }
}

export const destinationSubsets: Analyzer = {
  name: 'virtualservice.DestinationRuleAnalyzer',
  description: 'Checks the destination rules associated with each virtual service',
  codes: ['IST0101'],
  run(world, report) {
    const rules = world.kind('DestinationRule').map((rule) => translateDestinationRule(rule, world.mesh));
    const byHost = new Map<string, ServicePolicy[]>();
    for (const rule of rules) byHost.set(rule.host, [...(byHost.get(rule.host) ?? []), rule]);
    const wide = rules.filter(({ host }) => host.startsWith('*'));
    for (const object of world.kind('VirtualService')) {
      for (const { destination, path } of destinationsOf(object)) {
        const [host, subset] = [textIn(destination, 'host'), textIn(destination, 'subset')];
        if (subset === '') continue;
        const full = world.fullHost(host, object.namespace);
        const defines = (rule: ServicePolicy): boolean =>
          rule.subsets.some(({ name }) => name === subset) && isVisibleIn(rule.exportTo, object.namespace);
        if (byHost.get(full)?.some(defines)) continue;
        if (wide.some((rule) => isHostWithin(full, rule.host) && defines(rule))) continue;
        report('IST0101', object, [...path, 'subset'], 'host+subset in destinationrule', `${host}+${subset}`);
      }
    }
  },
};
