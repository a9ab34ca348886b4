// Which gateways a proxy plays, by labels and namespaces.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MeshState } from '../mesh-state.ts';
import { MemorySource } from '../source/config-source.ts';
import { gatewayPlayerKey } from './gateways-stage.ts';

const gateway = (name: string, namespace: string, port: number, selector = '{istio: gw}'): string =>
  `apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: ${name}, namespace: ${namespace}}\n` +
  `spec:\n  selector: ${selector}\n` +
  `  servers: [{port: {number: ${port}, name: p${port}, protocol: HTTP}, hosts: ["*"]}]\n---\n`;

function ports(text: string, scopesGateways: boolean): number[] {
  const source = new MemorySource({ 'a.yaml': text });
  const state = new MeshState({ cluster: 'c', clusterDomain: 'cluster.local', network: '', scopesGateways });
  source.onChange((changes) => void state.apply(changes));
  source.start();
  const player = gatewayPlayerKey({ namespace: 'bank', labels: { istio: 'gw', app: 'x' }, addresses: ['10.0.0.1'] });
  return state.stages.gateways.merged.retain(player).listeners.map(({ port }) => port);
}

const all = gateway('own', 'bank', 80) + gateway('other', 'shop', 81) + gateway('none', 'bank', 82, '{istio: else}');

it('selects by labels, in any namespace as Istio does', () => {
  assert.deepEqual(ports(all, false), [81, 80], 'in the order of age and names');
});

it('selects in its own namespace where that is asked for', () => {
  assert.deepEqual(ports(all, true), [80]);
});
