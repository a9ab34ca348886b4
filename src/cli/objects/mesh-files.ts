// The objects of a mesh as its files say them: what was made of heddle.yaml, the YAML beside it, and the overlay.
import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { Clock } from '../../base/clock.ts';
import { type ConfigRoot, ConfigSource } from '../../control/source/config-source.ts';
import { findMesh, meshIn, overlayDirectory, stateDirectory } from '../../up/location.ts';
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

/** Reads them once. What was made of heddle.yaml counts only while the mesh runs: else it is of some time ago. */
export function readMeshFiles(directory: string): ConfigSource {
  const isRunning = meshIn(directory) !== null;
  const generated = generatedDirectory(directory);
  const roots = meshRoots(directory).filter(({ path }) => existsSync(path) && (isRunning || path !== generated));
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

export function isIn(directory: string, file: string): boolean {
  return resolve(file).startsWith(`${resolve(directory)}/`);
}

/** 'mesh/reviews.yaml:12' from where the user is, if it is below. */
export function placeText(file: string, line: number): string {
  const here = relative(process.cwd(), file);
  return `${here.startsWith('..') ? file : here}:${line}`;
}
