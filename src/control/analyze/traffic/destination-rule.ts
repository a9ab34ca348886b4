// DestinationRules: hosts that are not there, subsets that select nothing, servers that nobody verifies.
import { hasLabels, type Labels, selects } from '../../model/labels.ts';
import type { Service } from '../../model/service.ts';
import type { PathPart } from '../../source/finding.ts';
import type { ConfigObject } from '../../source/object.ts';
import { type Json, namesIn, partIn, partsIn, textIn, textsIn } from '../../translate/fields.ts';
import { localityOfLabels, localityOfNode } from '../../translate/kubernetes/workload.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Report } from '../message.ts';
import { fullName, type Workload, type World } from '../world.ts';

export const caCertificates: Analyzer = {
  name: 'destinationrule.CaCertificateAnalyzer',
  description: 'Checks if caCertificates is set when TLS mode is SIMPLE/MUTUAL',
  codes: ['IST0128', 'IST0129'],
  run(world, report) {
    for (const object of world.kind('DestinationRule')) {
      const { spec, namespace } = object;
      const policy = partIn(spec, 'trafficPolicy');
      // Only the proxies that a selector names take certificates from a Secret.
      const isSelected = spec['workloadSelector'] !== undefined;
      const names = [fullName(object), namespace] as const;
      const host = textIn(spec, 'host');
      const path = ['spec', 'trafficPolicy'];
      const mode = unverifiedMode(policy, isSelected);
      if (mode !== null) report('IST0128', object, [...path, 'tls', 'mode'], ...names, mode, host);
      for (const [at, settings] of partsIn(policy, 'portLevelSettings').entries()) {
        const portMode = unverifiedMode(settings, isSelected);
        if (portMode === null) continue;
        const port = `number:${String(partIn(settings, 'port')['number'] ?? 0)}`;
        const place = [...path, 'portLevelSettings', at, 'tls', 'mode'];
        report('IST0129', object, place, ...names, portMode, host, port);
      }
    }
  },
};

function unverifiedMode(settings: Json, isSelected: boolean): string | null {
  const tls = partIn(settings, 'tls');
  const mode = textIn(tls, 'mode');
  if (mode !== 'SIMPLE' && mode !== 'MUTUAL') return null;
  if (textIn(tls, 'caCertificates') !== '') return null;
  return textIn(tls, 'credentialName') !== '' && isSelected ? null : mode;
}

export const subsets: Analyzer = {
  name: 'destinationrule.SubsetSelectPodAnalyzer',
  description: 'Checks that hosts of destination rules are known and that their subsets select pods',
  codes: ['IST0173', 'IST0174'],
  run(world, report) {
    const labelsOf = placedLabels(world);
    for (const object of world.kind('DestinationRule')) {
      const host = textIn(object.spec, 'host');
      if (host === '') continue;
      const service = world.findService(host, object.namespace, textsIn(object.spec, 'exportTo'));
      if (service === null) report('IST0174', object, ['spec', 'host'], host);
      else if (!world.fullHost(host, object.namespace).startsWith('*')) {
        checkSubsets(world, object, service, labelsOf, report);
      }
    }
  },
};

type LabelsOf = (workload: Workload) => Labels;

function checkSubsets(world: World, object: ConfigObject, service: Service, labelsOf: LabelsOf, report: Report): void {
  const candidates = candidatesOf(world, service, labelsOf);
  if (candidates === null) return;
  for (const [at, subset] of partsIn(object.spec, 'subsets').entries()) {
    const labels = comparable(namesIn(subset, 'labels'));
    if (candidates.some((candidate) => selects(labels, candidate))) continue;
    const path: PathPart[] = ['spec', 'subsets', at, 'labels'];
    report('IST0173', object, path, textIn(subset, 'name'));
  }
}

/** Labels of what serves it; null where that is not known. */
function candidatesOf(world: World, service: Service, labelsOf: LabelsOf): readonly Labels[] | null {
  if (service.registry === 'External') {
    const entry = world.objects.get(service.origin);
    const inline = entry === undefined ? [] : partsIn(entry.spec, 'endpoints').map((one) => namesIn(one, 'labels'));
    if (inline.length > 0) return inline;
  }
  if (!world.hasPods || service.externalName !== '') return null;
  if (!hasLabels(service.selector)) return world.workloads.map(labelsOf);
  const own = world.workloadsIn(service.namespace).filter(({ labels }) => selects(service.selector, labels));
  return own.map(labelsOf);
}

/** What a registry tells of the cluster and the network is not in any object. */
const UNKNOWN: ReadonlySet<string> = new Set(['topology.istio.io/cluster', 'topology.istio.io/network']);

function comparable(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !UNKNOWN.has(name)));
}

/** A workload's labels and those that its node gives its endpoints. */
function placedLabels(world: World): LabelsOf {
  const nodes = new Map(world.kind('Node').map((node) => [node.name, localityOfNode(node)]));
  return ({ labels, pod }) => {
    const node = pod === null ? '' : textIn(pod, 'nodeName');
    const locality = localityOfLabels(labels) ?? nodes.get(node);
    if (locality === undefined) return labels;
    const { region, zone, subZone } = locality;
    const placed = {
      'topology.kubernetes.io/region': region,
      'topology.kubernetes.io/zone': zone,
      'topology.istio.io/subzone': subZone,
      'kubernetes.io/hostname': node,
    };
    return { ...Object.fromEntries(Object.entries(placed).filter(([, value]) => value !== '')), ...labels };
  };
}
