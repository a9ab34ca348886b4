// Users of this system by name.
import { readFileSync } from 'node:fs';

/** Null when there is none of that name. */
export function findUser(user: string): { readonly uid: number; readonly gid: number } | null {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name === user || uid === user) return { uid: Number(uid), gid: Number(gid) };
  }
  return null;
}
