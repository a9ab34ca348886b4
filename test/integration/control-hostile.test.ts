// The control plane among broken files, greedy tenants and hostile clients: each is alone with what it does.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AdsClient,
  CDS,
  ControlProcess,
  istio,
  nodeOf,
  Probe,
  service,
  settledSidecar,
} from './control-hostile-rig.ts';
import { until } from './heddle.ts';

/** What a whole step may take on a busy machine. */
const SLOW_MS = 60_000;

const LABELS = { app: 'web' };

let control: ControlProcess;
let victim: AdsClient;
let probe: Probe;
let usualMs = 0;
/** Of the tenant that does it. */
let neighbour: AdsClient;

function pod(name: string, namespace: string, address: string): string {
  return JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels: LABELS } },
    ...{ spec: { serviceAccountName: 'web', containers: [{ name: 'a', image: 'a' }] }, status: { podIP: address } },
  });
}

before(async () => {
  const files = {
    'bank.yaml': [service('web', 'bank'), service('ledger', 'bank'), pod('web-1', 'bank', '10.1.0.1')].join('\n---\n'),
    'shop.yaml': [service('cart', 'shop'), pod('web-2', 'shop', '10.1.0.2')].join('\n---\n'),
  };
  control = await ControlProcess.start(files);
  const { plain } = control.ports;
  victim = await settledSidecar(plain, nodeOf('web-1', 'bank', '10.1.0.1', { LABELS }));
  neighbour = await settledSidecar(plain, nodeOf('web-2', 'shop', '10.1.0.2', { LABELS }));
  probe = new Probe(control, victim, 'bank');
  usualMs = await probe.middle();
});

after(async () => {
  for (const client of [victim, neighbour]) client.close();
  await control.stop();
});

/** What a test that failed left would be in the way of all others. */
afterEach(() => {
  for (const name of ['many.yaml', 'greedy.yaml']) control.remove(name);
});

const fair = (count?: number): Promise<void> => probe.isFair(usualMs, count);

/** Waits for a finding about a file (or an object). */
async function finding(about: string, text: RegExp): Promise<string> {
  let found = '';
  await until(
    `${about}: ${text}`,
    async () => {
      const all = await control.findings();
      const one = all.find(({ file, key, message }) => (file.endsWith(about) || key === about) && text.test(message));
      found = one === undefined ? '' : `${one.message}; ${one.remedy}`;
      return one !== undefined;
    },
    SLOW_MS,
  );
  return found;
}

