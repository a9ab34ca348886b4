// Proves an identity by a JWT of a service account, as Kubernetes issues them, checked with configured keys.
import type { JSONWebKeySet, JWTPayload, JWTVerifyGetKey } from 'jose';
import type { Clock } from '../../base/clock.ts';
import { isAccountName, isNamespaceName } from '../../base/spiffe.ts';
import { readFileIfThere } from '../storage/files.ts';
import { type Authenticator, type Identity, tokenProblem, type Verdict } from './authenticator.ts';

export type ServiceAccountTokenOptions = {
  readonly trustDomain: string;
  readonly issuer: string;
  /** One of these must be among the token's audiences. */
  readonly audiences: readonly string[];
  /** Asked with each token: keys may come and go. A text says why there are none. */
  readonly keys: () => JSONWebKeySet | string;
  readonly clock: Clock;
};

const NAME = 'service account token';
/** What Kubernetes signs with, and nothing that is symmetric or unsigned. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const CLOCK_SKEW_S = 30;
/** A token without an end would be a password. */
const REQUIRED_CLAIMS = ['exp', 'sub'];
const SUBJECT = /^system:serviceaccount:([^:]+):([^:]+)$/;

export function serviceAccountTokens(options: ServiceAccountTokenOptions): Authenticator {
  let last: { readonly keys: JSONWebKeySet; readonly find: JWTVerifyGetKey } | null = null;
  return {
    name: NAME,
    async authenticate(facts): Promise<Verdict> {
      const problem = tokenProblem(facts);
      if (problem !== null) return { reason: problem };
      const token = facts.bearer?.reveal() ?? '';
      if (token.split('.').length !== 3) return { reason: 'it is another kind of token' };
      const keys = options.keys();
      if (typeof keys === 'string') return { reason: keys };
      // Loaded with the first token: most meshes of one machine have none.
      const { createLocalJWKSet, jwtVerify } = await import('jose');
      try {
        if (last?.keys !== keys) last = { keys, find: createLocalJWKSet(keys) };
        options.clock.update();
        const { payload } = await jwtVerify(token, last.find, {
          issuer: options.issuer,
          audience: [...options.audiences],
          algorithms: ALGORITHMS,
          clockTolerance: CLOCK_SKEW_S,
          currentDate: new Date(options.clock.wallMs),
          requiredClaims: REQUIRED_CLAIMS,
        });
        return accountOf(payload, options.trustDomain);
      } catch (error) {
        // The library's texts name the claim, not its value.
        return { reason: (error as Error).message };
      }
    },
  };
}

/** The subject, and what the claims say besides must be the same. */
function accountOf(payload: JWTPayload, trustDomain: string): Verdict {
  const [, namespace = '', account = ''] = SUBJECT.exec(payload.sub ?? '') ?? [];
  if (!isNamespaceName(namespace) || !isAccountName(account)) return { reason: 'its subject is no service account' };
  const claims = payload['kubernetes.io'] as KubernetesClaims | undefined;
  const isSame =
    (claims?.namespace ?? namespace) === namespace && (claims?.serviceaccount?.name ?? account) === account;
  if (!isSame) return { reason: 'its claims name another account than its subject' };
  const pod = claims?.pod?.name;
  const workload = typeof pod === 'string' && pod !== '' ? pod : null;
  const identity: Identity = { trustDomain, namespace, account, workload };
  return { identity, by: NAME, settle: null };
}

type KubernetesClaims = {
  readonly namespace?: unknown;
  readonly serviceaccount?: { readonly name?: unknown };
  readonly pod?: { readonly name?: unknown };
};

/** How long keys of a file are used before it is read again. */
const READ_AGAIN_MS = 10_000;

/** Keys in a file (JWKS), read again when somebody asks later. */
export function jwksFile(path: string, clock: Clock): () => JSONWebKeySet | string {
  let text: string | null = null;
  let keys: JSONWebKeySet | string = `${path} was not read yet`;
  let readMs = Number.NEGATIVE_INFINITY;
  return () => {
    clock.update();
    if (clock.nowMs - readMs < READ_AGAIN_MS) return keys;
    readMs = clock.nowMs;
    const now = readFileIfThere(path);
    if (now === text && now !== null) return keys;
    text = now;
    keys = now === null ? `${path} is missing` : parseJwks(now, path);
    return keys;
  };
}

function parseJwks(text: string, path: string): JSONWebKeySet | string {
  try {
    const found = JSON.parse(text) as Partial<JSONWebKeySet>;
    if (Array.isArray(found.keys)) return found as JSONWebKeySet;
  } catch {
    // The same text serves both.
  }
  return `${path} is no JSON Web Key Set`;
}
