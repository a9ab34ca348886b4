// A bearer token in a file.
import { readFileSync } from 'node:fs';

/** Read each time, because tokens are renewed; '' for no path. The message has nothing of what is in the file. */
export function readToken(path: string): string | { readonly error: string } {
  if (path === '') return '';
  try {
    const token = readFileSync(path, 'latin1').trim();
    if (token === '' || /[^\x21-\x7e]/.test(token)) return { error: `${path} holds no token` };
    return token;
  } catch (error) {
    return { error: `the token cannot be read: ${(error as Error).message}` };
  }
}
