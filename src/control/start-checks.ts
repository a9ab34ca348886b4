// What can be seen to be wrong before anything is started, and what a refused address means: one sentence that says
// what to do.
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoText } from '../net/errno.ts';
import type { ControlOptions, HostPort } from './options.ts';

/** Makes the state directory. Null: nothing is in the way. */
export function startProblem(options: ControlOptions): string | null {
  const { config, stateDirectory, passphraseFile, tokens } = options;
  for (const { path, kind } of config) {
    if (path === '-' || isThere(path)) continue;
    if (kind !== 'overlay') return `--config ${path}: there is nothing; name the directory or file with the objects`;
    const problem = directoryProblem('--config-overlay', path);
    if (problem !== null) return problem;
  }
  if (passphraseFile !== null && !isReadable(passphraseFile)) {
    return `--ca-key-passphrase-file ${passphraseFile}: it cannot be read; name a file with the passphrase`;
  }
  if (tokens !== null && !isReadable(tokens.jwksFile)) {
    return `--token-jwks ${tokens.jwksFile}: it cannot be read; name the file with the keys of ${tokens.issuer}`;
  }
  return directoryProblem('--state-dir', stateDirectory);
}

/** Makes it where it is missing. */
function directoryProblem(flag: string, directory: string): string | null {
  try {
    makeDirectory(directory);
    if (!statSync(directory).isDirectory()) return `${flag} ${directory}: it is no directory; name another one`;
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    const reason = errnoText((error as NodeJS.ErrnoException).code ?? '');
    return `${flag} ${directory}: ${reason}; name a directory that Heddle may write to`;
  }
}

/** As mkdir -p. Node's own goes round forever where a directory cannot be made although its parent is there (/proc). */
function makeDirectory(path: string): void {
  if (isThere(path)) return;
  if (!isThere(dirname(path))) makeDirectory(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch {
    return false;
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Why an address cannot be had; `errno`: its name. */
export function listenProblem(flag: string, { host, port }: HostPort, errno: string): string {
  const remedy =
    errno === 'EADDRINUSE'
      ? `stop what listens there, or choose another with ${flag} HOST:PORT`
      : `choose another with ${flag} HOST:PORT`;
  return `${flag} ${host}:${port}: ${errnoText(errno)}; ${remedy}`;
}

/** What to do when the CA cannot be opened, for a text that does not say so itself. */
export function caProblem({ stateDirectory, caDirectory }: ControlOptions, text: string): string {
  if (text.includes(';')) return text;
  if (text.includes('passphrase')) return `${text}; name the file with the right one: --ca-key-passphrase-file`;
  if (caDirectory !== null) return `${text}; put a CA in Istio's cacerts layout there, or leave out --ca-dir`;
  return `${text}; restore it, or move ${stateDirectory}/ca away: then a new root is made, which no proxy knows`;
}
