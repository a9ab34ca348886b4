// Makes X.509 certificates and revocation lists for tests: good ones, and every kind of bad one.
import * as crypto from 'node:crypto';
import {
  bits,
  boolean,
  type Der,
  der,
  explicit,
  integer,
  NULL,
  octets,
  oid,
  sequence,
  set,
  time,
  utf8,
} from './der-writer.ts';

export type KeyKind = 'p256' | 'p384' | 'p521' | 'ed25519' | 'rsa512' | 'rsa1024' | 'rsa2048';

/** `latin1` texts, so that bytes can be given as they are. */
export type San =
  | { readonly uri: string }
  | { readonly dns: string }
  | { readonly email: string }
  /** Text, or the bytes. */
  | { readonly ip: string | Uint8Array }
  | { readonly otherName: string; readonly value: Der }
  | { readonly raw: Der };

export type CertificateSpec = {
  /** Attributes in the order of the certificate: ['CN', 'name'] or [dotted OID, value as DER]. Default CN=test. */
  readonly subject?: string | readonly (readonly [string, string | Der])[] | Der;
  /** Absent: signed by itself. */
  readonly issuer?: TestCertificate;
  /** A kind to make one of, or a pair to use, or the public half of one. Default p256. */
  readonly key?: KeyKind | crypto.KeyObject;
  readonly sans?: readonly San[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly isCa?: boolean;
  readonly pathLength?: number;
  /** Names of bits: 'digitalSignature', 'keyCertSign' … Absent: no extension. */
  readonly keyUsage?: readonly KeyUsage[];
  /** 'serverAuth', 'clientAuth' or dotted. Absent: no extension. */
  readonly extendedKeyUsage?: readonly string[];
  readonly hash?: 'sha1' | 'sha256' | 'sha384';
  readonly serial?: bigint;
  /** Further extensions: OID, critical, value. */
  readonly extensions?: readonly (readonly [string, boolean, Der])[];
};

export type TestCertificate = {
  readonly der: Buffer;
  readonly pem: string;
  readonly key: crypto.KeyObject;
  readonly keyPem: string;
  readonly subjectDer: Der;
  readonly serial: bigint;
  readonly isSelfSigned: boolean;
  /** PEM of this one and of those that signed it, without the self-signed one at the end. */
  readonly chainPem: string;
};

const ATTRIBUTES: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  serialNumber: '2.5.4.5',
  emailAddress: '1.2.840.113549.1.9.1',
  DC: '0.9.2342.19200300.100.1.25',
  UID: '0.9.2342.19200300.100.1.1',
};
const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsage = (typeof KEY_USAGES)[number];
const USAGES: Readonly<Record<string, string>> = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  any: '2.5.29.37.0',
};
const DAY_MS = 86_400_000;
const rsaKeys = new Map<KeyKind, crypto.KeyObject>();
let lastSerial = BigInt(`0x${crypto.randomBytes(8).toString('hex')}`) | (1n << 62n);

/** RSA keys are slow to make, so all certificates of one size share theirs. */
export function makeKey(kind: KeyKind): crypto.KeyObject {
  if (kind === 'ed25519') return crypto.generateKeyPairSync('ed25519').privateKey;
  if (kind.startsWith('p')) {
    const namedCurve = { p256: 'P-256', p384: 'P-384', p521: 'P-521' }[kind as 'p256'];
    return crypto.generateKeyPairSync('ec', { namedCurve }).privateKey;
  }
  let key = rsaKeys.get(kind);
  if (key === undefined) {
    key = crypto.generateKeyPairSync('rsa', { modulusLength: Number(kind.slice(3)) }).privateKey;
    rsaKeys.set(kind, key);
  }
  return key;
}

export function makeCertificate(spec: CertificateSpec = {}): TestCertificate {
  const { issuer, hash = 'sha256', notBefore, notAfter } = spec;
  const key = typeof spec.key === 'object' ? spec.key : makeKey(spec.key ?? 'p256');
  const subjectDer = nameDer(spec.subject ?? [['CN', 'test']]);
  const serial = spec.serial ?? ++lastSerial;
  // The key of a request: its owner has the other half.
  const isPublic = key.type === 'public';
  const signer = issuer?.key ?? key;
  const algorithm = signatureAlgorithm(signer, hash);
  const extensions = [...standardExtensions(spec), ...(spec.extensions ?? [])];
  const now = Date.now();
  const body = sequence(
    explicit(0, integer(2)),
    integer(serial),
    algorithm,
    issuer?.subjectDer ?? subjectDer,
    sequence(time(notBefore ?? new Date(now - DAY_MS)), time(notAfter ?? new Date(now + 30 * DAY_MS))),
    subjectDer,
    (isPublic ? key : crypto.createPublicKey(key as never)).export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0 ? [] : [explicit(3, sequence(...extensions.map(extensionDer)))]),
  );
  const whole = sequence(body, algorithm, bits(sign(signer, hash, body)));
  const pem = pemOf('CERTIFICATE', whole);
  return {
    der: whole,
    pem,
    key,
    keyPem: isPublic ? '' : (key.export({ type: 'pkcs8', format: 'pem' }) as string),
    subjectDer,
    serial,
    isSelfSigned: issuer === undefined,
    chainPem: issuer === undefined || issuer.isSelfSigned ? pem : `${pem}${issuer.chainPem}`,
  };
}

