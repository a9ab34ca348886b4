// What becomes of a response that matched: an answer of the proxy's own, or that of another route.
import { bytesOf } from '../../../../base/matcher-text.ts';
import { parseAbsoluteUrl } from '../../../../wire/absolute-url.ts';
import { inlineRequestHeaders, inlineResponseHeaders } from '../../../../wire/inline-headers.ts';
import type { SubstitutionFormatString } from '../../../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { type DataSourcePb, readDataSource } from '../../../formatter/data-source.ts';
import type { Formatter } from '../../../formatter/formatter.ts';
import { decodeSubstitutionFormat, SUBSTITUTION_FORMAT_FIELDS } from '../../../formatter/substitution-format.ts';
import { decodeAddition, type HeaderOption } from '../../../route/header-additions.ts';
import { type HeaderAddition, HeaderMutations } from '../../../route/header-mutation.ts';
import type { RedirectSettings } from '../../../route/redirect.ts';

const PACKAGE = 'envoy.extensions.http.custom_response';
const LOCAL = `${PACKAGE}.local_response_policy.v3.LocalResponsePolicy`;
const REDIRECT = `${PACKAGE}.redirect_policy.v3.RedirectPolicy`;

/** Left out, and so refused: modify_request_headers_action, of which Envoy has no kind. */
export const POLICY_FIELDS = {
  [LOCAL]: 'body body_format status_code response_headers_to_add preserve_response_code_details response_code_details',
  [REDIRECT]: 'uri redirect_action status_code response_headers_to_add request_headers_to_add',
  'envoy.config.route.v3.RedirectAction':
    'https_redirect scheme_redirect host_redirect port_redirect path_redirect response_code strip_query',
  'envoy.config.core.v3.HeaderValueOption': 'header append append_action keep_empty_value',
  'envoy.config.core.v3.HeaderValue': 'key value',
  ...SUBSTITUTION_FORMAT_FIELDS,
} as const;

export type LocalPolicy = {
  readonly kind: 'local';
  /** A text for `format`, and the body where there is none; null: `format` gets what the proxy was about to say. */
  readonly body: string | null;
  readonly format: Formatter | null;
  /** Null: that of the response. */
  readonly status: number | null;
  readonly responseHeaders: HeaderMutations | null;
  /** Null: those of the response. */
  readonly details: string | null;
};

export type RedirectPolicy = {
  readonly kind: 'redirect';
  /** '' with `redirect`. */
  readonly uri: string;
  readonly redirect: RedirectSettings | null;
  /** Null: that of the response that was replaced. */
  readonly status: number | null;
  readonly requestHeaders: HeaderMutations | null;
  readonly responseHeaders: HeaderMutations | null;
};

export type Policy = LocalPolicy | RedirectPolicy;

type LocalPb = {
  body?: DataSourcePb;
  body_format?: SubstitutionFormatString;
  status_code?: number;
  response_headers_to_add?: readonly HeaderOption[];
  preserve_response_code_details?: boolean;
  response_code_details?: string;
};
type RedirectActionPb = {
  https_redirect?: boolean;
  scheme_redirect?: string;
  host_redirect?: string;
  port_redirect?: number;
  path_redirect?: string;
  strip_query?: boolean;
  prefix_rewrite?: unknown;
  regex_rewrite?: unknown;
  path_rewrite?: unknown;
};
type RedirectPb = {
  uri?: string;
  redirect_action?: RedirectActionPb;
  status_code?: number;
  response_headers_to_add?: readonly HeaderOption[];
  request_headers_to_add?: readonly HeaderOption[];
};

/** Null after rejecting it. */
export function decodePolicy(type: string, message: unknown, d: ConfigDecoder): Policy | null {
  if (type === LOCAL) return decodeLocal(message as LocalPb, d);
  if (type === REDIRECT) return decodeRedirect(message as RedirectPb, d);
  d.reject('', `${type} is not supported as a policy: ${LOCAL} and ${REDIRECT} are`);
  return null;
}

function decodeLocal(message: LocalPb, d: ConfigDecoder): LocalPolicy {
  const { body, body_format: format, status_code: status = null, response_headers_to_add: toAdd } = message;
  const details = message.preserve_response_code_details === true ? null : (message.response_code_details ?? '');
  return Object.freeze({
    kind: 'local',
    body: body === undefined ? null : (readDataSource(body, d.at('body'))?.toString('utf8') ?? ''),
    format: format === undefined ? null : decodeSubstitutionFormat(format, d.at('body_format')),
    status,
    responseHeaders: decodeHeaders(toAdd, 'response_headers_to_add', d),
    details,
  });
}

function decodeRedirect(message: RedirectPb, d: ConfigDecoder): RedirectPolicy {
  const { uri = '', redirect_action: action } = message;
  if (action === undefined && parseAbsoluteUrl(bytesOf(uri)) === null) {
    d.reject('uri', `Invalid uri specified for redirection for custom response: ${uri}`);
  }
  return Object.freeze({
    kind: 'redirect',
    uri: bytesOf(uri),
    redirect: action === undefined ? null : decodeAction(action, d.at('redirect_action')),
    status: message.status_code ?? null,
    requestHeaders: decodeHeaders(message.request_headers_to_add, 'request_headers_to_add', d),
    responseHeaders: decodeHeaders(message.response_headers_to_add, 'response_headers_to_add', d),
  });
}

function decodeAction(message: RedirectActionPb, d: ConfigDecoder): RedirectSettings {
  const { host_redirect: host = '', path_redirect: path = '', port_redirect: port = 0 } = message;
  for (const field of ['prefix_rewrite', 'regex_rewrite', 'path_rewrite'] as const) {
    if (message[field] !== undefined) d.reject(field, `${field} is not supported for Custom Response`);
  }
  if (path.includes('#')) {
    const text = `#fragment is not supported for custom response. Specified path_redirect is ${path}`;
    d.reject('path_redirect', text);
  }
  return Object.freeze({
    scheme: message.scheme_redirect || (message.https_redirect === true ? 'https' : ''),
    host: bytesOf(host),
    port: port === 0 ? '' : `:${port}`,
    path: bytesOf(path),
    stripQuery: message.strip_query === true,
  });
}

function decodeHeaders(
  options: readonly HeaderOption[] | undefined,
  field: 'request_headers_to_add' | 'response_headers_to_add',
  d: ConfigDecoder,
): HeaderMutations | null {
  const inline = field === 'request_headers_to_add' ? inlineRequestHeaders : inlineResponseHeaders;
  const additions: HeaderAddition[] = [];
  for (const [i, option] of (options ?? []).entries()) {
    const addition = decodeAddition(option, inline, d.at(field, i));
    if (addition !== null) additions.push(addition);
  }
  return additions.length === 0 ? null : new HeaderMutations([], additions);
}
