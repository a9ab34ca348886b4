// The configuration of statistics: which tags there are, which are kept, and how histograms are exported.
import { compileStringMatch, type StringMatch } from '../base/matcher.ts';
import { DEFAULT_BUCKETS } from './histogram.ts';
import type { StatFilter } from './metrics.ts';
import { defaultTagRules, fixedRule, regexRule, TagExtractor, type TagRule } from './stat-tags.ts';
import { compileTagRegex } from './tag-regex.ts';

/** envoy.type.matcher.v3.StringMatcher */
type StringMatcherPb = {
  exact?: string | undefined;
  prefix?: string | undefined;
  suffix?: string | undefined;
  contains?: string | undefined;
  safe_regex?: { regex?: string | undefined } | undefined;
  ignore_case?: boolean | undefined;
};
type PatternsPb = { patterns?: readonly StringMatcherPb[] | undefined };

/** envoy.config.metrics.v3.StatsConfig */
export type StatsConfigPb = {
  stats_tags?: readonly TagPb[] | undefined;
  use_all_default_tags?: boolean | undefined;
  stats_matcher?:
    | { reject_all?: boolean | undefined; exclusion_list?: PatternsPb; inclusion_list?: PatternsPb }
    | undefined;
  histogram_bucket_settings?:
    | readonly { match?: StringMatcherPb | undefined; buckets?: readonly number[] | undefined; bins?: number }[]
    | undefined;
};
type TagPb = { tag_name?: string | undefined; regex?: string | undefined; fixed_value?: string | undefined };

/** Fields that take effect, per message. */
export const STATS_CONFIG_FIELDS: Readonly<Record<string, string>> = {
  'envoy.config.metrics.v3.StatsConfig': 'stats_tags use_all_default_tags stats_matcher histogram_bucket_settings',
  'envoy.config.metrics.v3.TagSpecifier': 'tag_name regex fixed_value',
  'envoy.config.metrics.v3.StatsMatcher': 'reject_all exclusion_list inclusion_list',
  'envoy.config.metrics.v3.HistogramBucketSettings': 'match buckets',
  'envoy.type.matcher.v3.ListStringMatcher': 'patterns',
};

/** The decoder of a message, as far as this file needs one. */
export type StatsDecoder = {
  at(field: string, index?: number): StatsDecoder;
  reject(field: string, why: string): void;
};

export type StatsConfig = {
  readonly tags: TagExtractor;
  /** Null keeps everything. */
  readonly filter: StatFilter | null;
  /** The bucket bounds of a histogram, by its full name. */
  readonly bucketsOf: (fullName: string) => readonly number[];
};

/** Decodes stats_config; `cliTags` are the values of --stats-tag, 'name:value'. */
export function decodeStatsConfig(
  message: StatsConfigPb | undefined,
  d: StatsDecoder,
  cliTags: readonly string[] = [],
): StatsConfig {
  return {
    tags: new TagExtractor(decodeTags(message, d, cliTags)),
    filter: decodeFilter(message?.stats_matcher, d.at('stats_matcher')),
    bucketsOf: decodeBuckets(message?.histogram_bucket_settings, d),
  };
}

function decodeTags(message: StatsConfigPb | undefined, d: StatsDecoder, cliTags: readonly string[]): TagRule[] {
  const useDefaults = message?.use_all_default_tags ?? true;
  const rules = useDefaults ? defaultTagRules() : [];
  const names = new Set<string>();
  for (const tag of cliTags) {
    const colon = tag.indexOf(':');
    if (colon <= 0 || !/^[A-Za-z0-9_]+$/.test(tag.slice(0, colon)) || !/^[\w.-]+$/.test(tag.slice(colon + 1))) {
      d.reject('', `--stats-tag '${tag}' is not of the form name:value`);
      continue;
    }
    names.add(tag.slice(0, colon));
    rules.push(fixedRule(tag.slice(0, colon), tag.slice(colon + 1)));
  }
  message?.stats_tags?.forEach((tag, i) => {
    const at = d.at('stats_tags', i);
    const name = tag.tag_name ?? '';
    if (names.has(name)) at.reject('tag_name', `Tag name '${name}' specified twice.`);
    names.add(name);
    rules.push(...decodeTag(tag, name, useDefaults, at));
  });
  return rules;
}

