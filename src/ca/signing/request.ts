// Reads certificate requests (PKCS #10, RFC 2986) from strangers: bounded, without exceptions; the key must be theirs.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { EXT_SUBJECT_ALT_NAME, readExtensions } from '../../net/tls/certificate-parts.ts';
import {
  contextTag,
  DER_BIT_STRING,
  DER_INTEGER,
  DER_OID,
  DER_SEQUENCE,
  DER_SET,
  type DerElement,
  derChildren,
  derInteger,
  latin1Of,
  oidText,
  readDer,
} from '../../wire/der.ts';
import { readPem } from '../../wire/pem-text.ts';
import { publicKeyProblem, SIGNATURES } from './algorithms.ts';

export type SigningRequest = {
  readonly publicKey: KeyObject;
  /** SubjectPublicKeyInfo, DER, as it goes into the certificate. */
  readonly publicKeyDer: Buffer;
  /** Alternative names that it asks for. */
  readonly names: readonly RequestedName[];
  /** What was signed, and how; for `verifyRequest`. */
  readonly body: Buffer;
  readonly digest: 'sha256' | 'sha384' | 'sha512' | null;
  readonly signature: Buffer;
};

/** `kind` is GeneralName's number, 6 for a URI; `text` has one character for each byte. */
export type RequestedName = { readonly kind: number; readonly text: string };

/** A request with an RSA key of 8,192 bits is 3 KB. */
const MAX_REQUEST_CHARS = 16 * 1024;
const MAX_ATTRIBUTES = 16;
const MAX_NAMES = 16;
const LABELS = ['CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'];
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';

/** A text says what is wrong with it. The signature is another matter: see `verifyRequest`. */
export function readSigningRequest(pem: string): SigningRequest | string {
  if (pem.length > MAX_REQUEST_CHARS) return `the request is longer than ${MAX_REQUEST_CHARS} characters`;
  const der = readPem(pem, LABELS);
  if (der === null) return 'the request is not one PEM block of a CERTIFICATE REQUEST';
  const whole = readDer(der, 0, der.length);
  const parts = whole?.tag === DER_SEQUENCE && whole.end === der.length ? derChildren(der, whole) : null;
  const [info, algorithm, signature] = parts ?? [];
  if (parts?.length !== 3 || info?.tag !== DER_SEQUENCE || algorithm?.tag !== DER_SEQUENCE) return NO_REQUEST;
  if (signature?.tag !== DER_BIT_STRING || signature.end - signature.start < 2 || der[signature.start] !== 0) {
    return NO_REQUEST;
  }
  const signed = readInfo(der, info);
  if (typeof signed === 'string') return signed;
  const oid = firstOid(der, algorithm);
  const how = SIGNATURES[oid];
  if (how === undefined) return `the signature algorithm ${oid || 'of the request'} is not supported`;
  if (how.keyType !== signed.publicKey.asymmetricKeyType) return 'the signature algorithm is not one of the key';
  return {
    ...signed,
    body: der.subarray(info.from, info.end),
    digest: how.digest,
    signature: der.subarray(signature.start + 1, signature.end),
  };
}

const NO_REQUEST = 'the request is no PKCS #10';

/** Whether the request was signed with the key that it is for; told later, from beside the event loop. */
export function verifyRequest({ digest, body, publicKey, signature }: SigningRequest): Promise<boolean> {
  return new Promise((resolve) => {
    verify(digest, body, publicKey, signature, (error, isGood) => resolve(error === null && isGood));
  });
}

type Info = Pick<SigningRequest, 'publicKey' | 'publicKeyDer' | 'names'>;

function readInfo(der: Buffer, info: DerElement): Info | string {
  const [version, subject, publicKey, attributes, ...rest] = derChildren(der, info) ?? [];
  if (version?.tag !== DER_INTEGER || derInteger(der, version) !== 0n) return NO_REQUEST;
  if (subject?.tag !== DER_SEQUENCE || publicKey?.tag !== DER_SEQUENCE || rest.length > 0) return NO_REQUEST;
  if (attributes !== undefined && attributes.tag !== contextTag(0, true)) return NO_REQUEST;
  const key = readKey(der.subarray(publicKey.from, publicKey.end));
  if (typeof key === 'string') return key;
  const names = attributes === undefined ? [] : readNames(der, attributes);
  if (typeof names === 'string') return names;
  // A copy that is canonical: what OpenSSL made of it, not what somebody sent.
  return { publicKey: key, publicKeyDer: key.export({ type: 'spki', format: 'der' }), names };
}

function readKey(spki: Buffer): KeyObject | string {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch {
    return 'the public key of the request cannot be read';
  }
  const problem = publicKeyProblem(key);
  return problem === null ? key : `the public key of the request: ${problem}`;
}

/** Alternative names among the extensions that are asked for. */
function readNames(der: Buffer, attributes: DerElement): RequestedName[] | string {
  const list = derChildren(der, attributes);
  if (list === null || list.length > MAX_ATTRIBUTES) return NO_REQUEST;
  const asked = list.filter((one) => firstOid(der, one) === EXTENSION_REQUEST);
  if (asked.length === 0) return [];
  const [, values, ...rest] = derChildren(der, asked[0] as DerElement) ?? [];
  const [extensions, ...others] = values?.tag === DER_SET ? (derChildren(der, values) ?? []) : [];
  if (asked.length > 1 || rest.length > 0 || extensions?.tag !== DER_SEQUENCE || others.length > 0) return NO_REQUEST;
  const found: Parameters<typeof readExtensions>[2] = new Map();
  // The extensions are the only element of their set, as they are of a certificate's field.
  const hasDouble = readExtensions(der, values as DerElement, found);
  if (hasDouble === null) return NO_REQUEST;
  if (hasDouble) return 'the request has an extension twice';
  const value = found.get(EXT_SUBJECT_ALT_NAME)?.value;
  if (value === undefined) return [];
  const names = readDer(der, value.start, value.end);
  const entries = names?.tag === DER_SEQUENCE && names.end === value.end ? derChildren(der, names) : null;
  if (entries === null) return 'the alternative names of the request cannot be read';
  if (entries.length > MAX_NAMES) return `the request has more than ${MAX_NAMES} alternative names`;
  return entries.map(({ tag, start, end }) => ({ kind: tag & 0x1f, text: latin1Of(der, start, end) }));
}

/** Dotted; '' when the element does not begin with one. */
function firstOid(der: Buffer, element: DerElement): string {
  const first = element.tag === DER_SEQUENCE ? derChildren(der, element)?.[0] : undefined;
  return first?.tag === DER_OID ? (oidText(der, first.start, first.end) ?? '') : '';
}
