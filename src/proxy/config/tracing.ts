// Decodes `tracing` of connection managers and routes: what is sampled. Spans are sent nowhere.
import { unpackAny } from '../../proto/any.ts';
import type { HttpConnectionManager, Percent } from '../../proto/generated/types.d.ts';
import { Report } from '../../proto/report.ts';
import { validateRules } from '../../proto/rules.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { FractionalPercent } from '../http/filter.ts';
import type { TracingConfig } from '../http/tracing.ts';
import type { RouteTracing } from '../route/route.ts';
import type { FractionalPercentPb } from './matcher.ts';
import type { RouteTracingPb } from './route-messages.ts';

const MANAGER = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

export const TRACING_FIELDS = {
  [`${MANAGER}.Tracing`]: 'client_sampling random_sampling overall_sampling provider',
  // Inert: what it says is about spans.
  'envoy.config.trace.v3.Tracing.Http': '**',
  'envoy.type.v3.Percent': 'value',
  'envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig': 'pack_trace_reason use_request_id_for_trace_sampling',
};

const ALL: FractionalPercent = Object.freeze({ numerator: 100, denominator: 100 });

type UuidPb = { pack_trace_reason?: boolean; use_request_id_for_trace_sampling?: boolean };

/** Null: nothing is decided, counted or marked. Source: Envoy HttpConnectionManagerConfig. */
export function decodeTracing(message: HttpConnectionManager, d: ConfigDecoder): TracingConfig | null {
  const { tracing, request_id_extension: extension } = message;
  if (tracing === undefined) return null;
  const any = extension?.typed_config;
  const id = any === undefined ? null : d.environment.unpack(any, d.at('request_id_extension').at('typed_config'));
  const uuid = (id?.message ?? {}) as UuidPb;
  return {
    client:
      tracing.client_sampling === undefined
        ? ALL
        : { numerator: Math.trunc(tracing.client_sampling.value ?? 0), denominator: 100 },
    random: precise(tracing.random_sampling),
    overall: precise(tracing.overall_sampling),
    goesByRequestId: uuid.use_request_id_for_trace_sampling ?? true,
    marksRequestId: uuid.pack_trace_reason ?? true,
  };
}

/**
 * What the tracer is called that would get the spans, '' for none: there is none of any kind here, so that those that
 * Envoy does not know are as good as others. What cannot be read, or breaks its rules, is refused.
 */
export function decodeTracer({ tracing }: HttpConnectionManager, d: ConfigDecoder): string {
  const provider = tracing?.provider;
  if (provider === undefined) return '';
  const { name = '', typed_config: any } = provider;
  if (any !== undefined) {
    const report = new Report();
    const unpacked = unpackAny(any, report);
    if (unpacked !== undefined) validateRules(unpacked.type, unpacked.message, report, unpacked.subPath);
    const da = d.at('tracing').at('provider').at('typed_config');
    for (const { kind, path, reason } of report.problems) {
      if (kind !== 'unknown-type' && kind !== 'unknown-field') da.reject(path, reason);
    }
  }
  return name;
}

function precise(percent: Percent | undefined): FractionalPercent {
  return percent === undefined ? ALL : { numerator: Math.round((percent.value ?? 0) * 100), denominator: 10_000 };
}

export function decodeRouteTracing(message: RouteTracingPb | undefined, d: ConfigDecoder): RouteTracing | null {
  if (message === undefined) return null;
  const fraction = (value: FractionalPercentPb | undefined): FractionalPercent =>
    value === undefined ? ALL : d.fraction(value);
  return {
    client: fraction(message.client_sampling),
    random: fraction(message.random_sampling),
    overall: fraction(message.overall_sampling),
  };
}