describe('broken files', () => {
  test('each is refused alone, and what was good stays', async () => {
    control.write('own.yaml', service('own', 'bank'));
    await until('the service comes', () => victim.sees(CDS, 'own.bank'));
    const half = service('own', 'bank').slice(0, -30);
    const nested = `a: ${'['.repeat(20_000)}`;
    const doubled = [...'bcdefghi'].map(
      (name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join()}]`,
    );
    const TABLE: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
      ['half', half, /no YAML|is required|must be/],
      ['no YAML', 'a: b: c', /no YAML/],
      ['nested', nested, /nesting/],
      ['an alias bomb', `a: &a [x,x,x,x,x,x,x,x,x]\n${doubled.join('\n')}`, /aliases stand for/],
      [
        'long texts by aliases',
        `a: &a "${'x'.repeat(1e6)}"\nb: [${Array(900).fill('*a').join()}]`,
        /aliases stand for/,
      ],
      ['binary', Uint8Array.from({ length: 50_000 }, (_, i) => (i * 7919) & 255), /no YAML/],
      ['a broken field', service('own', 'bank').replace('80', 'eighty'), /must be of type integer/],
    ];
    for (const [what, text, expected] of TABLE) {
      control.write('own.yaml', text);
      await finding('own.yaml', expected);
      assert.ok(victim.sees(CDS, 'own.bank'), what);
      await probe.push(SLOW_MS);
    }
    control.write('own.yaml', service('own2', 'bank'));
    await until('the good one comes', () => victim.sees(CDS, 'own2.bank') && !victim.sees(CDS, 'own.bank'));
    control.remove('own.yaml');
    await until('it goes', () => !victim.sees(CDS, 'own2.bank'));
  });

  test('huge ones are bounded, and so are thousands of documents', async () => {
    const huge = join(control.folder, 'huge.yaml');
    writeFileSync(huge, '');
    execFileSync('truncate', ['-s', '70M', huge]);
    await finding('huge.yaml', /larger than/);
    control.remove('huge.yaml');
    const documents = Array.from({ length: 10_000 }, (_, i) =>
      service(`many-${i}`, 'crowd', ', annotations: {"networking.istio.io/exportTo": "."}'),
    );
    const before = victim.bytes;
    control.write('many.yaml', documents.join('---\n'));
    await until(
      'they are there',
      async () => (await control.get('/api/v1/status?object=Service/crowd/many-9999')).status === 200,
      SLOW_MS,
    );
    await fair();
    assert.ok(victim.bytes - before < 10_000);
    control.write('many.yaml', documents.map((text) => text.replace('80', 'x')).join('---\n'));
    await finding('many.yaml', /must be of type integer/);
    await fair();
    const startMs = performance.now();
    assert.equal((await control.get('/api/v1/status')).status, 200);
    assert.ok(performance.now() - startMs < SLOW_MS);
    control.remove('many.yaml');
    await until('they are gone', async () => (await control.findings()).length === 0);
  });

  test('what is no file keeps its last version; a directory that is gone, too', async () => {
    const path = (name: string): string => join(control.folder, name);
    for (const name of ['pipe', 'link', 'folder']) control.write(`${name}.yaml`, service(`of-${name}`, 'bank'));
    await until('they come', () => victim.sees(CDS, 'of-folder') && victim.sees(CDS, 'of-pipe'));
    // At no moment there is none.
    execFileSync('mkfifo', [path('.pipe')]);
    renameSync(path('.pipe'), path('pipe.yaml'));
    await finding('pipe.yaml', /no regular file/);
    writeFileSync(path('target.txt'), service('linked', 'bank'));
    symlinkSync('target.txt', path('.link'));
    renameSync(path('.link'), path('link.yaml'));
    await until('the link is followed', () => victim.sees(CDS, 'linked.bank') && !victim.sees(CDS, 'of-link'));
    rmSync(path('folder.yaml'));
    mkdirSync(path('folder.yaml'));
    writeFileSync(path('folder.yaml/in.yaml'), service('inside', 'bank'));
    await until('what is in it counts', () => victim.sees(CDS, 'inside.bank') && !victim.sees(CDS, 'of-folder'));
    assert.ok(victim.sees(CDS, 'of-pipe'));

    const before = victim.names(CDS);
    renameSync(control.folder, `${control.folder}.away`);
    await finding('config', /it is gone/);
    assert.deepEqual(victim.names(CDS), before);
    renameSync(`${control.folder}.away`, control.folder);
    await until(
      'it is back',
      async () => !(await control.findings()).some(({ message }) => /it is gone/.test(message)),
    );
    await probe.push();
    for (const name of ['pipe.yaml', 'link.yaml', 'folder.yaml', 'target.txt']) control.remove(name);
    await until('they go', () => !victim.sees(CDS, 'of-pipe') && !victim.sees(CDS, 'inside.bank'));
  });

  test('of two that define an object the first stays live, and the second takes over', async () => {
    const of = (port: number): string => service('twice', 'bank').replace('80', String(port));
    control.write('twice-1.yaml', of(8001));
    await until('the first is live', () => victim.sees(CDS, '8001||twice'));
    control.write('twice-2.yaml', of(8002));
    const said = await finding('twice-2.yaml', /the first stays live/);
    assert.match(said, /twice-1\.yaml:1 .*twice-2\.yaml/);
    await probe.push();
    assert.ok(!victim.sees(CDS, '8002||twice'));
    control.remove('twice-1.yaml');
    await until('the second is live', () => victim.sees(CDS, '8002||twice') && !victim.sees(CDS, '8001||twice'));
    await until('nothing is said any more', async () => (await control.findings()).length === 0);
    control.remove('twice-2.yaml');
  });
});

describe('greedy tenants', () => {
  const many = (count: number, of: (i: number) => object): object[] => Array.from({ length: count }, (_, i) => of(i));
  const own = ['.'];
  const explodes = '(a+)+$'.repeat(3);
  const route = (i: number): object => ({
    match: [{ uri: { prefix: `/${i}` } }],
    route: [{ destination: { host: `nowhere-${i}` } }],
  });
  const from = { source: { notNamespaces: many(5000, (i) => ({ i })).map((_, i) => `ns-${i}`) } };
  const TABLE: Readonly<Record<string, readonly string[]>> = {
    'a VirtualService of 10,000 routes': [
      istio('VirtualService', 'big', 'shop', { hosts: ['cart'], exportTo: own, http: many(10_000, route) }),
    ],
    "a VirtualService for '*'": [
      istio('VirtualService', 'all', 'shop', { hosts: ['*'], exportTo: own, http: many(1000, route) }),
    ],
    'patterns that explode, or are none': [
      istio('VirtualService', 'regex', 'shop', {
        hosts: ['web.bank.svc.cluster.local'],
        http: [
          { match: [{ uri: { regex: '(((' } }], route: [{ destination: { host: 'cart' } }] },
          { match: [{ uri: { regex: `x{1000}{1000}${explodes}` } }], route: [{ destination: { host: 'cart' } }] },
        ],
        exportTo: own,
      }),
    ],
    'hosts of others': [
      istio('ServiceEntry', 'steal', 'shop', {
        hosts: ['web.bank.svc.cluster.local'],
        ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
        resolution: 'STATIC',
        endpoints: [{ address: '10.66.6.6' }],
      }),
      istio('DestinationRule', 'steal', 'shop', {
        host: '*.bank.svc.cluster.local',
        exportTo: own,
        trafficPolicy: { tls: { mode: 'DISABLE' } },
      }),
    ],
    'workloads of others': [
      istio('ServiceEntry', 'claim', 'shop', {
        hosts: ['claim.example'],
        exportTo: own,
        ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
        resolution: 'STATIC',
        workloadSelector: { labels: { app: 'web' } },
      }),
      istio('WorkloadEntry', 'claim', 'shop', { address: '10.66.6.6', labels: { app: 'web' } }),
    ],
    'large policies': [
      istio(
        'AuthorizationPolicy',
        'large',
        'shop',
        { selector: { matchLabels: { app: 'web' } }, action: 'DENY', rules: [{ from: [from] }] },
        'security',
      ),
      istio(
        'PeerAuthentication',
        'web',
        'shop',
        { selector: { matchLabels: { app: 'web' } }, mtls: { mode: 'STRICT' } },
        'security',
      ),
      istio(
        'RequestAuthentication',
        'web',
        'shop',
        { selector: { matchLabels: { app: 'web' } }, jwtRules: [{ issuer: 'x' }] },
        'security',
      ),
    ],
    'policies of whole namespaces': [
      istio('PeerAuthentication', 'default', 'shop', { mtls: { mode: 'STRICT' } }, 'security'),
      istio('AuthorizationPolicy', 'none', 'shop', {}, 'security'),
      istio('Sidecar', 'default', 'shop', { egress: [{ hosts: ['./*'] }] }),
      istio('Sidecar', 'web', 'shop', { workloadSelector: { labels: { app: 'web' } }, egress: [{ hosts: ['~/*'] }] }),
      istio('Telemetry', 'web', 'shop', { accessLogging: [{ disabled: true }] }, 'telemetry'),
    ],
    'gateways that select others, and their delegates': [
      istio('Gateway', 'web', 'shop', {
        selector: { app: 'web' },
        servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
      }),
      istio('VirtualService', 'root', 'shop', {
        hosts: ['cart'],
        exportTo: own,
        http: [{ match: [{ uri: { prefix: '/' } }], delegate: { name: 'private', namespace: 'bank' } }],
      }),
    ],
  };

  /** Of which nothing has an effect anywhere. */
  const INERT = new Set(['patterns that explode, or are none', 'gateways that select others, and their delegates']);

  for (const [what, objects] of Object.entries(TABLE)) {
    test(`${what} change nothing in another namespace`, async () => {
      control.remove('probe.yaml');
      await until('the probe is gone', () => [victim, neighbour].every((one) => !one.sees(CDS, 'probe-')));
      await sleep(120);
      const before = victim.snapshot();
      const neighbours = neighbour.snapshot();
      const startMs = performance.now();
      control.write('greedy.yaml', objects.join('\n---\n'));
      await until('they are read', async () => {
        const keys = objects.map((text) => JSON.parse(text) as { kind: string; metadata: { name: string } });
        const answers = await Promise.all(
          keys.map(({ kind, metadata }) => control.get(`/api/v1/status?object=${kind}/shop/${metadata.name}`)),
        );
        const refused = (await control.findings()).filter(({ severity }) => severity === 'error').map(({ key }) => key);
        return answers.every(
          ({ status }, at) => status === 200 || refused.some((key) => key.endsWith(`/${keys[at]!.metadata.name}`)),
        );
      });
      // It does have an effect where it may.
      const told = JSON.stringify(neighbours);
      if (!INERT.has(what))
        await until('it is in effect', () => JSON.stringify(neighbour.snapshot()) !== told, SLOW_MS);
      await sleep(150);
      assert.deepEqual(victim.snapshot(), before);
      assert.ok(performance.now() - startMs < SLOW_MS);
      await fair(1);
      control.remove('greedy.yaml');
      await until('they are gone', async () =>
        (await control.findings()).every(({ file }) => !file.endsWith('greedy.yaml')),
      );
    });
  }
});
