// The rules of header_to_metadata: where a value comes from, what becomes of it, under which key it is written.
import { bytesOf } from '../../../../base/matcher-text.ts';
import { type HeaderKey, headerKey } from '../../../../wire/header-names.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { decodeRegexRewrite, type RegexRewrite } from '../../../config/matcher.ts';

export const DEFAULT_NAMESPACE = 'envoy.filters.http.header_to_metadata';

export type KeyValuePb = {
  metadata_namespace?: string;
  key?: string;
  value?: string;
  type?: 'STRING' | 'NUMBER' | 'PROTOBUF_VALUE';
  encode?: 'NONE' | 'BASE64';
  regex_value_rewrite?: Parameters<typeof decodeRegexRewrite>[0];
};
export type RulePb = {
  header?: string;
  cookie?: string;
  on_header_present?: KeyValuePb;
  on_header_missing?: KeyValuePb;
  remove?: boolean;
};

export type KeyValue = {
  readonly namespace: string;
  readonly key: string;
  /** In place of what was found; '' for none. Bytes, as header values are. */
  readonly value: string;
  readonly type: 'STRING' | 'NUMBER' | 'PROTOBUF_VALUE';
  readonly isBase64: boolean;
  readonly rewrite: RegexRewrite | null;
};
export type Rule = {
  /** Null: a cookie. */
  readonly header: HeaderKey | null;
  readonly cookie: string;
  readonly onPresent: KeyValue | null;
  readonly onMissing: KeyValue | null;
  readonly removes: boolean;
};

export function decodeRules(messages: readonly RulePb[] | undefined, d: ConfigDecoder, field: string): readonly Rule[] {
  return Object.freeze((messages ?? []).map((message, i) => decodeRule(message, d.at(field, i))));
}

/** The reasons are Envoy's. */
function decodeRule(message: RulePb, d: ConfigDecoder): Rule {
  const { header = '', cookie = '', on_header_present: present, on_header_missing: missing } = message;
  const name = header === '' ? `cookie: ${cookie}` : `header: ${header}`;
  if (header !== '' && cookie !== '') d.reject('', 'Cannot specify both header and cookie');
  else if (header === '' && cookie === '') d.reject('', 'One of Cookie or Header option needs to be specified');
  else if (present === undefined && missing === undefined) {
    d.reject(
      '',
      `header to metadata filter: rule for ${name} has neither \`on_header_present\` nor \`on_header_missing\` set`,
    );
  } else if ((present?.value ?? '') !== '' && present?.regex_value_rewrite !== undefined) {
    d.reject('on_header_present', 'Cannot specify both value and regex_value_rewrite');
  } else if (cookie !== '' && message.remove === true) d.reject('remove', 'Cannot specify remove for cookie');
  else if (missing !== undefined && (missing.value ?? '') === '') {
    d.reject('on_header_missing', 'Cannot specify on_header_missing rule with an empty value');
  }
  return Object.freeze({
    header: header === '' ? null : headerKey(header),
    cookie: bytesOf(cookie),
    onPresent: present === undefined ? null : decodeKeyValue(present, d.at('on_header_present')),
    onMissing: missing === undefined ? null : decodeKeyValue(missing, d.at('on_header_missing')),
    removes: message.remove ?? false,
  });
}

function decodeKeyValue(message: KeyValuePb, d: ConfigDecoder): KeyValue {
  const { regex_value_rewrite: rewrite } = message;
  return Object.freeze({
    namespace: message.metadata_namespace || DEFAULT_NAMESPACE,
    key: message.key ?? '',
    value: bytesOf(message.value ?? ''),
    type: message.type ?? 'STRING',
    isBase64: message.encode === 'BASE64',
    rewrite: rewrite === undefined ? null : decodeRegexRewrite(rewrite, d.at('regex_value_rewrite')),
  });
}
