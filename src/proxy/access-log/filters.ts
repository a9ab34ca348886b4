// Access-log filters: which exchanges a logger takes.
import type {
  AccessLogFilter as AccessLogFilterPb,
  ComparisonFilter,
  ExtensionFilter,
  GrpcStatusFilter,
  MetadataFilter,
  RuntimeFilter,
} from '../../proto/generated/types.d.ts';
import { Random } from '../../base/clock.ts';
import {
  decodeHeaderMatcher,
  decodeMetadataMatcher,
  type FractionalPercentPb,
  type HeaderMatcherPb,
} from '../config/matcher.ts';
import { Headers } from '../../wire/headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import { grpcStatus } from '../formatter/header-commands.ts';
import { formatEnvironment } from '../formatter/operator.ts';
import type { Runtime } from '../http/filter.ts';
import { CEL_CONFIG_FIELDS } from '../cel/dialect.ts';
import { decodeExpressionFilter, EXPRESSION_FILTER } from './expression-filter.ts';
import { RESPONSE_FLAGS } from '../stream-info.ts';

export type AccessLogFilter = { matches(ctx: FormatContext): boolean };

/** Fields that take effect, per message. */
export const ACCESS_LOG_FILTER_FIELDS: Readonly<Record<string, string>> = {
  'envoy.config.accesslog.v3.AccessLogFilter':
    'status_code_filter duration_filter not_health_check_filter traceable_filter runtime_filter and_filter ' +
    'or_filter header_filter response_flag_filter grpc_status_filter metadata_filter log_type_filter ' +
    'extension_filter',
  'envoy.config.accesslog.v3.StatusCodeFilter': 'comparison',
  'envoy.config.accesslog.v3.DurationFilter': 'comparison',
  'envoy.config.accesslog.v3.ComparisonFilter': 'op value',
  'envoy.config.core.v3.RuntimeUInt32': 'default_value runtime_key',
  'envoy.config.accesslog.v3.NotHealthCheckFilter': '',
  'envoy.config.accesslog.v3.TraceableFilter': '',
  'envoy.config.accesslog.v3.RuntimeFilter': 'runtime_key percent_sampled use_independent_randomness',
  'envoy.config.accesslog.v3.AndFilter': 'filters',
  'envoy.config.accesslog.v3.OrFilter': 'filters',
  'envoy.config.accesslog.v3.HeaderFilter': 'header',
  'envoy.config.accesslog.v3.ResponseFlagFilter': 'flags',
  'envoy.config.accesslog.v3.GrpcStatusFilter': 'statuses exclude',
  'envoy.config.accesslog.v3.MetadataFilter': 'matcher match_if_key_not_found',
  'envoy.config.accesslog.v3.LogTypeFilter': 'types exclude',
  'envoy.config.accesslog.v3.ExtensionFilter': 'name typed_config',
  [EXPRESSION_FILTER]: 'expression cel_config',
  ...CEL_CONFIG_FIELDS,
};

/** What filters need of the decoder's environment. */
export type FilterEnvironment = { readonly runtime?: Runtime; readonly random?: Random };

const OPS = ['EQ', 'GE', 'LE', 'NE'];
const GRPC_STATUSES = [
  'OK', 'CANCELED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS',
  'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED',
  'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED',
]; // biome-ignore format: a table.
const LOG_TYPES = [
  'NotSet', 'TcpUpstreamConnected', 'TcpPeriodic', 'TcpConnectionEnd', 'DownstreamStart', 'DownstreamPeriodic',
  'DownstreamEnd', 'UpstreamPoolReady', 'UpstreamPeriodic', 'UpstreamEnd', 'DownstreamTunnelSuccessfullyEstablished',
  'UdpTunnelUpstreamConnected', 'UdpPeriodic', 'UdpSessionEnd', 'TcpConnectionStart',
]; // biome-ignore format: a table.

/** A connection without HTTP has none, and a filter may ask for that. */
const NO_HEADERS = new Headers();

