// Lists of revoked certificates (RFC 5280 §5), for the checks that OpenSSL cannot be asked for.
import { type KeyObject, verify, type X509Certificate } from 'node:crypto';
import {
  contextTag,
  DER_BIT_STRING,
  DER_GENERALIZED_TIME,
  DER_INTEGER,
  DER_SEQUENCE,
  DER_UTC_TIME,
  type DerElement,
  derChildren,
  derTimeMs,
  oidText,
  readDer,
} from '../../wire/der.ts';
import { type CertificateExtension, readCertificateParts, readExtensions } from './certificate-parts.ts';
import { pemBlocks } from './pem.ts';
import type { ChainError } from './wording.ts';

export type RevocationList = {
  /** DER of the issuer's name, as latin1. */
  readonly issuer: string;
  readonly thisUpdateMs: number;
  /** Null: it says nothing of its end. */
  readonly nextUpdateMs: number | null;
  /** Serial numbers, hex of the DER. */
  readonly revoked: ReadonlySet<string>;
  isSignedBy(key: KeyObject): boolean;
};

/** The lists in a PEM text; such that have rules we do not know (parts of lists, lists of others) are left out. */
export function readRevocationLists(pem: Buffer | null): RevocationList[] {
  const found: RevocationList[] = [];
  for (const block of pemBlocks(pem, 'X509 CRL')) {
    const list = readList(Buffer.from(block.replace(/-----[^-]*-----/g, ''), 'base64'));
    if (list !== null) found.push(list);
  }
  return found;
}

export type RevocationCheck = {
  readonly lists: readonly RevocationList[];
  readonly nowMs: number;
  readonly ignoresTimes: boolean;
};

/**
 * Null when a good list of the issuer does not name the certificate. `issuer` null: not at hand (a resumed session
 * has no chain), so the signatures of lists are believed.
 */
export function revocationError(
  certificate: X509Certificate,
  issuer: X509Certificate | null,
  { lists, nowMs, ignoresTimes }: RevocationCheck,
): ChainError | null {
  const parts = readCertificateParts(certificate.raw);
  if (parts === null) return 'UNABLE_TO_GET_CRL';
  const name = slice(certificate.raw, parts.issuer);
  const own = lists.filter((list) => list.issuer === name);
  if (own.length === 0) return 'UNABLE_TO_GET_CRL';
  const current = own.filter((list) => ignoresTimes || timeError(list, nowMs) === null);
  // The newest counts, as several of one issuer follow each other.
  const list = current.reduce<RevocationList | undefined>(
    (newest, one) => (newest === undefined || one.thisUpdateMs > newest.thisUpdateMs ? one : newest),
    undefined,
  );
  if (list === undefined) return timeError(own[0] as RevocationList, nowMs);
  if (issuer !== null && !list.isSignedBy(issuer.publicKey)) return 'CRL_SIGNATURE_FAILURE';
  return list.revoked.has(serialOf(certificate.raw, parts.serial)) ? 'CERT_REVOKED' : null;
}

function timeError({ thisUpdateMs, nextUpdateMs }: RevocationList, nowMs: number): ChainError | null {
  if (thisUpdateMs > nowMs) return 'CRL_NOT_YET_VALID';
  return nextUpdateMs !== null && nextUpdateMs < nowMs ? 'CRL_HAS_EXPIRED' : null;
}

// ─── Reading ────────────────────────────────────────────────────────────────────────────────────────────────────────

const EXTENSIONS = contextTag(0, true);
const isTime = (element: DerElement | undefined): element is DerElement =>
  element?.tag === DER_UTC_TIME || element?.tag === DER_GENERALIZED_TIME;

function readList(der: Buffer): RevocationList | null {
  const whole = readDer(der, 0, der.length);
  const [body, algorithm, signature] = (whole?.tag === DER_SEQUENCE && derChildren(der, whole)) || [];
  if (body?.tag !== DER_SEQUENCE || algorithm === undefined || signature?.tag !== DER_BIT_STRING) return null;
  const fields = derChildren(der, body) ?? [];
  let at = fields[0]?.tag === DER_INTEGER ? 2 : 1;
  const issuer = fields[at++];
  const thisUpdate = fields[at++];
  const nextUpdate = isTime(fields[at]) ? fields[at++] : undefined;
  const entries = fields[at]?.tag === DER_SEQUENCE ? fields[at++] : undefined;
  const extensions = fields[at]?.tag === EXTENSIONS ? fields[at++] : undefined;
  if (issuer?.tag !== DER_SEQUENCE || !isTime(thisUpdate) || at !== fields.length) return null;
  if (extensions !== undefined && hasCritical(der, extensions)) return null;
  const thisUpdateMs = derTimeMs(der, thisUpdate);
  const revoked = entries === undefined ? new Set<string>() : readEntries(der, entries);
  const hash = hashOf(der, algorithm);
  if (thisUpdateMs === null || revoked === null || hash === undefined) return null;
  const signed = der.subarray(body.from, body.end);
  const proof = der.subarray(signature.start + 1, signature.end);
  return {
    issuer: slice(der, issuer),
    thisUpdateMs,
    nextUpdateMs: nextUpdate === undefined ? null : derTimeMs(der, nextUpdate),
    revoked,
    isSignedBy: rememberedSignature(signed, proof, hash),
  };
}

/** Null when an entry has a rule of its own that we do not know. */
function readEntries(der: Buffer, entries: DerElement): Set<string> | null {
  const revoked = new Set<string>();
  for (let at = entries.start; at < entries.end; ) {
    const entry = readDer(der, at, entries.end);
    const [serial, , extensions] = (entry?.tag === DER_SEQUENCE && derChildren(der, entry)) || [];
    if (entry === null || serial?.tag !== DER_INTEGER) return null;
    if (extensions !== undefined && hasCritical(der, { ...extensions, start: extensions.from })) return null;
    revoked.add(serialOf(der, serial));
    at = entry.end;
  }
  return revoked;
}

function hasCritical(der: Buffer, field: DerElement): boolean {
  const found = new Map<string, CertificateExtension>();
  if (readExtensions(der, field, found) !== false) return true;
  return [...found.values()].some((extension) => extension.isCritical);
}

/** Signature algorithms by OID: the hash, null where the key decides. */
const HASHES: Readonly<Record<string, string | null>> = {
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.3.101.112': null,
};

function hashOf(der: Buffer, algorithm: DerElement): string | null | undefined {
  const [id] = derChildren(der, algorithm) ?? [];
  const name = id === undefined ? null : oidText(der, id.start, id.end);
  return name === null ? undefined : HASHES[name];
}

/** Checked once for each key: every handshake asks for the same. */
function rememberedSignature(signed: Buffer, proof: Buffer, hash: string | null): (key: KeyObject) => boolean {
  let lastKey: string | null = null;
  let lastResult = false;
  return (key) => {
    const text = key.export({ type: 'spki', format: 'der' }).latin1Slice();
    if (text === lastKey) return lastResult;
    try {
      lastResult = verify(hash, signed, key, proof);
    } catch {
      lastResult = false;
    }
    lastKey = text;
    return lastResult;
  };
}

function serialOf(der: Uint8Array, serial: DerElement): string {
  return Buffer.from(der.subarray(serial.start, serial.end)).toString('hex');
}

function slice(der: Uint8Array, element: DerElement): string {
  return Buffer.from(der.subarray(element.from, element.end)).latin1Slice();
}
