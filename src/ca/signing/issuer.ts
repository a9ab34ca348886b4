// Who signs for the mesh: a CA's certificate and key with the way up to its roots, self-made or read from PEM.
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readCertificateParts } from '../../net/tls/certificate-parts.ts';
import { chainProblem, KEY_CERT_SIGN, readBasicConstraints, readKeyUsage } from '../../net/tls/chain.ts';
import { pemBlocks } from '../../net/tls/pem.ts';
import { pemText } from '../../wire/pem-text.ts';
import { type KeyKind, makeKey } from './algorithms.ts';
import { certificateName, keyIdOf, makeSigner, type Signer, writeCertificate } from './certificate-writer.ts';

export type Issuer = {
  /** SHA-256 of the certificate, hex: its name in files and logs. */
  readonly id: string;
  /** The CA's own certificate, PEM. */
  readonly certificate: string;
  readonly signer: Signer;
  /** PEM of what goes between a leaf and a root, from below; empty where the issuer is a root itself. */
  readonly chain: readonly string[];
  /** PEM of the roots that clients shall trust for it, its own first. */
  readonly roots: readonly string[];
  readonly validFromMs: number;
  /** The earliest end on the way up: nothing it signs is good for longer. */
  readonly validToMs: number;
  readonly rootValidToMs: number;
};

/** Texts of Istio's four files. */
export type IssuerFiles = {
  readonly certificate: string;
  readonly key: KeyObject;
  readonly chain: string;
  readonly roots: string;
};

/** Trusted roots of one issuer; more are a slip. */
const MAX_ROOTS = 16;
const MAX_CHAIN = 8;

/** Reads and checks what an operator plugged in. A text says what is wrong and with which of the four. */
export function readIssuer(files: IssuerFiles, nowMs: number): Issuer | string {
  const own = readCertificates(files.certificate, 'ca-cert.pem');
  const chain = readCertificates(files.chain, 'cert-chain.pem');
  const roots = readCertificates(files.roots, 'root-cert.pem');
  if (typeof own === 'string') return own;
  if (typeof chain === 'string') return chain;
  if (typeof roots === 'string') return roots;
  const [certificate] = own;
  if (certificate === undefined) return 'ca-cert.pem has no certificate';
  if (roots.length === 0) return 'root-cert.pem has no certificate';
  if (roots.length > MAX_ROOTS) return `root-cert.pem has more than ${MAX_ROOTS} certificates`;
  if (chain.length + own.length > MAX_CHAIN) return `cert-chain.pem has more than ${MAX_CHAIN} certificates`;
  const problem = authorityProblem(certificate);
  if (problem !== null) return `ca-cert.pem ${problem}`;
  const { key } = files;
  if (!certificate.checkPrivateKey(key)) return 'ca-key.pem is not the key of ca-cert.pem';
  // Operators have the CA itself, its root, or both in the chain, or leave them out.
  const above = [...own.slice(1), ...chain].filter(
    (one, i, all) => !isIn(one, all.slice(0, i)) && !isIn(one, [certificate, ...roots]) && !isSelfIssued(one),
  );
  const wrong = chainProblem(
    [certificate, ...above],
    { anchors: roots, lists: [] },
    { purpose: null, nowMs, ignoresTimes: false, maxDepth: null, ignoresConstraints: true, revocation: 'none' },
  );
  if (wrong !== null) return `ca-cert.pem does not lead to root-cert.pem by way of cert-chain.pem: ${wrong.error}`;
  const between = isIn(certificate, roots) ? [] : [certificate, ...above];
  return assemble(certificate, key, { between, roots: ownFirst(between.at(-1) ?? certificate, roots) });
}

/** A root that signs for the mesh itself, or stays at home and signs intermediates. */
export async function makeRoot(spec: AuthoritySpec): Promise<Issuer> {
  return make(spec, null);
}

/** A CA below `issuer`, which signs no further CAs. */
export async function makeIntermediate(spec: AuthoritySpec, issuer: Issuer): Promise<Issuer> {
  return make(spec, issuer);
}

export type AuthoritySpec = {
  /** Organisation of the subject, as Istio has it. */
  readonly trustDomain: string;
  readonly commonName: string;
  readonly keyKind: KeyKind;
  readonly fromMs: number;
  readonly toMs: number;
};

