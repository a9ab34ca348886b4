// Annotations of Istio on Kubernetes' own objects: unknown, misplaced, deprecated, unreadable, not settled yet.
import type { PathPart } from '../../source/finding.ts';
import type { ConfigObject } from '../../source/object.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Report } from '../message.ts';
import type { World } from '../world.ts';
import { ANNOTATIONS, INJECT, SIDECAR_STATUS } from './annotation-table.ts';
import { annotationProblem } from './annotation-values.ts';

const KINDS = ['Namespace', 'Service', 'Pod', 'Deployment', 'StatefulSet'] as const;
/** Of others only this one is Istio's to document. */
const INGRESS_CLASS = 'kubernetes.io/ingress.class';

type Annotated = {
  readonly object: ConfigObject;
  /** As which kind it counts: the template of pods as a pod. */
  readonly kind: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly name: string;
  readonly value: string;
  readonly path: readonly PathPart[];
};

export const annotations: Analyzer = {
  name: 'annotations.K8sAnalyzer',
  description: 'Checks for misplaced and invalid Istio annotations in Kubernetes resources',
  codes: ['IST0107', 'IST0108', 'IST0125', 'IST0135'],
  run(world, report) {
    for (const one of annotationsOf(world)) check(one, report);
  },
};

function check({ object, kind, labels, name, value, path }: Annotated, report: Report): void {
  const entry = ANNOTATIONS.get(name);
  if (entry === undefined) {
    report('IST0108', object, path, name);
    return;
  }
  // Who has the label as well keeps the annotation for older versions.
  const isReplaced = name === INJECT && labels[INJECT] !== undefined;
  if (entry.deprecation !== null && !isReplaced) report('IST0135', object, path, name, entry.deprecation);
  if (entry.kinds.includes('Any')) return;
  if (!entry.kinds.includes(kind)) {
    report('IST0107', object, path, name, entry.kinds.join(', '));
    return;
  }
  const problem = annotationProblem(name, value);
  if (problem !== null) report('IST0125', object, path, name, problem);
}

export const alphaAnnotations: Analyzer = {
  name: 'annotations.AlphaAnalyzer',
  description: 'Checks for alpha Istio annotations in Kubernetes resources',
  codes: ['IST0136'],
  isOptional: true,
  run(world, report) {
    for (const { object, name, path } of annotationsOf(world)) {
      if (ANNOTATIONS.get(name)?.isAlpha === true && name !== SIDECAR_STATUS) report('IST0136', object, path, name);
    }
  },
};

function* annotationsOf(world: World): Generator<Annotated> {
  for (const object of KINDS.flatMap((kind) => world.kind(kind))) {
    for (const [name, value] of Object.entries(object.annotations)) {
      const path = ['metadata', 'annotations', name];
      if (isOfIstio(name)) yield { object, kind: object.kind, labels: object.labels, name, value, path };
    }
  }
  for (const { object, labels, annotations: own, pod } of world.workloads) {
    if (pod === null || object.kind === 'Pod') continue;
    for (const [name, value] of Object.entries(own)) {
      const path = ['spec', 'template', 'metadata', 'annotations', name];
      if (isOfIstio(name)) yield { object, kind: 'Pod', labels, name, value, path };
    }
  }
}

function isOfIstio(name: string): boolean {
  return name === INGRESS_CLASS || (name.split('/')[0] ?? '').endsWith('istio.io');
}