/** A filter that takes nothing; stands where decoding failed. */
const NOTHING: AccessLogFilter = { matches: () => false };

export function decodeAccessLogFilter(message: AccessLogFilterPb, d: ConfigDecoder): AccessLogFilter {
  if (message.status_code_filter !== undefined) {
    const at = d.at('status_code_filter').at('comparison');
    const holds = decodeComparison(message.status_code_filter.comparison, at);
    return { matches: (ctx) => holds(ctx.info.responseCode) };
  }
  if (message.duration_filter !== undefined) {
    const holds = decodeComparison(message.duration_filter.comparison, d.at('duration_filter').at('comparison'));
    const { clock } = formatEnvironment(d);
    const durationMs = ({ info }: FormatContext): number =>
      Math.trunc((info.endMs === 0 ? clock.nowMs : info.endMs) - info.startMs);
    return { matches: (ctx) => holds(durationMs(ctx)) };
  }
  if (message.not_health_check_filter !== undefined) return { matches: (ctx) => !ctx.info.isHealthCheck };
  if (message.traceable_filter !== undefined) {
    return { matches: (ctx) => ctx.info.traceReason === 'forced' && !ctx.info.isHealthCheck };
  }
  if (message.runtime_filter !== undefined) return decodeRuntimeFilter(message.runtime_filter, d.at('runtime_filter'));
  if (message.and_filter !== undefined) {
    const all = decodeList(message.and_filter.filters, d.at('and_filter'));
    return { matches: (ctx) => all.every((filter) => filter.matches(ctx)) };
  }
  if (message.or_filter !== undefined) {
    const any = decodeList(message.or_filter.filters, d.at('or_filter'));
    return { matches: (ctx) => any.some((filter) => filter.matches(ctx)) };
  }
  if (message.header_filter !== undefined) {
    const header = (message.header_filter.header ?? {}) as HeaderMatcherPb;
    const matcher = decodeHeaderMatcher(header, d.at('header_filter').at('header'));
    return { matches: (ctx) => matcher.matches(ctx.requestHeaders ?? NO_HEADERS) };
  }
  return decodeOtherFilter(message, d);
}

function decodeOtherFilter(message: AccessLogFilterPb, d: ConfigDecoder): AccessLogFilter {
  if (message.response_flag_filter !== undefined) {
    const mask = decodeFlags(message.response_flag_filter.flags ?? [], d.at('response_flag_filter'));
    return { matches: (ctx) => (mask === 0 ? ctx.info.flags !== 0 : (ctx.info.flags & mask) !== 0) };
  }
  if (message.grpc_status_filter !== undefined) return decodeGrpcStatusFilter(message.grpc_status_filter);
  if (message.metadata_filter !== undefined) {
    return decodeMetadataFilter(message.metadata_filter, d.at('metadata_filter'));
  }
  if (message.log_type_filter !== undefined) {
    const { types = [], exclude = false } = message.log_type_filter;
    const names = new Set(types.map((type) => (typeof type === 'number' ? LOG_TYPES[type] : type)));
    return { matches: (ctx) => names.has(ctx.accessLogType) !== exclude };
  }
  const { extension_filter: extension } = message;
  if (extension !== undefined) return decodeExtension(extension, d.at('extension_filter'));
  d.reject('', 'no filter is set');
  return NOTHING;
}

function decodeExtension({ name = '', typed_config }: ExtensionFilter, d: ConfigDecoder): AccessLogFilter {
  const at = d.at('typed_config');
  const unpacked = typed_config === undefined ? null : d.environment.unpack(typed_config, at);
  if (unpacked?.type !== EXPRESSION_FILTER) {
    if (typed_config === undefined || unpacked !== null) {
      d.reject('', `access-log filter '${name}' is not supported yet`);
    }
    return NOTHING;
  }
  const matches = decodeExpressionFilter(unpacked.message, at);
  return matches === null ? NOTHING : { matches };
}

function decodeList(messages: readonly AccessLogFilterPb[] | undefined, d: ConfigDecoder): AccessLogFilter[] {
  return (messages ?? []).map((message, i) => decodeAccessLogFilter(message, d.at('filters', i)));
}

