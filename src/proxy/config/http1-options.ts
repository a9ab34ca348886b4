// Decodes what both sides of HTTP/1 have in common of Http1ProtocolOptions: how names and reasons are written.
import type { Http1ProtocolOptions } from '../../proto/generated/types.d.ts';
import type { Spelling } from '../../wire/http1/encoder.ts';
import type { ConfigDecoder } from '../config-decoder.ts';

const PRESERVE_CASE = 'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig';

export const HTTP1_FIELDS = {
  'envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat': 'proper_case_words stateful_formatter',
  'envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords': '',
  'envoy.config.core.v3.TypedExtensionConfig': 'name typed_config',
  [PRESERVE_CASE]: 'forward_reason_phrase formatter_type_on_envoy_headers',
} as const;

type PreserveCasePb = {
  readonly forward_reason_phrase?: boolean;
  readonly formatter_type_on_envoy_headers?: 'DEFAULT' | 'PROPER_CASE' | number;
};

/** How this side writes names, and what it remembers of the messages that it reads. */
export type Http1Spelling = {
  readonly spelling: Spelling;
  readonly keepSpelling: boolean;
  /** Fields that did not come with the message are written in proper case beside those that did. */
  readonly spellsAddedProperly: boolean;
  readonly keepReason: boolean;
};

export function decodeHttp1Spelling(options: Http1ProtocolOptions | undefined, d: ConfigDecoder): Http1Spelling {
  const format = options?.header_key_format;
  const plain = { keepSpelling: false, spellsAddedProperly: false, keepReason: false };
  if (format?.proper_case_words !== undefined) return { ...plain, spelling: 'proper-case' };
  const stateful = format?.stateful_formatter;
  if (stateful === undefined) return { ...plain, spelling: 'lower' };
  const df = d.at('header_key_format').at('stateful_formatter');
  const unpacked = d.environment.unpack(stateful.typed_config, df.at('typed_config'));
  if (unpacked === null) return { ...plain, spelling: 'lower' };
  if (unpacked.type !== PRESERVE_CASE) df.reject('', `${unpacked.type} is not supported yet`);
  const message = unpacked.message as PreserveCasePb;
  return {
    spelling: 'lower',
    keepSpelling: true,
    spellsAddedProperly: message.formatter_type_on_envoy_headers === 'PROPER_CASE',
    keepReason: message.forward_reason_phrase ?? false,
  };
}
