// How services share listeners, as istiod resolves their conflicts; and what a Sidecar makes of it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EgressListener, Scope } from '../../../model/scope.ts';
import type { L4Rule } from '../../../model/route.ts';
import type { Protocol, Service } from '../../../model/service.ts';
import { isHttpTarget, type OutboundEntry } from './chain.ts';
import type { L4Routes } from './l4-chains.ts';
import { type OutboundFacts, type OutboundInput, outboundPlan } from './plan.ts';

const FACTS: OutboundFacts = {
  namespace: 'shop',
  dnsDomain: 'shop.svc.cluster.local',
  labels: {},
  families: 'v4',
  interception: 'REDIRECT',
  dnsCapture: false,
  http10: false,
};

function service(name: string, protocol: Protocol, port: number, given: Partial<Service> = {}): Service {
  return {
    ...{ key: `shop/${name}`, hostname: `${name}.shop.svc.cluster.local`, namespace: 'shop', name },
    ...{ registry: 'Kubernetes', resolution: 'ClientSideLB', addresses: ['10.0.0.1'], isMeshExternal: false },
    ...{
      ports: [{ name: 'p', number: port, protocol, targetPort: port }],
      autoAddresses: { v4: '', v6: '' },
      isHeadless: false,
    },
    ...{ exportTo: new Set(['*']), subjectAltNames: [], labels: {}, selector: { app: name }, externalName: '' },
    ...{ aliases: [], publishNotReadyAddresses: false, trafficDistribution: '', creationMs: 0, origin: '' },
    ...given,
  };
}

/** One that is called by name alone. */
function anywhere(name: string, protocol: Protocol, port: number, given: Partial<Service> = {}): Service {
  return service(name, protocol, port, { registry: 'External', addresses: [], selector: {}, ...given });
}

type Given = {
  readonly facts?: Partial<OutboundFacts>;
  readonly egress?: readonly Partial<EgressListener>[];
  readonly routes?: readonly L4Routes[];
  readonly pods?: readonly string[];
};

function planOf(services: readonly Service[], given: Given = {}): ReadonlyMap<string, OutboundEntry> {
  const routes = given.routes ?? [];
  const everything: EgressListener = {
    ...{ port: null, bind: '', captureMode: 'DEFAULT' },
    services: services.map(({ key }) => key),
    routes: routes.map(({ key }) => key),
  };
  const egress = (given.egress ?? [{}]).map((one) => ({ ...everything, ...one }));
  const input: OutboundInput = {
    facts: { ...FACTS, ...given.facts },
    scope: { egress, services: everything.services } as unknown as Scope,
    reservedPorts: new Set([15001, 15006, 15021, 15090]),
    service: (key) => services.find((one) => one.key === key),
    routes: (key) => routes.find((one) => one.key === key),
    policyOf: () => null,
    podAddresses: () => given.pods ?? [],
    statPattern: '',
  };
  return outboundPlan(input);
}

/** 'names|ranges|protocols>where' for each chain. */
function chains(entry: OutboundEntry | undefined): string[] {
  return (entry?.chains ?? []).map(({ sniHosts, cidrs, applicationProtocols, target }) => {
    const where = isHttpTarget(target) ? `rds ${target.rds}` : target.clusters.map(({ name }) => name).join();
    return `${sniHosts.join()}|${cidrs.join()}|${applicationProtocols.join()}>${where}`;
  });
}

