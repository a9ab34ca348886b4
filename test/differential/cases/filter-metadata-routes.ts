// Differential cases: set_metadata with configurations of virtual hosts and routes.
import type { Case, Group } from '../case.ts';
import { any, bootstrap, cluster, type Fields, filter, http, route, textLog } from '../config.ts';
import { get } from '../messages.ts';

const NAME = 'envoy.filters.http.set_metadata';
const TYPE = 'envoy.extensions.filters.http.set_metadata.v3.Config';

const entry = (namespace: string, value: Fields, around: Fields = {}): Fields => ({
  metadata_namespace: namespace,
  value,
  ...around,
});
const per = (config: Fields): Fields => ({ typed_per_filter_config: { [NAME]: any(TYPE, config) } });
const main: Fields = { metadata: [entry('a', { k: 'main' }), entry('b', { k: 'main' })] };
const own: Fields = { metadata: [entry('a', { k: 'route' }), entry('c', { l: 'route' })] };
const twice: Fields = { metadata: [entry('a', { k: 1 }), entry('a', { k: 2 })] };
const routes: readonly Fields[] = [
  route('/own', 'a', {}, per(own)),
  route('/nothing', 'a', {}, per({})),
  route('/old', 'a', {}, per({ metadata_namespace: 'a', value: { k: 'old' } })),
  route('/twice', 'a', {}, per(twice)),
  route(
    '/off',
    'a',
    {},
    {
      typed_per_filter_config: { [NAME]: any('envoy.config.route.v3.FilterConfig', { disabled: true }) },
    },
  ),
  route('/', 'a'),
];
const log = [textLog('a=%DYNAMIC_METADATA(a)% b=%DYNAMIC_METADATA(b)% c=%DYNAMIC_METADATA(c)%\n')];
const config = bootstrap({
  listeners: [
    http({
      name: 'main',
      log,
      filters: [filter(NAME, TYPE, main)],
      virtualHosts: [
        { name: 'own', domains: ['own.example'], routes, ...per({ metadata: [entry('b', { k: 'host' })] }) },
        { name: 'all', domains: ['*'], routes },
      ],
    }),
  ],
  clusters: [cluster('a')],
});

const cases: readonly Case[] = ['own.example', 'other.example'].flatMap((host) =>
  ['/own', '/nothing', '/old', '/twice', '/off', '/'].map(
    (path): Case => ({
      name: `${host}${path}`,
      send: get(path, `host: ${host}`),
      stats: ['set_metadata'],
      probeMs: 5,
    }),
  ),
);

export const filterMetadataRouteGroups: readonly Group[] = [{ name: 'set_metadata of routes', config, cases }];
