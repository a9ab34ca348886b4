// A bearer token in a file, or what a parent wrote into a descriptor that it left to its child.
import { readFileSync } from 'node:fs';
import { Secret } from '../base/secret.ts';

/** Read each time, because tokens are renewed; '' for no path. The message has nothing of what is in the file. */
export function readToken(path: string): string | { readonly error: string } {
  if (path === '') return '';
  try {
    return checked(readFileSync(path, 'latin1'), path);
  } catch (error) {
    return { error: `the token cannot be read: ${(error as Error).message}` };
  }
}

function checked(text: string, origin: string): string | { readonly error: string } {
  const token = text.trim();
  return token === '' || /[^\x21-\x7e]/.test(token) ? { error: `${origin} holds no token` } : token;
}

/**
 * The token of a file each time it is asked for, as it may change; of a descriptor ('/dev/fd/N') the one that was in it
 * at first: there it can be read only once, and only memory has it then.
 */
export function tokenSource(
  path: string,
  read: (path: string) => Buffer | { readonly error: string } | null,
): () => string | { readonly error: string } {
  const bytes = path === '' ? null : read(path);
  if (bytes === null) return () => readToken(path);
  if ('error' in bytes) return () => ({ error: `the token cannot be read from ${path}: ${bytes.error}` });
  const token = checked(bytes.toString('latin1'), path);
  bytes.fill(0);
  if (typeof token !== 'string') return () => token;
  const secret = new Secret(token);
  return () => secret.reveal();
}
