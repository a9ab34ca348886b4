// Tests CreateCertificate over sockets and TLS, as Istio's agents call it: who gets a certificate, and who does not.
import assert from 'node:assert/strict';
import { generateKeyPairSync, type webcrypto, X509Certificate } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, credentials, Metadata, type ServiceError, status as GRPC } from '@grpc/grpc-js';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type CaRig, openCa, openssl, scratchDirectory, verifyChain } from '../../test/support/ca-rig.ts';
import { askForCertificate, type CallOptions, type CallResult } from '../../test/support/certificate-caller.ts';
import { makeCa, makeCertificate } from '../../test/support/certificates.ts';
import { Clock, Random } from '../base/clock.ts';
import type { Secret } from '../base/secret.ts';
import { GrpcServer } from '../grpc/server.ts';
import { makeCertificateRequest } from '../identity/certificate-request.ts';
import { readIssuedChain } from '../identity/issued-chain.ts';
import { createEngine } from '../net/engine.ts';
import { decodeBinary } from '../proto/binary-decode.ts';
import { encodeBinary } from '../proto/binary-encode.ts';
import { registry } from '../proto/registry.ts';
import { JoinTokens } from './authenticate/join-tokens.ts';
import { peerCertificate } from './authenticate/peer-certificate.ts';
import { ProcessTokens } from './authenticate/process-tokens.ts';
import { serviceAccountTokens } from './authenticate/service-account-tokens.ts';
import { createCertificate } from './certificate-service.ts';
import { exportKey } from './signing/issuer.ts';
import { istiodNames, ServerCertificate } from './server-certificate.ts';

const OWN = 'spiffe://cluster.local/ns/bookinfo/sa/reviews';
const BINDING = { namespace: 'bookinfo', account: 'reviews', workload: null };
const [UNAUTHENTICATED, PERMISSION_DENIED, INVALID_ARGUMENT] = [16, 7, 3];
const place = scratchDirectory();
const clock = new Clock();
const stops: (() => void)[] = [];
after(() => {
  for (const stop of stops) stop();
  rmSync(place, { recursive: true, force: true });
});

type Answer = { readonly cert_chain: readonly string[] };

let rig: CaRig;
let port = 0;
let tokens: JoinTokens;
let processes: ProcessTokens;
let jwtKey: webcrypto.CryptoKey;

before(async () => {
  rig = await openCa({ clock });
  stops.push(() => rig.close());
  const { authority } = rig;
  tokens = new JoinTokens(join(place, 'tokens'), 'cluster.local', clock);
  processes = new ProcessTokens('cluster.local');
  const pair = await generateKeyPair('ES256');
  jwtKey = pair.privateKey;
  const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'ES256' }] };
  const jwt = serviceAccountTokens({
    ...{ trustDomain: 'cluster.local', issuer: 'https://kubernetes.default.svc', audiences: ['istio-ca'] },
    ...{ keys: () => jwks, clock },
  });
  const certificate = await ServerCertificate.make(authority, [...istiodNames('istio-system'), 'heddle.test']);
  assert.ok(typeof certificate !== 'string', String(certificate));
  const onBug = (error: unknown): never => {
    throw error;
  };
  const engine = createEngine({ clock, onBug });
  clock.wrap = (run) => engine.run(run);
  const server = new GrpcServer({ engine, random: new Random(1) }, { tls: certificate.tls() });
  const list = [peerCertificate(authority, clock), tokens.authenticator(), processes.authenticator(), jwt];
  server.add(createCertificate({ authority, authenticators: list, log: rig.options.log }));
  const listener = server.listen({ family: 'ipv4', address: '127.0.0.1', port: 0 });
  assert.ok('address' in listener);
  port = listener.address.port;
  stops.push(
    () => server.stop(),
    () => certificate.close(),
  );
});

function ask(options: CallOptions): Promise<CallResult> {
  return askForCertificate(port, rig.authority.bundle.pem, options);
}

