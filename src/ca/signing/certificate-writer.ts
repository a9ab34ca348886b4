// Writes X.509 certificates (RFC 5280): a body from its parts, and the issuer's signature made beside the event loop.
import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto';
import { derChildren, readDer } from '../../wire/der.ts';
import {
  derBits,
  derBoolean,
  derContext,
  derContextText,
  derInteger,
  derNamedBits,
  derOctets,
  derOid,
  derSequence,
  derSet,
  derSmallInteger,
  derTime,
  derUtf8,
  writeDer,
} from '../../wire/der-writer.ts';
import { type IssuerAlgorithm, issuerAlgorithm } from './algorithms.ts';

/** Who signs: what of the issuer's certificate goes into those below it. */
export type Signer = {
  readonly key: KeyObject;
  readonly algorithm: IssuerAlgorithm;
  /** Name, DER. */
  readonly name: Buffer;
  /** Subject key identifier; empty where the issuer has none. */
  readonly keyId: Buffer;
};

export type CertificateParts = {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** Name, DER; `NO_NAME` for none, and then the alternative names are critical. */
  readonly subject: Buffer;
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly usage: 'workload' | 'server' | Authority;
};

/** A CA's certificate; how many CAs may stand between it and a leaf, null for any number. */
export type Authority = { readonly pathLength: number | null };

export const NO_NAME: Buffer = derSequence();
const ORGANISATION = '2.5.4.10';
const COMMON_NAME = '2.5.4.3';

/** A subject: organisation (Istio's CAs have the trust domain there) and common name; '' for none. */
export function certificateName(organisation: string, commonName: string): Buffer {
  const attribute = (oid: string, text: string): Buffer[] =>
    text === '' ? [] : [derSet(derSequence(derOid(oid), derUtf8(text)))];
  return derSequence(...attribute(ORGANISATION, organisation), ...attribute(COMMON_NAME, commonName));
}

/** SHA-1 of the public key's bits (RFC 5280 §4.2.1.2, method 1), as everybody has it; a name, no protection. */
export function keyIdOf(publicKey: Buffer): Buffer {
  const whole = readDer(publicKey, 0, publicKey.length);
  const bits = whole === null ? undefined : derChildren(publicKey, whole)?.[1];
  const [from, to] = bits === undefined ? [0, publicKey.length] : [bits.start + 1, bits.end];
  return createHash('sha1').update(publicKey.subarray(from, to)).digest();
}

/** Whoever signs certificates with a key of their own under this name. A text says why the key cannot. */
export function makeSigner(key: KeyObject, name: Buffer, keyId: Buffer): Signer | string {
  const algorithm = issuerAlgorithm(key);
  return typeof algorithm === 'string' ? algorithm : { key, algorithm, name, keyId };
}

/** DER of the certificate. Fails (by rejection) only where the key cannot sign, which is checked before. */
export function writeCertificate(signer: Signer, parts: CertificateParts): Promise<Buffer> {
  const body = certificateBody(signer, parts);
  const { key, algorithm } = signer;
  return new Promise((resolve, reject) => {
    sign(algorithm.digest, body, key, (error, signature) => {
      if (error === null) resolve(derSequence(body, algorithm.identifier, derBits(signature)));
      else reject(error);
    });
  });
}

const VERSION_3 = derContext(0, derSmallInteger(2));

function certificateBody({ name, keyId, algorithm }: Signer, parts: CertificateParts): Buffer {
  return derSequence(
    VERSION_3,
    derInteger(serialNumber()),
    algorithm.identifier,
    name,
    derSequence(derTime(parts.fromMs), derTime(parts.toMs)),
    parts.subject,
    parts.publicKey,
    derContext(3, derSequence(...extensions(parts, keyId))),
  );
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets; 127 random bits, as CAs must have 64 of them. */
function serialNumber(): Buffer {
  const octets = randomBytes(16);
  octets[0] = ((octets[0] as number) & 0x3f) | 0x40;
  return octets;
}

// ─── Extensions ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** KeyUsage: digitalSignature and keyEncipherment; digitalSignature, keyCertSign and cRLSign. */
const LEAF_USAGE = extension('2.5.29.15', true, derNamedBits(0b1010_0000));
const CA_USAGE = extension('2.5.29.15', true, derNamedBits(0b1000_0110));
const SERVER_AUTH = derOid('1.3.6.1.5.5.7.3.1');
const CLIENT_AUTH = derOid('1.3.6.1.5.5.7.3.2');
const WORKLOAD_PURPOSES = extension('2.5.29.37', false, derSequence(SERVER_AUTH, CLIENT_AUTH));
const SERVER_PURPOSE = extension('2.5.29.37', false, derSequence(SERVER_AUTH));
const NO_CA = extension('2.5.29.19', true, derSequence());
const SUBJECT_KEY_ID = '2.5.29.14';
const AUTHORITY_KEY_ID = '2.5.29.35';
const ALTERNATIVE_NAMES = '2.5.29.17';
/** GeneralName's numbers. */
const DNS_NAME = 2;
const URI_NAME = 6;

function extensions({ usage, publicKey, subject, uris, dnsNames }: CertificateParts, issuerKeyId: Buffer): Buffer[] {
  const isLeaf = typeof usage === 'string';
  const found = isLeaf ? [LEAF_USAGE, usage === 'server' ? SERVER_PURPOSE : WORKLOAD_PURPOSES, NO_CA] : [CA_USAGE];
  if (!isLeaf) {
    const { pathLength } = usage;
    const limit = pathLength === null ? [] : [derSmallInteger(pathLength)];
    found.push(extension('2.5.29.19', true, derSequence(derBoolean(true), ...limit)));
    found.push(extension(SUBJECT_KEY_ID, false, derOctets(keyIdOf(publicKey))));
  }
  if (issuerKeyId.length > 0) {
    found.push(extension(AUTHORITY_KEY_ID, false, derSequence(writeDer(0x80, issuerKeyId))));
  }
  const names = [
    ...uris.map((uri) => derContextText(URI_NAME, uri)),
    ...dnsNames.map((name) => derContextText(DNS_NAME, name)),
  ];
  // RFC 5280 §4.2.1.6: critical where there is no other name.
  if (names.length > 0)
    found.push(extension(ALTERNATIVE_NAMES, subject.length === NO_NAME.length, derSequence(...names)));
  return found;
}

function extension(oid: string, isCritical: boolean, value: Buffer): Buffer {
  return derSequence(derOid(oid), ...(isCritical ? [derBoolean(true)] : []), derOctets(value));
}
