// Clusters, endpoints and name tables against those that istiod sent for the same objects.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProxyKind } from '../../src/control/model/proxy.ts';
import { type Capture, openCaptures } from '../captures/captures.ts';
import { CLUSTER, callRig, ENDPOINTS, NAME_TABLE } from './call-rig.ts';
import { canonical, captureRig, classOfNode, shown } from './stage-rig.ts';

const SCENARIOS = /^(01|02|03|04|07|08|09|11|12|17|18|24|25|40)-/;

/** Where a resource differs on purpose. */
const DIFFERENCES: readonly { readonly capture: string; readonly name: RegExp; readonly reason: string }[] = [
  {
    capture: '02-dns-capture/client',
    name: /NameTable/,
    reason: 'made-up addresses follow from the host, so that none moves when another host comes; istiod counts',
  },
  {
    capture: '24-serviceentry-external/client',
    name: /ClusterLoadAssignment outbound\|\d+\|\|vm\.internal/,
    reason: 'istiod repeats the endpoints of an entry for each of its addresses; Envoy takes one of each',
  },
];

for (const capture of openCaptures().captures) {
  if (SCENARIOS.test(capture.name)) test(`calls of ${capture.name}`, () => compare(capture));
}

function compare(capture: Capture): void {
  const rig = callRig(captureRig(capture.name));
  const { node } = capture;
  const metadata = node['metadata'] as Readonly<Record<string, unknown>>;
  const kind: ProxyKind = capture.name.startsWith('40') ? 'envoy' : 'istio-proxy';
  const place = node['locality'] as Readonly<Record<string, string>> | undefined;
  const locality = { region: place?.['Region'] ?? '', zone: place?.['Zone'] ?? '', subZone: '' };
  const made = rig.resources({
    facts: { ...classOfNode(node, kind), locality },
    labels: metadata['LABELS'] as Record<string, string>,
    addresses: String(metadata['INSTANCE_IPS']).split(','),
  });
  const expected = new Map<string, unknown>();
  for (const [typeUrl, resources] of capture.types) {
    if (![CLUSTER, ENDPOINTS, NAME_TABLE].includes(typeUrl)) continue;
    for (const { name, json } of resources) {
      expected.set(`${typeUrl} ${typeUrl === NAME_TABLE ? '' : name}`, canonical(json));
    }
  }
  for (const [key, json] of expected) {
    const resource = made.get(key);
    const ours = resource === undefined ? undefined : sorted(shown(resource.typeUrl, resource.body));
    const difference = DIFFERENCES.find((row) => row.capture === capture.name && row.name.test(key));
    if (difference === undefined) assert.deepEqual(ours, sorted(json), key);
    else assert.notDeepEqual(ours, sorted(json), `${key} is equal now: ${difference.reason}`);
  }
  const extra = [...made.keys()].filter((key) => !expected.has(key) && !key.includes('outbound_.'));
  assert.deepEqual(extra, []);
}

/** Maps come in any order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]));
}
