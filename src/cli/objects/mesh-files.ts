// The objects of a mesh as its files say them: what was made of heddle.yaml, the YAML beside it, and the overlay.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Clock } from '../../base/clock.ts';
import { type ConfigRoot, ConfigSource } from '../../control/source/config-source.ts';
import { findMesh, overlayDirectory, stateDirectory } from '../../up/location.ts';
import type { MeshValues } from '../control-client.ts';

/** Objects that are made of heddle.yaml while a mesh runs. */
export const generatedDirectory = (directory: string): string => join(stateDirectory(directory), 'generated');

/** As `heddle up` gives them to its control plane, in this order. */
export function meshRoots(directory: string): ConfigRoot[] {
  return [
    { path: generatedDirectory(directory), kind: 'objects' },
    { path: directory, kind: 'application' },
    { path: overlayDirectory(directory), kind: 'overlay' },
  ];
}

/** Reads them once. */
export function readMeshFiles(directory: string): ConfigSource {
  const roots = meshRoots(directory).filter(({ path }) => existsSync(path));
  const source = new ConfigSource(roots, { clock: new Clock(), watcher: null });
  source.start();
  return source;
}

/** The directory of the mesh that is meant, whether it runs or not. */
export function meshDirectory({ dir }: Pick<MeshValues, 'dir'>): string {
  const found = findMesh(dir ?? null);
  if (typeof found !== 'string') return found.directory;
  if (dir === undefined) throw new Error(`${found}; or name the directory of one with --dir`);
  if (!existsSync(dir)) throw new Error(`--dir ${dir}: there is no such directory`);
  return resolve(dir);
}

export function isInOverlay(directory: string, file: string): boolean {
  return resolve(file).startsWith(`${resolve(overlayDirectory(directory))}/`);
}
