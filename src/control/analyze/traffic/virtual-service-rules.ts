// Rules and matches of VirtualServices that earlier ones leave nothing to.
import type { ConfigObject } from '../../source/object.ts';
import { type Json, numberIn, partIn, partsIn, textIn } from '../../translate/fields.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Report } from '../message.ts';

/** Of one object; each prefix is compared with all before it. */
const MAX_PREFIXES = 2000;

export const unreachableRules: Analyzer = {
  name: 'schema.ValidationAnalyzer.VirtualService',
  description: 'Finds rules and matches of virtual services that earlier ones make useless',
  codes: ['IST0130', 'IST0131'],
  run(world, report) {
    for (const object of world.kind('VirtualService')) {
      for (const field of ['http', 'tcp', 'tls'] as const) checkRules(object, field, report);
      checkPrefixes(object, report);
    }
  },
};

function checkRules(object: ConfigObject, field: 'http' | 'tcp' | 'tls', report: Report): void {
  const rules = partsIn(object.spec, field);
  const seen = new Map<string, number>();
  let isAllTaken = false;
  for (const [at, rule] of rules.entries()) {
    const path = ['spec', field, at];
    const unreachable = (reason: string): void => report('IST0130', object, path, nameOf(rule, at), reason);
    const matches = partsIn(rule, 'match');
    if (matches.length === 0) {
      if (isAllTaken) unreachable('only the last rule can have no matches');
      isAllTaken = true;
      continue;
    }
    if (isAllTaken) {
      unreachable('route without matches defined before');
      continue;
    }
    let duplicates = 0;
    for (const [i, match] of matches.entries()) {
      const content = contentOf(match);
      const before = seen.get(content);
      if (before === undefined) {
        seen.set(content, at);
        continue;
      }
      duplicates++;
      const other = nameOf(rules[before] ?? {}, before);
      report('IST0131', object, [...path, 'match', i], nameOf(rule, at), nameOf(match, i), other);
    }
    if (duplicates === matches.length) unreachable('all matches used by prior rules');
  }
}

/** '"canary"', or '#2' for what has no name. */
function nameOf(part: Json, at: number): string {
  const name = textIn(part, 'name');
  return name === '' ? `#${at}` : JSON.stringify(name);
}

/** The same for matches that take the same requests, whatever they are called. */
function contentOf(match: Json): string {
  return JSON.stringify({ ...match, name: undefined }, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

type PrefixMatch = {
  readonly rule: string;
  readonly match: string;
  readonly prefix: string;
  readonly path: readonly (string | number)[];
  readonly port: number;
  /** All other conditions by name, as 'exact TEXT', 'prefix TEXT' or ''. */
  readonly conditions: ReadonlyMap<string, string>;
};

function checkPrefixes(object: ConfigObject, report: Report): void {
  const matches: PrefixMatch[] = [];
  const seen = new Set<string>();
  for (const [at, rule] of partsIn(object.spec, 'http').entries()) {
    for (const [i, match] of partsIn(rule, 'match').entries()) {
      const prefix = textIn(partIn(match, 'uri'), 'prefix');
      const content = contentOf(match);
      if (prefix === '' || seen.has(content) || matches.length >= MAX_PREFIXES) continue;
      seen.add(content);
      const path = ['spec', 'http', at, 'match', i];
      const names = { rule: nameOf(rule, at), match: nameOf(match, i) };
      matches.push({ ...names, prefix, path, port: numberIn(match, 'port'), conditions: conditionsOf(match) });
    }
  }
  for (const [at, later] of matches.entries()) {
    for (const earlier of matches.slice(0, at)) {
      if (earlier.prefix === later.prefix || !covers(earlier, later)) continue;
      const own = `${later.match} of prefix ${later.prefix}`;
      const other = `${earlier.match} of prefix ${earlier.prefix} on ${earlier.rule}`;
      report('IST0131', object, later.path, later.rule, own, other);
    }
  }
}

function conditionsOf(match: Json): ReadonlyMap<string, string> {
  const conditions = new Map<string, string>();
  // Istio takes a match that says no method for one of GET.
  conditions.set('method', conditionOf(partIn(match, 'method')) || 'exact GET');
  conditions.set('authority', conditionOf(partIn(match, 'authority')));
  for (const field of ['headers', 'queryParams', 'withoutHeaders'] as const) {
    const named = partIn(match, field);
    for (const name of Object.keys(named)) conditions.set(`${field} ${name}`, conditionOf(partIn(named, name)));
  }
  return conditions;
}

function conditionOf(match: Json): string {
  const [exact, prefix] = [textIn(match, 'exact'), textIn(match, 'prefix')];
  if (exact !== '') return `exact ${exact}`;
  return prefix === '' ? '' : `prefix ${prefix}`;
}

function covers(earlier: PrefixMatch, later: PrefixMatch): boolean {
  if (!later.prefix.startsWith(earlier.prefix) || later.port !== earlier.port) return false;
  if (later.conditions.size !== earlier.conditions.size) return false;
  for (const [name, condition] of earlier.conditions) {
    const other = later.conditions.get(name);
    if (other === undefined || (other !== condition && !condition.startsWith(other))) return false;
  }
  return true;
}
