// What a reader of /stats asks for.
import { compileRegex, type Regex } from '../base/regex.ts';
import type { Stat } from './metrics.ts';

export type BucketMode = 'summary' | 'cumulative' | 'disjoint' | 'detailed';
export type StatsFormat = 'text' | 'json' | 'prometheus';
export type StatsParams = {
  readonly format: StatsFormat;
  readonly usedOnly: boolean;
  readonly filter: Regex | null;
  readonly type: 'All' | 'Counters' | 'Gauges' | 'Histograms' | 'TextReadouts';
  readonly buckets: BucketMode;
  readonly prometheusTextReadouts: boolean;
};

const TYPES = ['All', 'Counters', 'Gauges', 'Histograms', 'TextReadouts'];
const BUCKET_USAGE = 'usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n';

/** Reads a query; a text is the body of the 400 that it deserves, in Envoy's words. */
export function parseStatsParams(query: URLSearchParams, isPrometheusPath = false): StatsParams | string {
  let format = isPrometheusPath ? 'prometheus' : (query.get('format') ?? 'text');
  // The pages for people come with the dashboard.
  if (format === 'html' || format === 'active-html') format = 'text';
  if (format !== 'text' && format !== 'json' && format !== 'prometheus') {
    return 'usage: /stats?format=(html|active-html|json|prometheus|text)\n\n';
  }
  const type = query.get('type') ?? 'All';
  if (!TYPES.includes(type)) return 'invalid &type= param';
  const given = query.get('histogram_buckets') ?? '';
  const buckets = bucketMode(given, format);
  if (buckets === null) {
    if (format === 'prometheus' && given !== 'prometheusnative' && isMode(given)) {
      return 'unsupported prometheus histogram bucket mode';
    }
    return given === 'prometheusnative' && format !== 'prometheus'
      ? 'Invalid histogram_buckets type for non prometheus stats type'
      : BUCKET_USAGE;
  }
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
    type: type as StatsParams['type'],
    buckets,
    prometheusTextReadouts: query.has('text_readouts'),
  };
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
  if (params.usedOnly && !stat.isUsed) return false;
  return params.filter === null || params.filter.search(stat.name);
}