function joinToken(binding: Parameters<JoinTokens['create']>[0] = BINDING): string {
  const made = tokens.create(binding);
  assert.ok(typeof made !== 'string', String(made));
  return (made as Secret).reveal();
}

/** Whether the connection ends without an answer. */
async function refused(options: CallOptions): Promise<boolean> {
  try {
    return (await ask(options)).status === -1;
  } catch {
    return true;
  }
}

function metric(name: string): number {
  return Number(new RegExp(`^citadel_server_${name} (\\S+)$`, 'm').exec(rig.registry.text())?.[1] ?? Number.NaN);
}

test('a join token makes one certificate, for its account', async () => {
  const token = joinToken();
  const { key, request } = makeCertificateRequest(OWN);
  const [requests, issued] = [metric('csr_count'), metric('success_cert_issuance_count')];
  const first = await ask({ csr: request, token, validityS: 86_400 });
  assert.deepEqual([first.status, first.message], [0, '']);
  const [leaf = '', root] = first.chain;
  assert.equal(first.chain.length, 2);
  assert.equal(root, rig.authority.bundle.pem);
  assert.equal(new X509Certificate(leaf).subjectAltName, `URI:${OWN}`);
  assert.ok(new X509Certificate(leaf).checkPrivateKey(key));
  assert.equal(verifyChain([leaf], root, Date.now(), ['-purpose', 'sslclient']), 'OK');
  // As our own client reads it.
  assert.ok(typeof readIssuedChain(first.chain, key, Date.now()) !== 'string');
  assert.deepEqual([metric('csr_count'), metric('success_cert_issuance_count')], [requests + 1, issued + 1]);

  const again = await ask({ csr: request, token });
  assert.equal(again.status, UNAUTHENTICATED);
  assert.match(again.message, /join token: it is unknown, or was used already/);
  assert.deepEqual(readdirSync(join(place, 'tokens')), []);
  assert.ok(rig.lines.every((line) => !line.includes(token)));
});

test('a token is not lost with a request that is refused, and is used once however many call at once', async () => {
  const token = joinToken();
  const bad = await ask({ csr: 'hello', token });
  assert.equal(bad.status, INVALID_ARGUMENT);
  const { request } = makeCertificateRequest('');
  const results = await Promise.all(Array.from({ length: 8 }, () => ask({ csr: request, token })));
  assert.equal(results.filter(({ status }) => status === 0).length, 1);
  assert.ok(results.every(({ status }) => status === 0 || status === UNAUTHENTICATED));
});

test('tokens end, survive restarts of the control plane, and die with a crash', async () => {
  const survivor = joinToken();
  const claimed = joinToken();
  const verdict = await tokens.authenticator().authenticate({
    tls: null,
    remoteAddress: { family: 'ipv4', address: '127.0.0.1', port: 1 },
    bearer: { reveal: () => claimed } as Secret,
  });
  assert.ok('identity' in verdict);
  const short = tokens.create(BINDING, 30);
  await new Promise((resolve) => setTimeout(resolve, 60));
  const { request } = makeCertificateRequest(OWN);
  assert.match((await ask({ csr: request, token: (short as Secret).reveal() })).message, /it was good until/);
  // Another life of the process, after one that was killed.
  const later = new JoinTokens(join(place, 'tokens'), 'cluster.local', clock);
  later.sweepClaims();
  assert.equal((await ask({ csr: request, token: survivor })).status, 0);
  assert.equal((await ask({ csr: request, token: claimed })).status, UNAUTHENTICATED);
  assert.equal('settle' in verdict && verdict.settle?.(true), false);
  for (const wrong of [
    { ...BINDING, namespace: '../x' },
    { ...BINDING, account: '' },
    { ...BINDING, workload: 'a b' },
  ]) {
    assert.equal(typeof tokens.create(wrong), 'string');
  }
});

