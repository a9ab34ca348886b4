// Tests TLS to servers: what is offered, who is refused, which sessions are resumed, and secrets that change or miss.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import * as tls from 'node:tls';
import { makeCa, makeCertificate, type TestCertificate } from '../../../test/support/certificates.ts';
import { FakeRuntime } from '../../../test/support/filter-harness.ts';
import { testEngine } from '../../../test/support/tls-handshake.ts';
import type { ByteStream } from '../../base/byte-stream.ts';
import { Clock, Random } from '../../base/clock.ts';
import type { Failure } from '../../base/failure.ts';
import { LocalCells } from '../../base/local-cells.ts';
import { fromJson } from '../../proto/json-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import { unpackExtension } from '../config/environment.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import { NO_WISHES } from '../cluster/wishes.ts';
import type { TransportWishes, UpstreamTarget, UpstreamTransport } from '../transport/transport.ts';
import type { SecretHandle, SecretRef, SecretStore } from './tls-config.ts';
import { endOfFirst, upstreamTls } from './upstream-tls.ts';

const ca = makeCa();
const otherCa = makeCa('other');
const serverCertificate = makeCertificate({ issuer: ca, sans: [{ dns: 'a.test' }, { dns: '*.b.test' }] });
const clientCertificate = makeCertificate({ issuer: ca, sans: [{ uri: 'spiffe://td/client' }] });
const engine = testEngine();
const servers: tls.Server[] = [];
const streams: ByteStream[] = [];
after(() => {
  for (const stream of streams) stream.destroy();
  for (const server of servers) server.close();
});

const pair = (one: TestCertificate): object => ({
  certificate_chain: { inline_string: one.pem },
  private_key: { inline_string: one.keyPem },
});
const trusting = (one: TestCertificate): object => ({ validation_context: { trusted_ca: { inline_string: one.pem } } });

/** A handle that the test changes; inline secrets stay. */
class Handle<T> implements SecretHandle<T> {
  current: T | null;
  whenSettled?: (settled: () => void) => void;
  #listener = (): void => {};

  constructor(current: T | null) {
    this.current = current;
  }
  onChange(listener: () => void): void {
    this.#listener = listener;
  }
  release(): void {}
  set(value: T): void {
    this.current = value;
    this.#listener();
  }
}

class Secrets {
  readonly handles: Handle<never>[] = [];
  /** Secrets are not there at first. */
  areMissing = false;
  readonly store: SecretStore;

  constructor() {
    const handle = (ref: SecretRef<never>): Handle<never> => {
      const made = new Handle<never>(ref.kind === 'inline' && !this.areMissing ? ref.value : null);
      this.handles.push(made);
      return made;
    };
    this.store = { certificate: handle, validation: handle, ticketKeys: handle } as unknown as SecretStore;
  }
}

type Seen = { reused: boolean; sni: string | false; alpn: string | false; subject: string | undefined };

async function listen(options: tls.TlsOptions = {}): Promise<{ port: number; seen: Seen[] }> {
  const seen: Seen[] = [];
  const { pem: cert, keyPem: key } = serverCertificate;
  const server = tls.createServer({ cert, key, ALPNProtocols: ['h2', 'http/1.1'], ...options }, (socket) => {
    const subject = socket.getPeerCertificate().subjectaltname;
    const { servername, alpnProtocol } = socket as tls.TLSSocket & { servername: string | false };
    seen.push({ reused: socket.isSessionReused(), sni: servername, alpn: alpnProtocol ?? false, subject });
    socket.on('error', () => {});
    // Comes behind the tickets.
    socket.write('hello');
    socket.pipe(socket);
  });
  server.on('tlsClientError', () => {});
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, seen };
}

function make(message: object, secrets = new Secrets()) {
  const stats = new StatStore();
  const report = new Report();
  const decoded = fromJson(registry.message(upstreamTls.configType), message, report);
  assert.ok(report.isEmpty, report.toString());
  const d = new ConfigDecoder({ unpack: unpackExtension });
  const config = upstreamTls.decode(decoded as never, d);
  assert.deepEqual(d.reasons, []);
  const warnings: string[] = [];
  const transport = upstreamTls.create(config as never, {
    ...{ stats, secrets: secrets.store, random: new Random(1), runtime: new FakeRuntime(), shared: new LocalCells() },
    statPrefix: 'cluster.up.',
    clock: new Clock(),
    keyLogFiles: { open: () => 'no' },
    warn: (text) => warnings.push(text),
  });
  const stat = (name: string): number => stats.find(`cluster.up.${name}`) ?? 0;
  return { transport, stat, secrets, warnings };
}

type Outcome = { readonly stream: ByteStream | null; readonly failure: Failure | null };

