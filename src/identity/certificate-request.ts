// A key made in memory, and the request for a certificate over it (PKCS #10, RFC 2986).
import { createPublicKey, generateKeyPair, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { DER_NULL } from '../wire/der.ts';
import {
  derBits,
  derContext,
  derContextText,
  derOctets,
  derOid,
  derSequence,
  derSet,
  derSmallInteger,
  writeDer,
} from '../wire/der-writer.ts';

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const SUBJECT_ALT_NAME = '2.5.29.17';
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const RSA_WITH_SHA256 = '1.2.840.113549.1.1.11';
/** GeneralName's number of a URI. */
const URI_NAME = 6;
const BASE64_COLUMNS = 64;

export type CertificateRequest = {
  readonly key: KeyObject;
  /** PEM. */
  readonly request: string;
};

export type KeyKind = 'p256' | 'p384' | 'rsa2048' | 'rsa3072' | 'rsa4096';

/** Tells the key once: during the call, but for RSA, whose primes are sought on another thread. */
export function makeKey(kind: KeyKind, done: (key: KeyObject) => void): void {
  if (kind === 'p256' || kind === 'p384') {
    done(generateKeyPairSync('ec', { namedCurve: kind === 'p256' ? 'P-256' : 'P-384' }).privateKey);
    return;
  }
  generateKeyPair('rsa', { modulusLength: Number(kind.slice('rsa'.length)) }, (error, _publicKey, privateKey) => {
    if (error !== null) throw error;
    done(privateKey);
  });
}

/** Makes a key (P-256) and asks for `identity`, a URI; '' asks for no name: the authority knows who asks. */
export function makeCertificateRequest(identity: string): CertificateRequest {
  return certificateRequest(identity, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
}

/** As `makeCertificateRequest`, for a key that is there. */
export function certificateRequest(identity: string, key: KeyObject): CertificateRequest {
  const attributes = identity === '' ? [] : [extensionRequest(identity)];
  const info = derSequence(
    derSmallInteger(0),
    derSequence(),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    derContext(0, ...attributes),
  );
  const signature = sign('sha256', info, key);
  // RFC 4055 §5: RSA's algorithm has parameters, which are NULL.
  const algorithm =
    key.asymmetricKeyType === 'rsa'
      ? derSequence(derOid(RSA_WITH_SHA256), writeDer(DER_NULL))
      : derSequence(derOid(ECDSA_WITH_SHA256));
  const whole = derSequence(info, algorithm, derBits(signature));
  return { key, request: pemOf('CERTIFICATE REQUEST', whole) };
}

function extensionRequest(identity: string): Buffer {
  const names = derSequence(derContextText(URI_NAME, identity));
  const extension = derSequence(derOid(SUBJECT_ALT_NAME), derOctets(names));
  return derSequence(derOid(EXTENSION_REQUEST), derSet(derSequence(extension)));
}

function pemOf(label: string, bytes: Buffer): string {
  const text = bytes.toString('base64');
  const lines = Array.from({ length: Math.ceil(text.length / BASE64_COLUMNS) }, (_, i) =>
    text.slice(i * BASE64_COLUMNS, (i + 1) * BASE64_COLUMNS),
  );
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
