// What a reader of /stats asks for.
import { compileRegex, type Regex } from '../base/regex.ts';
import type { Stat } from './metrics.ts';

export type BucketMode = 'summary' | 'cumulative' | 'disjoint' | 'detailed';
/** Pages are made of the text, or ask for the JSON themselves. */
export type StatsFormat = 'text' | 'json' | 'prometheus' | 'html' | 'active-html';
export type StatsParams = {
  readonly format: StatsFormat;
  readonly usedOnly: boolean;
  readonly filter: Regex | null;
  /** Those that the filter does not match. */
  readonly invertsFilter: boolean;
  /** Hidden statistics alone are asked for, of which there are none. */
  readonly onlyHidden: boolean;
  readonly type: 'All' | 'Counters' | 'Gauges' | 'Histograms' | 'TextReadouts';
  readonly buckets: BucketMode;
  readonly prometheusTextReadouts: boolean;
};

const TYPES = ['All', 'Counters', 'Gauges', 'Histograms', 'TextReadouts'];
const BUCKET_USAGE = 'usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n';

const NOT_NATIVE = 'unsupported prometheusnative histogram type when not using protobuf exposition format';
const NOT_PROMETHEUS = 'Invalid histogram_buckets type for non prometheus stats type';
const HIDDEN = ['include', 'only', 'exclude'];

/** Reads a query; a text is the body of the 400 that it deserves, in Envoy's words. */
export function parseStatsParams(query: URLSearchParams, isPrometheusPath = false): StatsParams | string {
  const format = isPrometheusPath ? 'prometheus' : (query.get('format') ?? 'text');
  if (!isFormat(format)) return 'usage: /stats?format=(html|active-html|json|prometheus|text)\n\n';
  const type = query.get('type') ?? 'All';
  if (!TYPES.includes(type)) return 'invalid &type= param';
  const given = query.get('histogram_buckets') ?? '';
  const buckets = bucketMode(given, format);
  if (buckets === null) {
    if (given === 'prometheusnative') return format === 'prometheus' ? NOT_NATIVE : NOT_PROMETHEUS;
    return format === 'prometheus' && isMode(given) ? 'unsupported prometheus histogram bucket mode' : BUCKET_USAGE;
  }
  const hidden = query.get('hidden') ?? 'exclude';
  if (!HIDDEN.includes(hidden)) return 'usage: /stats?hidden=(include|only|exclude)\n\n';
  let filter: Regex | null = null;
  const pattern = query.get('filter') ?? '';
  if (pattern !== '') {
    const compiled = compileRegex(pattern);
    if ('error' in compiled) return `Invalid re2 regex: ${compiled.error}\n`;
    filter = compiled;
  }
  return {
    format,
    usedOnly: query.has('usedonly'),
    filter,
    invertsFilter: query.has('invert_filter'),
    onlyHidden: hidden === 'only',
    type: type as StatsParams['type'],
    buckets,
    prometheusTextReadouts: query.has('text_readouts'),
  };
}

function isFormat(text: string): text is StatsFormat {
  return ['text', 'json', 'prometheus', 'html', 'active-html'].includes(text);
}

function isMode(text: string): text is BucketMode {
  return text === 'summary' || text === 'cumulative' || text === 'disjoint' || text === 'detailed';
}

function bucketMode(given: string, format: string): BucketMode | null {
  if (format === 'prometheus') {
    if (given === '' || given === 'cumulative') return 'cumulative';
    return given === 'summary' || given === 'none' ? 'summary' : null;
  }
  if (given === '' || given === 'none') return 'summary';
  return isMode(given) ? given : null;
}

/** Whether a statistic is asked for. */
export function isWanted(stat: Stat, params: StatsParams): boolean {
  if ((params.usedOnly && !stat.isUsed) || params.onlyHidden) return false;
  return params.filter === null || params.filter.search(stat.name) !== params.invertsFilter;
}
