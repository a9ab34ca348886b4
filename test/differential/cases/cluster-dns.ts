// DNS clusters: which hosts a name gives, and what becomes of them when the answers change, fail or lie.
import type { DnsAnswer, DnsZone } from '../../support/dns-server.ts';
import type { Case, Group, Observation } from '../case.ts';
import { any, bootstrap, type Fields, http, route } from '../config.ts';

const HERE = '127.0.0.1';
/** Nobody listens there: a request that goes there fails, and the log tells where it went. */
const THERE = '127.0.0.2';

const RESOLVER = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';

function cares(fields: Fields = {}): Fields {
  return {
    name: 'envoy.network.dns_resolver.cares',
    typed_config: any(RESOLVER, {
      resolvers: [{ socket_address: { address: '127.0.0.1', port_value: '{{dns.main}}' } }],
      dns_resolver_options: { no_default_search_domain: true },
      query_timeout_seconds: 1,
      query_tries: 1,
      ...fields,
    }),
  };
}

function at(name: string, change: Fields = {}): Fields {
  return {
    endpoint: { address: { socket_address: { address: name, port_value: '{{backend.a}}' } } },
    ...change,
  };
}

/** A cluster of the names NAME.test, asked for 20 times a second. */
function dns(name: string, type: string, fields: Fields = {}, endpoints?: readonly Fields[]): Fields {
  return {
    name,
    type,
    connect_timeout: '1s',
    dns_lookup_family: 'V4_ONLY',
    dns_refresh_rate: '0.05s',
    typed_dns_resolver_config: cares(),
    load_assignment: { cluster_name: name, endpoints: endpoints ?? [{ lb_endpoints: [at(`${name}.test`)] }] },
    ...fields,
  };
}

function request(cluster: string): string {
  return `GET /${cluster} HTTP/1.1\r\nhost: example.com\r\n\r\n`;
}

/** Lines of /clusters about hosts, in any order: Envoy's order of clusters is that of a hash table. */
function hostLines(observation: Observation): string[] {
  const body = observation.admin?.['GET /clusters']?.body ?? '';
  const wanted = /::(hostname|health_flags|weight|region|zone|sub_zone|canary|priority)::/;
  return body
    .split('\n')
    .filter((line) => wanted.test(line))
    .sort();
}

/** What `/clusters` and the statistics of the clusters say, and how a request fared. */
function hosts(observation: Observation): unknown {
  const { clients, log, stats, upstream } = observation;
  return { hosts: hostLines(observation), responses: clients.map((client) => client.responses), log, stats, upstream };
}

const OUTCOMES = ['^cluster\\.[^.]+\\.membership_(change|total|healthy)$'];

/** A case about one cluster: a request through it, its hosts and their number. */
function about(name: string, cluster: string, more: Partial<Case> = {}): Case {
  return {
    name,
    send: request(cluster),
    admin: ['GET /clusters'],
    stats: OUTCOMES,
    view: (observation) => {
      const seen = hosts(observation) as { hosts: string[] };
      return { ...seen, hosts: seen.hosts.filter((line) => line.startsWith(`${cluster}::`)) };
    },
    ...more,
  };
}

const chain: readonly DnsAnswer[] = [
  'CNAME mid.test',
  { owner: 'mid.test', data: 'CNAME end.test' },
  { owner: 'end.test', data: HERE },
];

const START: DnsZone = {
  'one.test': [HERE],
  'logical.test': [HERE, THERE],
  'typed.test': [HERE],
  'typed-logical.test': [HERE],
  'chain.test': chain,
  'alias.test': ['CNAME elsewhere.test'],
  'foreign.test': [{ owner: 'somebody.test', data: HERE }],
  'upper.test': [HERE],
  'none.test': [],
  'servfail.test': { code: 2 },
  'refused.test': { code: 5 },
  'formerr.test': { code: 1 },
  'odd.test': { code: 9 },
  'cut.test': { truncated: true, answers: [HERE] },
  'tcp.test': [HERE],
  'auto.test': ['::1', HERE],
  'auto4.test': [HERE],
  'half.test/AAAA': { code: 2 },
  'half.test/A': [HERE],
  'preferred.test': ['::1', HERE],
  'all.test/A': [HERE],
  'all.test/AAAA': ['::1'],
  'v6.test': [HERE],
  'twice.test': [HERE, HERE],
  'low.test': [THERE],
  'high.test': [HERE],
  'lie-id.test': { wrongId: true, answers: [HERE] },
  'lie-question.test': { wrongQuestion: true, answers: [HERE] },
  'noise.test': { raw: 'ffffffffffffffff' },
  'silent.test': { silent: true },
};

