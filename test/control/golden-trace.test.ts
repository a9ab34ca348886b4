// Seven changes of a mesh that a client of a real istiod saw: after each of them ours has the same resources, and what
// changed is what changed there, though istiod sends far more again.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MeshState } from '../../src/control/mesh-state.ts';
import { MemorySource } from '../../src/control/source/config-source.ts';
import type { EncodedResource } from '../../src/xds/server/resource.ts';
import { openCapture, openCaptures, type TraceStep } from '../captures/captures.ts';
import { captureInput } from './capture-inputs.ts';
import { canonical, decoded, differencesOf, type Json, meshOf, nodeOf, SERVED_TYPES } from './golden-rig.ts';

const CAPTURE = '41-delta-updates-trace';
/** The client's changes were further apart than that. */
const QUIET_MS = 1000;
const CLUSTERS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';

/** What a client has: 'TYPE NAME' → resource. */
type State = Map<string, Json>;

describe('a mesh that changes', () => {
  const { files, steps } = captureInput(CAPTURE);
  const source = new MemorySource(files);
  const documents = steps.split(/^---$/m).filter((text) => text.trim() !== '');
  const segments = segmentsOf(openCaptures().traces.delta);
  const theirs: State = new Map();
  let state: MeshState;
  let view: ReturnType<MeshState['connect']>;

  it('begins as there', () => {
    state = meshOf(CAPTURE);
    view = state.connect('proxy', { ...nodeOf({ name: CAPTURE, node: traceNode() }), isProved: true });
    source.onChange((changes) => void state.apply(changes));
    source.start();
    take(theirs, segments[0] as TraceStep[]);
    assert.equal(segments.length, documents.length + 1);
    assertSame(ourState(view, theirs), theirs);
  });

  for (const [i, document] of documents.entries()) {
    const title = /^# step \d+ (.*)$/m.exec(document)?.[1] ?? String(i);
    it(title, () => {
      const before = { theirs: new Map(theirs), ours: ourState(view, theirs) };
      take(theirs, segments[i + 1] as TraceStep[]);
      // What is deleted is written down once more.
      const created = `step-${i}.yaml`;
      if (title.startsWith('delete')) source.write({ [`step-${i - 1}.yaml`]: null });
      else source.write({ ...withoutOriginal(files, document), [created]: document });
      const after = ourState(view, theirs);
      assertSame(after, theirs);
      assert.deepEqual(changedNames(before.ours, after), changedNames(before.theirs, theirs));
    });
  }
});

function traceNode(): Readonly<Record<string, unknown>> {
  const first = openCaptures().traces.delta.find(({ message }) => message['node'] !== undefined);
  return (
    (first?.message['node'] as Readonly<Record<string, unknown>> | undefined) ??
    openCapture('01-plain-sidecar/client').node
  );
}

function segmentsOf(trace: readonly TraceStep[]): TraceStep[][] {
  const segments: TraceStep[][] = [[]];
  let last = trace[0]?.ms ?? 0;
  for (const step of trace) {
    if (step.ms - last > QUIET_MS) segments.push([]);
    last = step.ms;
    segments.at(-1)?.push(step);
  }
  return segments;
}

function take(state: State, segment: readonly TraceStep[]): void {
  for (const { dir, message } of segment) {
    const typeUrl = String(message['type_url'] ?? message['typeUrl'] ?? '');
    if (dir !== 'resp' || !SERVED_TYPES.includes(typeUrl)) continue;
    const removed = (message['removed_resources'] ?? message['removedResources'] ?? []) as string[];
    for (const name of removed) state.delete(`${typeUrl} ${name}`);
    const resources = (message['resources'] ?? []) as { name: string; resource: Readonly<Record<string, unknown>> }[];
    for (const { name, resource } of resources) {
      const own = typeUrl.endsWith('NameTable') ? '' : name;
      state.set(`${typeUrl} ${own}`, canonical(resource));
    }
  }
  // The client has no use for endpoints of a cluster that is gone; some come even then.
  for (const key of state.keys()) {
    const [typeUrl = '', name = ''] = key.split(' ');
    if (typeUrl.endsWith('.ClusterLoadAssignment') && !state.has(`${CLUSTERS} ${name}`)) state.delete(key);
  }
}

/** Clusters and listeners are there for all; of others what that client asked for. */
function ourState(view: ReturnType<MeshState['connect']>, theirs: State): State {
  const ours: State = new Map();
  for (const typeUrl of SERVED_TYPES) {
    const isAsked = /ClusterLoadAssignment|RouteConfiguration/.test(typeUrl);
    for (const table of view.tables(typeUrl)) {
      for (const name of table.names()) {
        const key = `${typeUrl} ${name}`;
        if (!isAsked || theirs.has(key)) ours.set(key, decoded(typeUrl, (table.get(name) as EncodedResource).body));
      }
    }
  }
  return ours;
}

function assertSame(ours: State, theirs: State): void {
  const names = [...new Set([...theirs.keys(), ...ours.keys()])];
  const different = names.flatMap((name) =>
    differencesOf(theirs.get(name), ours.get(name)).map(({ path }) => `${name}: ${path}`),
  );
  assert.deepEqual(different, []);
}

function changedNames(before: State, after: State): string[] {
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return names.filter((name) => differencesOf(before.get(name), after.get(name)).length > 0).sort();
}

/** An object that is applied once more replaces the one of that name. */
function withoutOriginal(files: Readonly<Record<string, string>>, document: string): Record<string, string> {
  if (!document.includes('kind: EndpointSlice')) return {};
  const kept = (files['base.yaml'] ?? '').split(/^---$/m).filter((text) => !/name: reviews-abc\b/.test(text));
  return { 'base.yaml': kept.join('---') };
}
