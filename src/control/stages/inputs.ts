// What all stages stand on: the graph, the objects by kind, and the settings of the mesh.
import type { Collection, Graph, InputCollection } from '../../base/collection.ts';
import type { Mesh } from '../model/mesh.ts';
import type { ConfigObject } from '../source/object.ts';

export type Inputs = {
  readonly graph: Graph;
  /** Objects of one kind, keyed by their object key ('VirtualService/bookinfo/reviews'). Made on first use. */
  kind(kind: string): InputCollection<ConfigObject>;
  /** One value, under the key ''. */
  readonly mesh: Collection<Mesh>;
};
