// Decodes access loggers.
import type { AccessLogFiles } from '../../telemetry/access-log-file.ts';
import type { AccessLog as AccessLogPb, FileAccessLog } from '../../proto/generated/types.d.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import type { Formatter } from '../formatter/formatter.ts';
import { compileJsonFormat } from '../formatter/json-formatter.ts';
import { decodeSubstitutionFormat, SUBSTITUTION_FORMAT_FIELDS } from '../formatter/substitution-format.ts';
import { compileFormat, DEFAULT_ACCESS_LOG_FORMAT } from '../formatter/text-formatter.ts';
import { AccessLog, FileSink } from './access-log.ts';
import { ACCESS_LOG_FILTER_FIELDS, decodeAccessLogFilter } from './filters.ts';
import {
  decodeServiceLogger,
  HTTP_GRPC,
  LOG_SERVICE_FIELDS,
  OPEN_TELEMETRY,
  TCP_GRPC,
} from './service/decode-service.ts';
import type { LogServices } from './service/log-services.ts';

/** Fields that take effect, per message. */
export const ACCESS_LOG_FIELDS: Readonly<Record<string, string>> = {
  'envoy.config.accesslog.v3.AccessLog': 'name filter typed_config',
  'envoy.extensions.access_loggers.file.v3.FileAccessLog': 'path format json_format typed_json_format log_format',
  'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog': 'log_format',
  'envoy.extensions.access_loggers.stream.v3.StderrAccessLog': 'log_format',
  ...SUBSTITUTION_FORMAT_FIELDS,
  ...ACCESS_LOG_FILTER_FIELDS,
  ...LOG_SERVICE_FIELDS,
};

/** What decoding needs of its environment; without files (validation of a part) nothing is opened. */
export type AccessLogEnvironment = {
  readonly accessLogFiles?: AccessLogFiles;
  /** As the files: absent where nothing may be called. */
  readonly logServices?: LogServices;
};

const FILE = 'envoy.extensions.access_loggers.file.v3.FileAccessLog';
const STDOUT = 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog';
const STDERR = 'envoy.extensions.access_loggers.stream.v3.StderrAccessLog';

/** Decodes a list of access loggers; `d` is at the list. */
export function decodeAccessLogs(messages: readonly AccessLogPb[], d: ConfigDecoder): AccessLog[] {
  const logs: AccessLog[] = [];
  messages.forEach((message, i) => {
    const log = decodeAccessLog(message, new ConfigDecoder(d.environment, `${d.path}[${i}]`, d.reasons));
    if (log !== null) logs.push(log);
  });
  return logs;
}

function decodeAccessLog(message: AccessLogPb, d: ConfigDecoder): AccessLog | null {
  const filter = message.filter === undefined ? null : decodeAccessLogFilter(message.filter, d.at('filter'));
  const at = d.at('typed_config');
  if (message.typed_config === undefined) {
    d.reject('typed_config', 'is missing');
    return null;
  }
  const config = d.environment.unpack(message.typed_config, at);
  if (config === null) return null;
  const { type } = config;
  if (type === HTTP_GRPC || type === TCP_GRPC || type === OPEN_TELEMETRY) {
    const services = (d.environment as AccessLogEnvironment).logServices ?? null;
    const sink = decodeServiceLogger(type, config.message, services, at);
    return sink === null ? null : new AccessLog(filter, sink);
  }
  if (type !== FILE && type !== STDOUT && type !== STDERR) {
    at.reject('', `access logger ${type} is not supported yet`);
    return null;
  }
  const file = config.message as FileAccessLog;
  const formatter = decodeFormat(file, at);
  const path = type === FILE ? (file.path ?? '') : type === STDOUT ? '/dev/stdout' : '/dev/stderr';
  const { accessLogFiles } = d.environment as AccessLogEnvironment;
  if (formatter === null || accessLogFiles === undefined) return null;
  const opened = accessLogFiles.open(path);
  if (typeof opened !== 'string') return new AccessLog(filter, new FileSink(formatter, opened));
  at.reject('path', opened);
  return null;
}

function decodeFormat(message: FileAccessLog, d: ConfigDecoder): Formatter | null {
  if (message.log_format !== undefined) {
    return decodeSubstitutionFormat(message.log_format, d.at('log_format'));
  }
  if (message.json_format !== undefined) return compileJsonFormat(message.json_format, d.at('json_format'));
  if (message.typed_json_format !== undefined) {
    return compileJsonFormat(message.typed_json_format, d.at('typed_json_format'));
  }
  const text = message.format === undefined || message.format === '' ? DEFAULT_ACCESS_LOG_FORMAT : message.format;
  return compileFormat(text, d.at('format'));
}