/** Dials and shakes hands; a connection that stands has received the greeting. */
async function dial(
  transport: UpstreamTransport,
  port: number,
  change: Partial<TransportWishes & Pick<UpstreamTarget, 'hostname'>> = {},
): Promise<Outcome> {
  const address = { family: 'ipv4', address: '127.0.0.1', port } as const;
  const outcome = await new Promise<Outcome>((resolve) => {
    engine.connect(address, {}, (stream) => {
      assert.ok(stream);
      const target = { ...NO_WISHES, address, hostname: '', fallbackProtocols: ['http/1.1'], ...change };
      transport.connect(stream, target, (secured, failure) => resolve({ stream: secured, failure }));
    });
  });
  const { stream } = outcome;
  if (stream !== null) {
    streams.push(stream);
    await new Promise<void>((resolve) => {
      stream.handler = { onData: () => resolve(), onEnd() {}, onDrain() {}, onClose() {} };
    });
  }
  return outcome;
}

test('both show certificates; SNI and ALPN are what is wished, configured, or of the host', async () => {
  const { port, seen } = await listen({ requestCert: true, ca: [ca.pem] });
  const common = { tls_certificates: [pair(clientCertificate)], ...trusting(ca) };
  const { transport, stat } = make({ sni: 'conf.b.test', max_session_keys: 0, common_tls_context: common });
  const { stream } = await dial(transport, port);
  assert.equal(stream?.tls?.isPeerVerified, true);
  assert.equal(stream?.tls?.alpn, 'http/1.1');
  await dial(transport, port, { serverName: 'wish.b.test', applicationProtocols: ['h2'] });
  const host = make({
    sni: 'conf.b.test',
    auto_host_sni: true,
    common_tls_context: { ...common, alpn_protocols: ['h2'] },
  });
  await dial(host.transport, port, { hostname: 'host.test' });
  await dial(host.transport, port);
  assert.deepEqual(
    seen.map(({ sni, alpn }) => [sni, alpn]),
    [
      ['conf.b.test', 'http/1.1'],
      ['wish.b.test', 'h2'],
      ['host.test', 'h2'],
      ['conf.b.test', 'h2'],
    ],
  );
  assert.equal(seen[0]?.subject, 'URI:spiffe://td/client');
  assert.deepEqual([stat('ssl.handshake'), stat('ssl.versions.TLSv1.2'), stat('ssl.curves.X25519')], [2, 2, 2]);
});

test('servers are refused before a byte passes, and counted by why', async () => {
  const { port } = await listen();
  const stranger = make({ common_tls_context: trusting(otherCa) });
  const first = await dial(stranger.transport, port);
  assert.equal(first.failure?.code, 'connect_failed');
  assert.match(first.failure?.detail ?? '', /unable to get local issuer certificate/);
  assert.deepEqual([stranger.stat('ssl.fail_verify_error'), stranger.stat('ssl.connection_error')], [1, 0]);

  const named = make({ common_tls_context: trusting(ca) });
  const second = await dial(named.transport, port, { subjectAltNames: ['c.test'] });
  assert.match(second.failure?.detail ?? '', /verify SAN list, expected SANs: \[c\.test\]/);
  assert.equal(named.stat('ssl.fail_verify_san'), 1);
  assert.ok((await dial(named.transport, port, { subjectAltNames: ['x.b.test'] })).stream);

  const sni = make({ auto_sni_san_validation: true, common_tls_context: trusting(ca) });
  assert.ok((await dial(sni.transport, port, { serverName: 'a.test' })).stream);
  assert.ok((await dial(sni.transport, port, { serverName: 'wrong.test' })).failure);

  const { transport } = make({ common_tls_context: {} });
  assert.equal((await dial(transport, port)).stream?.tls?.isPeerVerified, false);
});