test('a certificate of the mesh renews itself', async () => {
  const { key, request } = makeCertificateRequest(OWN);
  const first = await ask({ csr: request, token: joinToken() });
  const certificate = { chain: first.chain[0] as string, key: exportKey(key) };
  const next = makeCertificateRequest(OWN);
  const second = await ask({ csr: next.request, certificate });
  assert.deepEqual([second.status, second.message], [0, '']);
  assert.equal(new X509Certificate(second.chain[0] as string).subjectAltName, `URI:${OWN}`);
});

test('the identity is the credential’s: a request for another name is refused', async () => {
  const other = 'spiffe://cluster.local/ns/bookinfo/sa/ratings';
  const csr = (...names: string[]): string => {
    const san = names.length === 0 ? [] : ['-addext', `subjectAltName=${names.join(',')}`];
    return openssl([
      'req',
      '-new',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      join(place, 'k'),
      '-subj',
      '/O=x',
      ...san,
    ]);
  };
  const token = joinToken();
  for (const names of [
    [`URI:${other}`],
    [`URI:${OWN}`, `URI:${other}`],
    [`URI:${OWN}`, 'DNS:a.b'],
    ['DNS:istiod.istio-system.svc'],
    ['URI:spiffe://evil/ns/bookinfo/sa/reviews'],
  ]) {
    const { status, message } = await ask({ csr: csr(...names), token });
    assert.equal(status, PERMISSION_DENIED, names.join());
    assert.match(message, /but its credential is of spiffe:\/\/cluster.local\/ns\/bookinfo\/sa\/reviews/);
  }
  assert.ok(metric('id_extraction_err_count') >= 5);
  // An alias of the trust domain is the same account; what is signed has the mesh's name.
  const { status, chain } = await ask({ csr: csr('URI:spiffe://old.local/ns/bookinfo/sa/reviews'), token });
  assert.equal(status, 0);
  assert.equal(new X509Certificate(chain[0] as string).subjectAltName, `URI:${OWN}`);
});

test('extensions and subjects of a request get into no certificate', async () => {
  const config = join(place, 'ca.cnf');
  mkdirSync(place, { recursive: true });
  writeFileSync(
    config,
    '[req]\ndistinguished_name=d\nreq_extensions=e\n[d]\n[e]\nbasicConstraints=critical,CA:TRUE\n' +
      'keyUsage=keyCertSign\n',
  );
  const csr = openssl([
    'req',
    '-new',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    join(place, 'k2'),
    '-subj',
    '/CN=root/O=cluster.local',
    '-config',
    config,
  ]);
  const { status, chain } = await ask({ csr, token: joinToken() });
  assert.equal(status, 0);
  const text = openssl(['x509', '-noout', '-text'], chain[0]);
  assert.ok(text.includes('CA:FALSE') && !text.includes('Certificate Sign') && /Subject: *\n/.test(text));
});

