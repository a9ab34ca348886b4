// The control plane among hostile clients, refusals, ends without warning and bad command lines.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AdsClient,
  CDS,
  ControlProcess,
  EDS,
  frame,
  freePorts,
  istio,
  LDS,
  nodeOf,
  openStream,
  portFlags,
  Probe,
  RDS,
  service,
  settledSidecar,
  spawnControl,
  VHDS,
} from './control-hostile-rig.ts';
import { ended, scratchFolder, until } from './heddle.ts';

/** What a whole step may take on a busy machine. */
const SLOW_MS = 60_000;
const RESOURCE_EXHAUSTED = 8;
const NAMES = 'type.googleapis.com/istio.networking.nds.v1.NameTable';
const TRUST = 'type.googleapis.com/istio.mesh.v1alpha1.ProxyConfig';
const SECRET = 'no-page-and-no-line-may-show-this';
const SECRET_TEXT = Buffer.from(SECRET).toString('base64');

let control: ControlProcess;
let victim: AdsClient;
let probe: Probe;
let usualMs = 0;
const clients: AdsClient[] = [];

before(async () => {
  const services = Array.from({ length: 100 }, (_, i) => service(`s-${i}`, 'bank'));
  const secret = (name: string, namespace: string, data: object): string =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace },
      type: 'kubernetes.io/tls',
      data,
    });
  const secrets = [
    secret('whole', 'bank', { 'tls.crt': SECRET_TEXT, 'tls.key': SECRET_TEXT }),
    secret('broken', 'bank', { 'tls.key': `${SECRET}!` }),
    secret('wrong', 'bank', { 'tls.key': { [SECRET]: SECRET } }),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'text' },
      stringData: { 'tls.key': [SECRET] },
    }),
    JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'more' }, [SECRET_TEXT]: SECRET }),
    `apiVersion: v1\nkind: Secret\nmetadata: {name: torn}\nstringData: {key: "${SECRET}`,
  ];
  const gateway = istio('Gateway', 'edge', 'bank', {
    selector: { app: 'edge' },
    servers: [
      {
        port: { number: 443, name: 'https', protocol: 'HTTPS' },
        hosts: ['a.example'],
        tls: { mode: 'SIMPLE', credentialName: 'whole' },
      },
    ],
  });
  const files: Record<string, string> = { 'a.yaml': services.join('---\n'), 'gateway.yaml': gateway };
  for (const [i, text] of secrets.entries()) files[`secret-${i}.yaml`] = text;
  control = await ControlProcess.start(files);
  victim = await settledSidecar(control.ports.plain, nodeOf('web-1', 'bank', '10.1.0.1'));
  probe = new Probe(control, victim, 'bank');
  usualMs = await probe.middle();
});

after(async () => {
  for (const client of [victim, ...clients]) client.close();
  await control.stop();
});

const fair = (): Promise<void> => probe.isFair(usualMs);

function joined(name: string, address: string, metadata: object = {}): AdsClient {
  const client = new AdsClient(control.ports.plain, nodeOf(name, 'bank', address, metadata));
  clients.push(client);
  return client;
}