const DNS_CLUSTER = 'envoy.extensions.clusters.dns.v3.DnsCluster';

function typed(name: string, isLogical: boolean): Fields {
  const { type: _type, ...rest } = dns(name, '');
  const fields = ['dns_lookup_family', 'dns_refresh_rate', 'typed_dns_resolver_config'];
  const moved = Object.fromEntries(fields.map((field) => [field, rest[field]]));
  const kept = Object.fromEntries(Object.entries(rest).filter(([field]) => !fields.includes(field)));
  const config = any(DNS_CLUSTER, { ...moved, all_addresses_in_single_endpoint: isLogical });
  return { ...kept, cluster_type: { name: 'envoy.cluster.dns', typed_config: config } };
}

const STRICT = 'STRICT_DNS';
const CLUSTERS: readonly Fields[] = [
  dns('one', STRICT),
  dns('logical', 'LOGICAL_DNS'),
  typed('typed', false),
  typed('typed-logical', true),
  ...['chain', 'alias', 'foreign', 'none', 'missing', 'servfail', 'refused', 'formerr', 'odd', 'cut', 'twice'].map(
    (name) => dns(name, STRICT),
  ),
  dns('upper', STRICT, {}, [{ lb_endpoints: [at('UPPER.test')] }]),
  dns('tcp', STRICT, { typed_dns_resolver_config: cares({ dns_resolver_options: { use_tcp_for_dns_lookups: true } }) }),
  dns('auto', STRICT, { dns_lookup_family: 'AUTO' }),
  dns('auto4', STRICT, { dns_lookup_family: 'AUTO' }),
  dns('half', STRICT, { dns_lookup_family: 'AUTO' }),
  dns('preferred', STRICT, { dns_lookup_family: 'V4_PREFERRED' }),
  dns('all', STRICT, { dns_lookup_family: 'ALL' }),
  dns('v6', STRICT, { dns_lookup_family: 'V6_ONLY' }),
  dns('number', STRICT, {}, [{ lb_endpoints: [at(HERE)] }]),
  dns('number6', STRICT, { dns_lookup_family: 'V6_ONLY' }, [{ lb_endpoints: [at(HERE)] }]),
  dns('local', STRICT, {}, [{ lb_endpoints: [at('localhost')] }]),
  dns('local-below', STRICT, {}, [{ lb_endpoints: [at('x.localhost')] }]),
  dns('dots', STRICT, {}, [{ lb_endpoints: [at('a..test')] }]),
  dns('long', STRICT, {}, [{ lb_endpoints: [at(`${'x'.repeat(64)}.test`)] }]),
  dns('levels', STRICT, {}, [
    { priority: 1, locality: { region: 'r', zone: 'far' }, lb_endpoints: [at('high.test')] },
    {
      locality: { region: 'r', zone: 'near', sub_zone: 's' },
      lb_endpoints: [at('low.test', { load_balancing_weight: 3, health_status: 'UNHEALTHY' })],
    },
  ]),
  dns('same', STRICT, {}, [{ lb_endpoints: [at('one.test'), at('typed.test'), at(HERE)] }]),
  dns('empty', STRICT, {}, []),
  dns('named', STRICT, {}, [
    {
      lb_endpoints: [
        {
          endpoint: {
            hostname: 'named.example',
            address: { socket_address: { address: 'one.test', port_value: '{{backend.a}}' } },
          },
        },
      ],
    },
  ]),
  ...['lie-id', 'lie-question', 'noise', 'silent'].map((name) => dns(name, STRICT, { dns_refresh_rate: '600s' })),
];

const names = CLUSTERS.map((cluster) => cluster['name'] as string);

function listeners(): readonly Fields[] {
  const rewrite = { auto_host_rewrite: true };
  return [
    http({
      name: 'main',
      routes: [
        route('/rewrite/one', 'one', rewrite),
        route('/rewrite/logical', 'logical', rewrite),
        route('/rewrite/named', 'named', rewrite),
        // The longest names first: routes match by prefix.
        ...[...names].sort((a, b) => b.length - a.length).map((name) => route(`/${name}`, name)),
      ],
    }),
  ];
}

