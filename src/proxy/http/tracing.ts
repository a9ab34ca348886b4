// What tracing decides of a request although nothing is sent anywhere: whether it is sampled, which its id remembers,
// and the name of its operation, which the next proxy is told.
import { H } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ScopeOf } from '../../telemetry/metrics.ts';
import type { Random } from '../../base/clock.ts';
import type { Route, RouteTracing } from '../route/route.ts';
import type { ConnectionInfo, StreamInfo, TraceReason } from '../stream-info.ts';
import type { Runtime } from './filter.ts';
import type { TRACING_STATS } from './stats.ts';

export type TracingScope = ScopeOf<typeof TRACING_STATS>;

export type TracingConfig = RouteTracing & {
  /** use_request_id_for_trace_sampling: else everything is sampled. */
  readonly goesByRequestId: boolean;
  /** pack_trace_reason */
  readonly marksRequestId: boolean;
};

/** Position of the digit of a UUID that says why it is traced, and how. Source: Envoy UUIDRequestIDExtension. */
const REASON_DIGIT = 14;
const UUID_LENGTH = 36;
const DIGITS: Readonly<Record<TraceReason, string>> = { none: '4', sampled: '9', forced: 'a', client: 'b' };
const REASONS: Readonly<Record<string, TraceReason>> = { '9': 'sampled', a: 'forced', b: 'client' };

/** Source: Envoy ConnectionManagerUtility::mutateTracingRequestHeader. */
export function decideTracing(
  headers: Headers,
  config: TracingConfig,
  route: Route | null,
  runtime: Runtime,
  random: Random,
): TraceReason {
  if (!config.goesByRequestId) return 'sampled';
  const id = headers.get(H['x-request-id']) ?? '';
  const draw = drawOf(id);
  if (draw < 0) return 'none';
  const fromId = { below: (limit: number): number => draw % limit };
  const sampling = route?.tracing ?? config;
  let reason: TraceReason = config.marksRequestId ? reasonOf(id) : 'none';
  let isNew = false;
  if (reason === 'none') {
    const isClients = headers.mayHave(H['x-client-trace-id']) && headers.has(H['x-client-trace-id']);
    if (isClients && runtime.featureEnabled('tracing.client_enabled', sampling.client, random)) reason = 'client';
    else if (headers.has(H['x-envoy-force-trace'])) reason = 'forced';
    else if (runtime.featureEnabled('tracing.random_sampling', sampling.random, fromId)) reason = 'sampled';
    isNew = reason !== 'none';
  }
  if (reason !== 'none' && !runtime.featureEnabled('tracing.global_enabled', sampling.overall, fromId)) {
    reason = 'none';
    isNew = true;
  }
  if (isNew && config.marksRequestId && id.length === UUID_LENGTH) {
    headers.set(H['x-request-id'], id.slice(0, REASON_DIGIT) + DIGITS[reason] + id.slice(REASON_DIGIT + 1));
  }
  return reason;
}

/** The first 32 bits of the id, modulo 10,000; -1 when it does not begin with hexadecimal digits. */
function drawOf(id: string): number {
  const head = id.slice(0, 8);
  return /^[0-9a-fA-F]{8}$/.test(head) ? Number.parseInt(head, 16) % 10_000 : -1;
}

function reasonOf(id: string): TraceReason {
  if (id.length !== UUID_LENGTH) return 'none';
  return REASONS[id[REASON_DIGIT] as string] ?? 'none';
}

export function countTracing(info: StreamInfo, stats: TracingScope): void {
  const { i } = stats;
  if (info.traceReason === 'sampled') stats.inc(i.random_sampling);
  else if (info.traceReason === 'client') stats.inc(i.client_enabled);
  else if (info.traceReason === 'forced') stats.inc(i.service_forced);
  else stats.inc(i.not_traceable);
}

/**
 * The name of the operation for the answer, '' for none. Outbound the name goes along with the request; inbound it goes
 * back with the answer, unless the request brought one. Source: Envoy ActiveStream::traceRequest.
 */
export function decorateRequest(headers: Headers, route: Route | null, connection: ConnectionInfo): string {
  const decorator = route?.decorator ?? null;
  const operation = decorator?.propagate === true ? decorator.operation : '';
  const name = H['x-envoy-decorator-operation'];
  if (connection.trafficDirection === 'OUTBOUND') {
    if (operation !== '') headers.set(name, operation);
    return '';
  }
  const given = headers.mayHave(name) ? headers.get(name) : undefined;
  if (given === undefined) return operation;
  headers.remove(name);
  return given === '' ? operation : '';
}

/** The same for the answer. */
export function decorateResponse(headers: Headers, operation: string, connection: ConnectionInfo): void {
  const name = H['x-envoy-decorator-operation'];
  if (operation !== '') headers.set(name, operation);
  else if (connection.trafficDirection === 'OUTBOUND' && headers.mayHave(name)) headers.remove(name);
}