test('a request must be signed with its own key, and be one', async () => {
  const token = joinToken();
  const { request } = makeCertificateRequest(OWN);
  const other = makeCertificateRequest(OWN);
  const der = (pem: string): Buffer => Buffer.from(pem.replace(/-----.*-----|\s/g, ''), 'base64');
  const [one, two] = [der(request), der(other.request)];
  const mixed = Buffer.concat([one.subarray(0, one.length - 60), two.subarray(two.length - 60)]);
  const pem = (bytes: Buffer): string =>
    `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
  const weak = openssl(['req', '-new', '-newkey', 'rsa:1024', '-nodes', '-keyout', join(place, 'k3'), '-subj', '/O=x']);
  const old = openssl([
    'req',
    '-new',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    join(place, 'k4'),
    '-subj',
    '/O=x',
    '-sha1',
  ]);
  const curve = openssl([
    'req',
    '-new',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:secp256k1',
    '-nodes',
    '-keyout',
    join(place, 'k5'),
    '-subj',
    '/O=x',
  ]);
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /not one PEM block/],
    [request + request, /not one PEM block/],
    [pem(one.subarray(0, 40)), /no PKCS #10/],
    [pem(mixed), /the signature is not one of the key|no PKCS #10/],
    [weak, /RSA keys must have 2048 bits or more, not 1024/],
    [old, /signature algorithm 1.2.840.113549.1.1.5 is not supported/],
    [curve, /curve secp256k1 is not supported/],
    ['x'.repeat(20_000), /longer than 16384 characters/],
  ];
  for (const [csr, expected] of cases) {
    const { status, message } = await ask({ csr, token });
    assert.equal(status, INVALID_ARGUMENT, message);
    assert.match(message, expected);
    assert.match(message, /^CSR signing error \(/);
  }
  assert.equal((await ask({ csr: request, token })).status, 0);
});

test('nobody gets a certificate for others', async () => {
  const { request } = makeCertificateRequest(OWN);
  const token = joinToken();
  const impersonating = await ask({ csr: request, token, metadata: { ImpersonatedIdentity: OWN } });
  assert.deepEqual([impersonating.status, impersonating.chain], [UNAUTHENTICATED, []]);
  assert.match(impersonating.message, /impersonation/);
  const signer = await ask({ csr: request, token, metadata: { CertSigner: 'x' } });
  assert.equal(signer.status, INVALID_ARGUMENT);
  const clusterId = await ask({ csr: request, token, metadata: { ClusterID: 'Kubernetes' } });
  assert.equal(clusterId.status, 0);
});

test('who proves nothing hears why', async () => {
  const { request } = makeCertificateRequest(OWN);
  const before = metric('authentication_failure_count');
  const nothing = await ask({ csr: request });
  assert.equal(nothing.status, UNAUTHENTICATED);
  assert.equal(
    nothing.message,
    'no identity is proved: client certificate: none was shown; join token: none was sent; ' +
      'process token: none was sent; service account token: none was sent',
  );
  const junk = await ask({ csr: request, token: 'abc' });
  assert.match(junk.message, /join token: it is another kind of token; process token: it is another kind/);
  assert.equal(metric('authentication_failure_count'), before + 2);
  assert.ok(rig.lines.some((line) => /^warning: 127.0.0.1 asked for a certificate and proved no identity/.test(line)));
});

test('certificates of strangers, and such that are no identity', async () => {
  const { request } = makeCertificateRequest(OWN);
  const stranger = makeCertificate({ issuer: makeCa('other'), sans: [{ uri: OWN }] });
  const shown = { chain: stranger.chainPem, key: stranger.keyPem };
  assert.equal(await refused({ csr: request, certificate: shown }), true);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const server = await rig.authority.issueServer(['a.b'], publicKey.export({ type: 'spki', format: 'der' }), 0);
  assert.ok(typeof server !== 'string');
  // Only certificates for clients are let in.
  const own = { chain: server.chain.join(''), key: exportKey(privateKey) };
  assert.equal(await refused({ csr: request, certificate: own }), true);
});

test('a process token is good until its process is gone', async () => {
  const token = processes.create({ namespace: 'a', account: 'b', workload: 'b-1' }) as Secret;
  const { request } = makeCertificateRequest('');
  for (const expected of [0, 0]) assert.equal((await ask({ csr: request, token: token.reveal() })).status, expected);
  processes.revoke(token);
  assert.match((await ask({ csr: request, token: token.reveal() })).message, /its process is gone/);
});

test('service account tokens', async () => {
  const { request } = makeCertificateRequest(OWN);
  const sign = (
    claims: object,
    { audience = 'istio-ca', issuer = 'https://kubernetes.default.svc', expires = '1h' } = {},
  ): Promise<string> =>
    new SignJWT({ sub: 'system:serviceaccount:bookinfo:reviews', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setExpirationTime(expires)
      .sign(jwtKey);
  const good = await sign({
    'kubernetes.io': { namespace: 'bookinfo', serviceaccount: { name: 'reviews' }, pod: { name: 'reviews-1' } },
  });
  for (let i = 0; i < 2; i++) assert.deepEqual((await ask({ csr: request, token: good })).status, 0);
  const [head, body] = good.split('.');
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`;
  const cases: readonly (readonly [string, RegExp])[] = [
    [await sign({}, { audience: 'other' }), /unexpected "aud" claim value/],
    [await sign({}, { issuer: 'other' }), /unexpected "iss" claim value/],
    [await sign({}, { expires: '-1h' }), /"exp" claim timestamp check failed/],
    [await sign({ sub: 'system:serviceaccount:bookinfo' }), /its subject is no service account/],
    [await sign({ 'kubernetes.io': { namespace: 'other' } }), /its claims name another account/],
    [`${head}.${body}.${'A'.repeat(86)}`, /signature verification failed/],
    [none, /service account token: /],
  ];
  for (const [token, expected] of cases) {
    const { status, message } = await ask({ csr: request, token });
    assert.equal(status, UNAUTHENTICATED);
    assert.match(message, expected);
    assert.ok(!message.includes(token));
  }
});

