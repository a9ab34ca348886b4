// Tests CAs that operators plug in: Istio's four files, made with OpenSSL as its tools make them, and what is refused.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { openCa, openssl, scratchDirectory, verifyChain } from '../../../test/support/ca-rig.ts';
import { Secret } from '../../base/secret.ts';
import { makeIntermediate, makeRoot } from '../signing/issuer.ts';
import { exportKey } from '../signing/issuer.ts';
import { pluggedDirectory, pluggedSecret, readPluggedIn } from './plugged-in.ts';
import { RootStore } from './root-store.ts';

const DAY_MS = 86_400_000;
const ACCOUNT = { trustDomain: 'cluster.local', namespace: 'a', account: 'b' };
const place = scratchDirectory();
after(() => rmSync(place, { recursive: true, force: true }));

/** A root, an intermediate and the CA below it, as an operator has them. `days`: of the CA. */
function makeCacerts(name: string, { days = 30, kind = 'ec', hasIntermediate = true } = {}): string {
  const directory = join(place, name);
  mkdirSync(directory, { recursive: true });
  const path = (file: string): string => join(directory, file);
  const caExtensions = path('ca.cnf');
  writeFileSync(
    caExtensions,
    'basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n',
  );
  const key = (file: string): void => {
    const args = kind.startsWith('rsa')
      ? ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']
      : ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    openssl(['genpkey', ...args, '-out', path(file)]);
  };
  const sign = (file: string, subject: string, issuer: string | null, life: number): void => {
    key(`${file}-key.pem`);
    openssl(['req', '-new', '-key', path(`${file}-key.pem`), '-subj', subject, '-out', path(`${file}.csr`)]);
    const by =
      issuer === null
        ? ['-signkey', path(`${file}-key.pem`)]
        : ['-CA', path(`${issuer}-cert.pem`), '-CAkey', path(`${issuer}-key.pem`), '-CAcreateserial'];
    openssl([
      'x509',
      '-req',
      '-in',
      path(`${file}.csr`),
      ...by,
      '-days',
      String(life),
      '-extfile',
      caExtensions,
      '-out',
      path(`${file}-cert.pem`),
    ]);
  };
  sign('root', '/O=Istio/CN=Root CA', null, 100);
  if (hasIntermediate) sign('middle', '/O=Istio/CN=Middle', 'root', 50);
  sign('ca', '/O=Istio/CN=Intermediate CA/L=east', hasIntermediate ? 'middle' : 'root', days);
  const chain = ['ca', ...(hasIntermediate ? ['middle'] : []), 'root'];
  writeFileSync(path('cert-chain.pem'), chain.map((file) => readFileSync(path(`${file}-cert.pem`), 'utf8')).join(''));
  return directory;
}

const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' });

test('Istio\u2019s layout: the chain leads from the leaf to the root', async () => {
  for (const [kind, hasIntermediate] of [
    ['rsa:2048', true],
    ['ec', true],
    ['rsa:2048', false],
  ] as const) {
    const directory = makeCacerts(`good-${kind}-${hasIntermediate}`, { kind, hasIntermediate });
    const rig = await openCa({
      source: { kind: 'plugged-in', from: pluggedDirectory(directory), passphrase: null, store: null },
    });
    const issued = await rig.authority.issueWorkload(ACCOUNT, publicKey, 0);
    assert.ok(typeof issued !== 'string', String(issued));
    assert.equal(issued.chain.length, hasIntermediate ? 3 : 2);
    assert.equal(
      verifyChain(issued.chain, readFileSync(join(directory, 'root-cert.pem'), 'utf8'), rig.clock.wallMs),
      'OK',
    );
    assert.equal(rig.authority.bundle.roots.length, 1);
    assert.match(String(await rig.authority.rotate()), /is plugged in/);
    // The CA ends before its root does.
    assert.ok(rig.authority.issuer.validToMs < rig.authority.issuer.rootValidToMs);
    rig.close();
  }
});

test('a CA that is a root itself, a key that is encrypted, a Secret', async () => {
  const directory = makeCacerts('self');
  copyFileSync(join(directory, 'root-cert.pem'), join(directory, 'ca-cert.pem'));
  openssl([
    'pkcs8',
    '-topk8',
    '-v2',
    'aes-256-cbc',
    '-in',
    join(directory, 'root-key.pem'),
    '-out',
    join(directory, 'ca-key.pem'),
    '-passout',
    'pass:x',
  ]);
  const from = pluggedDirectory(directory);
  assert.match(String(await readPluggedIn(from, null, Date.now())), /self: ca-key.pem is encrypted, and no passphrase/);
  assert.match(String(await readPluggedIn(from, new Secret('y'), Date.now())), /ca-key.pem cannot be opened/);
  const issuer = await readPluggedIn(from, new Secret('x'), Date.now());
  assert.ok(typeof issuer !== 'string', String(issuer));
  assert.deepEqual(issuer.chain, []);

  const files = makeCacerts('secret');
  const data = Object.fromEntries(
    ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem'].map((file) => [
      file,
      readFileSync(join(files, file)).toString('base64'),
    ]),
  );
  const sealed = { ...data, 'ca-key.pem': new Secret(data['ca-key.pem'] as string) };
  for (const one of [data, sealed]) {
    const read = await readPluggedIn(pluggedSecret('istio-system/cacerts', one), null, Date.now());
    assert.ok(typeof read !== 'string' && read.chain.length === 2, String(read));
    assert.ok(!inspect(read, { depth: 9 }).includes('PRIVATE'));
  }
  const { 'root-cert.pem': _, ...without } = data;
  assert.match(
    String(await readPluggedIn(pluggedSecret('n/c', without), null, 0)),
    /^Secret n\/c has no root-cert.pem$/,
  );
});

