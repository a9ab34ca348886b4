// Decodes envoy.config.core.v3.SubstitutionFormatString: the message in which configurations carry formats.
import type { SdsSecretConfig, SubstitutionFormatString, TypedExtensionConfig } from '../../proto/generated/types.d.ts';
import { CEL_CONFIG_FIELDS, type CelConfigPb } from '../cel/dialect.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import { celCommands } from './cel-commands.ts';
import { DATA_SOURCE_FIELDS, readDataSource } from './data-source.ts';
import { FILE_CONTENT, secretCommand } from './file-contents.ts';
import { REQ_WITHOUT_QUERY } from './header-commands.ts';
import type { Formatter } from './formatter.ts';
import { compileJsonFormat } from './json-formatter.ts';
import type { Command } from './operator.ts';
import type { FormatOptions } from './parse-format.ts';
import { compileFormat } from './text-formatter.ts';

const FILE_CONTENT_TYPE = 'envoy.extensions.formatter.file_content.v3.FileContent';
const GENERIC_SECRET = 'envoy.extensions.formatter.generic_secret.v3.GenericSecret';

/** Fields that take effect, per message. */
export const FORMATTER_EXTENSION_FIELDS = {
  'envoy.config.core.v3.TypedExtensionConfig': 'name typed_config',
  'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery': '',
  'envoy.extensions.formatter.metadata.v3.Metadata': '',
  [FILE_CONTENT_TYPE]: '',
  [GENERIC_SECRET]: 'secret_configs',
  'envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig': 'name sds_config',
  'envoy.extensions.formatter.cel.v3.Cel': 'cel_config',
  ...CEL_CONFIG_FIELDS,
} as const;

export const SUBSTITUTION_FORMAT_FIELDS = {
  'envoy.config.core.v3.SubstitutionFormatString':
    'text_format text_format_source json_format omit_empty_values content_type formatters json_format_options',
  'envoy.config.core.v3.JsonFormatOptions': 'sort_properties',
  ...FORMATTER_EXTENSION_FIELDS,
  ...DATA_SOURCE_FIELDS,
} as const;

const REQ_WITHOUT_QUERY_TYPE = 'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery';
const METADATA = 'envoy.extensions.formatter.metadata.v3.Metadata';
const CEL = 'envoy.extensions.formatter.cel.v3.Cel';

/** Compiles a SubstitutionFormatString; null after rejecting. `content_type` is the caller's. */
export function decodeSubstitutionFormat(message: SubstitutionFormatString, d: ConfigDecoder): Formatter | null {
  const options: FormatOptions = {
    omitEmptyValues: message.omit_empty_values === true,
    commands: decodeFormatterExtensions(message.formatters ?? [], d),
  };
  if (message.json_format !== undefined) return compileJsonFormat(message.json_format, d.at('json_format'), options);
  if (message.text_format !== undefined) return compileFormat(message.text_format, d.at('text_format'), options);
  if (message.text_format_source === undefined) {
    d.reject('', 'no format is set');
    return null;
  }
  const at = d.at('text_format_source');
  const bytes = readDataSource(message.text_format_source, at);
  return bytes === null ? null : compileFormat(bytes.toString(), at, options);
}

/** The same decoder, but one whose formats know the commands that `formatters` bring, too. */
export function withFormatters(
  formatters: readonly TypedExtensionConfig[] | undefined,
  d: ConfigDecoder,
): ConfigDecoder {
  if (formatters === undefined || formatters.length === 0) return d;
  const formatCommands = decodeFormatterExtensions(formatters, d);
  return new ConfigDecoder({ ...d.environment, formatCommands } as never, d.path, d.reasons);
}

/** The commands that `formatters` bring; `d` is at the message with that field. */
export function decodeFormatterExtensions(
  formatters: readonly TypedExtensionConfig[],
  d: ConfigDecoder,
): ReadonlyMap<string, Command> {
  const commands = new Map<string, Command>();
  formatters.forEach((formatter, i) => {
    const at = d.at('formatters', i).at('typed_config');
    const config = d.environment.unpack(formatter.typed_config, at);
    if (config === null) return;
    if (config.type === FILE_CONTENT_TYPE) commands.set('FILE_CONTENT', FILE_CONTENT);
    else if (config.type === GENERIC_SECRET) commands.set('SECRET', secretCommand(decodeSecrets(config.message, at)));
    else if (config.type === REQ_WITHOUT_QUERY_TYPE) commands.set('REQ_WITHOUT_QUERY', REQ_WITHOUT_QUERY);
    else if (config.type === CEL) {
      const { cel_config = {} } = config.message as { cel_config?: CelConfigPb };
      for (const [name, command] of Object.entries(celCommands(cel_config))) commands.set(name, command);
    }
    // METADATA is there without its extension, as in Envoy.
    else if (config.type !== METADATA) at.reject('', `formatter ${config.type} is not supported yet`);
  });
  return commands;
}

/** Static secrets by the names that formats use, as bytes. */
function decodeSecrets(
  message: { readonly secret_configs?: Readonly<Record<string, SdsSecretConfig>> },
  d: ConfigDecoder,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [use, { name = '', sds_config }] of Object.entries(message.secret_configs ?? {})) {
    const at = d.at('secret_configs', use);
    if (sds_config !== undefined) at.reject('sds_config', 'is not supported: name a secret of static_resources');
    else if (d.environment.staticSecrets?.has('generic', name) !== true) {
      at.reject('name', `envoy.formatter.generic_secret: secret '${name}' not found in static bootstrap resources`);
    } else values.set(use, d.environment.staticSecrets.get('generic', name)?.bytes ?? '');
  }
  return values;
}