function decodeTag(tag: TagPb, name: string, useDefaults: boolean, d: StatsDecoder): TagRule[] {
  if (name === '') d.reject('tag_name', 'tag_name cannot be empty');
  if (tag.fixed_value !== undefined) return [fixedRule(name, tag.fixed_value)];
  if (tag.regex === undefined || tag.regex === '') {
    const rules = defaultTagRules(name);
    if (rules.length === 0) {
      d.reject('regex', `No regex specified for tag specifier and no default regex for name: '${name}'`);
    }
    return useDefaults ? [] : rules;
  }
  const compiled = compileTagRegex(tag.regex);
  if ('error' in compiled) {
    d.reject('regex', `Invalid regex '${tag.regex}': ${compiled.error}`);
    return [];
  }
  if (compiled.groups === 0) {
    d.reject('regex', `Invalid regex '${tag.regex}': a tag needs a capturing group`);
    return [];
  }
  return [regexRule(name, compiled.regex)];
}

function decodeFilter(message: StatsConfigPb['stats_matcher'], d: StatsDecoder): StatFilter | null {
  if (message === undefined) return null;
  if (message.exclusion_list !== undefined) {
    const matches = decodePatterns(message.exclusion_list, d.at('exclusion_list'));
    return (name) => !matches(name);
  }
  if (message.inclusion_list !== undefined) return decodePatterns(message.inclusion_list, d.at('inclusion_list'));
  return message.reject_all === true ? () => false : null;
}

function decodePatterns(list: PatternsPb, d: StatsDecoder): StatFilter {
  const matchers = (list.patterns ?? []).map((pattern, i) => decodePattern(pattern, d.at('patterns', i)));
  return (name) => {
    for (const matches of matchers) if (matches(name)) return true;
    return false;
  };
}

function decodePattern(message: StringMatcherPb | undefined, d: StatsDecoder): StatFilter {
  const ignoreCase = message?.ignore_case === true;
  let match: StringMatch | null = null;
  if (message?.safe_regex !== undefined) match = { kind: 'regex', value: message.safe_regex.regex ?? '' };
  for (const kind of ['exact', 'prefix', 'suffix', 'contains'] as const) {
    const value = message?.[kind];
    if (value !== undefined) match = { kind, value, ignoreCase };
  }
  if (match === null) {
    d.reject('', 'no match pattern is set');
    return () => false;
  }
  const compiled = compileStringMatch(match);
  if (!('error' in compiled)) return (name) => compiled.matches(name);
  d.reject('', compiled.error);
  return () => false;
}

/** Of histograms whose values are no milliseconds. Source: Istio pkg/dns/client/monitoring.go. */
const OWN_BUCKETS: ReadonlyMap<string, readonly number[]> = new Map([
  ['istiocustom.istio_agent_dns_upstream_request_duration_seconds', [0.001, 0.005, 0.01, 0.1, 1, 5]],
]);

function decodeBuckets(
  settings: StatsConfigPb['histogram_bucket_settings'],
  d: StatsDecoder,
): (fullName: string) => readonly number[] {
  const rules = (settings ?? []).map((setting, i) => {
    const at = d.at('histogram_bucket_settings', i);
    const buckets = [...new Set(setting.buckets ?? [])].sort((a, b) => a - b);
    return { matches: decodePattern(setting.match, at.at('match')), buckets };
  });
  return (fullName) =>
    rules.find((rule) => rule.matches(fullName))?.buckets ?? OWN_BUCKETS.get(fullName) ?? DEFAULT_BUCKETS;
}
