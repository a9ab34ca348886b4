// A key made in memory, and the request for a certificate over it (PKCS #10, RFC 2986).
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  derBits,
  derContext,
  derContextText,
  derOctets,
  derOid,
  derSequence,
  derSet,
  derSmallInteger,
} from '../wire/der-writer.ts';

const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const SUBJECT_ALT_NAME = '2.5.29.17';
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
/** GeneralName's number of a URI. */
const URI_NAME = 6;
const BASE64_COLUMNS = 64;

export type CertificateRequest = {
  readonly key: KeyObject;
  /** PEM. */
  readonly request: string;
};

/** Makes a key (P-256) and asks for `identity`, a URI; '' asks for no name: the authority knows who asks. */
export function makeCertificateRequest(identity: string): CertificateRequest {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const attributes = identity === '' ? [] : [extensionRequest(identity)];
  const info = derSequence(
    derSmallInteger(0),
    derSequence(),
    publicKey.export({ type: 'spki', format: 'der' }),
    derContext(0, ...attributes),
  );
  const signature = sign('sha256', info, privateKey);
  const whole = derSequence(info, derSequence(derOid(ECDSA_WITH_SHA256)), derBits(signature));
  return { key: privateKey, request: pemOf('CERTIFICATE REQUEST', whole) };
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
