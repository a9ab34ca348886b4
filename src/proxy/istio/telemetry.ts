// Istio's standard metrics and those that a configuration defines: what filters count goes here, by label sets.
import type { Clock } from '../../base/clock.ts';
import type { Scope, StatStore } from '../../telemetry/metrics.ts';
import type { AttributeSource } from '../cel/attributes.ts';
import { responseFlagsText, type StreamInfo } from '../stream-info.ts';
import { amountOf, textOf } from './expression.ts';
import { LabelSet, LabelTable, type SeriesKey } from './label-table.ts';
import { ISTIO_PREFIX, MetricFamily, type Series, standardFamily } from './metric-family.ts';
import type { CustomMetric, MetricPlan } from './metric-plan.ts';
import { type LocalNode, textAt } from './node.ts';
import type { PluginConfig } from './stats-config.ts';
import { localLabels } from './telemetry-labels.ts';

const BUILD = { istio_build: 'gauge-once' } as const;
const NO_VALUES: readonly string[] = Object.freeze([]);

/** grpc-status as a label; null where there is none. */
export type GrpcStatus = number | null;

export class Telemetry {
  readonly table: LabelTable;
  readonly node: LocalNode;
  readonly #store: StatStore;
  readonly #plan: MetricPlan;
  readonly #http: MetricFamily;
  readonly #messages: MetricFamily;
  readonly #tcp: MetricFamily;
  readonly #custom: MetricFamily;
  /** Without labels of ends. */
  readonly #customSet = new LabelSet([], 'unknown');

