// Reports of loads: what Heddle tells a load reporting service is what the real Envoy tells it of the same requests.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { arePeersRequired, findEnvoy } from '../support/find-envoy.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { LoadRig, type Told, tell } from './load-report-rig.ts';

async function told(kind: ProxyKind): Promise<Told> {
  const rig = await LoadRig.start(kind);
  try {
    return await tell(rig);
  } finally {
    await rig.stop();
  }
}

const envoy = findEnvoy();
const skip = envoy.path === null && !arePeersRequired() ? envoy.reason : false;

describe('reports of loads', { concurrency: true }, () => {
  test('Envoy and Heddle tell the same', { skip, timeout: 40_000 }, async () => {
    const [theirs, ours] = await Promise.all([told('envoy'), told('heddle')]);
    assert.deepEqual(Object.keys(ours.steps), Object.keys(theirs.steps));
    for (const [step, clusters] of Object.entries(theirs.steps)) assert.deepEqual(ours.steps[step], clusters, step);
    assert.deepEqual(ours.stats, theirs.stats);
    assert.deepEqual(ours.node, theirs.node);
    for (const { pauseMs } of [theirs, ours]) assert.ok(pauseMs > 4_500 && pauseMs < 15_000, `${pauseMs} ms`);
  });

  test('the loads of several workers are one load', { timeout: 40_000 }, async () => {
    const rig = await LoadRig.start('heddle', ['--concurrency', '2']);
    try {
      await rig.wish({ send_all_clusters: true, load_reporting_interval: { seconds: 0, nanos: 2e8 } });
      const paths = Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? '/single?status=500' : '/single'));
      for (const path of [...paths, '/closed', '/full']) await rig.get(path);
      void rig.get('/single?hang');
      void rig.get('/single?hang');
      const clusters = await rig.told(0);
      assert.deepEqual(clusters['single'], {
        cluster: {},
        'priority 0 of here/two/deep': {
          total_successful_requests: 20,
          total_error_requests: 10,
          total_issued_requests: 32,
          total_requests_in_progress: 2,
        },
      });
      assert.deepEqual(clusters['closed'], { cluster: { total_dropped_requests: 1 } });
      // The stream itself, which is the supervisor's.
      const { 'priority 0 of //': place } = clusters['reports'] ?? {};
      assert.equal(place?.['total_requests_in_progress'], 1);
      rig.giveUp();
    } finally {
      await rig.stop();
    }
  });
});
