// What stats.PluginConfig changes of Istio's standard metrics: dropped ones, labels without or with other values, more.
import type { ConfigDecoder } from '../config-decoder.ts';
import { compileExpression, type Expression } from './expression.ts';
import { type LocalNode, NO_NODE } from './node.ts';

export type MetricConfigPb = {
  dimensions?: Readonly<Record<string, string>>;
  name?: string;
  tags_to_remove?: readonly string[];
  drop?: boolean;
};
export type MetricDefinitionPb = { name?: string; value?: string; type?: string };

/** Without 'istio_', as configurations name them. */
export const STANDARD_METRICS = [
  'requests_total',
  'request_duration_milliseconds',
  'request_bytes',
  'response_bytes',
  'request_messages_total',
  'response_messages_total',
  'tcp_connections_opened_total',
  'tcp_connections_closed_total',
  'tcp_sent_bytes_total',
  'tcp_received_bytes_total',
] as const;
export type StandardMetric = (typeof STANDARD_METRICS)[number];

/** Istio's own labels; all others are added behind them. */
const STANDARD_TAGS: ReadonlySet<string> = new Set([
  'reporter',
  'source_workload',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_canonical_service',
  'source_canonical_revision',
  'source_cluster',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_service',
  'destination_service_name',
  'destination_service_namespace',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_cluster',
  'request_protocol',
  'response_flags',
  'connection_security_policy',
  'response_code',
  'grpc_response_status',
]);

/** How one metric is labelled. */
export type TagPlan = {
  /** Standard labels with the number of the expression that gives their value; null: left out. */
  readonly overrides: ReadonlyMap<string, number | null>;
  /** Further labels, in order. */
  readonly additions: readonly (readonly [tag: string, expression: number])[];
};

export type CustomMetric = {
  /** With 'istio_'. */
  readonly name: string;
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** Number of the expression that gives the amount. */
  readonly value: number;
  readonly tags: TagPlan;
};

export type MetricPlan = {
  /** Absent: dropped. */
  readonly tags: ReadonlyMap<StandardMetric, TagPlan>;
  readonly custom: readonly CustomMetric[];
  /** What is evaluated for each exchange. */
  readonly expressions: readonly Expression[];
};

const UNCHANGED: TagPlan = Object.freeze({ overrides: new Map(), additions: [] });

class Draft {
  readonly overrides = new Map<string, number | null>();
  readonly additions: [tag: string, expression: number][] = [];

  /** The last value of a tag counts. */
  add(tag: string, expression: number): void {
    const known = this.additions.find(([name]) => name === tag);
    if (known === undefined) this.additions.push([tag, expression]);
    else known[1] = expression;
  }

  get plan(): TagPlan {
    const { overrides, additions } = this;
    return overrides.size === 0 && additions.length === 0 ? UNCHANGED : { overrides, additions };
  }
}

/** What expressions need of the decoder's environment. */
type ExpressionEnvironment = { readonly localNode?: LocalNode };

/** `d` is at the PluginConfig. */
export function decodeMetricPlan(
  metrics: readonly MetricConfigPb[] = [],
  definitions: readonly MetricDefinitionPb[] = [],
  d: ConfigDecoder,
): MetricPlan {
  const drafts = new Map<StandardMetric, Draft>(STANDARD_METRICS.map((name) => [name, new Draft()]));
  const expressions: Expression[] = [];
  const numbers = new Map<string, number>();
  const number = (text: string, at: ConfigDecoder, field: string): number => {
    const known = numbers.get(text);
    if (known !== undefined) return known;
    const { localNode: node = NO_NODE } = d.environment as ExpressionEnvironment;
    const compiled = compileExpression(text, node);
    if (typeof compiled === 'string') at.reject(field, compiled);
    else expressions.push(compiled);
    numbers.set(text, expressions.length - 1);
    return expressions.length - 1;
  };
  const custom = decodeDefinitions(definitions, d, number);
  for (const [i, metric] of metrics.entries()) {
    const at = d.at('metrics', i);
    const { name = '', drop = false, tags_to_remove: removed = [], dimensions = {} } = metric;
    const standard = selected(drafts, name);
    const own = custom.filter((one) => name === '' || one.name === `istio_${name}`);
    if (drop) {
      // It must name its metric, as in Istio.
      drafts.delete(name as StandardMetric);
      continue;
    }
    for (const tag of removed) {
      if (STANDARD_TAGS.has(tag)) for (const [, draft] of standard) draft.overrides.set(tag, null);
    }
    // In an order of their own, because the message has none.
    for (const tag of Object.keys(dimensions).sort()) {
      const value = number(dimensions[tag] as string, at, `dimensions["${tag}"]`);
      for (const [, draft] of standard) {
        if (STANDARD_TAGS.has(tag)) draft.overrides.set(tag, value);
        else draft.add(tag, value);
      }
      for (const { draft } of own) draft.add(tag, value);
    }
  }
  return Object.freeze({
    tags: new Map([...drafts].map(([name, draft]) => [name, draft.plan])),
    custom: custom.map(({ draft, ...rest }) => ({ ...rest, tags: draft.plan })),
    expressions,
  });
}

/** The metrics that an entry is about. */
function selected(drafts: ReadonlyMap<StandardMetric, Draft>, name: string): readonly [StandardMetric, Draft][] {
  return [...drafts].filter(([one]) => name === '' || one === name);
}

type CustomDraft = Omit<CustomMetric, 'tags'> & { readonly draft: Draft };

function decodeDefinitions(
  definitions: readonly MetricDefinitionPb[],
  d: ConfigDecoder,
  number: (text: string, at: ConfigDecoder, field: string) => number,
): CustomDraft[] {
  const custom: CustomDraft[] = [];
  for (const [i, { name = '', value = '', type = 'COUNTER' }] of definitions.entries()) {
    const at = d.at('definitions', i);
    if ((STANDARD_METRICS as readonly string[]).includes(name)) {
      at.reject('name', `${name} is a standard metric, which cannot be defined anew`);
      continue;
    }
    if (!/^[A-Za-z0-9_]+$/.test(name)) {
      at.reject('name', 'is not the name of a metric: letters, digits and underscores');
      continue;
    }
    const kind = type === 'GAUGE' ? 'gauge' : type === 'HISTOGRAM' ? 'histogram' : 'counter';
    const full = `istio_${name}`;
    const made = { name: full, kind, value: number(value, at, 'value'), draft: new Draft() } as const;
    if (custom.every((other) => other.name !== full)) custom.push(made);
  }
  return custom;
}
