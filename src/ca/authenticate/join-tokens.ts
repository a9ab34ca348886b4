// One-time tokens with which a workload joins the mesh: a file for each, named after the token's hash, gone when used.
//
//   HASH.json ──claim──► HASH.claimed ──used──► nothing
//       ▲─────────── no certificate was given ─┘
// A file can be moved once, so a token dies once, whoever else looks into the directory and however often we restart.
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { Secret } from '../../base/secret.ts';
import { isAccountName, isNamespaceName } from '../../base/spiffe.ts';
import {
  createFileDurably,
  moveFile,
  namesIn,
  privateDirectory,
  readFileIfThere,
  removeFile,
} from '../storage/files.ts';
import { type Authenticator, tokenProblem, type Verdict } from './authenticator.ts';

/** Whom a token makes of its bearer. */
export type TokenBinding = {
  readonly namespace: string;
  readonly account: string;
  /** The one workload that may use it; null for any of the account. */
  readonly workload: string | null;
};

export type JoinTokenFile = TokenBinding & {
  readonly createdMs: number;
  readonly expiresMs: number;
};

const NAME = 'join token';
export const JOIN_TOKEN_PREFIX = 'heddle-join-';
const TOKEN_BYTES = 32;
const DEFAULT_LIFE_MS = 3_600_000;
const MAX_LIFE_MS = 30 * 86_400_000;
/** Tokens that wait to be used. */
const MAX_TOKENS = 10_000;
const OPEN = /^[0-9a-f]{64}\.json$/;
const CLAIMED = /^[0-9a-f]{64}\.claimed$/;

export class JoinTokens {
  readonly #directory: string;
  readonly #trustDomain: string;
  readonly #clock: Clock;

  /** Throws where the directory cannot be made. */
  constructor(directory: string, trustDomain: string, clock: Clock) {
    privateDirectory(directory);
    this.#directory = directory;
    this.#trustDomain = trustDomain;
    this.#clock = clock;
  }

  /** Makes one, which nobody can ask for again. A text says why not. */
  create(binding: TokenBinding, lifeMs: number = DEFAULT_LIFE_MS): Secret | string {
    const { namespace, account, workload } = binding;
    if (!isNamespaceName(namespace)) return `${JSON.stringify(namespace)} is no name of a namespace`;
    if (!isAccountName(account)) return `${JSON.stringify(account)} is no name of a service account`;
    if (workload !== null && !isAccountName(workload)) return `${JSON.stringify(workload)} is no name of a workload`;
    if (!(lifeMs > 0) || lifeMs > MAX_LIFE_MS)
      return `a token's life is longer than 0 s and at most ${MAX_LIFE_MS / 1000} s`;
    this.sweep();
    if (this.#files(OPEN).length >= MAX_TOKENS) return `there are ${MAX_TOKENS} unused tokens already`;
    const text = JOIN_TOKEN_PREFIX + randomBytes(TOKEN_BYTES).toString('base64url');
    const nowMs = this.#nowMs();
    const file: JoinTokenFile = { namespace, account, workload, createdMs: nowMs, expiresMs: nowMs + lifeMs };
    createFileDurably(this.#path(text, 'json'), `${JSON.stringify(file)}\n`);
    return new Secret(text);
  }

  /** Removes what nobody can use any more: tokens whose time is over. */
  sweep(): void {
    for (const name of this.#files(OPEN)) {
      const file = readToken(readFileIfThere(join(this.#directory, name)));
      if (file === null || file.expiresMs <= this.#nowMs()) removeFile(this.#directory, name);
    }
  }

  /** For a control plane that starts: whatever was being used when the last one died may have been used. */
  sweepClaims(): void {
    for (const name of this.#files(CLAIMED)) removeFile(this.#directory, name);
  }

  authenticator(): Authenticator {
    return { name: NAME, authenticate: (facts) => this.#verdict(tokenProblem(facts), facts.bearer?.reveal() ?? '') };
  }

  #verdict(problem: string | null, token: string): Verdict {
    if (problem !== null) return { reason: problem };
    if (!token.startsWith(JOIN_TOKEN_PREFIX)) return { reason: 'it is another kind of token' };
    const [open, claimed] = [this.#path(token, 'json'), this.#path(token, 'claimed')];
    if (!moveFile(open, claimed)) return { reason: 'it is unknown, or was used already' };
    const file = readToken(readFileIfThere(claimed));
    const claimedName = `${hashOf(token)}.claimed`;
    if (file === null || file.expiresMs <= this.#nowMs()) {
      removeFile(this.#directory, claimedName);
      return { reason: file === null ? 'its file is broken' : `it was good until ${isoOf(file.expiresMs)}` };
    }
    const { namespace, account, workload } = file;
    let isOpen = true;
    return {
      identity: { trustDomain: this.#trustDomain, namespace, account, workload },
      by: NAME,
      settle: (isUsed) => {
        if (!isOpen) return false;
        isOpen = false;
        if (!isUsed) return moveFile(claimed, open);
        // Moved once more, so that one use is one even if two processes claimed to have it.
        const spent = this.#path(token, 'spent');
        const isMine = moveFile(claimed, spent);
        removeFile(this.#directory, `${hashOf(token)}.spent`);
        return isMine;
      },
    };
  }

  #files(pattern: RegExp): string[] {
    return namesIn(this.#directory).filter((name) => pattern.test(name));
  }

  #path(token: string, ending: string): string {
    return join(this.#directory, `${hashOf(token)}.${ending}`);
  }

  #nowMs(): number {
    this.#clock.update();
    return this.#clock.wallMs;
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function readToken(text: string | null): JoinTokenFile | null {
  try {
    const { namespace, account, workload = null, expiresMs, createdMs } = JSON.parse(text ?? '') as JoinTokenFile;
    if (!isNamespaceName(namespace) || !isAccountName(account) || !Number.isFinite(expiresMs)) return null;
    if (workload !== null && !isAccountName(workload)) return null;
    return { namespace, account, workload, expiresMs, createdMs };
  } catch {
    return null;
  }
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
