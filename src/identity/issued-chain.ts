// What a certificate authority answered: a chain under the proxy's own key, checked before anybody is shown it.
import { type KeyObject, X509Certificate } from 'node:crypto';
import { pemBlocks } from '../net/tls/pem.ts';

export type TrustRoot = {
  /** SHA-256 of it. */
  readonly id: string;
  readonly pem: string;
  readonly validToMs: number;
};

export type IssuedChain = {
  /** PEM of the leaf and of those between it and its root. */
  readonly chain: string;
  readonly roots: readonly TrustRoot[];
  readonly validToMs: number;
};

/** More certificates than any chain and its bundle of roots have. */
const MAX_CERTIFICATES = 64;

/** `parts`: PEM texts, the leaf first; the last one has the roots. A text says what is wrong with them. */
export function readIssuedChain(parts: readonly string[], key: KeyObject, nowMs: number): IssuedChain | string {
  if (parts.length < 2) return `the chain has ${parts.length} parts: a certificate and its root are wanted`;
  const chain = read(parts.slice(0, -1));
  const roots = read(parts.slice(-1));
  if (typeof chain === 'string') return chain;
  if (typeof roots === 'string') return roots;
  const [leaf] = chain;
  if (leaf === undefined || roots.length === 0) return 'the chain has an empty part';
  if (!leaf.certificate.checkPrivateKey(key)) return 'the certificate is for another key than was sent';
  const validToMs = Date.parse(leaf.certificate.validTo);
  if (validToMs <= nowMs) return `the certificate is over already, since ${leaf.certificate.validTo}`;
  if (!leadsTo(chain, roots)) return 'the chain does not lead to its root';
  return {
    chain: chain.map(({ pem }) => pem).join(''),
    roots: roots.map(({ certificate, pem }) => ({
      id: certificate.fingerprint256,
      pem,
      validToMs: Date.parse(certificate.validTo),
    })),
    validToMs,
  };
}

type Read = { readonly certificate: X509Certificate; readonly pem: string };

function read(parts: readonly string[]): Read[] | string {
  const blocks = parts.flatMap((part) => pemBlocks(Buffer.from(part, 'latin1'), 'CERTIFICATE'));
  if (blocks.length > MAX_CERTIFICATES) return `the chain has more than ${MAX_CERTIFICATES} certificates`;
  try {
    return blocks.map((block) => ({ certificate: new X509Certificate(block), pem: `${block}\n` }));
  } catch (error) {
    return `the chain has a part that is no certificate: ${(error as Error).message}`;
  }
}

/** Each is signed by the next, and the last one by a root (or is one). */
function leadsTo(chain: readonly Read[], roots: readonly Read[]): boolean {
  return chain.every(({ certificate }, i) => {
    const next = chain[i + 1];
    return (next === undefined ? roots : [next, ...roots]).some((issuer) =>
      isSignedBy(certificate, issuer.certificate),
    );
  });
}

function isSignedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
