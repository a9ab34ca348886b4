// The overlay: objects that commands put into a mesh, one file each.
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ObjectSource } from '../../control/source/config-source.ts';
import type { Position } from '../../control/source/object-store.ts';
import { overlayDirectory } from '../../up/location.ts';
import { generatedDirectory, isIn, placeText } from './mesh-files.ts';

/** Names longer than this would not leave room for the beginning of a file that is being written. */
const MAX_NAME = 200;

/** '_' is part of no name of Kubernetes. */
export function overlayFile(directory: string, key: string): string {
  const name = key.replaceAll('/', '_').replaceAll(':', '.');
  const short =
    name.length <= MAX_NAME ? name : `${name.slice(0, 150)}.${createHash('sha256').update(key).digest('hex')}`;
  return join(overlayDirectory(directory), `${short}.yaml`);
}

/** The whole file or nothing of it: whoever follows the directory never sees a part. */
export function writeOverlay(directory: string, key: string, text: string): void {
  const place = overlayDirectory(directory);
  mkdirSync(place, { recursive: true, mode: 0o700 });
  // A name with a dot before it is not read.
  const temporary = join(place, `.${randomUUID()}`);
  try {
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
    renameSync(temporary, overlayFile(directory, key));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new Error(`${place} cannot be written: ${(error as Error).message}`);
  }
}

export function removeOverlay(directory: string, key: string): void {
  rmSync(overlayFile(directory, key), { force: true });
}

export type Standing =
  | { readonly is: 'absent' }
  /** Of the overlay, in a file of its own. */
  | { readonly is: 'applied' }
  /** A file that people write says it. */
  | { readonly is: 'written'; readonly at: Position };

/** Where an object stands now. */
export function standingOf(directory: string, source: ObjectSource, key: string): Standing {
  const at = source.positionOf(key);
  if (at === null) return { is: 'absent' };
  return at.file === overlayFile(directory, key) ? { is: 'applied' } : { is: 'written', at };
}

/** 'is defined in mesh/reviews.yaml:1', and where it can be changed. */
export function writtenText(directory: string, { file, line }: Position): string {
  if (isIn(generatedDirectory(directory), file)) return 'is made of heddle.yaml: change it there';
  return `is defined in ${placeText(file, line)}: edit that file, or delete it there`;
}
