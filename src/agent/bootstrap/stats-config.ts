// Which statistics a sidecar keeps, and which parts of their names are labels: Istio's choice.
import type { AgentSettings } from '../config/settings.ts';

/** Source: istio tools/packaging/common/envoy_bootstrap.json. */
const ADDRESS = '(?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*)';
const TAGS: readonly (readonly [name: string, regex: string])[] = [
  ['cluster_name', '^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)'],
  ['tcp_prefix', '^tcp\\.((.*?)\\.)\\w+?$'],
  ['response_code', '_rq(_(\\d{3}))$'],
  ['response_code_class', '_rq(_(\\dxx))$'],
  ['http_conn_manager_listener_prefix', `^listener(?=\\.).*?\\.http\\.((${ADDRESS})\\.)`],
  ['http_conn_manager_prefix', `^http\\.((${ADDRESS})\\.)`],
  ['listener_address', `^listener\\.((${ADDRESS})\\.)`],
  ['mongo_prefix', '^mongo\\.(.+?)\\.(collection|cmd|cx_|op_|delays_|decoding_)(.*?)$'],
];
const MORE_TAGS: readonly (readonly [name: string, regex: string])[] = [
  ['cache', '(cache\\.(.+?)\\.)'],
  ['component', '(component\\.(.+?)\\.)'],
  ['tag', '(tag\\.(.+?);\\.)'],
  ['wasm_filter', '(wasm_filter\\.(.+?)\\.)'],
  ['authz_enforce_result', 'rbac(\\.(allowed|denied))'],
  ['authz_dry_run_action', '(\\.istio_dry_run_(allow|deny)_)'],
  ['authz_dry_run_result', '(\\.shadow_(allowed|denied))'],
];

/** Source: istio pkg/bootstrap: what readiness and draining need. */
const NEEDED_PREFIXES = ['cluster_manager', 'listener_manager', 'server', 'cluster.xds-grpc', 'wasm'];
const NEEDED_SUFFIXES = ['rbac.allowed', 'rbac.denied', 'shadow_allowed', 'shadow_denied'];
const NEEDED_REGEXPS = ['vhost.*.route.*'];
const NEEDED_TO_DRAIN = 'downstream_cx_active';

export function statsConfig(settings: AgentSettings): object {
  const { annotations, proxyConfig } = settings;
  const inAnnotation = (name: string): string[] => listOf(annotations[`sidecar.istio.io/${name}`] ?? '');
  const extra = new Set([...proxyConfig.extraStatTags, ...inAnnotation('extraStatTags')].filter((tag) => tag !== ''));
  const extraTags = [...extra].map((tag): readonly [string, string] => [tag, `(${tag}=\\.=(.*?);\\.;)`]);
  const buckets = histogramBuckets(annotations['sidecar.istio.io/statsHistogramBuckets'] ?? '');
  return {
    use_all_default_tags: false,
    stats_tags: [...TAGS, ...extraTags, ...MORE_TAGS].map(([tag_name, regex]) => ({ tag_name, regex })),
    ...(buckets.length > 0 ? { histogram_bucket_settings: buckets } : {}),
    stats_matcher: { inclusion_list: { patterns: patterns(settings, inAnnotation) } },
  };
}

/** Source: istio pkg/bootstrap, getStatsOptions: an annotation takes the place of the mesh's configuration. */
function patterns(settings: AgentSettings, inAnnotation: (name: string) => string[]): object[] {
  const { addresses, drain, proxyConfig } = settings;
  const { prefixes, suffixes, regexps } = proxyConfig.statsInclusion;
  const chosen = (name: string, configured: readonly string[] | null, needed: readonly string[]): string[] => {
    const said = inAnnotation(name);
    const all = [...(said.length > 0 ? said : (configured ?? [])), ...needed];
    return all.flatMap((one) =>
      one.includes('{pod_ip}') ? addresses.map((ip) => one.replaceAll('{pod_ip}', ip)) : [one],
    );
  };
  const neededSuffixes = drain.exitsOnZeroConnections ? [...NEEDED_SUFFIXES, NEEDED_TO_DRAIN] : NEEDED_SUFFIXES;
  return [
    { prefix: 'reporter=' },
    ...chosen('statsInclusionPrefixes', prefixes, NEEDED_PREFIXES).map((prefix) => ({ prefix })),
    ...chosen('statsInclusionSuffixes', suffixes, neededSuffixes).map((suffix) => ({ suffix })),
    ...chosen('statsInclusionRegexps', regexps, NEEDED_REGEXPS).map((regex) => ({ safe_regex: { regex } })),
    { prefix: 'component' },
    { prefix: 'istio' },
  ];
}

function listOf(text: string): string[] {
  return text === '' ? [] : text.split(',');
}

/** Of JSON: {"PREFIX": [1, 5, 10]}. */
function histogramBuckets(text: string): object[] {
  if (text === '') return [];
  try {
    const buckets = Object.entries(JSON.parse(text) as Record<string, number[]>);
    return buckets
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([prefix, values]) => ({ match: { prefix }, buckets: values }));
  } catch {
    return [];
  }
}
