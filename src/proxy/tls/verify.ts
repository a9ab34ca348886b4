// Judges the other side of a TLS handshake, after it and before a byte of the application passes; resumed ones too.
import { createHash } from 'node:crypto';
import type { Certificate } from '../../net/tls/certificate.ts';
import {
  type ChainRules,
  chainProblem,
  DIGITAL_SIGNATURE,
  KEY_ENCIPHERMENT,
  readKeyUsage,
  readTrust,
  type Trust,
} from '../../net/tls/chain.ts';
import { revocationError } from '../../net/tls/crl.ts';
import type { SessionFacts } from '../../net/tls/session-facts.ts';
import {
  type ChainProblem,
  chainErrorOf,
  chainReason,
  HASH_REASON,
  KEY_USAGE_REASON,
  sanListReason,
  sanMatcherReason,
} from '../../net/tls/wording.ts';
import { makeSpiffeJudge } from './spiffe.ts';
import type { SanMatcher, ValidationSecret } from './tls-config.ts';
import {
  chainOf,
  hasName,
  matchesSan,
  type Outcome,
  timeProblem,
  type Verdict,
  type VerifierOptions,
} from './verdict.ts';

export type { Verdict, VerdictStat, VerifierOptions } from './verdict.ts';

/**
 * Null when there is nothing against the peer; then `facts.isPeerVerified` tells whether something spoke for it.
 * `names` come with the connection (auto_san_validation): one of them must be the certificate's.
 */
export type Verifier = (facts: SessionFacts, names?: readonly string[] | null) => Verdict | null;

/**
 * True where OpenSSL's verdict is not the last word: what it keeps in a session says too little then, so a server must
 * give no tickets (a peer that we refused could come back with one, and its issuers would be unknown).
 */
export function needsFullHandshakes(validation: ValidationSecret | null): boolean {
  if (validation === null) return false;
  return validation.spiffeTrustDomains !== null || (validation.trustedCa !== null && decidesAlone(validation));
}

function decidesAlone({ allowsExpired, maxVerifyDepth }: ValidationSecret): boolean {
  return allowsExpired || maxVerifyDepth !== null;
}

/** Reads the trusted certificates, which `trustError` has accepted. Source: Envoy DefaultCertValidator. */
export function makeVerifier(validation: ValidationSecret | null, options: VerifierOptions): Verifier {
  const checks: Check[] = [];
  if (validation !== null) {
    const { spiffeTrustDomains, trustedCa, sanMatchers, certificateHashes, spkiHashes, acceptsUntrusted } = validation;
    if (spiffeTrustDomains !== null) {
      const judge = makeSpiffeJudge(validation, options);
      return (facts, names) => judged(facts, options, (peer) => judge(facts, peer, names ?? null));
    }
    if (trustedCa !== null) checks.push(chainCheck(validation, trustedCa, options));
    checks.push(nameCheck);
    if (sanMatchers.length > 0) checks.push(sanCheck(sanMatchers));
    if (certificateHashes.length + spkiHashes.length > 0) checks.push(hashCheck(certificateHashes, spkiHashes));
    const missing = checks.length > 1 && !options.isServer ? NOBODY : null;
    return (facts, names) =>
      judged(facts, options, (peer) => runChecks(checks, facts, peer, names ?? null), missing, acceptsUntrusted);
  }
  return (facts, names) => judged(facts, options, (peer) => nameCheck(facts, peer, names ?? null));
}

type Check = (facts: SessionFacts, peer: Certificate, names: readonly string[] | null) => Outcome;