test('a server that does not speak TLS, or wants a certificate, is a broken connection', async () => {
  const { port } = await listen({ requestCert: true, ca: [ca.pem], maxVersion: 'TLSv1.2' });
  const { transport, stat } = make({ common_tls_context: {} });
  const { failure } = await dial(transport, port);
  assert.equal(failure?.code, 'connect_failed');
  assert.match(failure?.detail ?? '', /^TLS_error:\|/);
  assert.equal(stat('ssl.connection_error'), 1);
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const parameters = { tls_params: { tls_maximum_protocol_version: version === 'TLSv1.2' ? 'TLSv1_2' : 'TLSv1_3' } };
  const common = { ...parameters, ...trusting(ca) };

  test(`${version}: sessions are resumed where nothing differs, and judged again`, async () => {
    const { port, seen } = await listen();
    const { transport, stat } = make({ common_tls_context: common });
    for (let i = 0; i < 2; i++) assert.ok((await dial(transport, port, { serverName: 'a.test' })).stream);
    assert.ok((await dial(transport, port, { serverName: 'x.b.test' })).stream);
    assert.deepEqual(
      seen.map(({ reused }) => reused),
      [false, true, false],
    );
    assert.deepEqual([stat('ssl.session_reused'), stat('ssl.handshake')], [1, 3]);
    const wrong = await dial(transport, port, { serverName: 'a.test', subjectAltNames: ['c.test'] });
    assert.match(wrong.failure?.detail ?? '', /verify SAN list/);
  });

  test(`${version}: no session is resumed whose certificate is about to end`, async () => {
    const notAfter = new Date(Date.now() + 4000);
    const { pem: cert, keyPem: key } = makeCertificate({ issuer: ca, sans: [{ dns: 'a.test' }], notAfter });
    const { port, seen } = await listen({ cert, key });
    const { transport } = make({ common_tls_context: common });
    for (let i = 0; i < 2; i++) assert.ok((await dial(transport, port)).stream);
    assert.deepEqual(
      seen.map(({ reused }) => reused),
      [false, false],
    );
  });

  test(`${version}: no session of a refused server is kept, and none where none may be`, async () => {
    const { port, seen } = await listen();
    const { transport } = make({ common_tls_context: common });
    assert.ok((await dial(transport, port, { subjectAltNames: ['c.test'] })).failure);
    assert.ok((await dial(transport, port)).stream);
    const none = make({ max_session_keys: 0, common_tls_context: common });
    for (let i = 0; i < 2; i++) assert.ok((await dial(none.transport, port)).stream);
    assert.deepEqual(
      seen.filter(({ reused }) => reused),
      [],
    );
  });

  test(`${version}: other authorities or another certificate of ours begin without sessions`, async () => {
    const { port, seen } = await listen();
    const { transport, secrets, stat } = make({
      common_tls_context: { ...common, tls_certificates: [pair(clientCertificate)] },
    });
    const first = await dial(transport, port);
    await dial(transport, port);
    for (const handle of secrets.handles) {
      handle.set(handle.current as never);
      await dial(transport, port);
    }
    assert.deepEqual(
      seen.map(({ reused }) => reused),
      [false, true, false, false],
    );
    assert.equal(stat('client_ssl_socket_factory.ssl_context_update_by_sds'), 2);
    assert.equal(first.stream?.isClosed, false);
  });
}

test('without its secrets nobody is dialled; the last good ones stay when what comes is broken', async () => {
  const { port } = await listen();
  const secrets = new Secrets();
  secrets.areMissing = true;
  const { transport, stat, warnings } = make({ common_tls_context: trusting(ca) }, secrets);
  const [handle] = secrets.handles;
  assert.ok(handle);
  let settled = 0;
  transport.whenSettled(() => settled++);
  assert.equal(settled, 1);
  handle.whenSettled = (done) => setImmediate(done);
  await new Promise<void>((resolve) => transport.whenSettled(resolve));
  const { failure } = await dial(transport, port);
  assert.equal(failure?.detail, 'TLS error: Secret is not supplied by SDS');
  assert.equal(stat('client_ssl_socket_factory.upstream_context_secrets_not_ready'), 1);

  const good = make({ common_tls_context: trusting(ca) });
  const [trust] = good.secrets.handles as unknown as Handle<object>[];
  trust!.set({ ...trust!.current, trustedCa: Buffer.from('broken') });
  assert.match(good.warnings.join(), /Failed to load trusted CA certificates/);
  assert.ok((await dial(good.transport, port)).stream);
  assert.deepEqual(warnings, []);
});

test('a handshake that is given up closes its socket', async () => {
  const { port } = await listen();
  const { transport } = make({ common_tls_context: {} });
  const address = { family: 'ipv4', address: '127.0.0.1', port } as const;
  await new Promise<void>((resolve) => {
    engine.connect(address, {}, (stream) => {
      assert.ok(stream);
      const target = { ...NO_WISHES, address, hostname: '', fallbackProtocols: [] };
      const pending = transport.connect(stream, target, () => assert.fail('was given up'));
      pending.cancel();
      setTimeout(resolve, 50);
    });
  });
});

test('authorities end with the first that is whole, whatever else stands there', () => {
  const { pem } = makeCa('some');
  const end = endOfFirst(Buffer.from(pem));
  assert.ok(end !== null && end > Date.now());
  // The first block lacks a part of its end.
  const broken = pem.replace('-----END CERTIFICATE-----', '-----END CERTIFIC');
  assert.equal(endOfFirst(Buffer.from(`${broken}\n${pem}`)), end);
  assert.equal(endOfFirst(Buffer.from('nothing')), null);
});