function decodeComparison(message: ComparisonFilter | undefined, d: ConfigDecoder): (value: number) => boolean {
  const op = typeof message?.op === 'number' ? OPS[message.op] : (message?.op ?? 'EQ');
  const { default_value: fallback = 0, runtime_key: key = '' } = message?.value ?? {};
  const { runtime } = d.environment as FilterEnvironment;
  const limit = (): number => (runtime === undefined ? fallback : runtime.number(key, fallback));
  if (op === 'EQ') return (value) => value === limit();
  if (op === 'GE') return (value) => value >= limit();
  if (op === 'LE') return (value) => value <= limit();
  if (op === 'NE') return (value) => value !== limit();
  d.reject('op', `unknown comparison ${String(message?.op)}`);
  return () => false;
}

/** Draws by the request's id, so that all proxies on its way decide alike; or independently. */
function decodeRuntimeFilter(message: RuntimeFilter, d: ConfigDecoder): AccessLogFilter {
  const key = message.runtime_key ?? '';
  const { runtime, random = new Random() } = d.environment as FilterEnvironment;
  const fraction =
    message.percent_sampled === undefined ? null : d.fraction(message.percent_sampled as FractionalPercentPb);
  // Without a default only the runtime key can say how many are taken.
  const sampled = fraction ?? ({ numerator: runtime?.number(key, 0) ?? 0, denominator: 100 } as const);
  const independent = message.use_independent_randomness === true;
  return {
    matches(ctx) {
      const id = independent ? Number.NaN : Number.parseInt(ctx.info.requestId.slice(0, 8), 16);
      const draw = Number.isNaN(id) ? random : (new FixedDraw(id) as unknown as Random);
      if (runtime !== undefined) return runtime.featureEnabled(key, sampled, draw);
      return draw.below(sampled.denominator) < sampled.numerator;
    },
  };
}

/** Stands for a random generator where the draw is known. */
class FixedDraw {
  readonly #value: number;

  constructor(value: number) {
    this.#value = value;
  }

  uint32(): number {
    return this.#value;
  }

  below(limit: number): number {
    return this.#value % limit;
  }
}

function decodeFlags(flags: readonly string[], d: ConfigDecoder): number {
  let mask = 0;
  flags.forEach((name, i) => {
    const bit = RESPONSE_FLAGS.findIndex(([short]) => short === name);
    if (bit >= 0) mask |= 1 << bit;
    else d.at('flags', i).reject('', `unknown response flag '${name}'`);
  });
  return mask;
}

function decodeGrpcStatusFilter(message: GrpcStatusFilter): AccessLogFilter {
  const codes = new Set(
    (message.statuses ?? []).map((status) => (typeof status === 'number' ? status : GRPC_STATUSES.indexOf(status))),
  );
  const exclude = message.exclude === true;
  return {
    // What is no gRPC counts by what its HTTP status would be.
    matches: (ctx) => codes.has(grpcStatus(ctx, true) ?? 2) !== exclude,
  };
}

function decodeMetadataFilter(message: MetadataFilter, d: ConfigDecoder): AccessLogFilter {
  const ifMissing = message.match_if_key_not_found ?? true;
  // Without a matcher there is no key that could be found.
  if (message.matcher === undefined) return { matches: () => ifMissing };
  const matcherPb = message.matcher;
  // Envoy looks at the value alone, and not whether the matcher is inverted.
  const matcher = decodeMetadataMatcher({ ...matcherPb, invert: false } as never, d.at('matcher'));
  const path = (matcherPb.path ?? []).map((segment) => segment.key ?? '');
  return {
    matches({ info }) {
      let value: unknown = info.dynamicMetadata?.get(matcherPb.filter ?? '');
      for (const key of path) value = (value as Record<string, unknown> | null | undefined)?.[key];
      return value === undefined ? ifMissing : matcher.matches(info.dynamicMetadata);
    },
  };
}