/** Signs others; signed by itself unless `issuer` is given. */
export function makeCa(name = 'test CA', spec: CertificateSpec = {}): TestCertificate {
  return makeCertificate({ subject: [['CN', name]], isCa: true, keyUsage: ['keyCertSign', 'cRLSign'], ...spec });
}

export type CrlSpec = {
  readonly issuer: TestCertificate;
  readonly revoked?: readonly TestCertificate[];
  readonly lastUpdate?: Date;
  readonly nextUpdate?: Date | null;
  /** Whose key signs; the issuer's when absent. */
  readonly signer?: TestCertificate;
};

/** PEM of a revocation list. */
export function makeCrl(spec: CrlSpec): string {
  const { issuer, revoked = [], signer = issuer, nextUpdate } = spec;
  const now = Date.now();
  const algorithm = signatureAlgorithm(signer.key, 'sha256');
  const entries = revoked.map((one) => sequence(integer(one.serial), time(new Date(now - 3_600_000))));
  const body = sequence(
    integer(1),
    algorithm,
    issuer.subjectDer,
    time(spec.lastUpdate ?? new Date(now - DAY_MS)),
    ...(nextUpdate === null ? [] : [time(nextUpdate ?? new Date(now + 30 * DAY_MS))]),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    explicit(0, sequence(extensionDer(['2.5.29.20', false, integer(1)]))),
  );
  return pemOf('X509 CRL', sequence(body, algorithm, bits(sign(signer.key, 'sha256', body))));
}

export function pemOf(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function nameDer(subject: NonNullable<CertificateSpec['subject']>): Der {
  if (typeof subject === 'string') return nameDer([['CN', subject]]);
  if (Buffer.isBuffer(subject)) return subject;
  const pairs = subject as readonly (readonly [string, string | Der])[];
  return sequence(
    ...pairs.map(([type, value]) =>
      set(sequence(oid(ATTRIBUTES[type] ?? type), typeof value === 'string' ? utf8(value) : value)),
    ),
  );
}

function standardExtensions(spec: CertificateSpec): (readonly [string, boolean, Der])[] {
  const { sans, isCa, pathLength, keyUsage, extendedKeyUsage } = spec;
  const out: (readonly [string, boolean, Der])[] = [];
  if (isCa !== undefined) {
    const limit = pathLength === undefined ? [] : [integer(pathLength)];
    out.push(['2.5.29.19', true, isCa ? sequence(boolean(true), ...limit) : sequence()]);
  }
  if (keyUsage !== undefined) {
    let value = 0;
    for (const name of keyUsage) value |= 0x8000 >> KEY_USAGES.indexOf(name);
    const unused = value === 0 ? 0 : 31 - Math.clz32(value & -value);
    const bytes = unused >= 8 ? [value >> 8] : [value >> 8, value & 255];
    out.push(['2.5.29.15', true, bits(Buffer.from(bytes), unused % 8)]);
  }
  if (extendedKeyUsage !== undefined) {
    out.push(['2.5.29.37', false, sequence(...extendedKeyUsage.map((name) => oid(USAGES[name] ?? name)))]);
  }
  if (sans !== undefined) out.push(['2.5.29.17', false, sequence(...sans.map(sanDer))]);
  return out;
}

function extensionDer([id, isCritical, value]: readonly [string, boolean, Der]): Der {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octets(value));
}

function sanDer(san: San): Der {
  if ('raw' in san) return san.raw;
  if ('uri' in san) return der(0x86, san.uri);
  if ('dns' in san) return der(0x82, san.dns);
  if ('email' in san) return der(0x81, san.email);
  if ('ip' in san) return der(0x87, typeof san.ip === 'string' ? ipBytes(san.ip) : san.ip);
  return der(0xa0, oid(san.otherName), explicit(0, san.value));
}

function ipBytes(text: string): Buffer {
  if (!text.includes(':')) return Buffer.from(text.split('.').map(Number));
  const [head = '', tail] = text.split('::');
  const words = (part: string): number[] => (part === '' ? [] : part.split(':').map((word) => parseInt(word, 16)));
  const before = words(head);
  const after = words(tail ?? '');
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  return Buffer.from([...before, ...zeros, ...after].flatMap((word) => [word >> 8, word & 255]));
}

function signatureAlgorithm(signer: crypto.KeyObject, hash: string): Der {
  switch (signer.asymmetricKeyType) {
    case 'rsa': {
      const id = { sha1: '1.2.840.113549.1.1.5', sha256: '1.2.840.113549.1.1.11', sha384: '1.2.840.113549.1.1.12' };
      return sequence(oid(id[hash as 'sha256']), NULL);
    }
    case 'ec': {
      const id = { sha1: '1.2.840.10045.4.1', sha256: '1.2.840.10045.4.3.2', sha384: '1.2.840.10045.4.3.3' };
      return sequence(oid(id[hash as 'sha256']));
    }
    default:
      return sequence(oid('1.3.101.112'));
  }
}

function sign(signer: crypto.KeyObject, hash: string, body: Uint8Array): Buffer {
  return crypto.sign(signer.asymmetricKeyType === 'ed25519' ? null : hash, body, signer);
}
