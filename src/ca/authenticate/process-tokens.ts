// Proves an identity by a token that a parent handed its child on an inherited descriptor; only memory has it.
import { createHash, randomBytes } from 'node:crypto';
import { Secret } from '../../base/secret.ts';
import { isAlive, startOf } from '../../net/process-identity.ts';
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
  readonly #bindings = new Map<string, ProcessBinding>();

  constructor(trustDomain: string) {
    this.#trustDomain = trustDomain;
  }

  /** Null when there are too many. With a pid it is good only while that very process lives. */
  create(binding: TokenBinding, pid: number | null = null): Secret | null {
    if (this.#bindings.size >= MAX_TOKENS) return null;
    const token = new Secret(PREFIX + randomBytes(TOKEN_BYTES).toString('base64url'));
    const process = pid === null ? null : { pid, start: startOf(pid) };
    this.#bindings.set(hashOf(token), { ...binding, process });
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
        if (binding === undefined || (binding.process !== null && !isThere(binding.process))) {
          this.#bindings.delete(hashOf(token));
          return { reason: 'it is unknown, or its process is gone' };
        }
        const { namespace, account, workload } = binding;
        return { identity: { trustDomain: this.#trustDomain, namespace, account, workload }, by: NAME, settle: null };
      },
    };
  }
}

type ProcessBinding = TokenBinding & { readonly process: { readonly pid: number; readonly start: string } | null };

/** What cannot be known of a process that once was known is no proof. */
function isThere({ pid, start }: NonNullable<ProcessBinding['process']>): boolean {
  return start === '' ? isAlive(pid, start) : startOf(pid) === start;
}

function hashOf(token: Secret): string {
  return createHash('sha256').update(token.reveal()).digest('hex');
}
