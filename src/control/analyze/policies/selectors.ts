// Sidecars and Telemetries: only one of each for a workload, and none for nothing.
import { hasLabels, type Labels, selects } from '../../model/labels.ts';
import type { ConfigObject } from '../../source/object.ts';
import { namesIn, partIn } from '../../translate/fields.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Report } from '../message.ts';
import { selectorText, type Workload, type World } from '../world.ts';
import { isAmbient, isAmbientNamespace } from '../workloads/injection.ts';

type Selecting = {
  readonly kind: 'Sidecar' | 'Telemetry';
  readonly field: readonly [outer: string, inner: string];
  readonly conflict: 'IST0110' | 'IST0159';
};

const SIDECARS: Selecting = { kind: 'Sidecar', field: ['workloadSelector', 'labels'], conflict: 'IST0110' };
const TELEMETRIES: Selecting = { kind: 'Telemetry', field: ['selector', 'matchLabels'], conflict: 'IST0159' };

export const sidecarSelectors: Analyzer = {
  name: 'sidecar.SelectorAnalyzer',
  description:
    'Validates that sidecars that define a workload selector match at least one pod, and that there ' +
    "aren't multiple sidecar resources that select overlapping pods",
  codes: ['IST0101', 'IST0110', 'IST0111', 'IST0167'],
  run(world, report) {
    const { selected, defaults } = byTarget(world, SIDECARS, report);
    const idle = new Set<ConfigObject>();
    const tellIdle = (object: ConfigObject, what: string): void => {
      if (!idle.has(object)) report('IST0167', object, ['metadata', 'name'], `${what}, the policy has no impact`);
      idle.add(object);
    };
    for (const [workload, objects] of selected) {
      if (!isAmbient(workload)) continue;
      for (const object of objects) tellIdle(object, 'selected workload is in ambient mode');
      selected.delete(workload);
    }
    tellConflicts(selected, SIDECARS, report);
    for (const [namespace, objects] of defaults) {
      if (isAmbientNamespace(world.namespace(namespace))) {
        for (const object of objects) tellIdle(object, 'namespace is in ambient mode');
      } else if (objects.length > 1) tellDefaults('IST0111', namespace, objects, report);
    }
  },
};

export const telemetrySelectors: Analyzer = {
  name: 'telemetry.SelectorAnalyzer',
  description:
    'Validates that telemetries that define a selector match at least one pod, and that there ' +
    "aren't multiple telemetry resources that select overlapping pods",
  codes: ['IST0101', 'IST0159', 'IST0160'],
  run(world, report) {
    const { selected, defaults } = byTarget(world, TELEMETRIES, report);
    tellConflicts(selected, TELEMETRIES, report);
    for (const [namespace, objects] of defaults) {
      if (objects.length > 1) tellDefaults('IST0160', namespace, objects, report);
    }
  },
};

type Targets = {
  readonly selected: Map<Workload, ConfigObject[]>;
  /** Those without selector, by namespace. */
  readonly defaults: ReadonlyMap<string, readonly ConfigObject[]>;
};

function byTarget(world: World, { kind, field }: Selecting, report: Report): Targets {
  const selected = new Map<Workload, ConfigObject[]>();
  const defaults = new Map<string, ConfigObject[]>();
  for (const object of world.kind(kind)) {
    const { spec, namespace } = object;
    // What names its target is nobody's default.
    if (spec['targetRefs'] !== undefined || spec['targetRef'] !== undefined) continue;
    const labels = namesIn(partIn(spec, field[0]), field[1]);
    if (!hasLabels(labels)) {
      defaults.set(namespace, [...(defaults.get(namespace) ?? []), object]);
      continue;
    }
    const workloads = world.workloadsIn(namespace).filter((workload) => selects(labels, workload.labels));
    for (const workload of workloads) selected.set(workload, [...(selected.get(workload) ?? []), object]);
    if (workloads.length > 0 || !world.hasPods) continue;
    const path = ['spec', ...field, firstOf(labels)];
    report('IST0101', object, path, 'selector', selectorText(labels));
  }
  return { selected, defaults };
}

function firstOf(labels: Labels): string {
  return Object.keys(labels).sort()[0] ?? '';
}

/** Each set of objects once, with the first workload that they share. */
function tellConflicts(selected: Targets['selected'], { field, conflict }: Selecting, report: Report): void {
  const told = new Set<string>();
  for (const [{ namespace, name }, objects] of selected) {
    const names = objects.map((object) => object.name);
    const id = `${namespace}/${names.join(' ')}`;
    if (objects.length < 2 || told.has(id)) continue;
    told.add(id);
    for (const object of objects) report(conflict, object, ['spec', ...field], names, namespace, name);
  }
}

function tellDefaults(
  code: 'IST0111' | 'IST0160',
  namespace: string,
  objects: readonly ConfigObject[],
  report: Report,
): void {
  const names = objects.map(({ name }) => name);
  for (const object of objects) report(code, object, ['metadata', 'name'], names, namespace);
}
