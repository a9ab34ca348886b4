// MeshNetworks that name registries which nobody knows.
import { MESH_NETWORKS_KEY } from '../../source/kinds.ts';
import { partIn, partsIn, textIn } from '../../translate/fields.ts';
import type { Analyzer } from '../analyzer.ts';

const ALWAYS = ['Mock', 'Kubernetes', 'External'] as const;
/** Secrets with this label hold what is needed to read other clusters, by their names. */
const MULTI_CLUSTER = 'istio/multiCluster';

export const meshNetworks: Analyzer = {
  name: 'meshnetworks.MeshNetworksAnalyzer',
  description: 'Check the validity of MeshNetworks in the cluster',
  codes: ['IST0126'],
  run(world, report) {
    const object = world.objects.get(MESH_NETWORKS_KEY);
    if (object === undefined) return;
    const secrets = world.kind('Secret').filter(({ labels }) => labels[MULTI_CLUSTER] === 'true');
    const clusters = secrets.flatMap(({ data }) => Object.keys(partIn(data, 'data')));
    const known: ReadonlySet<string> = new Set([...ALWAYS, ...clusters]);
    const networks = partIn(object.spec, 'networks');
    for (const name of Object.keys(networks)) {
      for (const [at, endpoint] of partsIn(partIn(networks, name), 'endpoints').entries()) {
        const registry = textIn(endpoint, 'fromRegistry');
        if (registry === '' || known.has(registry)) continue;
        const path = ['spec', 'networks', name, 'endpoints', at, 'fromRegistry'];
        report('IST0126', object, path, registry, name);
      }
    }
  },
};