/** A server always shows a certificate; what has none is not one that could be judged. */
const NOBODY: Verdict = {
  reason: chainReason({ error: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', depth: 0 }),
  stat: 'fail_verify_error',
};
const BAD_KEY_USAGE: Verdict = { reason: KEY_USAGE_REASON, stat: null };

function judged(
  facts: SessionFacts,
  options: VerifierOptions,
  judge: (peer: Certificate) => Outcome,
  missing: Verdict | null = options.isServer ? null : NOBODY,
  acceptsUntrusted = false,
): Verdict | null {
  const peer = facts.peerCertificate;
  // A server that insists on certificates has ended such a handshake.
  if (peer === null) return missing;
  if (!mayBeUsed(facts, peer, options)) return BAD_KEY_USAGE;
  const outcome = judge(peer);
  if (typeof outcome === 'object') return acceptsUntrusted ? { reason: null, stat: outcome.stat } : outcome;
  facts.isPeerVerified = outcome === 'passed';
  return null;
}

function runChecks(
  checks: readonly Check[],
  facts: SessionFacts,
  peer: Certificate,
  names: readonly string[] | null,
): Outcome {
  let result: Outcome = 'nothing';
  for (const check of checks) {
    const outcome = check(facts, peer, names);
    if (typeof outcome === 'object') return outcome;
    if (outcome === 'passed') result = 'passed';
  }
  return result;
}

/** Source: BoringSSL ssl_cert_check_key_usage: what the key does in this handshake must be among its usages. */
function mayBeUsed(
  { version, cipher }: SessionFacts,
  peer: Certificate,
  { isServer, enforcesRsaKeyUsage = true }: VerifierOptions,
): boolean {
  if (peer.parts === null) return false;
  const usage = readKeyUsage(peer.raw, peer.parts);
  if (isServer || version === 'TLSv1.3') return (usage & DIGITAL_SIGNATURE) !== 0;
  const isKeyExchange = !cipher.startsWith('ECDHE-');
  if ((usage & (isKeyExchange ? KEY_ENCIPHERMENT : DIGITAL_SIGNATURE)) !== 0) return true;
  return !enforcesRsaKeyUsage && peer.x509.publicKey.asymmetricKeyType === 'rsa';
}

// ─── The chain ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** What allow_expired_certificate lets pass; Envoy then asks for no time at all. */
const TIME_ERRORS = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID', 'CRL_HAS_EXPIRED', 'CRL_NOT_YET_VALID'];

function chainCheck(validation: ValidationSecret, trustedCa: Buffer, options: VerifierOptions): Check {
  const { isServer, wallMs, isAgain = false } = options;
  const rules = {
    purpose: isServer ? 'client' : 'server',
    ignoresTimes: validation.allowsExpired,
    maxDepth: validation.maxVerifyDepth,
  } as const;
  // Read with the first peer: of a thousand clusters most never see one.
  let known: Trust | null = null;
  return (facts, peer) => {
    known ??= readTrust(trustedCa, validation.crl);
    const trust = known;
    const revocation = trust.lists.length === 0 ? 'none' : validation.isCrlForLeafOnly ? 'leaf' : 'all';
    const full = { ...rules, revocation, nowMs: wallMs(), ignoresConstraints: true } as const;
    const problem = isAgain
      ? chainProblem(chainOf(peer), trust, { ...full, ignoresConstraints: false })
      : facts.isResumed
        ? resumedProblem(facts, peer, trust, full, isServer)
        : freshProblem(facts, peer, trust, full);
    return problem === null ? 'passed' : { reason: chainReason(problem), stat: 'fail_verify_error' };
  };
}

/** OpenSSL decides; where it refuses we look which certificate it was, and where it knows no such rule we add it. */
function freshProblem(facts: SessionFacts, peer: Certificate, trust: Trust, rules: ChainRules): ChainProblem | null {
  const { chainError } = facts;
  const { ignoresTimes, maxDepth, revocation } = rules;
  if (chainError === '') {
    const hasMore = maxDepth !== null || revocation === 'leaf';
    return hasMore ? chainProblem(chainOf(peer), trust, rules) : null;
  }
  // OpenSSL tells of its last complaint only: that something has expired says nothing of the rest.
  const mayPass = ignoresTimes && TIME_ERRORS.includes(chainError);
  const own = chainProblem(chainOf(peer), trust, { ...rules, ignoresConstraints: !mayPass });
  if (own !== null || mayPass) return own;
  return { error: chainErrorOf(chainError) ?? 'CERT_UNTRUSTED', depth: 0 };
}

/**
 * The chain is no longer there. The session tells what OpenSSL thought of it, under the same digest of trust; a client
 * keeps only sessions whose server it accepted. What may have changed since is asked again.
 */
function resumedProblem(
  facts: SessionFacts,
  peer: Certificate,
  trust: Trust,
  rules: ChainRules,
  isServer: boolean,
): ChainProblem | null {
  const { chainError } = facts;
  const { ignoresTimes, maxDepth, nowMs, revocation } = rules;
  if (isServer && (ignoresTimes || maxDepth !== null)) return chainProblem(chainOf(peer), trust, rules);
  if (chainError !== '' && !(ignoresTimes && TIME_ERRORS.includes(chainError))) {
    return { error: chainErrorOf(chainError) ?? 'CERT_UNTRUSTED', depth: 0 };
  }
  const revoked = revocation === 'none' ? null : revocationError(peer.x509, null, { ...trust, nowMs, ignoresTimes });
  if (revoked !== null) return { error: revoked, depth: 0 };
  return ignoresTimes ? null : timeProblem(peer, nowMs);
}

// ─── Names and pins ─────────────────────────────────────────────────────────────────────────────────────────────────

const nameCheck: Check = (_facts, peer, names) => {
  if (names === null || names.length === 0) return 'nothing';
  if (hasName(peer, names)) return 'passed';
  return { reason: sanListReason(names, peer.names.allSans), stat: 'fail_verify_san' };
};

function sanCheck(matchers: readonly SanMatcher[]): Check {
  return (_facts, peer) => {
    if (matchers.some((matcher) => matchesSan(matcher, peer))) return 'passed';
    return { reason: sanMatcherReason(peer.names.allSans), stat: 'fail_verify_san' };
  };
}

/** One of both kinds is enough. */
function hashCheck(certificateHashes: readonly string[], spkiHashes: readonly string[]): Check {
  const hashes = new Set(certificateHashes.map((hash) => hash.replaceAll(':', '').toLowerCase()));
  const keys = new Set(spkiHashes);
  return (_facts, peer) => {
    const isKnown = hashes.has(peer.sha256) || (keys.size > 0 && keys.has(spkiHash(peer)));
    return isKnown ? 'passed' : { reason: HASH_REASON, stat: 'fail_verify_cert_hash' };
  };
}

function spkiHash({ raw, parts }: Certificate): string {
  if (parts === null) return '';
  const { from, end } = parts.publicKey;
  return createHash('sha256').update(raw.subarray(from, end)).digest('base64');
}