  constructor(store: StatStore, clock: Clock, node: LocalNode, { plan, expiryMs }: PluginConfig) {
    this.#store = store;
    this.node = node;
    this.#plan = plan;
    this.table = new LabelTable(store, localLabels(node), clock, expiryMs);
    this.#http = standardFamily(plan, [
      ['requests_total', 'counter'],
      ['request_duration_milliseconds', 'histogram'],
      ['request_bytes', 'histogram'],
      ['response_bytes', 'histogram'],
    ]);
    this.#messages = standardFamily(plan, [
      ['request_messages_total', 'counter'],
      ['response_messages_total', 'counter'],
    ]);
    this.#tcp = standardFamily(plan, [
      ['tcp_connections_opened_total', 'counter'],
      ['tcp_connections_closed_total', 'counter'],
      ['tcp_sent_bytes_total', 'counter'],
      ['tcp_received_bytes_total', 'counter'],
    ]);
    this.#custom = new MetricFamily(plan.custom);
    const version = textAt(node.metadata, 'ISTIO_VERSION') || 'unknown';
    const build = store.taggedScope(ISTIO_PREFIX, ['component', 'proxy', 'tag', version], BUILD);
    build.set(build.i.istio_build, 1);
  }

  /** Nothing depends on expressions: there is nothing to evaluate. */
  get isPlain(): boolean {
    return this.#plan.expressions.length === 0;
  }

  /** Values of the expressions, for the labels and amounts of all metrics of one exchange. */
  evaluate(source: AttributeSource): readonly string[] {
    return this.#plan.expressions.map((expression) => textOf(expression.evaluate(source)));
  }

  /** An exchange is over. `grpcStatus`: of gRPC requests; undefined for all others. */
  countRequest(
    set: LabelSet,
    info: StreamInfo,
    grpcStatus: GrpcStatus | undefined,
    values: readonly string[] = NO_VALUES,
  ): void {
    const family = this.#http;
    // Flags, code, status (from -1) and kind of the request in one number below 2^53.
    const status = grpcStatus === undefined ? 0 : grpcStatus === null ? 1 : grpcStatus + 3;
    const number = (info.flags * 1024 + info.responseCode) * 32 + status;
    const key = family.isPlain ? number : `${number} ${values.join('\0')}`;
    const series = set.get(family, key) ?? this.#openRequest(set, key, info, grpcStatus, values);
    const { scopes } = series;
    const { places } = family;
    const total = places[0];
    if (total !== null && total !== undefined) (scopes[total.scope] as Scope).inc(total.cell);
    if (info.endMs > 0) record(scopes, places[1], Math.trunc(info.endMs - info.startMs));
    record(scopes, places[2], info.downstreamWireBytesReceived);
    record(scopes, places[3], info.downstreamWireBytesSent);
    if (this.#plan.custom.length > 0) this.#countCustom(values);
  }

  #openRequest(
    set: LabelSet,
    key: SeriesKey,
    info: StreamInfo,
    grpcStatus: GrpcStatus | undefined,
    values: readonly string[],
  ): Series {
    const labels = [
      'request_protocol', grpcStatus === undefined ? 'http' : 'grpc',
      'response_code', String(info.responseCode),
      'grpc_response_status', String(grpcStatus ?? ''),
      'response_flags', responseFlagsText(info.flags),
      'connection_security_policy', set.security,
    ]; // biome-ignore format: pairs.
    return set.open(this.#http, key, this.#store, labels, values);
  }

  /** Messages of a gRPC stream since the last call. */
  countMessages(set: LabelSet, requests: number, responses: number, values: readonly string[] = NO_VALUES): void {
    const family = this.#messages;
    const key = family.isPlain ? 0 : values.join('\0');
    const { scopes } = set.get(family, key) ?? set.open(family, key, this.#store, NO_VALUES, values);
    add(scopes, family.places[0], requests);
    add(scopes, family.places[1], responses);
  }

  /** What happened to a connection since the last call. `flags`: as they were when it was first counted. */
  countConnection(set: LabelSet, flags: number, change: ConnectionChange, values: readonly string[] = NO_VALUES): void {
    const family = this.#tcp;
    const key = family.isPlain ? flags : `${flags} ${values.join('\0')}`;
    const series = set.get(family, key) ?? this.#openConnection(set, key, flags, values);
    const { scopes } = series;
    const { places } = family;
    if (change.isOpened) add(scopes, places[0], 1);
    if (change.isClosed) add(scopes, places[1], 1);
    add(scopes, places[2], change.sentBytes);
    add(scopes, places[3], change.receivedBytes);
    if (change.isClosed && this.#plan.custom.length > 0) this.#countCustom(values);
  }

  #openConnection(set: LabelSet, key: SeriesKey, flags: number, values: readonly string[]): Series {
    const labels = [
      'request_protocol', 'tcp',
      'response_flags', responseFlagsText(flags, false, true),
      'connection_security_policy', set.security,
    ]; // biome-ignore format: pairs.
    return set.open(this.#tcp, key, this.#store, labels, values);
  }

  #countCustom(values: readonly string[]): void {
    const { custom } = this.#plan;
    const family = this.#custom;
    const key = values.join('\0');
    const { scopes } = this.#customSet.get(family, key) ?? this.#customSet.open(family, key, this.#store, [], values);
    for (let i = 0; i < custom.length; i++) {
      const { kind, value } = custom[i] as CustomMetric;
      const place = family.places[i];
      const amount = amountOf(values[value] ?? '');
      if (kind === 'histogram') record(scopes, place, amount);
      else if (kind === 'counter') add(scopes, place, amount);
      else if (place !== null && place !== undefined) (scopes[place.scope] as Scope).set(place.cell, amount);
    }
  }
}

export type ConnectionChange = {
  readonly isOpened: boolean;
  readonly isClosed: boolean;
  readonly sentBytes: number;
  readonly receivedBytes: number;
};

type Places = MetricFamily['places'];

function record(scopes: readonly Scope[], place: Places[number] | undefined, value: number): void {
  if (place !== null && place !== undefined) (scopes[place.scope] as Scope).record(place.cell, value);
}

function add(scopes: readonly Scope[], place: Places[number] | undefined, amount: number): void {
  if (place !== null && place !== undefined) (scopes[place.scope] as Scope).add(place.cell, amount);
}

/** Filters of equal configurations count together. */
const known = new WeakMap<StatStore, Map<string, Telemetry>>();
/** Configurations of one worker whose metrics are kept together; those beyond that count by themselves. */
const MAX_KNOWN = 256;

export function telemetryOf(store: StatStore, clock: Clock, node: LocalNode, config: PluginConfig): Telemetry {
  let ofStore = known.get(store);
  if (ofStore === undefined) {
    ofStore = new Map();
    known.set(store, ofStore);
  }
  const found = ofStore.get(config.key);
  if (found !== undefined) return found;
  const made = new Telemetry(store, clock, node, config);
  if (ofStore.size < MAX_KNOWN) ofStore.set(config.key, made);
  return made;
}
