// Decodes the actions that answer without an upstream: redirects and direct responses.
import { bytesOf } from '../../base/matcher-text.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { withFormatters } from '../formatter/substitution-format.ts';
import { compileFormat } from '../formatter/text-formatter.ts';
import { compileJsonFormat } from '../formatter/json-formatter.ts';
import type { PathMatch } from '../route/path-match.ts';
import { KEEP_ALL, Redirect, redirectUrl } from '../route/redirect.ts';
import { FormatPathRewrite, type PathRewrite, PrefixRewrite, RegexPathRewrite } from '../route/rewrite.ts';
import type { DirectResponseAction, RedirectAction } from '../route/route.ts';
import type { TypedExtensionConfig } from '../../proto/generated/types.d.ts';
import { decodeRegexRewrite } from './matcher.ts';
import { decodeTemplateRewrite } from './route-template.ts';
import { routeEnvironment } from './route-environment.ts';
import type { DataSourcePb, DirectResponseActionPb, RedirectActionPb, RegexRewritePb } from './route-messages.ts';

const REDIRECT_STATUS: Readonly<Record<string, number>> = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

export function decodeRedirect(message: RedirectActionPb, match: PathMatch, d: ConfigDecoder): RedirectAction {
  const path = bytesOf(message.path_redirect ?? '');
  return new Redirect(
    REDIRECT_STATUS[message.response_code ?? ''] ?? 301,
    {
      scheme: message.scheme_redirect || (message.https_redirect === true ? 'https' : ''),
      host: bytesOf(message.host_redirect ?? ''),
      port: message.port_redirect === undefined || message.port_redirect === 0 ? '' : `:${message.port_redirect}`,
      path,
      stripQuery: message.strip_query === true,
    },
    decodePathRewrite(message, match, d),
  );
}

type PathRewritePb = {
  path_rewrite_policy?: TypedExtensionConfig;
  prefix_rewrite?: string;
  regex_rewrite?: RegexRewritePb;
  path_rewrite?: string;
};

/** Decodes the rewriting of the path, of which a message may have one kind. */
export function decodePathRewrite(message: PathRewritePb, match: PathMatch, d: ConfigDecoder): PathRewrite | null {
  const prefix = message.prefix_rewrite ?? '';
  const format = message.path_rewrite ?? '';
  const policy = message.path_rewrite_policy;
  const kinds =
    Number(policy !== undefined) +
    Number(prefix !== '') +
    Number(format !== '') +
    Number(message.regex_rewrite !== undefined);
  if (kinds > 1) d.reject('', 'Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy');
  if (policy !== undefined) return decodeTemplateRewrite(policy, match, d.at('path_rewrite_policy'));
  if (prefix !== '' && match.template !== null) d.reject('prefix_rewrite', 'cannot be used with path_match_policy');
  if (prefix !== '') return new PrefixRewrite(match, bytesOf(prefix));
  if (format !== '')
    return new FormatPathRewrite(compileFormat(format, d.at('path_rewrite'), { omitEmptyValues: true }));
  if (message.regex_rewrite === undefined) return null;
  const rewrite = decodeRegexRewrite(message.regex_rewrite, d.at('regex_rewrite'));
  return rewrite === null ? null : new RegexPathRewrite(rewrite.regex, rewrite.substitution);
}

export function decodeDirectResponse(
  message: DirectResponseActionPb,
  maxBodyBytes: number,
  d: ConfigDecoder,
): DirectResponseAction {
  const status = message.status ?? 0;
  const body = message.body === undefined ? '' : readSource(message.body, d.at('body'));
  if (body.length > maxBodyBytes) {
    d.reject('body', `response body size is ${body.length} bytes; maximum is ${maxBodyBytes}`);
  }
  const hasLocation = status === 201 || (status >= 300 && status < 400);
  return {
    status,
    body,
    format: decodeBodyFormat(message.body_format, d.at('body_format')),
    location: hasLocation ? (headers) => redirectUrl(headers, KEEP_ALL) : () => '',
  };
}

function decodeBodyFormat(
  message: DirectResponseActionPb['body_format'],
  above: ConfigDecoder,
): DirectResponseAction['format'] {
  if (message === undefined) return null;
  const d = withFormatters(message.formatters, above);
  const options = { omitEmptyValues: message.omit_empty_values === true };
  if (message.json_format !== undefined) {
    const text = compileJsonFormat(message.json_format, d.at('json_format'), options);
    return { text, contentType: message.content_type || 'application/json' };
  }
  const contentType = message.content_type || 'text/plain';
  if (message.text_format !== undefined) {
    return { text: compileFormat(message.text_format, d.at('text_format'), options), contentType };
  }
  if (message.text_format_source !== undefined) {
    const at = d.at('text_format_source');
    const source = Buffer.from(readSource(message.text_format_source, at), 'latin1').toString('utf8');
    return { text: compileFormat(source, at, options), contentType };
  }
  d.reject('', 'format is required');
  return null;
}

/** The bytes of a data source as a latin1 string; '' after rejecting it. */
export function readSource(source: DataSourcePb, d: ConfigDecoder): string {
  if (source.inline_string !== undefined) return bytesOf(source.inline_string);
  if (source.inline_bytes !== undefined) return Buffer.from(source.inline_bytes).toString('latin1');
  if (source.environment_variable !== undefined) {
    const value = routeEnvironment(d).variables?.[source.environment_variable];
    if (value !== undefined) return bytesOf(value);
    d.reject('environment_variable', `Environment variable doesn't exist: ${source.environment_variable}`);
    return '';
  }
  if (source.filename !== undefined) {
    const read = routeEnvironment(d).readFile?.(source.filename) ?? { error: `file ${source.filename} does not exist` };
    if (!('error' in read)) return Buffer.from(read).toString('latin1');
    d.reject('filename', read.error);
    return '';
  }
  d.reject('', 'specifier is required');
  return '';
}
