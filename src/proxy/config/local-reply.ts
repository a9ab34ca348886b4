// Decodes local_reply_config: which of the proxy's own replies are changed, and how they are written.
import type { LocalReplyConfig as LocalReplyPb, SubstitutionFormatString } from '../../proto/generated/types.d.ts';
import { decodeAccessLogFilter } from '../access-log/filters.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeSubstitutionFormat } from '../formatter/substitution-format.ts';
import type { LocalReplyBody, LocalReplyConfig, LocalReplyMapper } from '../http/http-config.ts';
import { decodeLevelMutations } from './route-headers.ts';

export const LOCAL_REPLY_FIELDS = {
  'envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig': 'mappers body_format',
  'envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper':
    'filter status_code body body_format_override headers_to_add',
  'envoy.config.core.v3.DataSource': 'inline_string inline_bytes filename environment_variable',
} as const;

export function decodeLocalReply(message: LocalReplyPb, d: ConfigDecoder): LocalReplyConfig {
  const mappers: LocalReplyMapper[] = [];
  for (const [i, mapper] of (message.mappers ?? []).entries()) {
    const dm = d.at('mappers', i);
    const mutations = decodeLevelMutations({ response_headers_to_add: mapper.headers_to_add } as never, dm).response;
    mappers.push({
      matches: mapper.filter === undefined ? null : decodeAccessLogFilter(mapper.filter, dm.at('filter')),
      status: mapper.status_code,
      body: mapper.body === undefined ? undefined : textOf(mapper.body, dm.at('body')),
      bodyFormat: decodeBody(mapper.body_format_override, dm.at('body_format_override')),
      changeHeaders: mutations === null ? null : (headers, format) => mutations.apply(headers, format),
    });
  }
  return { mappers, body: decodeBody(message.body_format, d.at('body_format')) };
}

function decodeBody(message: SubstitutionFormatString | undefined, d: ConfigDecoder): LocalReplyBody | null {
  if (message === undefined) return null;
  const format = decodeSubstitutionFormat(message, d);
  if (format === null) return null;
  const fallback = message.json_format === undefined ? 'text/plain' : 'application/json';
  return { contentType: message.content_type || fallback, format };
}

/** The text of a DataSource, as a format that never changes. */
function textOf(source: NonNullable<SubstitutionFormatString['text_format_source']>, d: ConfigDecoder): string {
  if (source.inline_string !== undefined) return source.inline_string;
  if (source.inline_bytes !== undefined) return Buffer.from(source.inline_bytes).toString('utf8');
  const environment = d.environment as {
    readonly readFile?: (path: string) => Uint8Array | { readonly error: string };
    readonly variables?: Readonly<Record<string, string | undefined>>;
  };
  if (source.environment_variable !== undefined) {
    const value = environment.variables?.[source.environment_variable];
    if (value === undefined) d.reject('environment_variable', `${source.environment_variable} is not set`);
    return value ?? '';
  }
  const bytes = environment.readFile?.(source.filename ?? '') ?? { error: 'files cannot be read here' };
  if (bytes instanceof Uint8Array) return Buffer.from(bytes).toString('utf8');
  d.reject('filename', bytes.error);
  return '';
}
