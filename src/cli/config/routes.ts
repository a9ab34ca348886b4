// Routes as istioctl proxy-config tells them: virtual hosts, what each route takes, and which object it comes of.
import { at, byText, type ConfigDump, type Json, listAt, managedBy, textAt } from './dump.ts';

/** Those with a port for a name by number, then the other ones, then those that listeners have inside. */
export function selectRoutes(dump: ConfigDump, name: string | undefined): readonly Json[] {
  const isNumber = (config: Json): boolean => /^\d+$/.test(textAt(config, 'name'));
  const numbered = dump.dynamicRoutes.filter(isNumber);
  numbered.sort((a, b) => Number(a['name']) - Number(b['name']));
  const named = dump.dynamicRoutes.filter((config) => !isNumber(config));
  named.sort((a, b) => byText(textAt(a, 'name'), textAt(b, 'name')));
  const inside = [...dump.staticRoutes].sort((a, b) => byText(contentOf(a), contentOf(b)));
  const all = [...numbered, ...named, ...inside];
  return name === undefined ? all : all.filter((config) => textAt(config, 'name') === name);
}

/** Proxies dump them in no order. */
function contentOf(config: Json): string {
  const hosts = listAt(config, 'virtual_hosts').flatMap((host) => [
    textAt(host, 'name'),
    ...listAt(host, 'routes').map((route) => describeMatch(at(route, 'match'))),
  ]);
  return [textAt(config, 'name'), ...hosts].join('\n');
}

export function routeRows(configs: readonly Json[], named = false): string[][] {
  const rows = configs.flatMap((config) => {
    const name = `${named ? 'route/' : ''}${textAt(config, 'name')}`;
    return listAt(config, 'virtual_hosts').flatMap((host) => {
      const own = [name, textAt(host, 'name'), describeDomains((at(host, 'domains') ?? []) as readonly string[])];
      const routes = listAt(host, 'routes');
      if (routes.length === 0) return [[...own, '/*', '404']];
      const shown = routes.filter((route) => textAt(route, 'route', 'cluster') !== 'PassthroughCluster');
      return shown.map((route) => [...own, describeMatch(at(route, 'match')), managedBy(route)]);
    });
  });
  return [['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'VIRTUAL SERVICE'], ...rows];
}

/** Headers are left out. */
export function describeMatch(match: unknown): string {
  const [prefix, separated] = [textAt(match, 'prefix'), textAt(match, 'path_separated_prefix')];
  const [path, regex] = [textAt(match, 'path'), at(match, 'safe_regex')];
  return [
    ...(prefix === '' ? [] : [`${prefix}*`]),
    ...(separated === '' ? [] : [`PathPrefix:${separated}`]),
    ...(path === '' ? [] : [path]),
    ...(regex === undefined ? [] : [`regex ${textAt(regex, 'regex')}`]),
  ].join(' ');
}

const MOST_DOMAINS = 2;
const EXPANSIONS = ['.svc.cluster.local.', '.svc.cluster.local', '.svc', '.'];

/** The first ones, without those that only say the same with a port or with more of the cluster's domain. */
function describeDomains(domains: readonly string[]): string {
  if (domains.length <= 1) return domains[0] ?? '';
  const bare = domains.filter((domain) => !domain.includes(':') || domain.endsWith(']'));
  const known = new Set(bare);
  const short = bare.filter((domain) =>
    EXPANSIONS.every((end) => !domain.endsWith(end) || !known.has(domain.slice(0, -end.length))),
  );
  const first = short.slice(0, MOST_DOMAINS).join(', ');
  return short.length > MOST_DOMAINS ? `${first} + ${short.length - MOST_DOMAINS} more...` : first;
}
