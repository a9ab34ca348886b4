// Proves an identity by a token that a parent handed its child on an inherited descriptor; only memory has it.
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
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
  readonly #bindings = new Map<string, ProcessBinding>();

  constructor(trustDomain: string) {
    this.#trustDomain = trustDomain;
  }

  /** Null when there are too many. With a pid it is good only while that very process lives. */
  create(binding: TokenBinding, pid: number | null = null): Secret | null {
    if (this.#bindings.size >= MAX_TOKENS) return null;
    const token = new Secret(PREFIX + randomBytes(TOKEN_BYTES).toString('base64url'));
    const process = pid === null ? null : { pid, birth: birthOf(pid) };
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
        if (binding === undefined || !isAlive(binding.process)) {
          this.#bindings.delete(hashOf(token));
          return { reason: 'it is unknown, or its process is gone' };
        }
        const { namespace, account, workload } = binding;
        return { identity: { trustDomain: this.#trustDomain, namespace, account, workload }, by: NAME, settle: null };
      },
    };
  }
}

type ProcessBinding = TokenBinding & { readonly process: { readonly pid: number; readonly birth: string } | null };

function isAlive(process: ProcessBinding['process']): boolean {
  if (process === null) return true;
  return process.birth === '' ? exists(process.pid) : birthOf(process.pid) === process.birth;
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process began, so that another one with its number is told from it; '' where the system does not say. */
function birthOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // Field 22; the second one is a name in brackets with anything in it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function hashOf(token: Secret): string {
  return createHash('sha256').update(token.reveal()).digest('hex');
}
