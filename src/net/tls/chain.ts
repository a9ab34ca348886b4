// Judges a chain of certificates ourselves: where OpenSSL's verdict says too little, or has no such rule.
//
// OpenSSL tells of its last complaint only, so 'expired' may hide 'from a stranger'; it does not say which certificate
// it is; and it knows one set of trusted certificates for all trust domains. The order of the checks is that of Envoy's
// library (BoringSSL X509_verify_cert), because the first complaint is what users see.
import { X509Certificate } from 'node:crypto';
import {
  DER_BIT_STRING,
  DER_BOOLEAN,
  DER_INTEGER,
  DER_SEQUENCE,
  derChildren,
  derInteger,
  oidText,
  readDer,
} from '../../wire/der.ts';
import {
  type CertificateParts,
  EXT_BASIC_CONSTRAINTS,
  EXT_EXTENDED_KEY_USAGE,
  EXT_KEY_USAGE,
  readCertificateParts,
} from './certificate-parts.ts';
import { type RevocationList, readRevocationLists, revocationError } from './crl.ts';
import { pemBlocks } from './pem.ts';
import type { ChainProblem } from './wording.ts';

/** Whom to believe, read once for a configuration. */
export type Trust = {
  readonly anchors: readonly X509Certificate[];
  /** Also those between the trusted certificates, as in Envoy. */
  readonly lists: readonly RevocationList[];
};

export type ChainRules = {
  /** What the peer uses its certificate for; null: that is not asked. */
  readonly purpose: 'client' | 'server' | null;
  readonly nowMs: number;
  readonly ignoresTimes: boolean;
  /** Certificates between the peer's and the trusted one, and that one; null: as many as Envoy's default allows. */
  readonly maxDepth: number | null;
  /** OpenSSL has judged name constraints; else chains with such are refused, for we know nothing of them. */
  readonly ignoresConstraints: boolean;
  /** Which certificates must be found on a revocation list. */
  readonly revocation: 'none' | 'leaf' | 'all';
};

/** What Envoy's library allows where nothing is configured. */
const DEFAULT_MAX_DEPTH = 100;
/** OpenSSL bounds the bytes of what a peer shows; these bound our work with it. */
const MAX_PRESENTED = 32;
const MAX_ISSUERS_TRIED = 4;
/** As OpenSSL at security level 1. */
const MIN_RSA_BITS = 1024;

/** PEM texts that OpenSSL has accepted already; see `trustError`. */
export function readTrust(ca: Buffer | null, crl: Buffer | null): Trust {
  return {
    anchors: pemBlocks(ca, 'CERTIFICATE').map((block) => new X509Certificate(block)),
    lists: [...readRevocationLists(ca), ...readRevocationLists(crl)],
  };
}

