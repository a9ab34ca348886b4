// Proves an identity by a token that a parent handed its child on an inherited descriptor; only memory has it.
import { createHash, randomBytes } from 'node:crypto';
import { Secret } from '../../base/secret.ts';
import { type Authenticator, tokenProblem } from './authenticator.ts';
import type { TokenBinding } from './join-tokens.ts';

const NAME = 'process token';
const PREFIX = 'heddle-process-';
const TOKEN_BYTES = 32;
/** Children at the same time. */
const MAX_TOKENS = 10_000;

/** Tokens that are good as often as they are shown, until they are revoked: when the child is gone. */
export class ProcessTokens {
  readonly #trustDomain: string;
  /** By hash, so that finding one takes no time that tells of its text. */
  readonly #bindings = new Map<string, TokenBinding>();

  constructor(trustDomain: string) {
    this.#trustDomain = trustDomain;
  }

  /** Null when there are too many. */
  create(binding: TokenBinding): Secret | null {
    if (this.#bindings.size >= MAX_TOKENS) return null;
    const token = new Secret(PREFIX + randomBytes(TOKEN_BYTES).toString('base64url'));
    this.#bindings.set(hashOf(token), binding);
    return token;
  }

  revoke(token: Secret): void {
    this.#bindings.delete(hashOf(token));
  }

  authenticator(): Authenticator {
    return {
      name: NAME,
      authenticate: (facts) => {
        const problem = tokenProblem(facts);
        if (problem !== null) return { reason: problem };
        const token = facts.bearer as Secret;
        if (!token.reveal().startsWith(PREFIX)) return { reason: 'it is another kind of token' };
        const binding = this.#bindings.get(hashOf(token));
        if (binding === undefined) return { reason: 'it is unknown, or its process is gone' };
        return { identity: { trustDomain: this.#trustDomain, ...binding }, by: NAME, settle: null };
      },
    };
  }
}

function hashOf(token: Secret): string {
  return createHash('sha256').update(token.reveal()).digest('hex');
}
