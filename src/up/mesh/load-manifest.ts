// heddle.yaml of a directory, without the groups that are left out.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { locate } from '../../control/source/yaml.ts';
import { type Manifest, MANIFEST_FILE } from '../manifest/manifest.ts';
import { readManifest } from '../manifest/read-manifest.ts';
import { findUser } from './users.ts';

export type LoadOptions = {
  readonly directory: string;
  /** Groups that are left out. */
  readonly without: readonly string[];
  /** Programs run as the users that are named. */
  readonly hasUsers: boolean;
};

/** Throws every mistake, a line each. */
export function loadManifest({ directory, without, hasUsers }: LoadOptions): Manifest {
  const file = join(directory, MANIFEST_FILE);
  const text = readFileSync(file, 'utf8');
  const read = readManifest(text, file);
  if ('errors' in read) throw new Error(read.errors.join('\n'));
  const unknown = read.workloads.flatMap(({ name, user }) => {
    if (!hasUsers || user === null || findUser(user) !== null) return [];
    const { line, column } = locate(text, 0, ['workloads', name, 'user']);
    return [`${file}:${line}:${column}: there is no user ${user} on this system: make one, or leave it out`];
  });
  if (unknown.length > 0) throw new Error(unknown.join('\n'));
  return {
    ...read,
    workloads: read.workloads.filter(({ optional }) => optional === '' || !without.includes(optional)),
  };
}
