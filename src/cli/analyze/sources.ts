// The objects that are analysed: of files, of a mesh's directory, or of files as if they were applied to that mesh.
import { existsSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { Clock } from '../../base/clock.ts';
import type { Analyzed } from '../../control/analyze/analyze.ts';
import { withoutReferences } from '../../control/analyze/schema.ts';
import { ConfigSource, MemorySource, type ObjectSource } from '../../control/source/config-source.ts';
import { meshIn } from '../../up/location.ts';
import { MANIFEST_FILE } from '../../up/manifest/manifest.ts';
import { manifestObjects } from './manifest-objects.ts';
import { generatedDirectory, meshDirectory, readMeshFiles } from '../objects/mesh-files.ts';

export const CLUSTER_DOMAIN = 'cluster.local';

export type AnalysisSource = Analyzed & {
  /** 'reviews.yaml, mesh/'. */
  readonly name: string;
  /** Whether it is that of a mesh, whose workloads all have proxies. */
  readonly isMesh: boolean;
  /** Whether it has not been started, so that Secrets of its gateways are still to be made. */
  readonly isResting: boolean;
  /** Whether people wrote the file, so that it is worth telling what is wrong in it. */
  isWritten(file: string): boolean;
};

/** Throws a sentence for the operator. */
export function sourceOf(
  paths: readonly string[],
  dir: string | undefined,
  namespace: string | undefined,
): AnalysisSource {
  if (paths.length === 0) return meshSource(dir);
  const [only = ''] = paths;
  if (paths.length === 1 && dir === undefined && existsSync(join(only, MANIFEST_FILE))) return meshSource(only);
  const files = fileSource(paths, namespace);
  return dir === undefined ? files : onTop(files, meshSource(dir));
}

function fileSource(paths: readonly string[], ownNamespace: string | undefined): AnalysisSource {
  const missing = paths.find((path) => path !== '-' && !existsSync(path));
  if (missing !== undefined) throw new Error(`${missing}: there is no such file or directory`);
  const roots = paths.map((path) => {
    const isDirectory = path !== '-' && statSync(path).isDirectory();
    return { path, kind: isDirectory ? ('application' as const) : ('objects' as const) };
  });
  const parts = { clock: new Clock(), watcher: null, clusterDomain: CLUSTER_DOMAIN };
  const source = new ConfigSource(roots, ownNamespace === undefined ? parts : { ...parts, ownNamespace });
  source.start();
  source.stop();
  return { ...analyzedOf(source), name: paths.join(', '), isMesh: false, isResting: false, isWritten: () => true };
}

function meshSource(dir: string | undefined): AnalysisSource {
  const directory = meshDirectory({ dir });
  const source = readMeshFiles(directory);
  source.stop();
  const generated = resolve(generatedDirectory(directory));
  const mesh: AnalysisSource = {
    ...analyzedOf(source),
    name: `the mesh of ${directory}`,
    isMesh: true,
    isResting: false,
    isWritten: (file) => !resolve(file).startsWith(`${generated}/`),
  };
  if (meshIn(directory) !== null) return mesh;
  // What is made on start has no file, or one of some time ago; what is written counts first.
  const file = join(generated, 'objects.yaml');
  const made = new MemorySource({ [file]: manifestObjects(directory, source.objects()) });
  made.start();
  return { ...onTop(mesh, { ...mesh, ...analyzedOf(made) }), name: mesh.name, isResting: true };
}

function analyzedOf(source: ObjectSource): Analyzed {
  const objects = source.objects();
  return {
    objects,
    findings: withoutReferences(source.findings(), objects, CLUSTER_DOMAIN),
    positionOf: (key, path) => source.positionOf(key, path),
  };
}

/** What files define takes the place of what the mesh has under the same name. */
function onTop(files: AnalysisSource, mesh: AnalysisSource): AnalysisSource {
  return {
    objects: new Map([...mesh.objects, ...files.objects]),
    findings: [...mesh.findings.filter(({ key }) => !files.objects.has(key)), ...files.findings],
    positionOf: (key, path) => (files.objects.has(key) ? files : mesh).positionOf(key, path),
    name: `${files.name} on top of ${mesh.name}`,
    isMesh: mesh.isMesh,
    isResting: mesh.isResting,
    isWritten: (file) => mesh.isWritten(file),
  };
}

/** As people name it from where they are. */
export function shownFile(file: string): string {
  const near = relative(process.cwd(), file);
  return near === '' || near.startsWith('..') || near.length > file.length ? file : near;
}
