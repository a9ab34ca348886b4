// The networks of a mesh in namespaces: a pod's for each place, names of the mesh, and the ways in and out.
import { join } from 'node:path';
import { forwardPort, type HostPort, serveRelay } from '../../net/relay.ts';
import { bindResolver, PodNetworks, writeResolver } from '../network/pods.ts';
import { BRIDGE_ADDRESS } from '../place/placement.ts';
import type { Mesh } from './mesh.ts';
import { resolverOf } from './self.ts';

const INNER_SOCKET = 'inside.sock';
const OUTER_SOCKET = 'outside.sock';

/** Null in explicit mode: everything is on this machine's own network. */
export async function prepareNetworks(mesh: Mesh): Promise<PodNetworks | null> {
  const { options, placement, manifest } = mesh;
  if (options.capture !== 'namespaces') return null;
  const egress = placement.gateways.filter(({ kind }) => kind === 'egress');
  const networks = new PodNetworks(egress.map(({ address }) => address));
  addNetworks(mesh, networks);
  for (const { name, address, kind } of placement.gateways) if (kind === 'ingress') networks.add(name, address, false);
  writeResolver(resolverOf(options, manifest.namespace), manifest.namespace);
  bindResolver(resolverOf(options, manifest.namespace));
  await serveRelay(join(options.runtime, INNER_SOCKET), () => true);
  const outside = join(options.runtime, OUTER_SOCKET);
  const targets: HostPort[] = [];
  for (const gateway of egress) {
    for (const { target: port } of gateway.ports) {
      const to = { address: gateway.bind, port };
      targets.push(to);
      await forwardPort({ address: gateway.address, port }, outside, to);
    }
  }
  mesh.ports.allow(targets);
  // The egress gateway stands outside, and the control plane inside.
  if (egress.length > 0) {
    const { hostDiscovery, discovery } = placement;
    await mesh.ports.forward(hostDiscovery.port, true, { address: BRIDGE_ADDRESS, port: discovery.port });
  }
  return networks;
}

/** Of workloads that have none yet, with the names of their namespaces. */
export function addNetworks({ options, placement, manifest }: Mesh, networks: PodNetworks): void {
  for (const { name, address, namespace } of placement.workloads) {
    if (networks.networkOf(name) === null) networks.add(name, address, true);
    if (namespace !== manifest.namespace) writeResolver(resolverOf(options, namespace), namespace);
  }
}
