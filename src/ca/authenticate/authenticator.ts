// Who calls: what a call shows of itself, and ways to prove an identity with it; the first one that does wins.
import type { Address, TlsFacts } from '../../base/byte-stream.ts';
import { Secret } from '../../base/secret.ts';
import { type SpiffeAccount, spiffeId } from '../../base/spiffe.ts';
import { headerKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';

/** An account in the mesh's own trust domain, proved. */
export type Identity = SpiffeAccount & {
  /** The one workload it is good for; null for every workload of the account. */
  readonly workload: string | null;
};

export type CallFacts = {
  readonly tls: TlsFacts | null;
  readonly remoteAddress: Address;
  /** What came as 'authorization: Bearer …'. */
  readonly bearer: Secret | null;
};

export type Proof = {
  readonly identity: Identity;
  /** Of the authenticator: for logs. */
  readonly by: string;
  /**
   * Of proofs that are good for one use: to be called once, true before the answer leaves, false when there will be
   * none. It answers whether the proof was good still; if not, nothing may be given for it.
   */
  readonly settle: ((isUsed: boolean) => boolean) | null;
};

export type Verdict = Proof | { readonly reason: string };

export type Authenticator = {
  /** 'client certificate'. */
  readonly name: string;
  authenticate(facts: CallFacts): Verdict | Promise<Verdict>;
};

/** Either who it is, or every reason why nobody was proved. */
export type Authentication = Proof | { readonly reasons: readonly string[] };

/** Longer than any token; the transport limits the whole metadata. */
const MAX_TOKEN_CHARS = 16 * 1024;
const AUTHORIZATION = headerKey('authorization');

export function callFacts(call: { readonly headers: Headers } & Pick<CallFacts, 'tls' | 'remoteAddress'>): CallFacts {
  const { tls, remoteAddress } = call;
  return { tls, remoteAddress, bearer: bearerOf(call.headers.get(AUTHORIZATION)) };
}

export async function authenticate(list: readonly Authenticator[], facts: CallFacts): Promise<Authentication> {
  const reasons: string[] = [];
  for (const { name, authenticate: ask } of list) {
    const verdict = await ask(facts);
    if (!('reason' in verdict)) return verdict;
    reasons.push(`${name}: ${verdict.reason}`);
  }
  return { reasons };
}

/** Null, or why a token of this call is not looked at. */
export function tokenProblem({ bearer, tls, remoteAddress }: CallFacts): string | null {
  if (bearer === null) return 'none was sent';
  if (tls !== null || remoteAddress.family === 'unix' || remoteAddress.family === 'internal') return null;
  const { address } = remoteAddress;
  const isLoopback = address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
  return isLoopback ? null : 'it came in plain text';
}

/** For logs: never with the proof itself. */
export function identityText(identity: Identity): string {
  return spiffeId(identity);
}

function bearerOf(value: string | undefined): Secret | null {
  const match = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(value ?? '');
  const token = match?.[1] ?? '';
  return token === '' || token.length > MAX_TOKEN_CHARS ? null : new Secret(token);
}
