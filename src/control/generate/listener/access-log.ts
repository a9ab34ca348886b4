// Access logs that the mesh or a Telemetry object asks for, in Istio's default formats.
import type { AccessLog, JsonObject } from '../../../proto/generated/types.d.ts';
import type { Mesh } from '../../model/mesh.ts';
import { typed } from './any.ts';

export type AccessLogSettings = {
  readonly path: string;
  readonly format: { readonly text: string } | { readonly json: JsonObject };
};

/** Istio's default line, which ends itself. */
const TEXT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% ' +
  '%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ' +
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ' +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" ' +
  '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

const JSON_FORMAT: JsonObject = {
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
};

/** What the mesh asks for, by `accessLogFile` or with the built-in provider 'envoy' as default; null without. */
export function meshAccessLog(mesh: Mesh): AccessLogSettings | null {
  if (mesh.accessLogFile !== '') return { path: mesh.accessLogFile, format: meshFormat(mesh) };
  return mesh.defaultProviders.accessLogging.includes('envoy') ? standardAccessLog(mesh) : null;
}

/** What the built-in provider 'envoy' writes: the standard output, in the mesh's format. */
export function standardAccessLog(mesh: Mesh): AccessLogSettings {
  return { path: '/dev/stdout', format: meshFormat(mesh) };
}

function meshFormat(mesh: Mesh): AccessLogSettings['format'] {
  if (mesh.accessLogEncoding !== 'JSON') {
    const text = mesh.accessLogFormat === '' ? TEXT_FORMAT : mesh.accessLogFormat;
    return { text: text.endsWith('\n') ? text : `${text}\n` };
  }
  return { json: jsonFormat(mesh.accessLogFormat) };
}

/** A format that is no JSON object is as good as none; the mesh's validation has said so. */
function jsonFormat(format: string): JsonObject {
  if (format === '') return JSON_FORMAT;
  try {
    const parsed: unknown = JSON.parse(format);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as JsonObject)
      : JSON_FORMAT;
  } catch {
    return JSON_FORMAT;
  }
}

/** The logs of connections and requests. */
export function accessLogs(settings: AccessLogSettings | null): AccessLog[] | undefined {
  return settings === null ? undefined : [fileLog(settings)];
}

/** A listener itself logs only what found no filter chain. */
export function listenerAccessLogs(settings: AccessLogSettings | null): AccessLog[] | undefined {
  if (settings === null) return undefined;
  return [{ ...fileLog(settings), filter: { response_flag_filter: { flags: ['NR'] } } }];
}

function fileLog({ path, format }: AccessLogSettings): AccessLog {
  const log_format =
    'text' in format ? { text_format_source: { inline_string: format.text } } : { json_format: format.json };
  return {
    name: 'envoy.access_loggers.file',
    typed_config: typed('envoy.extensions.access_loggers.file.v3.FileAccessLog', { path, log_format }),
  };
}
