// Decodes the access loggers that tell a service: http_grpc, tcp_grpc and open_telemetry.
import { encodeBinary } from '../../../proto/binary-encode.ts';
import type {
  CommonGrpcAccessLogConfig,
  GrpcService,
  HttpGrpcAccessLogConfig,
  HttpService,
  OpenTelemetryAccessLogConfig,
  Opentelemetry_KeyValue as KeyValue,
  TcpGrpcAccessLogConfig,
} from '../../../proto/generated/types.d.ts';
import type { MessageType } from '../../../proto/message-type.ts';
import { registry } from '../../../proto/registry.ts';
import { type HeaderKey, headerKey } from '../../../wire/header-names.ts';
import { decodeCallRetry, decodeGrpcService, GRPC_SERVICE_FIELDS } from '../../config/grpc-service.ts';
import { decodeHttpService, HTTP_SERVICE_FIELDS } from '../../config/http-service.ts';
import { GrpcClient } from '../../cluster/upstream-client/grpc-client.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import type { FormatContext } from '../../formatter/format-context.ts';
import { decodeFormatterExtensions } from '../../formatter/substitution-format.ts';
import { findFilterState } from '../../stream-info.ts';
import { packFilterState } from './common-properties.ts';
import { CUSTOM_TAG_FIELDS, decodeCustomTags } from './custom-tags.ts';
import { type HttpEntrySettings, httpEntry, tcpEntry } from './entries.ts';
import type { LogServices } from './log-services.ts';
import { encodeIdentifier, LogStream } from './log-stream.ts';
import { grpcSender, httpSender, OtelExport, type OtelSender } from './otel-export.ts';
import { textOf } from './utf8.ts';
import { compileOtelList, compileOtelValue } from './otel-format.ts';

const COMMON = 'envoy.extensions.access_loggers.grpc.v3.CommonGrpcAccessLogConfig';
export const HTTP_GRPC = 'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig';
export const TCP_GRPC = 'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig';
export const OPEN_TELEMETRY = 'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig';

/** Fields that take effect, per message. */
export const LOG_SERVICE_FIELDS = {
  [COMMON]: `
    log_name grpc_service buffer_flush_interval buffer_size_bytes filter_state_objects_to_log transport_api_version
    grpc_stream_retry_policy custom_tags`,
  [HTTP_GRPC]: `
    common_config additional_request_headers_to_log additional_response_headers_to_log
    additional_response_trailers_to_log`,
  [TCP_GRPC]: 'common_config',
  [OPEN_TELEMETRY]: `
    common_config body attributes resource_attributes disable_builtin_labels stat_prefix formatters http_service
    grpc_service log_name buffer_flush_interval buffer_size_bytes filter_state_objects_to_log custom_tags`,
  'opentelemetry.proto.common.v1.AnyValue': '*',
  'opentelemetry.proto.common.v1.ArrayValue': '*',
  'opentelemetry.proto.common.v1.KeyValue': 'key value',
  'opentelemetry.proto.common.v1.KeyValueList': '*',
  ...HTTP_SERVICE_FIELDS,
  ...GRPC_SERVICE_FIELDS,
  ...CUSTOM_TAG_FIELDS,
} as const;

/** Source: Envoy GrpcAccessLogger. */
const DEFAULT_FLUSH_MS = 1000;
const DEFAULT_BUFFER_BYTES = 16_384;
/** What a policy of the stream is for where it does not say so. */
const STREAM_RETRY_ON = 'connect-failure';
const GRPC_PREFIX = 'access_logs.grpc_access_log.';
const OTEL_PREFIX = 'access_logs.open_telemetry_access_log.';

/** Writes what is known of one exchange. */
export type ServiceLogger = { log(ctx: FormatContext): void };

/** Null when nothing can be made of the message, or where no service is to be called (`services` null). */
export function decodeServiceLogger(
  type: string,
  message: object,
  services: LogServices | null,
  d: ConfigDecoder,
): ServiceLogger | null {
  if (type === OPEN_TELEMETRY) return decodeOtel(message as OpenTelemetryAccessLogConfig, services, d);
  return type === HTTP_GRPC
    ? decodeHttp(message as HttpGrpcAccessLogConfig, services, d)
    : decodeTcp(message as TcpGrpcAccessLogConfig, services, d);
}

