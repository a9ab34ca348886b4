// Metrics that are counted together with one list of labels: which of them are kept, and how each is labelled.
import { compileSchema, type Scope, type StatKind, type StatSchema, type StatStore } from '../../telemetry/metrics.ts';
import type { MetricPlan, StandardMetric, TagPlan } from './metric-plan.ts';

/** Before the names of all of Istio's metrics; Prometheus does not see it. */
export const ISTIO_PREFIX = 'istiocustom.';

/** The cells of one list of labels. A scope for each group of metrics that are labelled alike. */
export class Series {
  readonly scopes: readonly Scope[];
  /** Counted since the last look at what is unused. */
  isFresh = true;
  idleMs = 0;

  constructor(scopes: readonly Scope[]) {
    this.scopes = scopes;
  }

  release(): void {
    for (const scope of this.scopes) scope.release();
  }
}

type Group = { readonly tags: TagPlan; readonly names: Record<string, StatKind>; schema: StatSchema };

/** Where a metric is kept: scope and cell; null when it is dropped. */
export type Place = { readonly scope: number; readonly cell: number } | null;

export type FamilyMetric = { readonly name: string; readonly kind: StatKind; readonly tags: TagPlan };

export class MetricFamily {
  /** In the order in which the metrics were given. */
  readonly places: readonly Place[];
  /** Nothing is left out, and nothing depends on expressions. */
  readonly isPlain: boolean;
  readonly #groups: readonly Group[];

  constructor(metrics: readonly (FamilyMetric | null)[]) {
    const groups: Group[] = [];
    const at: number[] = [];
    for (const metric of metrics) {
      if (metric === null) {
        at.push(-1);
        continue;
      }
      let index = groups.findIndex(({ tags }) => isSame(tags, metric.tags));
      if (index < 0) index = groups.push({ tags: metric.tags, names: {}, schema: {} }) - 1;
      (groups[index] as Group).names[metric.name] = metric.kind;
      at.push(index);
    }
    for (const group of groups) group.schema = schemaOf(group.names);
    this.#groups = groups;
    this.places = metrics.map((metric, i) => {
      const scope = at[i] as number;
      if (metric === null || scope < 0) return null;
      return { scope, cell: compileSchema((groups[scope] as Group).schema).i[metric.name] as number };
    });
    this.isPlain = groups.every(({ tags }) => tags.overrides.size === 0 && tags.additions.length === 0);
  }

  /** `labels`: name, value, …; `values`: those of the plan's expressions. */
  open(store: StatStore, labels: readonly string[], values: readonly string[]): Series {
    const scopes = this.#groups.map(({ tags, schema }) =>
      store.taggedScope(ISTIO_PREFIX, this.isPlain ? labels : applied(tags, labels, values), schema),
    );
    return new Series(scopes);
  }
}

/** The standard metrics of these names, as the plan has them. */
export function standardFamily(plan: MetricPlan, metrics: readonly (readonly [StandardMetric, StatKind])[]) {
  return new MetricFamily(
    metrics.map(([name, kind]) => {
      const tags = plan.tags.get(name);
      return tags === undefined ? null : { name: `istio_${name}`, kind, tags };
    }),
  );
}

/** Source: Istio MetricOverrides::overrideTags. */
function applied({ overrides, additions }: TagPlan, labels: readonly string[], values: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < labels.length; i += 2) {
    const name = labels[i] as string;
    const override = overrides.get(name);
    if (override === undefined) out.push(name, labels[i + 1] as string);
    else if (override !== null) out.push(name, values[override] as string);
  }
  for (const [name, expression] of additions) out.push(name, values[expression] as string);
  return out;
}

function isSame(a: TagPlan, b: TagPlan): boolean {
  if (a === b) return true;
  if (a.overrides.size !== b.overrides.size || a.additions.length !== b.additions.length) return false;
  for (const [name, value] of a.overrides) if (b.overrides.get(name) !== value) return false;
  return a.additions.every(([name, value], i) => b.additions[i]?.[0] === name && b.additions[i]?.[1] === value);
}

/** Filters that keep the same metrics share their statistics, and those are found by the schema itself. */
const schemas = new Map<string, StatSchema>();
const MAX_SCHEMAS = 1000;

function schemaOf(names: StatSchema): StatSchema {
  const key = JSON.stringify(names);
  const known = schemas.get(key);
  if (known !== undefined) return known;
  if (schemas.size < MAX_SCHEMAS) schemas.set(key, names);
  return names;
}
