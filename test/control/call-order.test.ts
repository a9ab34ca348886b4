// The same objects give the same bytes, whatever came first; and one change is one resource.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { captureInput } from './capture-inputs.ts';
import { type Called, type CallRig, CLUSTER, callRig, ENDPOINTS } from './call-rig.ts';
import { stageRig } from './stage-rig.ts';

const CALLERS: readonly Called[] = [
  { facts: { namespace: 'bookinfo' }, addresses: ['10.0.1.11'] },
  { facts: { namespace: 'legacy', kind: 'envoy', dnsCapture: true } },
  { facts: { namespace: 'istio-system', role: 'router' } },
];

function documents(scenario: string): string[] {
  const { files } = captureInput(scenario);
  const all = Object.values(files).flatMap((text) => text.split(/^---$/m));
  return all.filter((text) => text.includes('kind:'));
}

function everything(rig: CallRig): string[] {
  return CALLERS.flatMap((caller, index) =>
    [...rig.resources(caller)].map(([key, { version }]) => `${index} ${key} ${version}`),
  );
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const out = [...items];
  let state = seed;
  for (let i = out.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const j = (state >>> 8) % (i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

test('objects in any order, and by way of others, give the same bytes', () => {
  for (const scenario of [
    '24-serviceentry-external',
    '25-workloadentry-locality',
    '07-dr-tls-modes',
    '02-dns-capture',
  ]) {
    const all = documents(scenario);
    const expected = everything(callRig(stageRig({ 'all.yaml': all.join('\n---\n') })));
    for (const seed of [1, 2, 3]) {
      const rig = callRig(stageRig({ 'first.yaml': all[0]! }));
      everything(rig);
      const rest = shuffled(all, seed).filter((text) => text !== all[0]);
      rest.forEach((text, index) => {
        // Some come, go and come again.
        if (index % 5 === 0) rig.write({ [`${index}.yaml`]: text, [`${index - 1}.yaml`]: null });
        else rig.write({ [`${index}.yaml`]: text });
      });
      rig.write(Object.fromEntries(rest.map((text, index) => [`${index}.yaml`, text])));
      assert.deepEqual(everything(rig), expected, `${scenario}, order ${seed}`);
    }
  }
});

function changes(rig: CallRig, caller: Called, files: Record<string, string | null>): string[] {
  const before = rig.resources(caller);
  rig.write(files);
  const after = rig.resources(caller);
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => before.get(name)?.version !== after.get(name)?.version).sort();
}

const SLICE = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: reviews-abc, namespace: bookinfo, labels: {kubernetes.io/service-name: reviews}}
addressType: IPv4
endpoints:
- addresses: ["10.0.1.11"]
  conditions: {ready: true}
  nodeName: node1
  targetRef: {kind: Pod, name: reviews-v1, namespace: bookinfo}
ports: [{name: http, port: 9080, protocol: TCP}]
`;

test('a changed slice is one resource, and one more for each subset', () => {
  const [caller] = CALLERS;
  const host = 'reviews.bookinfo.svc.cluster.local';
  const plain = callRig(stageRig(without(captureInput('01-plain-sidecar').files, 'reviews-abc')));
  assert.deepEqual(changes(plain, caller!, { 'slice.yaml': SLICE }), [
    `${CLUSTER} outbound|9080||${host}`,
    `${ENDPOINTS} outbound|9080||${host}`,
  ]);
  const more = SLICE.replace('ready: true', 'ready: false');
  assert.deepEqual(changes(plain, caller!, { 'slice.yaml': more }), [`${ENDPOINTS} outbound|9080||${host}`]);
  const split = callRig(
    stageRig({ ...without(captureInput('03-vs-split-8020').files, 'reviews-abc'), 'slice.yaml': SLICE }),
  );
  assert.deepEqual(changes(split, caller!, { 'slice.yaml': more }), [
    `${ENDPOINTS} outbound|9080|v1|${host}`,
    `${ENDPOINTS} outbound|9080||${host}`,
  ]);
  const work = split.inputs.graph.recomputed;
  assert.equal(work.get('endpoints'), 1);
  assert.equal(work.get('endpoints of services'), 1);
  assert.equal(work.get('clusters of services'), undefined);
});

function without(files: Record<string, string>, name: string): Record<string, string> {
  const kept = (text: string): string =>
    text
      .split(/^---$/m)
      .filter((part) => !part.includes(`name: ${name}`))
      .join('---');
  return Object.fromEntries(Object.entries(files).map(([file, text]) => [file, kept(text)]));
}

test('a mesh that becomes strict changes nothing for callers', () => {
  const rig = callRig(stageRig({ ...captureInput('01-plain-sidecar').files, 'strict.yaml': '' }));
  const peers = (mode: string): string => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: ${mode}}}
`;
  assert.deepEqual(changes(rig, CALLERS[0]!, { 'strict.yaml': peers('STRICT') }), []);
  assert.equal(rig.inputs.graph.recomputed.get('clusters of services'), undefined);
  const off = changes(rig, CALLERS[0]!, { 'strict.yaml': peers('DISABLE') });
  assert.equal(off.filter((name) => name.startsWith(CLUSTER)).length, 28);
  assert.equal(off.filter((name) => name.startsWith(ENDPOINTS)).length, 25);
});
