// What judging a peer can come to, and the questions that all validators ask of its certificate.
import type { Certificate } from '../../net/tls/certificate.ts';
import type { ChainProblem } from '../../net/tls/wording.ts';
import { DnsNameMatcher } from './decode-validation.ts';
import type { SanMatcher } from './tls-config.ts';

/** Envoy's statistics of refused peers, below 'ssl.'. */
export type VerdictStat = 'fail_verify_error' | 'fail_verify_san' | 'fail_verify_cert_hash';

export type Verdict = {
  /** Why the connection ends, in Envoy's words. Null: it goes on all the same (ACCEPT_UNTRUSTED), not verified. */
  readonly reason: string | null;
  /** Null: it is counted as a broken handshake (`handshakeStat`). */
  readonly stat: VerdictStat | null;
};

export type VerifierOptions = {
  /** This side is the server, and the peer a client. */
  readonly isServer: boolean;
  /** ms since 1970. */
  readonly wallMs: () => number;
  /** The handshake was judged by other rules: OpenSSL's verdict says nothing under these. */
  readonly isAgain?: boolean;
  /** Client, TLS 1.2: an RSA certificate must say that it may sign. Default true, as in Envoy. */
  readonly enforcesRsaKeyUsage?: boolean;
};

/** 'passed' speaks for the peer, 'nothing' asked nothing. */
export type Outcome = 'passed' | 'nothing' | Verdict;
export function timeProblem({ validFromMs, validToMs }: Certificate, nowMs: number): ChainProblem | null {
  if (!(validFromMs <= nowMs)) return { error: 'CERT_NOT_YET_VALID', depth: 0 };
  return validToMs >= nowMs ? null : { error: 'CERT_HAS_EXPIRED', depth: 0 };
}

export function chainOf(peer: Certificate): Certificate['x509'][] {
  return peer.withIssuers.map((one) => one.x509);
}

/** Source: Envoy DefaultCertValidator::verifySubjectAltName. */
export function hasName({ names }: Certificate, wanted: readonly string[]): boolean {
  const { dnsSans, uriSans, ipSans, emailSans, otherNameSans } = names;
  const others = [...uriSans, ...ipSans, ...emailSans, ...otherNameSans];
  return wanted.some((name) => {
    const dns = new DnsNameMatcher(name);
    return others.includes(name) || dnsSans.some((san) => dns.matches(san));
  });
}

export function matchesSan({ type, matcher, oid }: SanMatcher, { names }: Certificate): boolean {
  switch (type) {
    case 'DNS':
      return names.dnsSans.some((san) => matcher.matches(san));
    case 'URI':
      return names.uriSans.some((san) => matcher.matches(san));
    case 'EMAIL':
      return names.emailSans.some((san) => matcher.matches(san));
    case 'IP_ADDRESS':
      return names.ipSans.some((san) => matcher.matches(san));
    case 'OTHER_NAME':
      return names.otherNameSans.some((san, i) => names.otherNameTypes[i] === oid && matcher.matches(san));
  }
}
