// Secrets from servers: listeners wait for them, follow them, and keep the last good one when what comes is wrong.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AdsServer } from '../support/ads-server.ts';
import { makeCa, makeCertificate } from '../support/certificates.ts';
import { until } from './heddle.ts';
import {
  ca,
  certificate,
  issue,
  mutualCluster,
  named,
  put,
  SdsRig,
  SECRET,
  trust,
  type RigOptions,
  type Way,
} from './sds-rig.ts';

/** For the proxy to take on what the server has, and for what is on its way to arrive. */
const SETTLE_MS = 200;

const running = new Set<SdsRig>();
after(async () => {
  for (const rig of running) await rig.stop();
});

async function start(server: AdsServer, options: RigOptions): Promise<SdsRig> {
  const rig = await SdsRig.start(server, options);
  running.add(rig);
  return rig;
}

async function stop(rig: SdsRig): Promise<void> {
  running.delete(rig);
  await rig.stop();
}

const client = makeCertificate({ issuer: ca, subject: 'client', sans: [{ uri: 'spiffe://test/ns/a/sa/client' }] });
const stranger = makeCertificate({ issuer: makeCa('elsewhere'), subject: 'stranger' });

/** A server certificate, and trust for clients. */
const both = (way: Way, timeout?: string) => ({
  require_client_certificate: true,
  common_tls_context: {
    tls_certificate_sds_secret_configs: [named('default', way, timeout)],
    combined_validation_context: {
      default_validation_context: {
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://test/' } }],
      },
      validation_context_sds_secret_config: named('ROOTCA', way, timeout),
    },
  },
});
const serverOnly = (way: Way, timeout?: string) => ({
  common_tls_context: { tls_certificate_sds_secret_configs: [named('default', way, timeout)] },
});

const ways: readonly (readonly [Way, ...string[]])[] = [
  ['GRPC'],
  ['DELTA_GRPC'],
  ['ADS'],
  ['UNIX'],
  ['UNIX', '--concurrency', '2'],
];
for (const [way, ...args] of ways) {
  const how = [way, ...args].join(' ');

  it(`serves with secrets of a server, and follows them (${how})`, async () => {
    const server = new AdsServer();
    put(server, 'default', certificate('default', issue('one')));
    put(server, 'ROOTCA', trust('ROOTCA', ca));
    const listeners = [
      { name: 'a', tls: both(way) },
      { name: 'b', tls: both(way) },
    ];
    const rig = await start(server, { way, listeners, arguments: args });
    await until('the listener serves', async () => (await rig.ask('a', { certificate: client })) === 'CN=one');
    assert.equal(await rig.ask('b', { certificate: client }), 'CN=one');
    assert.equal(await rig.ask('a', { certificate: stranger }), '');

    put(server, 'default', certificate('default', issue('two')));
    await until('the certificate changes', async () => (await rig.ask('a', { certificate: client })) === 'CN=two');
    await until('for all who use it', async () => (await rig.ask('b', { certificate: client })) === 'CN=two');

    // One question for each secret, whoever uses it.
    const asked = server.of(SECRET).filter(({ nonce, error }) => nonce === '' && error === null);
    const names = asked.flatMap((one) => [...one.names, ...one.subscribe]);
    assert.deepEqual([...new Set(names)].sort(), ['ROOTCA', 'default']);

    // What is wrong is refused, with the name, and changes nothing.
    const good = issue('three');
    put(server, 'default', certificate('default', { chainPem: issue('other').chainPem, keyPem: good.keyPem }));
    await server.until(() => server.nacks.length > 0);
    assert.match(server.nacks[0]?.error ?? '', /default.*KEY_VALUES_MISMATCH/s);
    assert.equal(await rig.ask('a', { certificate: client }), 'CN=two');
    put(server, 'default', trust('default', ca));
    await server.until(() => server.nacks.some(({ error }) => /is a CertificateValidation/.test(error ?? '')));
    assert.match(server.nacks.at(-1)?.error ?? '', /default: is a CertificateValidationContext, not a TlsCertificate/);
    put(server, 'default', certificate('default', good));
    await until(
      'and the next good one is taken',
      async () => (await rig.ask('a', { certificate: client })) === 'CN=three',
    );

    // A secret that is removed stays.
    server.remove(SECRET, 'default');
    await sleep(SETTLE_MS);
    assert.equal(await rig.ask('a', { certificate: client }), 'CN=three');

    // Roots change: who was trusted is not, and the other way round.
    put(server, 'ROOTCA', trust('ROOTCA', makeCa('nobody')));
    await until('trust changes', async () => (await rig.ask('a', { certificate: client })) === '');
    await stop(rig);
  });
}

