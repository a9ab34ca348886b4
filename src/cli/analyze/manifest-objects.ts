// What heddle.yaml stands for while nobody has started its mesh: the objects that would be made, as YAML.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MESH_CONFIG_KEY } from '../../control/source/kinds.ts';
import type { ConfigObject } from '../../control/source/object.ts';
import { MANIFEST_FILE } from '../../up/manifest/manifest.ts';
import { readManifest } from '../../up/manifest/read-manifest.ts';
import { type Beside, lastingObjects, podObject, podsOf } from '../../up/objects/objects.ts';
import { placeMesh } from '../../up/place/placement.ts';

/** Stands for ports that are only chosen on start: nothing that is looked at depends on them. */
const ANY_PORT = 65_000;

/** `beside`: the objects of the files there. '' where there is no manifest; throws what is wrong with it. */
export function manifestObjects(directory: string, beside: ReadonlyMap<string, ConfigObject>): string {
  const file = join(directory, MANIFEST_FILE);
  if (!existsSync(file)) return '';
  const manifest = readManifest(readFileSync(file, 'utf8'), file);
  if ('errors' in manifest) throw new Error(manifest.errors.join('\n'));
  const parts = { capture: 'namespaces', hasLoopbackRange: true, seed: 0, freePort: () => ANY_PORT } as const;
  const placement = placeMesh(manifest, parts);
  const pods = podsOf(placement).map((pod) => podObject(pod, true));
  const objects = [...lastingObjects(placement, besideOf(beside)), ...pods];
  return objects.map((object) => `---\n${JSON.stringify(object)}\n`).join('');
}

function besideOf(objects: ReadonlyMap<string, ConfigObject>): Beside {
  return {
    has: (kind, namespace, name) => objects.has(`${kind}/${namespace}/${name}`),
    services: () => [...objects.values()].filter(({ kind }) => kind === 'Service'),
    hasMeshConfig: objects.has(MESH_CONFIG_KEY),
    missingCertificates: [],
  };
}