describe('hostile clients', () => {
  const attacks: Readonly<Record<string, () => AdsClient>> = {
    'a node of megabytes': () => {
      const client = joined('big', '10.2.0.1', { BIG: 'x'.repeat(3_900_000) });
      client.ask(CDS, ['*']);
      return client;
    },
    'hundreds of thousands of names': () => {
      const client = joined('names', '10.2.0.2');
      for (let j = 0; j < 25; j++)
        client.ask(
          EDS,
          Array.from({ length: 10_000 }, (_, i) => `name-${j}-${i}`),
        );
      return client;
    },
    'a flood of wrong nonces': () => {
      const client = joined('nonces', '10.2.0.3');
      client.ask(CDS, ['*']);
      for (let i = 0; i < 25_000; i++) client.send({ type_url: CDS, response_nonce: `${i}-wrong` });
      return client;
    },
    'a flood of types': () => {
      const client = joined('types', '10.2.0.4');
      for (let i = 0; i < 100; i++) client.ask(`type.googleapis.com/none.${i}`, ['*']);
      return client;
    },
  };
  for (const [what, attack] of Object.entries(attacks)) {
    test(`${what} end that stream, and hold back nobody`, async () => {
      const client = attack();
      await until('the stream is ended', () => client.isOver, SLOW_MS);
      assert.equal(client.status, RESOURCE_EXHAUSTED, client.message);
      assert.notEqual(client.message, '');
      await fair();
    });
  }

  test('those that are ended are counted', async () => {
    assert.ok((await control.metric('heddle_xds_ended_streams', 'reason="flood"')) >= 3);
  });

  test('who subscribes and unsubscribes without end is served, and holds back nobody', async () => {
    const client = joined('restless', '10.2.1.1');
    client.ask(CDS, ['*']);
    const timer = setInterval(() => {
      client.send({ type_url: EDS, resource_names_subscribe: ['outbound|80||s-1.bank.svc.cluster.local', 'no'] });
      client.send({ type_url: EDS, resource_names_unsubscribe: ['outbound|80||s-1.bank.svc.cluster.local', 'no'] });
      client.ask(CDS, ['*']);
    }, 2);
    await fair();
    clearInterval(timer);
    client.close();
  });

  test('garbage ends its connection or stream alone', async () => {
    const sockets: Socket[] = [];
    for (let i = 0; i < 30; i++) {
      const socket = connect(control.ports.plain, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(Buffer.from(Array.from({ length: 3000 }, (_, at) => (at * 31 + i) & 255)));
      sockets.push(socket);
    }
    const session = connectHttp2(`http://127.0.0.1:${control.ports.plain}`);
    session.on('error', () => undefined);
    const stream = openStream(session);
    let status = -1;
    stream.on('response', (headers) => {
      status = Number(headers['grpc-status']);
    });
    stream.on('error', () => undefined);
    stream.write(frame(Buffer.from([255, 255, 255, 255, 9])));
    await until('the stream is ended', () => status === 13);
    await fair();
    for (const socket of sockets) socket.destroy();
    session.destroy();
  });

  test('a thousand streams of one connection, none of which reads', async () => {
    const session = connectHttp2(`http://127.0.0.1:${control.ports.plain}`);
    session.on('error', () => undefined);
    const before = control.rss;
    for (let i = 0; i < 1000; i++) {
      const client = new AdsClient(0, nodeOf(`n-${i}`, 'bank', `10.3.${i >> 8}.${i & 255}`), session);
      client.stream.pause();
      client.ask(CDS, ['*']);
      client.ask(LDS, ['*']);
    }
    await until('they are there', async () => (await control.metric('pilot_xds')) > 900, SLOW_MS);
    await fair();
    assert.ok(control.rss - before < 300 * 1024, `${control.rss - before} KB more`);
    session.destroy();
    await until('they are gone', async () => (await control.metric('pilot_xds')) < 20, SLOW_MS);
  });

  test('streams of events that are not read, and pages that are asked for without end', async () => {
    const sockets: Socket[] = [];
    for (let i = 0; i < 20; i++) {
      const socket = connect(control.ports.http, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.pause();
      socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      sockets.push(socket);
    }
    const asked = Array.from({ length: 20 }, () => control.get('/api/v1/status'));
    await fair();
    for (const { status } of await Promise.all(asked)) assert.equal(status, 200);
    for (const socket of sockets) socket.destroy();
  });
});

describe('refusals', () => {
  test('a proxy keeps its last good, its refusal is told of the object, and mending makes it live', async () => {
    const client = await settledSidecar(control.ports.plain, nodeOf('picky', 'bank', '10.4.0.1'));
    clients.push(client);
    const rule = (text: string): string =>
      istio('VirtualService', 'rule', 'bank', {
        hosts: ['s-1'],
        http: [{ headers: { request: { set: { 'x-rule': text } } }, route: [{ destination: { host: 's-1' } }] }],
      });
    type Status = { concerned: number; live: number; refusals: Record<string, string>[] };
    const status = (): Promise<Status> => control.json('/api/v1/status?object=VirtualService/bank/rule');
    control.write('rule.yaml', rule('good'));
    await until('the rule comes', () => client.sees(RDS, 'good') && victim.sees(RDS, 'good'));
    client.judge = ({ resources = [] }) =>
      resources.some(({ resource }) => Buffer.from(resource?.value ?? []).includes('poison'))
        ? '80: virtual_hosts[0].routes[0].match: is poison'
        : null;
    control.write('rule.yaml', rule('poison'));
    await until('it is refused', async () => (await status()).refusals.length > 0);
    const [refusal] = (await status()).refusals;
    assert.match(refusal?.['proxy'] ?? '', /picky\.bank/);
    assert.equal(refusal?.['resource'], '80');
    assert.equal(refusal?.['field'], 'virtual_hosts[0].routes[0].match');
    assert.match(refusal?.['message'] ?? '', /is poison/);
    assert.ok(client.sees(RDS, 'good') && !client.sees(RDS, 'poison'));
    await probe.push(SLOW_MS);
    assert.match(control.log, /picky\.bank.* refused rds "80"/);
    control.write('rule.yaml', rule('mended'));
    await until('it is live', async () => {
      const { concerned, live, refusals } = await status();
      return client.sees(RDS, 'mended') && refusals.length === 0 && concerned === 2 && live === 2;
    });
    client.close();
  });
});

describe('pages', () => {
  test('are for their own name, methods and sizes', async () => {
    for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example:80', '[::1']) {
      assert.equal((await control.get('/debug/configz', { host })).status, 403, host);
    }
    for (const host of ['localhost', '127.0.0.1:9', '[::1]:9'])
      assert.equal((await control.get('/ready', { host })).status, 200);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      assert.equal((await control.get('/api/v1/status', { method })).status, 405);
    }
    assert.equal((await control.get('/api/v1/status', { method: 'POST', body: 'x'.repeat(3_000_000) })).status, 413);
    const UNKNOWN = ['/nothing', '/../../etc/passwd', '/debug/../../x', '//', '/%2e%2e/', '/api/v1/status?object=none'];
    for (const path of UNKNOWN) assert.equal((await control.get(path)).status, 404, path);
    for (const path of ['/api/v1/wait?timeout=x', '/api/v1/wait?object=a&for=ever']) {
      assert.equal((await control.get(path)).status, 400, path);
    }
    assert.equal((await control.get('/debug/config_dump?proxyID=nobody')).status, 404);
  });

  test('show no secret, and neither do logs', async () => {
    const list = (await control.get('/debug/list')).body.match(/^\/\S+/gm) ?? [];
    assert.ok(list.length > 8);
    const edge = new AdsClient(control.ports.plain, {
      ...nodeOf('edge-1', 'bank', '10.5.0.1', { LABELS: { app: 'edge' } }),
      id: 'router~10.5.0.1~edge-1.bank~bank.svc.cluster.local',
    });
    clients.push(edge);
    edge.ask('type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret', ['kubernetes://whole']);
    edge.ask(CDS, ['*']);
    await until('the gateway is there', () => edge.have.has(CDS));
    const paths = ['/metrics', '/api/v1/status', '/api/v1/findings', '/api/v1/pushes', ...list];
    for (const name of ['whole', 'broken', 'wrong']) paths.push(`/api/v1/status?object=Secret/bank/${name}`);
    for (const path of [...list]) paths.push(`${path}?proxyID=edge-1`, `${path}?proxyID=edge-1.bank&types=sds`);
    for (const path of paths) {
      const { body } = await control.get(path);
      assert.ok(!body.includes(SECRET) && !body.includes(SECRET_TEXT), path);
    }
    assert.ok(!control.has(SECRET) && !control.has(SECRET_TEXT));
    assert.ok((await control.findings()).some(({ file }) => file.endsWith('secret-1.yaml')));
    edge.close();
  });
});

describe('the end', () => {
  test('a control plane that was killed sends nothing again', async () => {
    const own = await ControlProcess.start({
      'a.yaml': [service('a', 'bank'), service('b', 'bank')].join('---\n'),
      'b.yaml': istio('VirtualService', 'rule', 'bank', {
        hosts: ['a'],
        http: [{ route: [{ destination: { host: 'b' } }] }],
      }),
    });
    const kinds = [{}, { HEDDLE_VERSION: '1' }];
    const types = [CDS, LDS, EDS, RDS, VHDS, NAMES, TRUST];
    const old: AdsClient[] = [];
    for (const [i, metadata] of kinds.entries()) {
      const client = await settledSidecar(own.ports.plain, nodeOf(`p-${i}`, 'bank', `10.6.0.${i}`, metadata));
      for (const type of [NAMES, TRUST]) client.ask(type, ['*']);
      if (i === 1) client.ask(VHDS, ['80/']);
      await until('all is there', () => client.have.has(NAMES) && client.have.has(TRUST));
      old.push(client);
    }
    await sleep(200);
    await own.stop('SIGKILL');
    await until('streams are over', () => old.every(({ isOver }) => isOver));
    await own.start();
    const again = old.map((client, i) => {
      const fresh = new AdsClient(own.ports.plain, nodeOf(`p-${i}`, 'bank', `10.6.0.${i}`, kinds[i]));
      for (const type of types) {
        const versions = client.versions(type);
        if (Object.keys(versions).length === 0) continue;
        const isAll = [CDS, LDS, NAMES, TRUST].includes(type);
        const names = isAll ? ['*'] : type === VHDS ? ['80/'] : Object.keys(versions);
        fresh.ask(type, names, { initial_resource_versions: versions });
      }
      return fresh;
    });
    await sleep(500);
    for (const client of again) {
      const sent = client.responses.filter(({ resources = [] }) => resources.length > 0);
      assert.deepEqual([client.received, sent.map(({ type_url }) => type_url)], [0, []]);
      assert.ok(!client.isOver);
    }
    assert.ok(Object.keys(old[1]!.versions(VHDS)).length > 0);
    own.write('c.yaml', service('news', 'bank'));
    await until('what is new comes', () => again.every((client) => client.sees(CDS, 'news')));
    for (const client of [...old, ...again]) client.close();
    await own.stop();
  });
});

describe('command lines', () => {
  test('that cannot be are told in one sentence each, and leave nothing running', async () => {
    const place = scratchFolder();
    const config = join(place, 'config');
    mkdirSync(config);
    writeFileSync(join(place, 'file'), '');
    writeFileSync(join(place, 'pass'), 'one');
    writeFileSync(join(place, 'pass2'), 'two');
    const taken = createServer().listen(0, '127.0.0.1');
    await until('it listens', () => taken.listening);
    const { port } = taken.address() as { port: number };
    const run = async (...args: string[]): Promise<{ code: number | null; lines: string[] }> => {
      const { code, stderr, stdout } = await ended(spawnControl(args));
      const lines = `${stdout}${stderr}`.split('\n').filter((line) => line !== '' && !line.startsWith('['));
      return { code, lines };
    };
    const good = async (state: string): Promise<string[]> => [
      ...['--config', config, '--state-dir', join(place, state), ...portFlags(await freePorts())],
    ];
    // A sealed key, and one that is broken.
    for (const [state, more] of [
      ['sealed', ['--ca-key-passphrase-file', join(place, 'pass')]],
      ['broken', []],
    ] as const) {
      const child = spawnControl([...(await good(state)), ...more]);
      await until('the root is made', () => list(join(place, state, 'ca')).some((name) => name.endsWith('trust.json')));
      const over = ended(child);
      await sleep(100);
      child.kill('SIGKILL');
      await over;
    }
    for (const name of list(join(place, 'broken', 'ca'))) {
      if (name.endsWith('.key')) writeFileSync(join(place, 'broken', 'ca', name), 'garbage');
    }
    const at = `127.0.0.1:${port}`;
    const TABLE: readonly (readonly [readonly string[], RegExp])[] = [
      [['--config', join(place, 'none')], /--config \S+: there is nothing; name /],
      [[], /--config is missing: where are the objects\?/],
      [['--config', config, '--bogus'], /Unknown option '--bogus'/],
      [['--config', config, '--grpc-address', ':1'], /plain text is served on loopback only; others use/],
      [[...(await good('a')), '--grpc-address', at], /--grpc-address \S+: Address already in use; stop what/],
      [[...(await good('a')), '--secure-address', at], /--secure-address \S+: Address already in use; stop what/],
      [[...(await good('a')), '--http-address', at], /--http-address \S+: Address already in use; stop what/],
      [[...(await good('a')), '--state-dir', join(place, 'file')], /--state-dir \S+: it is no directory; name another/],
      [[...(await good('a')), '--ca-dir', join(place, 'none')], /has no ca-cert\.pem; put a CA/],
      [[...(await good('broken'))], /is no private key in PEM; restore it, or move/],
      [[...(await good('sealed'))], /is sealed, and no passphrase is given; name the file/],
      [
        [...(await good('sealed')), '--ca-key-passphrase-file', join(place, 'pass2')],
        /passphrase is wrong.*; name the file/,
      ],
      [
        [...(await good('a')), '--token-jwks', join(place, 'none'), '--token-issuer', 'x'],
        /--token-jwks \S+: it cannot be/,
      ],
    ];
    // Two at a time.
    const rows = [...TABLE];
    const work = async (): Promise<void> => {
      for (let row = rows.shift(); row !== undefined; row = rows.shift()) {
        const { code, lines } = await run(...row[0]);
        assert.equal(code, 1, row[0].join(' '));
        assert.match(lines[0] ?? '', row[1]);
        assert.ok(lines.length <= 2 && !lines.join().includes('    at '), lines.join('\n'));
      }
    };
    await Promise.all([work(), work()]);
    taken.close();
  });

  test('without trust in loopback nobody comes in without a credential', async () => {
    const own = await ControlProcess.start({ 'a.yaml': service('a', 'bank') }, []);
    const client = new AdsClient(own.ports.plain, nodeOf('p', 'bank', '10.7.0.1'));
    client.ask(CDS, ['*']);
    await until('it is turned away', () => client.isOver);
    assert.deepEqual([client.status, client.received], [16, 0]);
    // Nor can anybody fill the log.
    const more = Array.from({ length: 100 }, (_, i) => {
      const one = new AdsClient(0, nodeOf(`p-${i}`, 'bank', '10.7.0.2'), client.session);
      one.ask(CDS, ['*']);
      return one;
    });
    await until('all are turned away', () => more.every(({ isOver }) => isOver));
    const lines = own.log.split('\n').filter((line) => line.includes('proved no identity'));
    assert.ok(lines.length >= 1 && lines.length <= 20, `${lines.length} lines`);
    client.close();
    await own.stop();
  });
});

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