/** The issuer of a certificate whose key is at hand and which was checked before. A text says what is wrong. */
export function selfMadeIssuer(pem: string, key: KeyObject): Issuer | string {
  const read = readCertificates(pem, 'the root');
  if (typeof read === 'string') return read;
  const [certificate] = read;
  if (certificate === undefined) return 'there is no certificate';
  const problem = authorityProblem(certificate);
  if (problem !== null) return `the certificate ${problem}`;
  if (!certificate.checkPrivateKey(key)) return 'the key is not that of the certificate';
  return assemble(certificate, key, { between: [], roots: [certificate] });
}

/** PKCS #8 of a key, PEM, for files; the caller encrypts it or guards the file. */
export function exportKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

async function make(spec: AuthoritySpec, issuer: Issuer | null): Promise<Issuer> {
  const { trustDomain, commonName, keyKind, fromMs, toMs } = spec;
  const key = await makeKey(keyKind);
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const subject = certificateName(trustDomain, commonName);
  const signer = issuer === null ? makeSigner(key, subject, keyIdOf(publicKey)) : issuer.signer;
  if (typeof signer === 'string') throw new Error(signer);
  const usage = { pathLength: issuer === null ? null : 0 };
  const der = await writeCertificate(signer, { publicKey, subject, uris: [], dnsNames: [], fromMs, toMs, usage });
  const certificate = new X509Certificate(der);
  const roots = issuer === null ? [certificate] : issuer.roots.map((root) => new X509Certificate(root));
  const above = issuer === null ? [] : issuer.chain.map((one) => new X509Certificate(one));
  const made = assemble(certificate, key, { between: issuer === null ? [] : [certificate, ...above], roots });
  if (typeof made === 'string') throw new Error(made);
  return made;
}

type Way = { readonly between: readonly X509Certificate[]; readonly roots: readonly X509Certificate[] };

function assemble(certificate: X509Certificate, key: KeyObject, { between, roots }: Way): Issuer | string {
  const parts = readCertificateParts(certificate.raw);
  if (parts === null) return 'the certificate cannot be read';
  const publicKey = certificate.raw.subarray(parts.publicKey.from, parts.publicKey.end);
  const name = Buffer.from(certificate.raw.subarray(parts.subject.from, parts.subject.end));
  const signer = makeSigner(key, name, subjectKeyId(certificate, publicKey));
  if (typeof signer === 'string') return signer;
  const root = roots[0] as X509Certificate;
  const way = [certificate, ...between, root].map((one) => one.validToDate.getTime());
  return {
    id: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    certificate: pemOf(certificate),
    signer,
    chain: between.map(pemOf),
    roots: roots.map(pemOf),
    validFromMs: parts.validFromMs,
    validToMs: Math.min(...way),
    rootValidToMs: root.validToDate.getTime(),
  };
}

const SUBJECT_KEY_ID = '2.5.29.14';

function subjectKeyId(certificate: X509Certificate, publicKey: Buffer): Buffer {
  const value = readCertificateParts(certificate.raw)?.extensions.get(SUBJECT_KEY_ID)?.value;
  // Contents of an OCTET STRING in an OCTET STRING; both are short.
  if (value !== undefined && value.end - value.start > 2) {
    return Buffer.from(certificate.raw.subarray(value.start + 2, value.end));
  }
  return keyIdOf(publicKey);
}

function authorityProblem({ raw }: X509Certificate): string | null {
  const parts = readCertificateParts(raw);
  if (parts === null) return 'cannot be read';
  if (readBasicConstraints(raw, parts)?.isCa !== true)
    return 'is no certificate of a CA (basicConstraints has no CA:TRUE)';
  return (readKeyUsage(raw, parts) & KEY_CERT_SIGN) !== 0 ? null : 'may not sign certificates (keyUsage)';
}

function readCertificates(text: string, file: string): X509Certificate[] | string {
  try {
    return pemBlocks(Buffer.from(text, 'latin1'), 'CERTIFICATE').map((block) => new X509Certificate(block));
  } catch {
    return `${file} has a certificate that cannot be read`;
  }
}

function isIn(one: X509Certificate, others: readonly X509Certificate[]): boolean {
  return others.some((other) => other.raw.equals(one.raw));
}

function isSelfIssued(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate);
}

/** The root that vouches for the last of the chain goes in front. */
function ownFirst(last: X509Certificate, roots: readonly X509Certificate[]): readonly X509Certificate[] {
  const own = roots.find(
    (root) => root.raw.equals(last.raw) || (last.checkIssued(root) && last.verify(root.publicKey)),
  );
  return own === undefined ? roots : [own, ...roots.filter((root) => root !== own)];
}

function pemOf({ raw }: X509Certificate): string {
  return pemText('CERTIFICATE', raw);
}