test('what does not fit is refused, and named', async () => {
  const good = makeCacerts('parts');
  const other = makeCacerts('others');
  const cases: readonly (readonly [string, (directory: string) => void, RegExp])[] = [
    ['no key', (d) => rmSync(join(d, 'ca-key.pem')), /has no ca-key.pem/],
    [
      'foreign key',
      (d) => copyFileSync(join(other, 'ca-key.pem'), join(d, 'ca-key.pem')),
      /ca-key.pem is not the key of ca-cert.pem/,
    ],
    [
      'foreign root',
      (d) => copyFileSync(join(other, 'root-cert.pem'), join(d, 'root-cert.pem')),
      /does not lead to root-cert.pem/,
    ],
    ['no chain', (d) => writeFileSync(join(d, 'cert-chain.pem'), ''), /does not lead to root-cert.pem/],
    ['empty CA', (d) => writeFileSync(join(d, 'ca-cert.pem'), 'hello'), /ca-cert.pem has no certificate/],
    [
      'broken CA',
      (d) => writeFileSync(join(d, 'ca-cert.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'),
      /ca-cert.pem has a certificate that cannot be read/,
    ],
    ['no PEM', (d) => writeFileSync(join(d, 'ca-key.pem'), 'secret stuff'), /ca-key.pem is no private key in PEM$/],
  ];
  for (const [name, breakIt, expected] of cases) {
    const directory = join(place, `bad-${name}`);
    mkdirSync(directory);
    for (const file of ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem'])
      copyFileSync(join(good, file), join(directory, file));
    breakIt(directory);
    const read = await readPluggedIn(pluggedDirectory(directory), null, Date.now());
    assert.match(String(read), expected, name);
    assert.ok(!String(read).includes('secret stuff'));
  }
  const late = await readPluggedIn(pluggedDirectory(good), null, Date.now() + 200 * DAY_MS);
  assert.match(String(late), /does not lead to root-cert.pem.*CERT_HAS_EXPIRED/);
});

test('a leaf certificate is no CA', async () => {
  const directory = makeCacerts('leaf');
  const rig = await openCa({
    source: { kind: 'plugged-in', from: pluggedDirectory(directory), passphrase: null, store: null },
  });
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issued = await rig.authority.issueWorkload(ACCOUNT, key.publicKey.export({ type: 'spki', format: 'der' }), 0);
  assert.ok(typeof issued !== 'string');
  writeFileSync(join(directory, 'ca-cert.pem'), issued.chain[0] as string);
  writeFileSync(join(directory, 'ca-key.pem'), exportKey(key.privateKey));
  assert.match(String(await readPluggedIn(pluggedDirectory(directory), null, Date.now())), /is no certificate of a CA/);
  rig.close();
});

test('what is plugged in may be replaced: at once under the same root, else after an announcement', async () => {
  const nowMs = Date.now();
  const spec = {
    trustDomain: 'cluster.local',
    keyKind: 'p256',
    fromMs: nowMs - 1000,
    toMs: nowMs + 100 * DAY_MS,
  } as const;
  const root = await makeRoot({ ...spec, commonName: 'Root' });
  const files = (name: string, issuer: typeof root): string => {
    const directory = join(place, name);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'ca-cert.pem'), issuer.certificate);
    writeFileSync(join(directory, 'ca-key.pem'), exportKey(issuer.signer.key));
    writeFileSync(join(directory, 'cert-chain.pem'), issuer.chain.join(''));
    writeFileSync(join(directory, 'root-cert.pem'), issuer.roots.join(''));
    return directory;
  };
  const first = files('first', await makeIntermediate({ ...spec, commonName: 'One' }, root));
  const store = (): RootStore => new RootStore(join(place, 'trust'), null);
  const source = { kind: 'plugged-in', from: pluggedDirectory(first), passphrase: null, store: store() } as const;
  const rig = await openCa({ source });
  const { authority, clock } = rig;
  const version = authority.bundle.version;

  const second = await readPluggedIn(
    pluggedDirectory(files('second', await makeIntermediate({ ...spec, commonName: 'Two' }, root))),
    null,
    nowMs,
  );
  assert.ok(typeof second !== 'string', String(second));
  authority.plug(second);
  assert.equal(authority.issuer.id, second.id);
  assert.equal(authority.bundle.version, version);

  const other = await makeRoot({ ...spec, commonName: 'Other' });
  const third = await makeIntermediate({ ...spec, commonName: 'Three' }, other);
  authority.plug(third);
  authority.plug(third);
  assert.equal(authority.issuer.id, second.id);
  assert.equal(authority.bundle.roots.length, 2);
  clock.advance(400_000);
  assert.equal(authority.issuer.id, third.id);
  assert.deepEqual(authority.bundle.roots, [...third.roots, ...second.roots]);
  rig.close();

  // Replaced while nobody ran: it signs at once, and the roots of before are trusted still.
  const [fourth] = [await makeRoot({ ...spec, commonName: 'Four' })];
  const late = await openCa({
    source: { ...source, from: pluggedDirectory(files('fourth', fourth)), store: store() },
    clock,
  });
  assert.equal(late.authority.bundle.roots.length, 3);
  assert.ok(late.lines.some((line) => line.startsWith('warning: ') && line.includes('was replaced while nobody ran')));
  late.close();
});
