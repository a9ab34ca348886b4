// Heddle as its users have it: built, and laid out as a package.
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from '../../scripts/build.ts';

const ROOT = dirname(dirname(import.meta.dirname));

/** Lays Heddle out as its package is published, so that what is measured is what users run. Returns the program. */
export async function packHeddle(scratch: string): Promise<string> {
  const directory = join(scratch, 'package');
  mkdirSync(directory);
  await build(join(directory, 'dist'));
  cpSync(join(ROOT, 'bin'), join(directory, 'bin'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
  // Users have its dependencies beside it.
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  return join(directory, 'bin/heddle');
}