const answersGroup: Group = {
  name: 'dns clusters, answers',
  config: bootstrap({ listeners: listeners(), clusters: CLUSTERS }),
  dns: { main: START },
  cases: [
    about('one address', 'one'),
    about('a logical host is its first address', 'logical'),
    about('DnsCluster', 'typed'),
    about('DnsCluster with all addresses in one endpoint', 'typed-logical'),
    about('a chain of aliases', 'chain'),
    about('an alias and nothing more', 'alias'),
    about('an answer about another name', 'foreign'),
    about('names have no case', 'upper'),
    about('no addresses', 'none'),
    about('NXDOMAIN', 'missing'),
    about('SERVFAIL', 'servfail'),
    about('REFUSED', 'refused'),
    about('FORMERR', 'formerr'),
    about('a code without a meaning', 'odd'),
    about('a cut answer is fetched by TCP', 'cut'),
    about('lookups by TCP', 'tcp'),
    about('AUTO takes IPv6', 'auto'),
    about('AUTO takes IPv4 when there is no IPv6', 'auto4'),
    about('AUTO when IPv6 fails', 'half'),
    about('V4_PREFERRED takes IPv4', 'preferred'),
    about('ALL takes both', 'all', { send: [] }),
    about('V6_ONLY without IPv6', 'v6'),
    about('a number is no name', 'number'),
    about('a number of another family', 'number6'),
    about('localhost', 'local'),
    about('a name below localhost', 'local-below'),
    about('a name with an empty label', 'dots'),
    about('a name with a label that is too long', 'long'),
    about('an address twice', 'twice'),
    about('one address under three names', 'same'),
    about('priorities, localities, weights and health', 'levels'),
    about('a cluster without endpoints', 'empty'),
    about('an endpoint with a hostname', 'named'),
    about('the authority becomes the name', 'one', { send: request('rewrite/one') }),
    about('the authority becomes the logical name', 'logical', { send: request('rewrite/logical') }),
    about('the authority becomes the hostname', 'named', { send: request('rewrite/named') }),
    about('an answer with another id', 'lie-id'),
    about('an answer to another question', 'lie-question'),
    about('noise', 'noise'),
    about('silence', 'silent'),
  ],
};

const KEEP = [
  'GET /one HTTP/1.1\r\nhost: example.com\r\n\r\n',
  { read: 1 },
  'GET /logical HTTP/1.1\r\nhost: example.com\r\n\r\n',
  { read: 1 },
] as const;

function change(name: string, one: DnsZone[string], logical: DnsZone[string], more: Partial<Case> = {}): Case {
  return {
    name,
    dns: { main: { 'one.test': one, 'logical.test': logical } },
    send: KEEP,
    admin: ['GET /clusters'],
    stats: [...OUTCOMES, '^cluster_manager\\.cluster_updated$'],
    upstreamFate: true,
    view: (observation) => ({ ...(hosts(observation) as object), fates: observation.upstreamFates }),
    ...more,
  };
}

const changesGroup: Group = {
  name: 'dns clusters, changes',
  config: bootstrap({
    listeners: [http({ name: 'main', routes: [route('/one', 'one'), route('/logical', 'logical')] })],
    clusters: [dns('one', STRICT), dns('logical', 'LOGICAL_DNS')],
  }),
  dns: { main: { 'one.test': [HERE], 'logical.test': [HERE] } },
  cases: [
    change('nothing', [HERE], [HERE]),
    change('another address', [THERE], [THERE]),
    change('back again', [HERE], [HERE]),
    change('a second address', [HERE, '127.0.0.3'], [HERE, THERE], { send: [], upstreamFate: false }),
    change('another order', ['127.0.0.3', HERE], [THERE, HERE], { send: [], upstreamFate: false }),
    change('one address again', [HERE], [HERE]),
    change('SERVFAIL keeps the hosts', { code: 2 }, { code: 2 }),
    change('NXDOMAIN takes the hosts, but not the logical one', { code: 3 }, { code: 3 }),
    change('the hosts are back', [HERE], [HERE]),
    change('an empty answer takes the hosts, but not the logical one', [], []),
    change('the hosts are back once more', [HERE], [HERE]),
    // The last one: its questions are still open when it ends.
    change('silence keeps the hosts', { silent: true }, { silent: true }),
  ],
};

export const clusterDnsGroups: readonly Group[] = [answersGroup, changesGroup];
