// Names and domains of virtual hosts, where several want the same ones and where one table is for all ports.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type PlanInput, type PlannedHost, type PlanService, planVirtualHosts } from './sidecar-plan.ts';

function service(hostname: string, rest: Partial<PlanService> = {}): PlanService {
  return {
    ...{ key: `team/${hostname}`, namespace: 'team', hostname, aliases: [], addresses: [], registry: 'Kubernetes' },
    ...{ autoAddresses: { v4: '', v6: '' }, resolution: 'ClientSideLB', isHeadless: false },
    ports: [{ number: 80, protocol: 'HTTP' }],
    ...rest,
  };
}

const CALLER: PlanInput['caller'] = {
  ...{ namespace: 'team', labels: {}, dnsDomain: 'team.svc.cluster.local', families: 'v4', dnsCapture: false },
};

function plan(services: readonly PlanService[], rest: Partial<PlanInput> = {}): PlannedHost[] {
  return planVirtualHosts({ port: 80, writesPorts: false, services, routes: [], caller: CALLER, ...rest });
}

function domains(hosts: readonly PlannedHost[]): Record<string, readonly string[]> {
  return Object.fromEntries(hosts.map((host) => [host.name, host.domains]));
}

describe('domains', () => {
  test('are short in the caller’s own namespace, longer from others, and only full for other names', () => {
    const hosts = plan([
      service('a.team.svc.cluster.local'),
      service('b.far.svc.cluster.local'),
      service('c.example.com'),
    ]);
    assert.deepEqual(domains(hosts), {
      'a.team.svc.cluster.local:80': [
        ...['a.team.svc.cluster.local', 'a.team.svc.cluster.local.', 'a', 'a.team.svc', 'a.team'],
      ],
      'b.far.svc.cluster.local:80': ['b.far.svc.cluster.local', 'b.far.svc.cluster.local.', 'b.far', 'b.far.svc'],
      'c.example.com:80': ['c.example.com', 'c.example.com.'],
    });
  });

  test('are addresses of the caller’s families; made-up ones only where it resolves names itself', () => {
    const both = service('d.x', { addresses: ['10.0.0.1', 'fd00::1'] });
    const made = service('e.x', { autoAddresses: { v4: '240.240.0.1', v6: '2001:2::1' }, registry: 'External' });
    const of = (caller: Partial<PlanInput['caller']>): unknown =>
      Object.values(domains(plan([both, made], { caller: { ...CALLER, ...caller } }))).map((list) => list.slice(2));
    assert.deepEqual(of({}), [['10.0.0.1'], []]);
    assert.deepEqual(of({ families: 'v6', dnsCapture: true }), [['[fd00::1]'], ['[2001:2::1]']]);
    assert.deepEqual(of({ families: 'v4,v6', dnsCapture: true }), [
      ['10.0.0.1', '[fd00::1]'],
      ['240.240.0.1', '[2001:2::1]'],
    ]);
  });

  test('are one service’s: names go before short forms, what is taken is left out, whatever the case', () => {
    const hosts = plan([
      service('a.team.svc.cluster.local'),
      service('a.team', { registry: 'External', resolution: 'DNSLB' }),
      service('B.io', { registry: 'External', addresses: ['10.0.0.9'] }),
      service('b.io', { registry: 'External', addresses: ['10.0.0.9'] }),
    ]);
    const found = domains(hosts);
    assert.ok(!found['a.team.svc.cluster.local:80']?.includes('a.team'));
    assert.deepEqual(found['a.team:80'], ['a.team', 'a.team.']);
    assert.deepEqual([found['B.io:80'], found['b.io:80']], [['B.io', 'B.io.', '10.0.0.9'], undefined]);
  });

  test('of a headless service are those of its members too, of an alias those of its target', () => {
    const headless = service('h.far.svc.cluster.local', { resolution: 'Passthrough', isHeadless: true });
    const target = service('t.io', { aliases: ['u.io'] });
    const hosts = plan([headless, target, service('u.io', { resolution: 'Alias' })]);
    assert.deepEqual(domains(hosts)['h.far.svc.cluster.local:80']?.slice(4), [
      ...['*.h.far.svc.cluster.local', '*.h.far.svc.cluster.local.', '*.h.far', '*.h.far.svc'],
    ]);
    assert.deepEqual(domains(hosts)['t.io:80'], ['t.io', 't.io.', 'u.io', 'u.io.']);
    assert.deepEqual(Object.keys(domains(hosts)), ['h.far.svc.cluster.local:80', 't.io:80']);
  });
});

test('where one table is for all ports, only the plain port’s hosts have names without one', () => {
  const ports = [80, 9080, 5000].map((number) => ({
    number,
    protocol: number === 5000 ? ('TCP' as const) : ('HTTP' as const),
  }));
  const hosts = plan([service('a.io', { ports })], { port: 0, writesPorts: true });
  assert.deepEqual(domains(hosts), {
    'a.io:80': ['a.io', 'a.io:80', 'a.io.', 'a.io.:80'],
    'a.io:9080': ['a.io:9080', 'a.io.:9080'],
  });
});

test('hosts that are no services come on port 80, and elsewhere beside a service of the same rules', () => {
  const gates = [{ port: 0, parents: [], sourceLabels: {}, sourceNamespace: '' }];
  const base = { key: 'VirtualService/team/v', namespace: 'team', gates, isStrict: false };
  const alone = { ...base, hosts: ['x.io', '*'] };
  assert.deepEqual(domains(plan([], { routes: [alone] })), { 'x.io:80': ['x.io'] });
  assert.deepEqual(domains(plan([], { routes: [alone], port: 9080 })), {});
  const other = service('s.io', { ports: [{ number: 9080, protocol: 'HTTP' }] });
  const beside = { ...base, hosts: ['x.io', 's.io'] };
  const hosts = plan([other], { routes: [beside], port: 9080 });
  assert.deepEqual(
    hosts.map(({ name, routes }) => [name, routes]),
    [
      ['s.io:9080', base.key],
      ['x.io:9080', base.key],
    ],
  );
});
