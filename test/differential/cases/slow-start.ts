// Differential cases: slow start of hosts. What a later host gets is measured with a clock of its own, in unit tests.
import type { Case, Group, Observation } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, http, route } from '../config.ts';
import { get, response } from '../messages.ts';
import type { ConfigCase } from './bad-configs.ts';

const POLICIES = 'envoy.extensions.load_balancing_policies';
const WINDOW: Fields = { slow_start_window: '600s' };

const policy = (type: string, fields: Fields): Fields => ({
  load_balancing_policy: {
    policies: [{ typed_extension_config: { name: 'x', typed_config: any(`${POLICIES}.${type}`, fields) } }],
  },
});

const clusters: Readonly<Record<string, Fields>> = {
  'round-robin': { round_robin_lb_config: { slow_start_config: WINDOW } },
  'no-window': { round_robin_lb_config: { slow_start_config: {} } },
  least: { lb_policy: 'LEAST_REQUEST', least_request_lb_config: { slow_start_config: WINDOW } },
  policy: policy('round_robin.v3.RoundRobin', { slow_start_config: WINDOW }),
  'policy-least': policy('least_request.v3.LeastRequest', { slow_start_config: WINDOW }),
  // Not of its policy: nothing comes of it.
  other: { lb_policy: 'RANDOM', round_robin_lb_config: { slow_start_config: WINDOW } },
};

/** Where it begins is drawn: who gets how many. */
function view({ clients, upstream }: Observation): unknown {
  return {
    answers: clients.map(({ responses }) => responses.map(({ line }) => line)),
    shares: Object.fromEntries(Object.entries(upstream).map(([name, requests]) => [name, requests.length])),
  };
}

const names = Object.keys(clusters);

export const slowStartGroups: readonly Group[] = [
  {
    name: 'slow start: hosts of one age',
    config: bootstrap({
      listeners: [http({ name: 'main', routes: names.map((name) => route(`/${name}`, name)) })],
      clusters: names.map((name) => cluster(name, name === 'other' ? ['a'] : ['a', 'b'], clusters[name])),
    }),
    cases: names.map(
      (name): Case => ({
        name,
        send: [1, 2, 3, 4].flatMap((read) => [get(`/${name}`), { read }]),
        upstream: { a: Array(4).fill(response(200)), b: Array(4).fill(response(200)) },
        standardStats: false,
        view,
      }),
    ),
  },
];

const configured = (name: string, fields: Fields, row: Partial<ConfigCase>): ConfigCase => ({
  name: `slow start: ${name}`,
  config: bootstrap({ listeners: [http({ name: 'main' })], clusters: [cluster('a', ['free.a'], fields)] }),
  ...row,
});
const roundRobin = (slow: Fields): Fields => ({ round_robin_lb_config: { slow_start_config: slow } });

export const slowStartConfigCases: readonly ConfigCase[] = [
  configured(
    'all of it',
    roundRobin({
      slow_start_window: '1s',
      aggression: { default_value: 2.5, runtime_key: 'k' },
      min_weight_percent: { value: 0 },
    }),
    { isGood: true },
  ),
  configured('aggression without a key', roundRobin({ slow_start_window: '1s', aggression: { default_value: 2 } }), {
    isGood: true,
  }),
  configured('more than all of the weight', roundRobin({ min_weight_percent: { value: 101 } }), {
    mentions: ['min_weight_percent'],
  }),
];
