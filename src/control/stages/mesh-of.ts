// The settings of the mesh, for functions of stages.
import type { Reader } from '../../base/collection.ts';
import type { Mesh } from '../model/mesh.ts';
import type { Inputs } from './inputs.ts';

/** The settings of the mesh are always there. */
export function meshOf(inputs: Inputs, read: Reader): Mesh {
  const mesh = read.get(inputs.mesh, '');
  if (mesh === undefined) throw new Error('the mesh has no settings');
  return mesh;
}
