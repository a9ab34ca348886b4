// heddle.yaml of a directory, without the groups that are left out.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Manifest, MANIFEST_FILE } from '../manifest/manifest.ts';
import { readManifest } from '../manifest/read-manifest.ts';

/** Throws every mistake, a line each. */
export function loadManifest(directory: string, without: readonly string[]): Manifest {
  const file = join(directory, MANIFEST_FILE);
  const read = readManifest(readFileSync(file, 'utf8'), file);
  if ('errors' in read) throw new Error(read.errors.join('\n'));
  return {
    ...read,
    workloads: read.workloads.filter(({ optional }) => optional === '' || !without.includes(optional)),
  };
}
