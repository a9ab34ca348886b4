// Differential cases: retries that leave the priorities which were tried.
import type { Case, Group } from '../case.ts';
import { address, any, bootstrap, cluster, type Fields, http, route } from '../config.ts';
import { get, response } from '../messages.ts';

const PREVIOUS = 'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig';
const PREVIOUS_HOSTS = 'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';

function retry(frequency: number, fields: Fields = {}): Fields {
  return {
    retry_policy: {
      retry_on: '5xx,connect-failure',
      num_retries: 6,
      retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' },
      retry_priority: { name: 'any', typed_config: any(PREVIOUS, { update_frequency: frequency }) },
      ...fields,
    },
  };
}

/** A cluster of backends by priority. */
function levels(name: string, ...priorities: readonly (readonly string[])[]): Fields {
  const endpoints = priorities.map((backends, priority) => ({
    priority,
    lb_endpoints: backends.map((backend) => ({
      endpoint: { address: address(backend.includes('.') ? backend : `backend.${backend}`) },
    })),
  }));
  return cluster(name, [], { load_assignment: { cluster_name: name, endpoints } });
}

const avoidHosts = {
  retry_host_predicate: [{ name: 'any', typed_config: any(PREVIOUS_HOSTS) }],
  host_selection_retry_max_attempts: 3,
};

const config = bootstrap({
  listeners: [
    http({
      name: 'main',
      routes: [
        route('/1/', 'three', retry(1)),
        route('/2/', 'three', retry(2)),
        route('/3/', 'three', retry(3)),
        route('/10/', 'three', retry(10)),
        route('/hosts/', 'three', retry(2, avoidHosts)),
        route('/dead/', 'dead', retry(1)),
        route('/two/', 'two', retry(1)),
        route('/one/', 'one', retry(1)),
        route('/none/', 'none', retry(1)),
      ],
    }),
  ],
  clusters: [
    levels('three', ['a'], ['b'], ['c']),
    levels('two', ['a'], ['b']),
    levels('one', ['a']),
    levels('dead', ['free.dead'], ['a'], ['b']),
    levels('none'),
  ],
});

const NO = response(503, 'no');
const MANY = Array.from({ length: 7 }, () => NO);

const cases: readonly Case[] = ['1', '2', '3', '10', 'hosts', 'dead', 'two', 'one', 'none'].map((path) => ({
  name: `all priorities fail, /${path}/`,
  to: 'main',
  send: get(`/${path}/`),
  upstream: { a: MANY, b: MANY, c: MANY },
}));

const recovers: readonly Case[] = [
  {
    name: 'the second priority answers',
    to: 'main',
    send: get('/1/'),
    upstream: { a: MANY, b: [response(200, 'b')] },
  },
  {
    name: 'the second priority answers the third attempt',
    to: 'main',
    send: get('/2/'),
    upstream: { a: MANY, b: [response(200, 'b')] },
  },
  {
    name: 'several requests on a connection',
    to: 'main',
    send: [get('/1/'), { read: 1 }, get('/1/'), { read: 2 }],
    upstream: { a: [NO, response(200, 'a')], b: [response(200, 'b')] },
  },
];

export const retryPriorityGroups: readonly Group[] = [
  { name: 'retry priority', config, cases: [...cases, ...recovers] },
];
