// Finds the parts of a certificate in its DER (RFC 5280 §4.1); nothing is copied and nothing throws.
import {
  contextTag,
  DER_BOOLEAN,
  DER_INTEGER,
  DER_OCTET_STRING,
  DER_OID,
  DER_SEQUENCE,
  type DerElement,
  derChildren,
  derTimeMs,
  oidText,
  readDer,
} from '../../wire/der.ts';

export type CertificateExtension = {
  readonly isCritical: boolean;
  /** Contents of its OCTET STRING: DER of the extension's own type. */
  readonly value: DerElement;
};

export type CertificateParts = {
  readonly serial: DerElement;
  readonly issuer: DerElement;
  readonly subject: DerElement;
  readonly validFromMs: number;
  readonly validToMs: number;
  /** SubjectPublicKeyInfo as a whole: bytes[from, end). */
  readonly publicKey: DerElement;
  /** By dotted OID. */
  readonly extensions: ReadonlyMap<string, CertificateExtension>;
  /** True when one extension is there twice: none of the two may be believed. */
  readonly hasDoubleExtension: boolean;
};

export const EXT_BASIC_CONSTRAINTS = '2.5.29.19';
export const EXT_KEY_USAGE = '2.5.29.15';
export const EXT_EXTENDED_KEY_USAGE = '2.5.29.37';
export const EXT_SUBJECT_ALT_NAME = '2.5.29.17';

const VERSION = contextTag(0, true);
const EXTENSIONS = contextTag(3, true);

/** Null when the bytes are no certificate. */
export function readCertificateParts(der: Uint8Array): CertificateParts | null {
  const fields = bodyFields(der);
  if (fields === null) return null;
  let at = fields[0]?.tag === VERSION ? 1 : 0;
  const [serial, algorithm, issuer, validity, subject, publicKey] = fields.slice(at, at + 6);
  if (serial?.tag !== DER_INTEGER || publicKey === undefined) return null;
  for (const one of [algorithm, issuer, validity, subject, publicKey]) if (one?.tag !== DER_SEQUENCE) return null;
  const times = derChildren(der, validity as DerElement);
  const validFromMs = times?.[0] === undefined ? null : derTimeMs(der, times[0]);
  const validToMs = times?.[1] === undefined ? null : derTimeMs(der, times[1]);
  if (times?.length !== 2 || validFromMs === null || validToMs === null) return null;
  const extensions = new Map<string, CertificateExtension>();
  let hasDoubleExtension = false;
  for (at += 6; at < fields.length; at++) {
    const field = fields[at] as DerElement;
    if (field.tag !== EXTENSIONS) continue;
    const found = readExtensions(der, field, extensions);
    if (found === null) return null;
    hasDoubleExtension = found;
  }
  return {
    serial,
    issuer: issuer as DerElement,
    subject: subject as DerElement,
    validFromMs,
    validToMs,
    publicKey,
    extensions,
    hasDoubleExtension,
  };
}

/** Elements of TBSCertificate. */
function bodyFields(der: Uint8Array): DerElement[] | null {
  const whole = readDer(der, 0, der.length);
  if (whole?.tag !== DER_SEQUENCE || whole.end !== der.length) return null;
  const body = readDer(der, whole.start, whole.end);
  return body?.tag === DER_SEQUENCE ? derChildren(der, body) : null;
}

/** Whether one of them was there twice; null when they cannot be read. */
export function readExtensions(
  der: Uint8Array,
  field: DerElement,
  into: Map<string, CertificateExtension>,
): boolean | null {
  const list = readDer(der, field.start, field.end);
  const entries = list?.tag === DER_SEQUENCE && list.end === field.end ? derChildren(der, list) : null;
  if (entries === null) return null;
  let hasDouble = false;
  for (const entry of entries) {
    const parts = entry.tag === DER_SEQUENCE ? derChildren(der, entry) : null;
    const [id, second, third] = parts ?? [];
    const value = third ?? second;
    if (id?.tag !== DER_OID || value?.tag !== DER_OCTET_STRING) return null;
    if (third !== undefined && second?.tag !== DER_BOOLEAN) return null;
    const name = oidText(der, id.start, id.end);
    if (name === null) return null;
    if (into.has(name)) hasDouble = true;
    const isCritical = third !== undefined && second !== undefined && der[second.start] !== 0;
    into.set(name, { isCritical, value });
  }
  return hasDouble;
}