/** Null when `chain` (the peer's certificate first, then what it sent with it) leads to a trusted certificate. */
export function chainProblem(chain: readonly X509Certificate[], trust: Trust, rules: ChainRules): ChainProblem | null {
  const [leaf, ...others] = chain;
  if (leaf === undefined) return { error: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', depth: 0 };
  const path = buildPath(leaf, others.slice(0, MAX_PRESENTED), trust.anchors, rules);
  if ('error' in path) return path;
  const parts: CertificateParts[] = [];
  for (const [depth, certificate] of path.entries()) {
    const found = readCertificateParts(certificate.raw);
    if (found === null) return { error: 'CERT_REJECTED', depth };
    parts.push(found);
  }
  return (
    extensionProblem(path, parts, rules) ??
    strengthProblem(path) ??
    revocationProblem(path, trust, rules) ??
    signatureProblem(path, parts, rules)
  );
}

// ─── The path ───────────────────────────────────────────────────────────────────────────────────────────────────────

function buildPath(
  leaf: X509Certificate,
  presented: readonly X509Certificate[],
  anchors: readonly X509Certificate[],
  { maxDepth, nowMs }: ChainRules,
): X509Certificate[] | ChainProblem {
  const path = [leaf];
  // One more than the depth; none at all would be no chain, so 0 counts as 1, as in Envoy.
  const longest = Math.max(maxDepth ?? DEFAULT_MAX_DEPTH, 1) + 1;
  for (;;) {
    const last = path[path.length - 1] as X509Certificate;
    const depth = path.length - 1;
    if (anchors.some((anchor) => anchor.raw.equals(last.raw))) return path;
    const root = bestIssuer(last, anchors, nowMs);
    if (root !== null && path.length < longest) return [...path, root];
    if (isSelfSigned(last)) {
      return { error: depth === 0 ? 'DEPTH_ZERO_SELF_SIGNED_CERT' : 'SELF_SIGNED_CERT_IN_CHAIN', depth };
    }
    const rest = presented.filter((one) => !path.some((used) => used.raw.equals(one.raw)));
    const next = path.length < longest ? bestIssuer(last, rest, nowMs) : null;
    if (next === null) return { error: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', depth };
    path.push(next);
  }
}

/** Among several of one name the one that really signed, and of those one that is valid now. */
function bestIssuer(
  certificate: X509Certificate,
  candidates: readonly X509Certificate[],
  nowMs: number,
): X509Certificate | null {
  let best: X509Certificate | null = null;
  let bestRank = -1;
  let tried = 0;
  for (const candidate of candidates) {
    if (!certificate.checkIssued(candidate)) continue;
    if (tried++ === MAX_ISSUERS_TRIED) break;
    const rank = (hasSigned(candidate, certificate) ? 2 : 0) + (isValidAt(candidate, nowMs) ? 1 : 0);
    if (rank <= bestRank) continue;
    best = candidate;
    bestRank = rank;
  }
  return best;
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate);
}

function hasSigned(issuer: X509Certificate, certificate: X509Certificate): boolean {
  try {
    return certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  return certificate.validFromDate.getTime() <= nowMs && nowMs <= certificate.validToDate.getTime();
}

// ─── Checks ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Extensions whose rules are known here or by OpenSSL: usages, names, constraints, policies. */
const KNOWN_EXTENSIONS = [
  EXT_BASIC_CONSTRAINTS,
  EXT_KEY_USAGE,
  EXT_EXTENDED_KEY_USAGE,
  '2.5.29.17',
  '2.5.29.30',
  '2.5.29.32',
  '2.5.29.33',
  '2.5.29.36',
  '2.5.29.54',
];
const EXT_NAME_CONSTRAINTS = '2.5.29.30';

function extensionProblem(
  path: readonly X509Certificate[],
  parts: readonly CertificateParts[],
  { purpose, ignoresConstraints }: ChainRules,
): ChainProblem | null {
  let issuersBelow = 0;
  for (const [depth, part] of parts.entries()) {
    const certificate = path[depth] as X509Certificate;
    const { extensions, hasDoubleExtension } = part;
    for (const [id, { isCritical }] of extensions) {
      if (isCritical && !KNOWN_EXTENSIONS.includes(id)) return { error: 'UNHANDLED_CRITICAL_EXTENSION', depth };
    }
    if (hasDoubleExtension) return { error: 'CERT_REJECTED', depth };
    const constraints = readBasicConstraints(certificate.raw, part);
    if (constraints === null) return { error: 'INVALID_CA', depth };
    const usage = readKeyUsage(certificate.raw, part);
    if (depth > 0) {
      const isOldRoot = extensions.size === 0 && isSelfSigned(certificate);
      if (!isOldRoot && (!constraints.isCa || (usage & KEY_CERT_SIGN) === 0)) return { error: 'INVALID_CA', depth };
    }
    if (purpose !== null && !servesPurpose(certificate.raw, part, depth === 0 ? usage : null, purpose)) {
      return { error: 'INVALID_PURPOSE', depth };
    }
    if (depth > 1 && constraints.pathLength !== null && issuersBelow > constraints.pathLength) {
      return { error: 'PATH_LENGTH_EXCEEDED', depth };
    }
    // Those that sign themselves anew under the same name do not count (RFC 5280 §6.1.4).
    if (depth > 0 && !sameBytes(certificate.raw, part.issuer, part.subject)) issuersBelow++;
    if (!ignoresConstraints && extensions.has(EXT_NAME_CONSTRAINTS))
      return { error: 'UNSUPPORTED_CONSTRAINT_TYPE', depth };
  }
  return null;
}

type Span = { readonly from: number; readonly end: number };

function sameBytes(der: Uint8Array, one: Span, other: Span): boolean {
  return Buffer.compare(der.subarray(one.from, one.end), der.subarray(other.from, other.end)) === 0;
}

/** SHA-1 and MD5, with RSA, ECDSA and DSA. */
const WEAK_SIGNATURES = [
  '1.2.840.113549.1.1.2',
  '1.2.840.113549.1.1.4',
  '1.2.840.113549.1.1.5',
  '1.2.840.10045.4.1',
  '1.2.840.10040.4.3',
];

function strengthProblem(path: readonly X509Certificate[]): ChainProblem | null {
  for (const [depth, { publicKey, raw }] of path.entries()) {
    const { modulusLength } = publicKey.asymmetricKeyDetails ?? {};
    if (modulusLength !== undefined && modulusLength < MIN_RSA_BITS) {
      return { error: depth === 0 ? 'EE_KEY_TOO_SMALL' : 'CA_KEY_TOO_SMALL', depth };
    }
    // Nobody relies on the signature of the last one.
    if (depth < path.length - 1 && WEAK_SIGNATURES.includes(signatureOid(raw))) {
      return { error: 'CA_MD_TOO_WEAK', depth };
    }
  }
  return null;
}

function signatureOid(der: Uint8Array): string {
  const whole = readDer(der, 0, der.length);
  const algorithm = whole === null ? undefined : derChildren(der, whole)?.[1];
  const id = algorithm === undefined ? undefined : derChildren(der, algorithm)?.[0];
  return id === undefined ? '' : (oidText(der, id.start, id.end) ?? '');
}

function revocationProblem(path: readonly X509Certificate[], { lists }: Trust, rules: ChainRules): ChainProblem | null {
  const { revocation, nowMs, ignoresTimes } = rules;
  if (revocation === 'none') return null;
  const count = revocation === 'leaf' ? 1 : path.length;
  for (let depth = 0; depth < count; depth++) {
    const certificate = path[depth] as X509Certificate;
    const error = revocationError(certificate, path[depth + 1] ?? certificate, { lists, nowMs, ignoresTimes });
    if (error !== null) return { error, depth };
  }
  return null;
}

/** From the trusted certificate down. */
function signatureProblem(
  path: readonly X509Certificate[],
  parts: readonly CertificateParts[],
  { ignoresTimes, nowMs }: ChainRules,
): ChainProblem | null {
  for (let depth = path.length - 1; depth >= 0; depth--) {
    const issuer = path[depth + 1];
    if (issuer !== undefined && !hasSigned(issuer, path[depth] as X509Certificate)) {
      return { error: 'CERT_SIGNATURE_FAILURE', depth };
    }
    if (ignoresTimes) continue;
    const { validFromMs, validToMs } = parts[depth] as CertificateParts;
    if (validFromMs > nowMs) return { error: 'CERT_NOT_YET_VALID', depth };
    if (validToMs < nowMs) return { error: 'CERT_HAS_EXPIRED', depth };
  }
  return null;
}

// ─── Extensions ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Bits of KeyUsage, the first one in front. */
export const DIGITAL_SIGNATURE = 0x8000;
export const KEY_ENCIPHERMENT = 0x2000;
const KEY_AGREEMENT = 0x0800;
export const KEY_CERT_SIGN = 0x0400;
export const CRL_SIGN = 0x0200;
const EVERY_USAGE = 0xffff;

/** All bits when there is no such extension: then everything is allowed. */
export function readKeyUsage(der: Uint8Array, { extensions }: CertificateParts): number {
  const value = extensions.get(EXT_KEY_USAGE)?.value;
  if (value === undefined) return EVERY_USAGE;
  const bits = readDer(der, value.start, value.end);
  if (bits?.tag !== DER_BIT_STRING || bits.end - bits.start < 2) return 0;
  const low = bits.end - bits.start > 2 ? (der[bits.start + 2] as number) : 0;
  return ((der[bits.start + 1] as number) << 8) | low;
}

/** Null when the extension is broken. */
export function readBasicConstraints(
  der: Uint8Array,
  { extensions }: CertificateParts,
): { readonly isCa: boolean; readonly pathLength: number | null } | null {
  const value = extensions.get(EXT_BASIC_CONSTRAINTS)?.value;
  if (value === undefined) return { isCa: false, pathLength: null };
  const list = readDer(der, value.start, value.end);
  const fields = list?.tag === DER_SEQUENCE && list.end === value.end ? derChildren(der, list) : null;
  if (fields === null || fields.length > 2) return null;
  const first = fields[0]?.tag === DER_BOOLEAN ? fields[0] : undefined;
  const length = first === undefined ? fields[0] : fields[1];
  const isCa = first !== undefined && der[first.start] !== 0;
  if (length === undefined) return { isCa, pathLength: null };
  const limit = length.tag === DER_INTEGER ? derInteger(der, length) : null;
  return limit === null || limit < 0n || !isCa ? null : { isCa, pathLength: Number(limit) };
}

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

/** `usage` null: an issuer, whose key signs certificates. */
function servesPurpose(
  der: Uint8Array,
  { extensions }: CertificateParts,
  usage: number | null,
  purpose: 'client' | 'server',
): boolean {
  if (usage !== null) {
    const wanted = DIGITAL_SIGNATURE | KEY_AGREEMENT | (purpose === 'server' ? KEY_ENCIPHERMENT : 0);
    if ((usage & wanted) === 0) return false;
  }
  const value = extensions.get(EXT_EXTENDED_KEY_USAGE)?.value;
  if (value === undefined) return true;
  const list = readDer(der, value.start, value.end);
  const ids = list === null ? [] : (derChildren(der, list) ?? []);
  const wanted = purpose === 'client' ? CLIENT_AUTH : SERVER_AUTH;
  return ids.some((id) => oidText(der, id.start, id.end) === wanted);
}
