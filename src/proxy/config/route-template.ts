// Decodes path templates of routes: what a path must look like (path_match_policy), and what becomes of it.
import { compilePathTemplate, type PathTemplate } from '../../base/path-template.ts';
import { compileRegex, parseSubstitution } from '../../base/regex.ts';
import type { TypedExtensionConfig } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { PathMatch } from '../route/path-match.ts';
import { type PathRewrite, RegexPathRewrite } from '../route/rewrite.ts';

const MATCH = 'envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig';
const REWRITE = 'envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig';

export const ROUTE_TEMPLATE_FIELDS = {
  'envoy.config.core.v3.TypedExtensionConfig': 'name typed_config',
  [MATCH]: 'path_template',
  [REWRITE]: 'path_template_rewrite',
} as const;

const NO_MATCH = new PathMatch('prefix', '');
const REWRITE_LITERAL = /^[a-zA-Z0-9\-._~%!$&'()*+,;:@=/]*$/;

export function decodeTemplateMatch(message: TypedExtensionConfig, d: ConfigDecoder): PathMatch {
  const at = d.at('typed_config');
  const unpacked = d.environment.unpack(message.typed_config, at);
  if (unpacked === null) return NO_MATCH;
  if (unpacked.type !== MATCH) {
    at.reject('', `${unpacked.type} is no way to match paths: ${MATCH} is`);
    return NO_MATCH;
  }
  const text = (unpacked.message as { path_template?: string }).path_template ?? '';
  const template = compilePathTemplate(text);
  if ('error' in template) {
    at.reject('path_template', `${text} is invalid: ${template.error}`);
    return NO_MATCH;
  }
  const regex = compileRegex(template.regex);
  if (!('error' in regex)) return new PathMatch('regex', regex.literalPrefix, true, regex, template);
  at.reject('path_template', regex.error);
  return NO_MATCH;
}

export function decodeTemplateRewrite(
  message: TypedExtensionConfig,
  match: PathMatch,
  d: ConfigDecoder,
): PathRewrite | null {
  const at = d.at('typed_config');
  const unpacked = d.environment.unpack(message.typed_config, at);
  if (unpacked === null) return null;
  if (unpacked.type !== REWRITE) {
    at.reject('', `${unpacked.type} is no way to rewrite paths: ${REWRITE} is`);
    return null;
  }
  if (match.template === null) {
    at.reject('', 'needs a path_match_policy with a path template');
    return null;
  }
  const text = (unpacked.message as { path_template_rewrite?: string }).path_template_rewrite ?? '';
  const made = substitutionOf(text, match.template);
  if ('error' in made) {
    at.reject('path_template_rewrite', `${text} is invalid: ${made.error}`);
    return null;
  }
  const regex = compileRegex(`^${match.template.regex}$`);
  const substitution = parseSubstitution(made.text, match.template.names.length);
  if ('error' in regex || 'error' in substitution) return null;
  return new RegexPathRewrite(regex, substitution);
}

/** The template with \1, \2, … for its variables. Source: Envoy UriTemplate::parseRewritePattern. */
function substitutionOf(text: string, { names }: PathTemplate): { text: string } | { error: string } {
  if (!text.startsWith('/')) return { error: 'it must begin with a slash' };
  if (text.includes('//')) return { error: 'two slashes stand beside each other' };
  let made = '';
  let rest = text;
  while (rest !== '') {
    const open = rest.indexOf('{');
    const literal = open < 0 ? rest : rest.slice(0, open);
    if (!REWRITE_LITERAL.test(literal)) return { error: `${literal} cannot stand in a path` };
    made += literal;
    if (open < 0) break;
    const close = rest.indexOf('}', open);
    if (close < 0) return { error: 'a bracket is not closed' };
    const name = rest.slice(open + 1, close);
    const group = names.indexOf(name) + 1;
    if (group === 0) return { error: `path_match_policy has no variable ${name}` };
    made += `\\${group}`;
    rest = rest.slice(close + 1);
  }
  return { text: made };
}
