// Keys that certificates may be made for, and what an issuer's key signs with.
import { generateKeyPair, type KeyObject } from 'node:crypto';
import { derNull, derOid, derSequence } from '../../wire/der-writer.ts';

export type KeyKind = 'p256' | 'p384' | 'rsa2048' | 'rsa3072' | 'rsa4096';

export type SignatureAlgorithm = {
  /** Name of the digest for node:crypto; null where the key has its own. */
  readonly digest: 'sha256' | 'sha384' | 'sha512' | null;
  readonly keyType: 'ec' | 'rsa' | 'ed25519';
};

/** By OID. SHA-1 and MD5 are not among them. Source: RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3. */
export const SIGNATURES: Readonly<Record<string, SignatureAlgorithm>> = {
  '1.2.840.10045.4.3.2': { digest: 'sha256', keyType: 'ec' },
  '1.2.840.10045.4.3.3': { digest: 'sha384', keyType: 'ec' },
  '1.2.840.10045.4.3.4': { digest: 'sha512', keyType: 'ec' },
  '1.2.840.113549.1.1.11': { digest: 'sha256', keyType: 'rsa' },
  '1.2.840.113549.1.1.12': { digest: 'sha384', keyType: 'rsa' },
  '1.2.840.113549.1.1.13': { digest: 'sha512', keyType: 'rsa' },
  '1.3.101.112': { digest: null, keyType: 'ed25519' },
};

const CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];
const MIN_RSA_BITS = 2048;
/** Checking a signature of a longer key costs more than a request may. */
const MAX_RSA_BITS = 8192;
const MAX_RSA_EXPONENT = 0xffff_ffffn;

/** Null when proxies can use a certificate of this public key; else why not. */
export function publicKeyProblem(key: KeyObject): string | null {
  const { namedCurve = '', modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'ec':
      return CURVES.includes(namedCurve) ? null : `the curve ${namedCurve || 'of its own'} is not supported`;
    case 'ed25519':
      return null;
    case 'rsa':
      if (modulusLength < MIN_RSA_BITS) return `RSA keys must have ${MIN_RSA_BITS} bits or more, not ${modulusLength}`;
      if (modulusLength > MAX_RSA_BITS) return `RSA keys must have ${MAX_RSA_BITS} bits or less, not ${modulusLength}`;
      return publicExponent <= MAX_RSA_EXPONENT && publicExponent >= 3n ? null : 'the exponent is not supported';
    default:
      return `keys of type ${key.asymmetricKeyType ?? 'unknown'} are not supported`;
  }
}

export type IssuerAlgorithm = {
  readonly digest: SignatureAlgorithm['digest'];
  /** AlgorithmIdentifier, DER. */
  readonly identifier: Buffer;
};

/** What a CA's key signs with; a text says why it cannot. */
export function issuerAlgorithm(key: KeyObject): IssuerAlgorithm | string {
  const problem = publicKeyProblem(key);
  if (problem !== null) return problem;
  const type = key.asymmetricKeyType;
  if (type === 'rsa') return { digest: 'sha256', identifier: derSequence(derOid('1.2.840.113549.1.1.11'), derNull()) };
  if (type === 'ed25519') return { digest: null, identifier: derSequence(derOid('1.3.101.112')) };
  const curve = key.asymmetricKeyDetails?.namedCurve;
  const [digest, oid] = curve === 'prime256v1' ? (['sha256', '2'] as const) : (['sha384', '3'] as const);
  return { digest, identifier: derSequence(derOid(`1.2.840.10045.4.3.${oid}`)) };
}

const RSA_BITS = { rsa2048: 2048, rsa3072: 3072, rsa4096: 4096 } as const;

/** Made beside the event loop: an RSA key takes a second. */
export function makeKey(kind: KeyKind): Promise<KeyObject> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, _public: KeyObject, key: KeyObject): void =>
      error === null ? resolve(key) : reject(error);
    if (kind === 'p256' || kind === 'p384') {
      generateKeyPair('ec', { namedCurve: kind === 'p256' ? 'P-256' : 'P-384' }, done);
    } else generateKeyPair('rsa', { modulusLength: RSA_BITS[kind] }, done);
  });
}