describe('a listener', () => {
  it('waits for its secret, and the proxy with it, as Envoy', async () => {
    const server = new AdsServer();
    server.isHolding = true;
    put(server, 'default', certificate('default', issue('late')));
    const starting = start(server, { way: 'GRPC', listeners: [{ name: 'a', tls: serverOnly('GRPC') }] });
    await server.until(() => server.of(SECRET).length > 0);
    let isReady = false;
    void starting.then(() => {
      isReady = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(isReady, false);
    server.release();
    const rig = await starting;
    assert.equal(await rig.ask('a'), 'CN=late');
    await stop(rig);
  });

  it('goes on without its secret when what comes first is wrong, as Envoy', async () => {
    const server = new AdsServer();
    put(server, 'default', certificate('default', { chainPem: 'none', keyPem: 'none' }));
    const rig = await start(server, { way: 'GRPC', listeners: [{ name: 'a', tls: serverOnly('GRPC', '0s') }] });
    assert.equal(await rig.ask('a'), '');
    put(server, 'default', certificate('default', issue('late')));
    await until('it comes', async () => (await rig.ask('a')) === 'CN=late');
    const { update_rejected, update_success } = await rig.stats('sds.default.');
    assert.deepEqual([update_rejected, update_success], ['1', '1']);
    await stop(rig);
  });

  it('is not kept from its secret by another that uses the name for something else', async () => {
    const server = new AdsServer();
    put(server, 'default', certificate('default', issue('one')));
    const wrong = {
      common_tls_context: {
        tls_certificate_sds_secret_configs: [named('default', 'GRPC')],
        validation_context_sds_secret_config: named('default', 'GRPC'),
      },
    };
    const listeners = [
      { name: 'wrong', tls: wrong },
      { name: 'a', tls: serverOnly('GRPC') },
    ];
    const rig = await start(server, { way: 'GRPC', listeners });
    assert.equal(await rig.ask('a'), 'CN=one');
    put(server, 'default', certificate('default', issue('two')));
    await until('it changes', async () => (await rig.ask('a')) === 'CN=two');
    assert.equal(await rig.ask('wrong'), '');
    await stop(rig);
  });

  it('goes on without its secret after initial_fetch_timeout, and serves when it comes', async () => {
    const server = new AdsServer();
    server.isHolding = true;
    put(server, 'default', certificate('default', issue('late')));
    const rig = await start(server, { way: 'GRPC', listeners: [{ name: 'a', tls: serverOnly('GRPC', '0.2s') }] });
    assert.equal(await rig.ask('a'), '');
    assert.equal((await rig.stats('sds.default.'))['init_fetch_timeout'], '1');
    server.release();
    await until('it comes', async () => (await rig.ask('a')) === 'CN=late');
    await stop(rig);
  });
});

describe('both ends of mutual TLS', () => {
  it('change certificates and roots under load without a failed request, whatever is wrong between', async () => {
    const server = new AdsServer();
    let root = ca;
    put(server, 'default', certificate('default', issue('first')));
    put(server, 'ROOTCA', trust('ROOTCA', root));
    const common = {
      tls_certificate_sds_secret_configs: [named('default', 'UNIX')],
      validation_context_sds_secret_config: named('ROOTCA', 'UNIX'),
    };
    const rig = await start(server, {
      way: 'UNIX',
      listeners: [
        { name: 'secure', tls: { require_client_certificate: true, common_tls_context: common } },
        { name: 'front', tls: null, cluster: 'secure' },
      ],
      clusters: (port) => [mutualCluster('secure', port('secure'), common)],
    });
    // The cluster waited for its secrets, too.
    assert.equal(await rig.plain('front'), 200);
    let isOver = false;
    let count = 0;
    const failures: number[] = [];
    const load = async (): Promise<void> => {
      while (!isOver) {
        const status = await rig.plain('front');
        if (status === 200) count++;
        else failures.push(status);
      }
    };
    const loads = [load(), load(), load()];
    /** Until the proxy has said what it makes of it, and requests that were on their way are through. */
    const change = async (name: string, secret: Parameters<typeof put>[2]): Promise<void> => {
      const { length } = server.requests;
      put(server, name, secret);
      await until('it is answered', () => server.requests.length > length);
      await sleep(SETTLE_MS);
    };
    for (let round = 0; round < 6; round++) {
      const next = round % 2 === 0 ? root : makeCa(`root ${round}`);
      put(server, 'ROOTCA', trust('ROOTCA', ...new Set([next, root])));
      const refused = server.nacks.length;
      put(server, 'default', certificate('default', { chainPem: 'broken', keyPem: 'broken' }));
      await until('it is refused', () => server.nacks.length > refused);
      await change('default', certificate('default', issue(`round ${round}`, next)));
      root = next;
      put(server, 'ROOTCA', trust('ROOTCA', root));
      await sleep(SETTLE_MS);
    }
    isOver = true;
    await Promise.all(loads);
    assert.deepEqual(failures, []);
    assert.ok(count > 50, `only ${count} requests`);
    assert.ok(server.nacks.length >= 6, `${server.nacks.length} refusals`);
    const handshakes = await rig.stats('cluster.secure.ssl.');
    assert.ok(Number(handshakes['handshake']) >= count, JSON.stringify(handshakes));
    await stop(rig);
  });
});
