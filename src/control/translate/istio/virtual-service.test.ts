// What becomes of a VirtualService's names, delegates and rules.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ConfigObject } from '../../source/object.ts';
import { resolveNames, translateVirtualService, type VirtualService } from './virtual-service.ts';
import type { HttpRouteSpec, RouteDestinationSpec, VirtualServiceSpec } from './virtual-service-spec.ts';

function object(name: string, namespace: string, spec: VirtualServiceSpec): VirtualService {
  const base: ConfigObject = {
    ...{ group: 'networking.istio.io', version: 'v1', kind: 'VirtualService', namespace, name, labels: {} },
    ...{ annotations: {}, creationMs: 0, generation: 0, uid: '', spec: {}, data: {}, status: {} },
  };
  return resolveNames({ ...base, spec }, 'cluster.local');
}

function translate(
  root: VirtualService,
  delegates: readonly VirtualService[] = [],
  missing: readonly string[] = [],
): ReturnType<typeof translateVirtualService> {
  return translateVirtualService(root, {
    mesh: { defaultVirtualServiceExportTo: [] },
    delegate: (namespace, name) => delegates.find((one) => one.namespace === namespace && one.name === name),
    check: (_namespace, host) => (missing.includes(host) ? `there is no service ${host}` : null),
  });
}

const to = (host: string): RouteDestinationSpec[] => [{ destination: { host } }];

test('names are in full: short ones are services of the own namespace', () => {
  const { routes } = translate(
    object('v', 'team', {
      hosts: ['shop', 'Shop.Example.com', '*', '10.0.0.1'],
      gateways: ['gw', 'infra/gw', './own', 'old.infra.svc.cluster.local', 'mesh'],
      exportTo: ['.'],
      http: [{ route: to('shop'), mirror: { host: 'shadow' }, match: [{ gateways: ['gw'] }] }],
      tls: [
        { match: [{ sniHosts: ['a.b'], gateways: ['gw'], port: 443 }], route: [{ destination: { host: 'x.io' } }] },
      ],
      tcp: [{ route: [{ destination: { host: 'db' }, weight: 5 }] }],
    }),
  );
  assert.deepEqual(routes.hosts, ['shop.team.svc.cluster.local', 'shop.example.com', '*', '10.0.0.1']);
  assert.deepEqual(routes.parents, ['team/gw', 'infra/gw', 'team/own', 'infra/old', 'mesh']);
  assert.deepEqual([...routes.exportTo], ['team']);
  const [rule] = routes.http;
  assert.deepEqual(rule?.matches[0]?.parents, ['team/gw']);
  assert.equal(rule?.mirrors[0]?.destination.host, 'shadow.team.svc.cluster.local');
  assert.deepEqual(
    routes.l4.map(({ isTls, matches, backends }) => [isTls, matches[0]?.sniHosts, backends[0]?.destination.host]),
    [
      [true, ['a.b'], 'x.io'],
      [false, undefined, 'db.team.svc.cluster.local'],
    ],
  );
});

test('a destination that is not there keeps its name, and is complained of once', () => {
  const host = 'gone.team.svc.cluster.local';
  const shares = [...to('gone'), ...to('shop'), ...to('gone')].map((route) => ({ ...route, weight: 1 }));
  const spec = { hosts: ['shop'], http: [{ route: shares }] };
  const { routes, complaints } = translate(object('v', 'team', spec), [], [host]);
  const [rule] = routes.http;
  assert.ok(rule?.action.kind === 'forward');
  assert.deepEqual(rule.action.backends[0]?.destination.host, host);
  assert.deepEqual(
    rule.action.backends.map(({ destination }) => destination.unresolved !== null),
    [true, false, true],
  );
  assert.deepEqual(
    complaints.map(({ objectKey, fieldPath, severity }) => [objectKey, fieldPath, severity]),
    [['VirtualService/team/v', 'spec.http[0]', 'warning']],
  );
});

test('shares that are none are complained of', () => {
  const weights = (...list: (number | undefined)[]): [string, string][] => {
    const route = list.map((weight) => ({ ...to('shop')[0], ...(weight === undefined ? {} : { weight }) }));
    const { complaints } = translate(object('v', 'team', { hosts: ['shop'], http: [{ route }] }));
    return complaints.map(({ fieldPath, severity }) => [fieldPath, severity]);
  };
  assert.deepEqual(weights(0, 0), [['spec.http[0].route', 'error']]);
  assert.deepEqual(weights(undefined, undefined), [['spec.http[0].route', 'error']]);
  assert.deepEqual(weights(5, -3), [['spec.http[0].route[1].weight', 'error']]);
  assert.deepEqual([weights(0, 100), weights(undefined)], [[], []]);
});

describe('delegates', () => {
  const root = (rest: HttpRouteSpec = {}): VirtualService =>
    object('root', 'team', {
      hosts: ['shop'],
      http: [
        { name: 'r', match: [{ uri: { prefix: '/api' } }], delegate: { name: 'leaf', namespace: 'dev' }, ...rest },
      ],
    });
  const leaf = (http: readonly HttpRouteSpec[], rest: VirtualServiceSpec = {}): VirtualService =>
    object('leaf', 'dev', { http, ...rest });

  test('rules come in the place of the route, narrower than its match, with their own origin and names', () => {
    const rules = [{ name: 'l', match: [{ uri: { prefix: '/api/v1' } }], route: to('x') }, { route: to('y') }];
    const { routes, complaints } = translate(root({ timeout: '3s' }), [leaf(rules)]);
    assert.deepEqual(complaints, []);
    assert.deepEqual(
      routes.http.map(({ name, origin, timeoutMs, matches }) => [name, origin.key, timeoutMs, matches[0]?.path]),
      [
        ['r-l', 'VirtualService/dev/leaf', 3000, { kind: 'prefix', value: '/api/v1' }],
        ['r', 'VirtualService/dev/leaf', 3000, { kind: 'prefix', value: '/api' }],
      ],
    );
    const [first] = routes.http;
    assert.ok(first?.action.kind === 'forward');
    assert.equal(first.action.backends[0]?.destination.host, 'x.dev.svc.cluster.local');
  });

  test('what takes more than the route passes on is left out', () => {
    const rules = [{ match: [{ uri: { prefix: '/other' } }], route: to('x') }];
    const { routes, complaints } = translate(root(), [leaf(rules)]);
    assert.deepEqual(routes.http, []);
    assert.equal(complaints[0]?.fieldPath, 'spec.http[0].delegate');
  });

  test('missing and private ones are none', () => {
    assert.match(translate(root()).complaints[0]?.message ?? '', /no VirtualService dev\/leaf/);
    const hidden = leaf([{ route: to('x') }], { exportTo: ['.'] });
    const { routes, complaints } = translate(root(), [hidden]);
    assert.deepEqual(routes.http, []);
    assert.match(complaints[0]?.message ?? '', /not exported to team/);
  });

  test('expressions cannot be compared', () => {
    const regex = [{ match: [{ uri: { regex: '/api/.*' } }], route: to('x') }];
    assert.deepEqual(translate(root(), [leaf(regex)]).routes.http, []);
    const header = [{ match: [{ headers: { a: { regex: 'x' } } }], route: to('x') }];
    assert.equal(translate(root(), [leaf(header)]).routes.http.length, 1);
  });
});