function decodeHttp(
  message: HttpGrpcAccessLogConfig,
  services: LogServices | null,
  d: ConfigDecoder,
): ServiceLogger | null {
  const common = message.common_config ?? {};
  const stream = decodeStream(common, 'http', services, d.at('common_config'));
  const keys = (names: readonly string[] | undefined): HeaderKey[] => (names ?? []).map(headerKey);
  const settings: HttpEntrySettings = {
    ...decodeEntrySettings(common, d.at('common_config')),
    requestHeaders: keys(message.additional_request_headers_to_log),
    responseHeaders: keys(message.additional_response_headers_to_log),
    responseTrailers: keys(message.additional_response_trailers_to_log),
  };
  return stream === null ? null : { log: (ctx) => stream.log(httpEntry(ctx, settings)) };
}

function decodeTcp(
  message: TcpGrpcAccessLogConfig,
  services: LogServices | null,
  d: ConfigDecoder,
): ServiceLogger | null {
  const common = message.common_config ?? {};
  const stream = decodeStream(common, 'tcp', services, d.at('common_config'));
  const settings = decodeEntrySettings(common, d.at('common_config'));
  return stream === null ? null : { log: (ctx) => stream.log(tcpEntry(ctx, settings)) };
}

function decodeEntrySettings(common: CommonGrpcAccessLogConfig, d: ConfigDecoder) {
  return {
    filterStateKeys: common.filter_state_objects_to_log ?? [],
    customTags: decodeCustomTags(common.custom_tags ?? [], d, 'custom_tags'),
  };
}

function decodeStream(
  common: CommonGrpcAccessLogConfig,
  kind: 'http' | 'tcp',
  services: LogServices | null,
  d: ConfigDecoder,
): LogStream | null {
  const target = decodeGrpcService(common.grpc_service ?? {}, d.at('grpc_service'));
  const retry = common.grpc_stream_retry_policy;
  const policy = retry === undefined ? null : decodeCallRetry(retry, STREAM_RETRY_ON, d.at('grpc_stream_retry_policy'));
  // Source: Envoy Config::Utility::checkTransportVersion.
  if (common.transport_api_version === 'V2') d.reject('transport_api_version', 'V2 is no longer supported');
  if (target === null || services === null) return null;
  return services.share(keyOf(kind, COMMON, common), () => {
    const settings = {
      flushMs: d.durationMs(common.buffer_flush_interval, DEFAULT_FLUSH_MS),
      bufferBytes: common.buffer_size_bytes ?? DEFAULT_BUFFER_BYTES,
      retry: policy,
      identifier: encodeIdentifier(services.local.node, common.log_name ?? ''),
    };
    const client = new GrpcClient(services.http, target);
    return new LogStream(client, kind, settings, services.scope(GRPC_PREFIX));
  });
}

/** Equal messages have equal keys. */
function keyOf(kind: string, type: string, message: object): string {
  const bytes = encodeBinary(registry.message(type) as MessageType<unknown>, message);
  return `${kind} ${Buffer.from(bytes).toString('latin1')}`;
}

// ─── OpenTelemetry ──────────────────────────────────────────────────────────────────────────────────────────────────

const LOG_RECORD = 'opentelemetry.proto.logs.v1.LogRecord';