test('gRPC’s own client is served, too, and reads statuses and texts', async () => {
  const { key, request } = makeCertificateRequest(OWN);
  const roots = Buffer.from(rig.authority.bundle.pem);
  const options = { 'grpc.ssl_target_name_override': 'istiod.istio-system.svc' };
  const type = registry.message('istio.v1.auth.IstioCertificateRequest');
  const answerType = registry.message('istio.v1.auth.IstioCertificateResponse');
  const call = (client: Client, token: string): Promise<Answer | ServiceError> =>
    new Promise((resolve) => {
      const metadata = new Metadata();
      if (token !== '') metadata.set('authorization', `Bearer ${token}`);
      client.makeUnaryRequest(
        '/istio.v1.auth.IstioCertificateService/CreateCertificate',
        (message: object) => Buffer.from(encodeBinary(type, message)),
        (bytes) => decodeBinary(answerType, bytes) as Answer,
        { csr: request, validity_duration: 86_400 },
        metadata,
        { deadline: Date.now() + 5000 },
        (error, answer) => resolve(error ?? (answer as Answer)),
      );
    });
  const first = new Client(`127.0.0.1:${port}`, credentials.createSsl(roots), options);
  const refused = await call(first, '');
  assert.ok('code' in refused);
  assert.equal(refused.code, GRPC.UNAUTHENTICATED);
  assert.match(refused.details, /^no identity is proved: client certificate: none was shown/);
  const given = await call(first, joinToken());
  assert.ok(!('code' in given), String(given));
  assert.equal(given.cert_chain.length, 2);
  // With the certificate it comes again without a token.
  const own = credentials.createSsl(roots, Buffer.from(exportKey(key)), Buffer.from(given.cert_chain[0] as string));
  const second = new Client(`127.0.0.1:${port}`, own, options);
  const renewed = await call(second, '');
  assert.ok(!('code' in renewed), String(renewed));
  assert.notEqual(renewed.cert_chain[0], given.cert_chain[0]);
  first.close();
  second.close();
});

test('lives are capped', async () => {
  const { request } = makeCertificateRequest(OWN);
  for (const [validityS, expectedS] of [
    [3600, 3600],
    [10 ** 9, 86_400],
    [-5, 86_400],
    [0, 86_400],
  ] as const) {
    const { chain } = await ask({ csr: request, token: joinToken(), validityS });
    const { validToDate } = new X509Certificate(chain[0] as string);
    assert.ok(Math.abs(validToDate.getTime() - Date.now() - expectedS * 1000) < 5000, String(validityS));
  }
});

test('a server’s certificate has every name, and a foreign name fails', async () => {
  const { request } = makeCertificateRequest(OWN);
  for (const serverName of ['istiod.istio-system.svc', 'istio-pilot.istio-system.svc', 'heddle.test']) {
    assert.equal((await ask({ csr: request, serverName })).status, UNAUTHENTICATED);
  }
  await assert.rejects(ask({ csr: request, serverName: 'other.istio-system.svc' }), /altname|ERR_TLS/i);
});
