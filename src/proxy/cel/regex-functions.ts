// Functions on regular expressions that Envoy's expressions have: re.extract, re.capture, re.captureN.
import type { Functions } from '../../base/cel/dialect.ts';
import { patternOf } from '../../base/cel/functions.ts';
import { CelError, noOverload, type Result, type Value } from '../../base/cel/values.ts';
import { parseSubstitution, type Regex } from '../../base/regex.ts';

const UNMATCHED = new CelError('unable to match the regular expression');

function withPattern(name: string, text: Value, source: Value, apply: (text: string, regex: Regex) => Result): Result {
  if (typeof text !== 'string' || typeof source !== 'string') return noOverload(name, text, source);
  const regex = patternOf(source);
  return regex instanceof CelError ? regex : apply(text, regex);
}

export const REGEX_FUNCTIONS: Functions = {
  /** The first match, written anew. */
  're.extract': [
    3,
    3,
    (text = null, source = null, rewrite = null) =>
      withPattern('re.extract', text, source, (subject, regex) => {
        if (typeof rewrite !== 'string') return noOverload('re.extract', rewrite);
        const groups = regex.captures(subject, false);
        if (groups === null) return UNMATCHED;
        const substitution = parseSubstitution(rewrite, regex.groups);
        if ('error' in substitution) return new CelError(substitution.error);
        return substitution.fill(groups);
      }),
  ],
  /** What the first group caught of a text that matches as a whole. */
  're.capture': [
    2,
    2,
    (text = null, source = null) =>
      withPattern('re.capture', text, source, (subject, regex) => regex.captures(subject, true)?.[1] ?? UNMATCHED),
  ],
  /** All groups by their names, or else their numbers. */
  're.captureN': [
    2,
    2,
    (text = null, source = null) =>
      withPattern('re.captureN', text, source, (subject, regex) => {
        const groups = regex.captures(subject, true);
        if (groups === null || groups.length < 2) return UNMATCHED;
        const names = groupNames(regex.source);
        return Object.fromEntries(groups.slice(1).map((text, i) => [names[i] ?? String(i + 1), text]));
      }),
  ],
};

/** Names of the capturing groups in order; undefined for one without. */
function groupNames(source: string): (string | undefined)[] {
  const names: (string | undefined)[] = [];
  const pattern = /\\Q[\s\S]*?(?:\\E|$)|\\[\s\S]|\[\^?\]?(?:\\[\s\S]|\[:\^?\w+:\]|[^\]\\])*\]|\(\?P?<(\w+)>|\(\?|\(/g;
  for (const [found, name] of source.matchAll(pattern)) {
    if (name !== undefined) names.push(name);
    else if (found === '(') names.push(undefined);
  }
  return names;
}
