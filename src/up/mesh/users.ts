// Users of this system by name.
import { readFileSync } from 'node:fs';

/** Throws when there is none of that name. */
export function numbersOf(user: string): { readonly uid: number; readonly gid: number } {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name === user || uid === user) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(`there is no user ${user} on this system: heddle.yaml names it`);
}
