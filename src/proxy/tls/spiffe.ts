// The SPIFFE certificate validator: the peer's own identity names the trust domain whose CA must have vouched for it.
import type { Certificate } from '../../net/tls/certificate.ts';
import {
  CRL_SIGN,
  chainProblem,
  KEY_CERT_SIGN,
  readBasicConstraints,
  readKeyUsage,
  readTrust,
  type Trust,
} from '../../net/tls/chain.ts';
import type { SessionFacts } from '../../net/tls/session-facts.ts';
import {
  type ChainProblem,
  chainReason,
  SPIFFE_NO_BUNDLE_REASON,
  SPIFFE_PRECHECK_REASON,
  SPIFFE_SAN_REASON,
} from '../../net/tls/wording.ts';
import type { ValidationSecret } from './tls-config.ts';
import { hasName, matchesSan, type Outcome, timeProblem, type Verdict, type VerifierOptions } from './verdict.ts';

type SpiffeJudge = (facts: SessionFacts, peer: Certificate, names: readonly string[] | null) => Outcome;

const BAD_CERTIFICATE: Verdict = { reason: SPIFFE_PRECHECK_REASON, stat: 'fail_verify_error' };
const NO_BUNDLE: Verdict = { reason: SPIFFE_NO_BUNDLE_REASON, stat: 'fail_verify_error' };
const WRONG_NAME: Verdict = { reason: SPIFFE_SAN_REASON, stat: 'fail_verify_san' };

/**
 * OpenSSL's verdict is of no use here: it believes every domain's CA, and asks for usages that Envoy does not ask for.
 * So each chain is checked against its own domain's CAs alone. Source: Envoy SPIFFEValidator.
 */
export function makeSpiffeJudge(validation: ValidationSecret, { isServer, wallMs }: VerifierOptions): SpiffeJudge {
  const { spiffeTrustDomains, allowsExpired, sanMatchers } = validation;
  const domains = new Map<string, Trust>();
  for (const [domain, ca] of spiffeTrustDomains ?? []) domains.set(domain, readTrust(ca, null));
  // Of all matchers Envoy takes those of URIs only.
  const matchers = sanMatchers.filter(({ type }) => type === 'URI');
  return (facts, peer, names) => {
    if (!isIdentity(peer)) return BAD_CERTIFICATE;
    const trust = domains.get(trustDomain(peer.names.uriSans[0] ?? ''));
    if (trust === undefined) return NO_BUNDLE;
    const nowMs = wallMs();
    // A client keeps only sessions whose server it accepted with its whole chain.
    const isKnown = facts.isResumed && !isServer;
    const problem: ChainProblem | null = isKnown
      ? allowsExpired
        ? null
        : timeProblem(peer, nowMs)
      : chainProblem(
          // Without roots: OpenSSL adds those of other domains.
          peer.chain.map((one) => one.x509),
          trust,
          {
            purpose: null,
            nowMs,
            ignoresTimes: allowsExpired,
            maxDepth: null,
            ignoresConstraints: false,
            revocation: 'none',
          },
        );
    if (problem !== null) return { reason: chainReason(problem), stat: 'fail_verify_error' };
    if (names !== null && names.length > 0) return hasName(peer, names) ? 'passed' : WRONG_NAME;
    const isNamed = matchers.length === 0 || matchers.some((matcher) => matchesSan(matcher, peer));
    return isNamed ? 'passed' : WRONG_NAME;
  };
}

/**
 * A certificate that signs nothing, and has one URI at most (SPIFFE X.509-SVID §2, §4). With a second URI Envoy
 * believes the first; but who reads the other one is fooled, so here it is refused.
 */
function isIdentity({ raw, parts, names }: Certificate): boolean {
  if (parts === null || parts.hasDoubleExtension || names.uriSans.length > 1) return false;
  const constraints = readBasicConstraints(raw, parts);
  // Without the extension all usages are allowed, those of a CA too.
  return constraints?.isCa === false && (readKeyUsage(raw, parts) & (KEY_CERT_SIGN | CRL_SIGN)) === 0;
}

const SCHEME = 'spiffe://';

/** '' when the URI is no SPIFFE identity with a path. */
export function trustDomain(uri: string): string {
  if (!uri.startsWith(SCHEME)) return '';
  const slash = uri.indexOf('/', SCHEME.length);
  return slash < 0 ? '' : uri.slice(SCHEME.length, slash);
}
