// Decodes access loggers and substitution formats.
import { readFileSync } from 'node:fs';
import type { AccessLogFiles } from '../../telemetry/access-log-file.ts';
import type {
  AccessLog as AccessLogPb,
  FileAccessLog,
  SubstitutionFormatString,
} from '../../proto/generated/types.d.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import type { Formatter } from '../formatter/formatter.ts';
import { compileJsonFormat } from '../formatter/json-formatter.ts';
import type { FormatOptions } from '../formatter/parse-format.ts';
import { compileFormat, DEFAULT_ACCESS_LOG_FORMAT } from '../formatter/text-formatter.ts';
import { AccessLog } from './access-log.ts';
import { ACCESS_LOG_FILTER_FIELDS, decodeAccessLogFilter } from './filters.ts';

/** Fields that take effect, per message. */
export const ACCESS_LOG_FIELDS: Readonly<Record<string, string>> = {
  'envoy.config.accesslog.v3.AccessLog': 'name filter typed_config',
  'envoy.extensions.access_loggers.file.v3.FileAccessLog': 'path format json_format typed_json_format log_format',
  'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog': 'log_format',
  'envoy.extensions.access_loggers.stream.v3.StderrAccessLog': 'log_format',
  'envoy.config.core.v3.SubstitutionFormatString':
    'text_format text_format_source json_format omit_empty_values content_type formatters json_format_options',
  'envoy.config.core.v3.JsonFormatOptions': 'sort_properties',
  'envoy.config.core.v3.DataSource': 'filename inline_bytes inline_string environment_variable',
  'envoy.config.core.v3.TypedExtensionConfig': 'name typed_config',
  'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery': '',
  'envoy.extensions.formatter.metadata.v3.Metadata': '',
  ...ACCESS_LOG_FILTER_FIELDS,
};

/** What decoding needs of its environment; without files (validation of a part) nothing is opened. */
export type AccessLogEnvironment = {
  readonly accessLogFiles?: AccessLogFiles;
  readonly variables?: Readonly<Record<string, string | undefined>>;
};

const FILE = 'envoy.extensions.access_loggers.file.v3.FileAccessLog';
const STDOUT = 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog';
const STDERR = 'envoy.extensions.access_loggers.stream.v3.StderrAccessLog';
const REQ_WITHOUT_QUERY = 'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery';
const METADATA = 'envoy.extensions.formatter.metadata.v3.Metadata';

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
  if (typeof opened !== 'string') return new AccessLog(filter, formatter, opened);
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

/** Compiles a SubstitutionFormatString; null after rejecting. `content_type` is the caller's. */
export function decodeSubstitutionFormat(message: SubstitutionFormatString, d: ConfigDecoder): Formatter | null {
  const options: FormatOptions = {
    omitEmptyValues: message.omit_empty_values === true,
    extensions: decodeExtensions(message, d),
  };
  if (message.json_format !== undefined) return compileJsonFormat(message.json_format, d.at('json_format'), options);
  if (message.text_format !== undefined) return compileFormat(message.text_format, d.at('text_format'), options);
  if (message.text_format_source === undefined) {
    d.reject('', 'no format is set');
    return null;
  }
  const at = d.at('text_format_source');
  const text = readSource(message.text_format_source, at);
  return text === null ? null : compileFormat(text, at, options);
}

function decodeExtensions(message: SubstitutionFormatString, d: ConfigDecoder): ReadonlySet<string> {
  const names = new Set<string>();
  message.formatters?.forEach((formatter, i) => {
    const at = d.at('formatters', i).at('typed_config');
    const config = d.environment.unpack(formatter.typed_config, at);
    if (config === null) return;
    if (config.type === REQ_WITHOUT_QUERY) names.add('envoy.formatter.req_without_query');
    // METADATA is there without its extension, as in Envoy.
    else if (config.type !== METADATA) at.reject('', `formatter ${config.type} is not supported yet`);
  });
  return names;
}

/** The text of a DataSource. */
function readSource(source: NonNullable<SubstitutionFormatString['text_format_source']>, d: ConfigDecoder) {
  if (source.inline_string !== undefined) return source.inline_string;
  if (source.inline_bytes !== undefined) return Buffer.from(source.inline_bytes).toString();
  if (source.environment_variable !== undefined) {
    const value = (d.environment as AccessLogEnvironment).variables?.[source.environment_variable];
    if (value !== undefined) return value;
    d.reject('environment_variable', `Environment variable doesn't exist: ${source.environment_variable}`);
    return null;
  }
  if (source.filename === undefined) {
    d.reject('', 'Unexpected DataSource::specifier_case(): 0');
    return null;
  }
  try {
    return readFileSync(source.filename, 'utf8');
  } catch {
    d.reject('filename', `Invalid path: ${source.filename}`);
    return null;
  }
}
