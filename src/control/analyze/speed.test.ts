// A thousand objects are analysed while somebody waits for it.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { analyzeFiles } from '../../../test/analyze/rig.ts';

const EACH = 125;
const MAX_CPU_MS = 1000;

const at = (group: string, kind: string, name: string, namespace: string, spec: string): string =>
  `apiVersion: ${group}\nkind: ${kind}\nmetadata: {name: ${name}, namespace: ${namespace}, labels: {app: ${name}}}\n` +
  `spec: ${spec}\n---\n`;

function meshOf(count: number): string {
  const network = 'networking.istio.io/v1';
  let text = '';
  for (let i = 0; i < count; i++) {
    const [name, ns] = [`app-${i}`, `ns-${i % 10}`];
    text += at('v1', 'Service', name, ns, `{selector: {app: ${name}}, ports: [{name: http, port: 80}]}`);
    text += at('v1', 'Pod', name, ns, '{containers: [{name: c, image: i}]}');
    const template = `{metadata: {labels: {app: ${name}, version: v2}}, spec: {containers: [{name: c, image: i}]}}`;
    text += at('apps/v1', 'Deployment', name, ns, `{selector: {matchLabels: {app: ${name}}}, template: ${template}}`);
    const routes = [1, 2, 3].map(
      (n) => `{match: [{uri: {prefix: /${n}}}], route: [{destination: {host: ${name}, subset: v${n}}}]}`,
    );
    text += at(
      network,
      'VirtualService',
      name,
      ns,
      `{hosts: [${name}], gateways: [mesh, g-${i}], http: [${routes.join(', ')}]}`,
    );
    text += at(network, 'DestinationRule', name, ns, `{host: ${name}, subsets: [{name: v1, labels: {app: ${name}}}]}`);
    const server = `{port: {number: 80, name: http, protocol: HTTP}, hosts: ["${name}.example.com"]}`;
    text += at(network, 'Gateway', `g-${i}`, ns, `{selector: {app: ${name}}, servers: [${server}]}`);
    text += at(network, 'Sidecar', name, ns, `{workloadSelector: {labels: {app: ${name}}}}`);
    const rule = `{from: [{source: {namespaces: ["ns-1", "nowhere-${i}"]}}]}`;
    text += at(
      'security.istio.io/v1',
      'AuthorizationPolicy',
      name,
      ns,
      `{selector: {matchLabels: {app: ${name}}}, rules: [${rule}]}`,
    );
  }
  return text;
}

it('analyses a thousand objects in less than a second', () => {
  const text = meshOf(EACH);
  const before = process.cpuUsage();
  const messages = analyzeFiles({ 'mesh.yaml': text });
  const { user, system } = process.cpuUsage(before);
  const spentMs = (user + system) / 1000;
  assert.ok(messages.length > EACH * 3, `${messages.length} messages`);
  assert.ok(spentMs < MAX_CPU_MS, `${spentMs} ms`);
});