function decodeOtel(
  message: OpenTelemetryAccessLogConfig,
  services: LogServices | null,
  d: ConfigDecoder,
): ServiceLogger | null {
  const options = { commands: decodeFormatterExtensions(message.formatters ?? [], d) };
  const body =
    message.body === undefined || Object.keys(message.body).length === 0
      ? null
      : compileOtelValue(message.body, d.at('body'), options);
  const attributes = compileOtelList(message.attributes ?? {}, d.at('attributes'), options);
  const tags = decodeCustomTags(message.custom_tags ?? [], d, 'custom_tags');
  const keys = message.filter_state_objects_to_log ?? [];
  const common = message.common_config;
  const sender = decodeSender(message, services, d);
  if (sender === null || services === null) return null;
  const target = services.share(keyOf('otel', OPEN_TELEMETRY, message), () => {
    const settings = {
      // Of the two places Envoy 1.40 looks into one: common_config for gRPC, the other for HTTP.
      flushMs: d.durationMs(message.buffer_flush_interval ?? common?.buffer_flush_interval, DEFAULT_FLUSH_MS),
      bufferBytes: message.buffer_size_bytes ?? common?.buffer_size_bytes ?? DEFAULT_BUFFER_BYTES,
      resource: resourceOf(message, services),
    };
    const prefix = `${OTEL_PREFIX}${message.stat_prefix ?? ''}`;
    const scope = message.http_service === undefined ? services.scope(prefix) : services.httpScope(prefix);
    return new OtelExport(services.http, sender, settings, scope);
  });
  const type = registry.message(LOG_RECORD) as MessageType<unknown>;
  return {
    log(ctx) {
      const values = attributes(ctx);
      addFilterState(values, ctx, keys);
      for (const { tag, value } of tags) {
        const text = value(ctx);
        if (text !== '') values.push({ key: tag, value: { string_value: text } });
      }
      const { traceId, spanId, startWallMs } = ctx.info;
      target.log(
        encodeBinary(type, {
          // As Envoy's clock: microseconds.
          time_unix_nano: BigInt(Math.floor(startWallMs * 1000)) * 1000n,
          ...(body === null ? {} : { body: body(ctx) }),
          attributes: values,
          trace_id: hexBytes(traceId, 32),
          span_id: hexBytes(spanId, 16),
        }),
      );
    },
  };
}

/** Shorter ids are of 64 bits and get zeros in front. Source: Envoy populateTraceContext. */
function hexBytes(hex: string, digits: number): Uint8Array {
  return hex === '' || hex.length > digits ? new Uint8Array(0) : Buffer.from(hex.padStart(digits, '0'), 'hex');
}

function addFilterState(values: KeyValue[], { info }: FormatContext, keys: readonly string[]): void {
  for (const key of keys) {
    const object = findFilterState(info, key);
    if (object === undefined || packFilterState(object) === null) continue;
    const { typed } = object;
    // 64-bit numbers are texts in protobuf's JSON.
    const json = typeof typed === 'string' ? textOf(typed) : typed;
    values.push({ key, value: { string_value: JSON.stringify(json) } });
  }
}

/** Source: Envoy initOtlpMessageRoot: the configuration's own come last and replace those of the same name. */
function resourceOf(message: OpenTelemetryAccessLogConfig, { local }: LogServices): KeyValue[] {
  const attributes = new Map<string, KeyValue>();
  const add = (key: string, text: string): void => void attributes.set(key, { key, value: { string_value: text } });
  if (message.disable_builtin_labels !== true) {
    add('log_name', message.log_name || (message.common_config?.log_name ?? ''));
    add('zone_name', local.zoneName);
    add('cluster_name', local.clusterName);
    add('node_name', local.nodeName);
  }
  for (const one of message.resource_attributes?.values ?? []) attributes.set(one.key ?? '', one);
  return [...attributes.values()];
}

/** Over gRPC or HTTP; null after rejecting. */
function decodeSender(
  message: OpenTelemetryAccessLogConfig,
  services: LogServices | null,
  d: ConfigDecoder,
): OtelSender | null {
  const { http_service: http, grpc_service: grpc, common_config: common } = message;
  // Source: Envoy's AccessLogFactory of open_telemetry.
  const given = [http, grpc, common?.grpc_service].filter((service) => service !== undefined);
  if (given.length === 0) {
    d.reject('', 'one of grpc_service, http_service and common_config.grpc_service is required');
    return null;
  }
  if (given.length > 1) {
    d.reject('', 'only one of grpc_service, http_service and common_config.grpc_service may be set');
    return null;
  }
  if (http !== undefined) return decodeHttpSender(http, services, d.at('http_service'));
  const at = grpc === undefined ? d.at('common_config').at('grpc_service') : d.at('grpc_service');
  const target = decodeGrpcService((grpc ?? common?.grpc_service) as GrpcService, at);
  const retry = common?.grpc_stream_retry_policy;
  const policy =
    retry === undefined
      ? null
      : decodeCallRetry(retry, STREAM_RETRY_ON, d.at('common_config').at('grpc_stream_retry_policy'));
  return target === null || services === null ? null : grpcSender(new GrpcClient(services.http, target), policy);
}

function decodeHttpSender(message: HttpService, services: LogServices | null, d: ConfigDecoder): OtelSender | null {
  const target = decodeHttpService(message, d);
  if (target === null || services === null) return null;
  return httpSender(services.http, target, `OTel-OTLP-Exporter-Heddle/${services.local.version}`);
}
