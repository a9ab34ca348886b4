// The tree of domains (xds.type.matcher.v3.ServerNameMatcher): the name itself, then wildcards, the longest first.
import { bytesOf } from '../../base/matcher-text.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { OnMatchPb } from './matcher.ts';
import { NO_MATCH, UNDECIDED } from './step.ts';
import type { Input, Step } from './step.ts';

export const SERVER_NAME_MATCHER = 'xds.type.matcher.v3.ServerNameMatcher';

export type ServerNameMatcherPb = {
  domain_matchers?: readonly { domains?: readonly string[]; on_match?: OnMatchPb }[];
};

/**
 * A domain that leads nowhere gives way to the next wider wildcard, '*' being the last. Names are compared as they are:
 * server names are in lower case, so a domain with a capital matches nothing. Source: Envoy DomainMatcher.
 */
export function decodeServerNameTree<S, E>(
  message: ServerNameMatcherPb,
  input: Input<S, E>,
  onMatch: (message: OnMatchPb | undefined, d: ConfigDecoder) => Step<S, E>,
  d: ConfigDecoder,
): Step<S, E> {
  // Wildcards by what follows their star: '.example.com', and '' for '*'.
  const exact = new Map<string, Step<S, E>>();
  const wildcards = new Map<string, Step<S, E>>();
  for (const [i, { domains = [], on_match }] of (message.domain_matchers ?? []).entries()) {
    const at = d.at('domain_matchers', i);
    const step = onMatch(on_match, at.at('on_match'));
    for (const [j, domain] of domains.entries()) {
      const isWildcard = domain.startsWith('*');
      const table = isWildcard ? wildcards : exact;
      const key = bytesOf(isWildcard ? domain.slice(1) : domain);
      const fault = faultOf(domain) ?? (table.has(key) ? `Duplicate domain in ServerNameMatcher: ${domain}` : null);
      if (fault !== null) at.at('domains', j).reject('', fault);
      table.set(key, step);
    }
  }
  const all = wildcards.get('');
  return (subject, beside) => {
    const name = input(subject, beside);
    if (name === undefined) return NO_MATCH;
    if (name === null) return UNDECIDED;
    let found = exact.get(name)?.(subject, beside) ?? NO_MATCH;
    for (let dot = name.indexOf('.'); found === NO_MATCH && dot >= 0; dot = name.indexOf('.', dot + 1)) {
      found = wildcards.get(name.slice(dot))?.(subject, beside) ?? NO_MATCH;
    }
    return found === NO_MATCH && all !== undefined ? all(subject, beside) : found;
  };
}

/** Why Envoy refuses a domain, in its words. */
function faultOf(domain: string): string | null {
  if (domain === '') return 'Empty domain in ServerNameMatcher';
  if (domain === '*' || !domain.includes('*')) return null;
  const invalid = `Invalid wildcard domain format: ${domain}`;
  if (!domain.startsWith('*.') || domain === '*.') return `${invalid}. Only '*' and '*.domain' patterns are supported`;
  return domain.includes('*', 1) ? `${invalid}. Multiple wildcards are not supported` : null;
}
