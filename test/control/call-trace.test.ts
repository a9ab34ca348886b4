// A client that sees its mesh change: after each step it has what istiod's client had, and no more was sent.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCaptures, type TraceStep } from '../captures/captures.ts';
import { captureInput } from './capture-inputs.ts';
import { type Called, CLUSTER, callRig, ENDPOINTS } from './call-rig.ts';
import { canonical, shown, stageRig } from './stage-rig.ts';

type Json = Readonly<Record<string, unknown>>;

/** Responses of one step come close together. */
const PAUSE_MS = 900;
const CALLER: Called = {
  facts: { namespace: 'bookinfo', locality: { region: 'region1', zone: 'zone1', subZone: '' } },
  addresses: ['10.0.1.1'],
};

/** What the client had after each step, by type and name. */
function statesOf(trace: readonly TraceStep[]): ReadonlyMap<string, unknown>[] {
  const states: Map<string, unknown>[] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (const { ms, dir, message } of trace) {
    if (dir !== 'resp') continue;
    if (ms - last > PAUSE_MS) states.push(new Map(states.at(-1)));
    last = ms;
    const state = states.at(-1)!;
    const typeUrl = String(message['type_url']);
    if (typeUrl !== CLUSTER && typeUrl !== ENDPOINTS) continue;
    for (const { name, resource } of (message['resources'] ?? []) as { name: string; resource: Json }[]) {
      state.set(`${typeUrl} ${name}`, canonical(resource));
    }
    for (const name of (message['removed_resources'] ?? []) as string[]) {
      state.delete(`${typeUrl} ${name}`);
    }
  }
  for (const state of states) {
    // istiod empties the endpoints of a cluster that is gone; nobody has a use for them.
    for (const key of state.keys()) {
      if (key.startsWith(ENDPOINTS) && !state.has(`${CLUSTER}${key.slice(ENDPOINTS.length)}`)) state.delete(key);
    }
  }
  return states;
}

test('the clusters and endpoints of the trace', () => {
  const states = statesOf(openCaptures().traces.delta);
  const { files, steps } = captureInput('41-delta-updates-trace');
  const documents = steps.split(/^---$/m).filter((text) => text.includes('kind:'));
  assert.equal(states.length, documents.length + 1);
  const rig = callRig(stageRig(files));
  states.forEach((state, index) => {
    const document = documents[index - 1];
    if (document !== undefined) rig.write(change(document, index));
    const made = rig.resources(CALLER);
    for (const [key, json] of state) {
      const resource = made.get(key);
      const ours = resource === undefined ? undefined : shown(resource.typeUrl, resource.body);
      assert.deepEqual(ours, json, `step ${index}: ${key}`);
    }
    const named = [...made.keys()].filter((key) => key.startsWith(CLUSTER) || key.startsWith(ENDPOINTS));
    assert.deepEqual(
      named.filter((key) => !state.has(key)),
      [],
      `step ${index}`,
    );
  });
});

/** Step 5 takes away what step 4 brought; the slice of step 3 stands in the first file already. */
function change(document: string, step: number): Record<string, string | null> {
  if (step === 5) return { 'step-4.yaml': null };
  const { files } = captureInput('41-delta-updates-trace');
  if (step !== 3) return { [`step-${step}.yaml`]: document };
  const kept = files['base.yaml']!.split(/^---$/m).filter((text) => !text.includes('name: reviews-abc'));
  return { 'base.yaml': [...kept, document].join('\n---\n') };
}
