// Names of certificates, as the real Envoy prints them.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { type CertificateSpec, makeCa, makeCertificate } from '../../../test/support/certificates.ts';
import * as d from '../../../test/support/der-writer.ts';
import { Certificate } from './certificate.ts';
import { commonName, readCertificateNames } from './certificate-names.ts';
import { readCertificateParts } from './certificate-parts.ts';

type Subject = NonNullable<CertificateSpec['subject']>;

const utf8Set = (...pairs: (readonly [string, string])[]): Buffer =>
  d.set(...pairs.map(([type, value]) => d.sequence(d.oid(type), d.utf8(value))));

// Recorded from %DOWNSTREAM_PEER_SUBJECT%.
const SUBJECTS: readonly (readonly [Subject, string])[] = [
  [
    [
      ['C', 'DE'],
      ['O', 'a,b+c="x" '],
      ['CN', '#ü\0z'],
    ],
    'CN=\\#\\C3\\BC\\00z,O=a\\,b\\+c=\\"x\\"\\ ,C=DE',
  ],
  [
    [
      ['CN', ' lead'],
      ['CN', 'in # mid'],
      ['OU', 'a;b<c>d\\e'],
      ['OU', 'x\ny\x7f'],
    ],
    'OU=x\\0Ay\\7F,OU=a\\;b\\<c\\>d\\\\e,CN=in # mid,CN=\\ lead',
  ],
  [
    [
      ['1.2.3.4', 'x'],
      ['emailAddress', 'a@b'],
      ['DC', 'dc'],
      ['2.5.4.97', 'orgid'],
    ],
    '2.5.4.97=#0C056F72676964,DC=dc,emailAddress=a@b,1.2.3.4=#0C0178',
  ],
  [
    [
      ['CN', d.der(0x13, 'print')],
      ['CN', d.der(0x14, 't61\xfc')],
      ['CN', d.der(0x1e, '\0a\0b\x20\xac')],
      ['CN', d.der(0x1c, '\0\0\0a\0\x01\xf6\0')],
    ],
    'CN=a\\F0\\9F\\98\\80,CN=ab\\E2\\82\\AC,CN=t61\\C3\\BC,CN=print',
  ],
  [d.sequence(utf8Set(['2.5.4.3', 'a'], ['2.5.4.10', 'b']), utf8Set(['2.5.4.6', 'c'])), 'C=c,O=b+CN=a'],
  [d.sequence(), ''],
];

test('subjects are RFC 2253 with short names', () => {
  for (const [subject, expected] of SUBJECTS) {
    const names = readCertificateNames(makeCertificate({ subject }).der);
    assert.equal(names.subject, expected);
    assert.equal(names.issuer, expected);
  }
});

test('the first common name', () => {
  const nameOf = (subject: Subject): string | null => {
    const { der } = makeCertificate({ subject });
    const parts = readCertificateParts(der);
    return parts === null ? 'unreadable' : commonName(der, parts.subject);
  };
  assert.equal(
    nameOf([
      ['O', 'x'],
      ['CN', 'ü'],
      ['CN', 'b'],
    ]),
    '\xc3\xbc',
  );
  assert.equal(nameOf([['O', 'x']]), null);
});

test('alternative names keep every byte', () => {
  const made = makeCertificate({
    sans: [
      { uri: 'spiffe://a/b' },
      { dns: 'a\0b' },
      { dns: '\xfcx' },
      { ip: '1.2.3.4' },
      { ip: '2001:db8::1' },
      { ip: '::ffff:102:304' },
      { ip: '::102:304' },
      { ip: '::' },
      { ip: Buffer.from([1, 2, 3]) },
      { email: 'x@y' },
      { uri: 'u2' },
    ],
  });
  assert.deepEqual(readCertificateNames(made.der), {
    subject: 'CN=test',
    issuer: 'CN=test',
    uriSans: ['spiffe://a/b', 'u2'],
    dnsSans: ['a\0b', '\xfcx'],
    ipSans: ['1.2.3.4', '2001:db8::1', '::ffff:1.2.3.4', '::1.2.3.4', '::', ''],
    emailSans: ['x@y'],
    otherNameSans: [],
    otherNameTypes: [],
    allSans: [
      'spiffe://a/b',
      'a\0b',
      '\xfcx',
      '1.2.3.4',
      '2001:db8::1',
      '::ffff:1.2.3.4',
      '::1.2.3.4',
      '::',
      '',
      'x@y',
      'u2',
    ],
  });
});

test('other names are texts, or nothing', () => {
  const values: readonly (readonly [Buffer, string])[] = [
    [d.utf8('uü'), 'u\xc3\xbc'],
    [d.NULL, ''],
    [d.boolean(true), 'true'],
    [d.integer(12345678901234567890n), '12345678901234567890'],
    [d.der(0x02, '\xff\x01'), '-255'],
    [d.der(0x0a, '\x05'), '5'],
    [d.oid('2.5.4.3'), '2.5.4.3'],
    [d.bits(Buffer.from('bi')), 'bi'],
    [d.octets(Buffer.from('oc\0t')), 'oc\0t'],
    [d.der(0x1e, '\0a\x20\xac'), 'a\xe2\x82\xac'],
    [d.sequence(d.integer(1)), '0\x03\x02\x01\x01'],
    [d.der(0x12, '12'), ''],
    [d.der(0x85, 'ctx'), ''],
  ];
  for (const [value, expected] of values) {
    const names = readCertificateNames(makeCertificate({ sans: [{ otherName: '1.3.6.1.4.1.311.20.2.3', value }] }).der);
    assert.deepEqual(names.otherNameSans, [expected], value.toString('hex'));
    assert.deepEqual(names.otherNameTypes, ['1.3.6.1.4.1.311.20.2.3']);
  }
});

test('a broken or doubled list of names gives none', () => {
  const good = d.der(0x82, 'good');
  const list = (...names: Buffer[]): CertificateSpec => ({ extensions: [['2.5.29.17', false, d.sequence(...names)]] });
  const bad: CertificateSpec[] = [
    list(good, d.der(0x8f, 'what')),
    list(good, d.der(0xa2, 'constructed')),
    list(good, d.der(0xa0, 'not a name')),
    { extensions: [['2.5.29.17', false, Buffer.concat([d.sequence(good), Buffer.from([0])])]] },
    { sans: [{ dns: 'one' }], extensions: [['2.5.29.17', false, d.sequence(good)]] },
  ];
  for (const spec of bad) {
    const names = readCertificateNames(makeCertificate(spec).der);
    assert.equal(names.subject, 'CN=test');
    assert.deepEqual(names.dnsSans, []);
  }
  assert.deepEqual(readCertificateNames(makeCertificate(list(good)).der).dnsSans, ['good']);
});

test('a certificate tells the same as OpenSSL', () => {
  const ca = makeCa('an issuer');
  const notBefore = new Date('2020-02-03T04:05:06Z');
  const notAfter = new Date('2051-02-03T04:05:06Z');
  const made = makeCertificate({ issuer: ca, serial: 255n, notBefore, notAfter });
  const certificate = new Certificate(made.der);
  assert.equal(certificate.serialNumber, 'ff');
  assert.equal(certificate.issuer, 'CN=an issuer');
  assert.equal(certificate.validFromMs, notBefore.getTime());
  assert.equal(certificate.validToMs, notAfter.getTime());
  assert.equal(certificate.pem, made.pem);
  assert.equal(certificate.sha256.match(/../g)?.join(':').toUpperCase(), new X509Certificate(made.pem).fingerprint256);
});