describe('services on one port', () => {
  test('HTTP services share one listener, addresses have their own for bytes', () => {
    const plan = planOf([
      service('a', 'HTTP', 80),
      service('b', 'GRPC', 80),
      service('c', 'TCP', 80, { addresses: ['10.0.0.3'] }),
      service('d', 'UDP', 80),
    ]);
    assert.deepEqual([...plan.keys()], ['0.0.0.0_80', '10.0.0.3_80']);
    assert.deepEqual(chains(plan.get('0.0.0.0_80')), ['||http/1.1,h2c>rds 80']);
    assert.deepEqual(chains(plan.get('10.0.0.3_80')), ['||>outbound|80||c.shop.svc.cluster.local']);
  });

  test('what is not named is looked into, on a listener and with routes of its own', () => {
    const plan = planOf([service('a', 'UNSUPPORTED', 80)]);
    assert.deepEqual(chains(plan.get('10.0.0.1_80')), [
      '||>outbound|80||a.shop.svc.cluster.local',
      '||http/1.1,h2c>rds a.shop.svc.cluster.local:80',
    ]);
  });

  test('HTTP and bytes on the wildcard become one listener that looks into connections', () => {
    const web = service('web', 'HTTP', 80);
    const bytes = anywhere('bytes', 'TCP', 80);
    const both = ['||>outbound|80||bytes.shop.svc.cluster.local', '||http/1.1,h2c>rds 80'];
    assert.deepEqual(chains(planOf([bytes, web]).get('0.0.0.0_80')), both);
    assert.deepEqual(chains(planOf([web, bytes]).get('0.0.0.0_80')), [...both].reverse());
    assert.equal(planOf([bytes, web]).get('0.0.0.0_80')?.protocol, 'UNSUPPORTED');
  });

  test('of two that nobody could tell apart the first stays', () => {
    const plan = planOf([anywhere('one', 'TCP', 90), anywhere('two', 'TCP', 90)]);
    assert.deepEqual(chains(plan.get('0.0.0.0_90')), ['||>outbound|90||one.shop.svc.cluster.local']);
  });

  test('names and ranges tell services apart', () => {
    const plan = planOf([
      anywhere('one', 'TLS', 443),
      anywhere('two', 'TLS', 443),
      anywhere('range', 'TCP', 443, { addresses: ['10.5.5.5/16'] }),
      anywhere('same', 'TCP', 443, { addresses: ['10.5.0.0/16'] }),
    ]);
    assert.deepEqual(chains(plan.get('0.0.0.0_443')), [
      'one.shop.svc.cluster.local||>outbound|443||one.shop.svc.cluster.local',
      'two.shop.svc.cluster.local||>outbound|443||two.shop.svc.cluster.local',
      '|10.5.5.5/16|>outbound|443||range.shop.svc.cluster.local',
    ]);
  });

  test('where servers speak first, nobody looks into connections', () => {
    const plan = planOf([anywhere('db', 'MONGO', 27017), anywhere('bytes', 'TCP', 27017, { addresses: [] })]);
    assert.deepEqual(chains(plan.get('0.0.0.0_27017')), ['||>outbound|27017||db.shop.svc.cluster.local']);
    const web = planOf([anywhere('db', 'MYSQL', 80), service('web', 'HTTP', 80)]);
    assert.deepEqual(chains(web.get('0.0.0.0_80')), ['||>outbound|80||db.shop.svc.cluster.local']);
  });

  test('the proxy’s own ports are left to it', () => {
    assert.equal(planOf([service('a', 'HTTP', 15001), service('b', 'HTTP', 15021)]).size, 0);
    assert.equal(planOf([service('c', 'TCP', 15021)]).size, 1);
  });

  test('aliases have no listener', () => {
    assert.equal(planOf([service('a', 'TCP', 80, { resolution: 'Alias' })]).size, 0);
  });
});

describe('headless services', () => {
  const headless = (protocol: Protocol, given: Partial<Service> = {}): Service =>
    service('set', protocol, 7000, { resolution: 'Passthrough', addresses: [], isHeadless: true, ...given });

  test('bytes have a listener for each pod, requests share the port’s', () => {
    const plan = planOf([headless('TCP')], { pods: ['10.1.0.1', '10.1.0.2'] });
    assert.deepEqual([...plan.keys()], ['10.1.0.1_7000', '10.1.0.2_7000']);
    assert.equal(plan.get('10.1.0.1_7000')?.podAddress, '10.1.0.1');
    assert.deepEqual([...planOf([headless('HTTP')], { pods: ['10.1.0.1'] }).keys()], ['0.0.0.0_7000']);
  });

  test('without pods there is none; only a bare entry takes every address', () => {
    assert.equal(planOf([headless('TCP')]).size, 0);
    const bare = headless('TCP', { registry: 'External', selector: {} });
    assert.deepEqual([...planOf([bare]).keys()], ['0.0.0.0_7000']);
  });
});

describe('Sidecars', () => {
  const web = service('web', 'HTTP', 80);
  const other = service('other', 'HTTP', 80);
  const db = service('db', 'TCP', 5000);
  const port = (number: number, protocol: Protocol): EgressListener['port'] => ({ number, protocol, name: 'own' });

  test('a port that is named is complete: the general listener adds nothing', () => {
    const plan = planOf([web, other, db], {
      egress: [{ port: port(5000, 'TCP'), bind: '10.0.0.1', services: [] }, { services: [web.key, db.key] }],
    });
    assert.deepEqual([...plan.keys()], ['0.0.0.0_80', '10.0.0.1_5000']);
    const named = planOf([anywhere('one', 'TCP', 90), anywhere('two', 'TLS', 90)], {
      egress: [{ port: port(90, 'TCP'), services: ['shop/one'] }, {}],
    });
    assert.deepEqual(chains(named.get('0.0.0.0_90')), ['||>outbound|90||one.shop.svc.cluster.local']);
  });

  test('what is not captured is bound, on the loopback address unless it says otherwise', () => {
    const none = { port: port(8080, 'HTTP'), captureMode: 'NONE', services: [web.key] } as const;
    const [bound] = planOf([web], { egress: [none] }).values();
    assert.deepEqual([bound?.name, bound?.bindToPort], ['127.0.0.1_8080', true]);
    assert.deepEqual(chains(bound), ['||>rds 8080']);
    const socket = { port: port(0, 'HTTP'), bind: 'unix:///run/app.sock', services: [web.key] };
    const [unix] = planOf([web], { egress: [socket] }).values();
    assert.deepEqual([unix?.name, unix?.bindToPort], ['unix:///run/app.sock_0', true]);
    assert.deepEqual(chains(unix), ['||>rds unix:///run/app.sock']);
  });

  test('without capture every listener is bound', () => {
    const plan = planOf([web, db], { facts: { interception: 'NONE' } });
    assert.deepEqual(
      [...plan.values()].map(({ name, bindToPort }) => [name, bindToPort]),
      [
        ['127.0.0.1_80', true],
        ['127.0.0.1_5000', true],
      ],
    );
  });

  test('a service with one port is reached on it, whatever the listener’s is', () => {
    const plan = planOf([db], { egress: [{ port: port(6000, 'TCP'), bind: '10.9.9.9' }] });
    assert.deepEqual(chains(plan.get('10.9.9.9_6000')), ['||>outbound|5000||db.shop.svc.cluster.local']);
  });
});

