// Decodes envoy.config.core.v3.SubstitutionFormatString: the message in which configurations carry formats.
import type { SubstitutionFormatString, TypedExtensionConfig } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { DATA_SOURCE_FIELDS, readDataSource } from './data-source.ts';
import type { Formatter } from './formatter.ts';
import { compileJsonFormat } from './json-formatter.ts';
import type { FormatOptions } from './parse-format.ts';
import { compileFormat } from './text-formatter.ts';

/** Fields that take effect, per message. */
export const SUBSTITUTION_FORMAT_FIELDS = {
  'envoy.config.core.v3.SubstitutionFormatString':
    'text_format text_format_source json_format omit_empty_values content_type formatters json_format_options',
  'envoy.config.core.v3.JsonFormatOptions': 'sort_properties',
  'envoy.config.core.v3.TypedExtensionConfig': 'name typed_config',
  'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery': '',
  'envoy.extensions.formatter.metadata.v3.Metadata': '',
  ...DATA_SOURCE_FIELDS,
} as const;

const REQ_WITHOUT_QUERY = 'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery';
const METADATA = 'envoy.extensions.formatter.metadata.v3.Metadata';

/** Compiles a SubstitutionFormatString; null after rejecting. `content_type` is the caller's. */
export function decodeSubstitutionFormat(message: SubstitutionFormatString, d: ConfigDecoder): Formatter | null {
  const options: FormatOptions = {
    omitEmptyValues: message.omit_empty_values === true,
    extensions: decodeFormatterExtensions(message.formatters ?? [], d),
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

/** Names of the commands that `formatters` bring; `d` is at the message with that field. */
export function decodeFormatterExtensions(
  formatters: readonly TypedExtensionConfig[],
  d: ConfigDecoder,
): ReadonlySet<string> {
  const names = new Set<string>();
  formatters.forEach((formatter, i) => {
    const at = d.at('formatters', i).at('typed_config');
    const config = d.environment.unpack(formatter.typed_config, at);
    if (config === null) return;
    if (config.type === REQ_WITHOUT_QUERY) names.add('envoy.formatter.req_without_query');
    // METADATA is there without its extension, as in Envoy.
    else if (config.type !== METADATA) at.reject('', `formatter ${config.type} is not supported yet`);
  });
  return names;
}