describe('rules for connections', () => {
  const rule = (given: Partial<L4Rule['matches'][number]> | null, host: string, isTls = false): L4Rule => {
    const match = { sniHosts: [], destinationSubnets: [], port: 0, sourceLabels: {}, sourceNamespace: '', parents: [] };
    const destination = { host: `${host}.shop.svc.cluster.local`, subset: '', port: 7, unresolved: null };
    return {
      origin: { key: 'VirtualService/shop/rules' },
      isTls,
      matches: given === null ? [] : [{ ...match, ...given }],
      backends: [{ destination, weight: 1, headers: null, filters: null }],
    };
  };
  const rules = (host: string, ...l4: L4Rule[]): L4Routes => ({
    ...{ key: 'VirtualService/shop/rules', namespace: 'shop', name: 'rules', reference: '/rules', ports: [] },
    ...{ hosts: [`${host}.shop.svc.cluster.local`], parents: ['mesh'], l4 },
  });

  test('the first that takes all ends the list, those before it have ranges', () => {
    const set = rules('db', rule({ destinationSubnets: ['10.1.0.0/16'] }, 'near'), rule(null, 'far'), rule(null, 'no'));
    const plan = planOf([service('db', 'TCP', 5000)], { routes: [set] });
    assert.deepEqual(chains(plan.get('10.0.0.1_5000')), [
      '|10.1.0.0/16|>outbound|7||near.shop.svc.cluster.local',
      '||>outbound|7||far.shop.svc.cluster.local',
    ]);
  });

  test('rules for other ports, callers, namespaces and gateways are not theirs', () => {
    const set = rules(
      'db',
      rule({ port: 1 }, 'a'),
      rule({ sourceLabels: { app: 'x' } }, 'b'),
      rule({ sourceNamespace: 'other' }, 'c'),
      rule({ parents: ['gate/front'] }, 'd'),
    );
    const own = ['||>outbound|5000||db.shop.svc.cluster.local'];
    assert.deepEqual(chains(planOf([service('db', 'TCP', 5000)], { routes: [set] }).get('10.0.0.1_5000')), own);
    const labelled = planOf([service('db', 'TCP', 5000)], { routes: [set], facts: { labels: { app: 'x' } } });
    assert.deepEqual(chains(labelled.get('10.0.0.1_5000')), ['||>outbound|7||b.shop.svc.cluster.local']);
    const gated = { ...rules('db', rule(null, 'e')), parents: ['gate/front'] };
    assert.deepEqual(chains(planOf([service('db', 'TCP', 5000)], { routes: [gated] }).get('10.0.0.1_5000')), own);
  });

  test('names of TLS, each condition once', () => {
    const names = { sniHosts: ['a.com', 'b.com'] };
    const set = rules('tls', rule(names, 'one', true), rule(names, 'two', true));
    const plan = planOf([service('tls', 'TLS', 443)], { routes: [set] });
    assert.deepEqual(chains(plan.get('10.0.0.1_443')), ['a.com,b.com||>outbound|7||one.shop.svc.cluster.local']);
  });

  test('a backend that is not there takes nobody elsewhere', () => {
    const broken = rule(null, 'gone');
    const [backend] = broken.backends;
    assert(backend !== undefined);
    const unresolved = { ...backend, destination: { ...backend.destination, unresolved: 'there is no such service' } };
    const set = rules('db', { ...broken, backends: [unresolved] });
    const plan = planOf([service('db', 'TCP', 5000)], { routes: [set] });
    assert.deepEqual(chains(plan.get('10.0.0.1_5000')), ['||>BlackHoleCluster']);
  });
});
