// Control planes that do whatever they should not: the proxy goes on serving what it knew, says what it refused and
// why, stays small and quick, and follows the control plane again once that behaves.
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { CONTENT_ATTACKS, flap, HUGE_ATTACKS } from './xds-hostile-content.ts';
import { type Form, HostileRig } from './xds-hostile-rig.ts';
import { WIRE_ATTACKS } from './xds-hostile-wire.ts';

const FORMS: readonly Form[] = ['GRPC', 'DELTA_GRPC'];
const isLong = process.env['HEDDLE_LONG'] === '1';
const FLAP_MS = isLong ? 60_000 : 3_000;
/** For whoever looks for the one that went wrong. */
const only = new RegExp(process.env['HEDDLE_HOSTILE_ONLY'] ?? '');

async function started(t: TestContext, form: Form): Promise<HostileRig> {
  const rig = await HostileRig.start('heddle', form);
  t.after(() => rig.stop());
  return rig;
}

describe('a hostile control plane', { concurrency: 6 }, () => {
  for (const [i, form] of FORMS.entries()) {
    test(`that speaks HTTP/2 and gRPC as it likes (${form})`, async (t) => {
      const rig = await started(t, form);
      const { descriptors, residentMb } = rig;
      for (const [number, { name, attack, calls = 2, whileMs = 0 }] of WIRE_ATTACKS.entries()) {
        if (number % 2 !== i && !isLong) continue;
        if (only.test(name)) await rig.endure(name, () => rig.become(attack, calls, whileMs));
      }
      t.diagnostic(rig.show());
      assert.ok(rig.descriptors <= descriptors + 5, `${rig.descriptors} descriptors`);
      assert.ok(rig.residentMb < residentMb + 100, `${rig.residentMb} MB`);
      assert.ok((await rig.stat('cluster_manager.cds.update_failure')) > 20);
      assert.equal(await rig.stat('control_plane.connected_state'), 1);
    });

    test(`that sends what is wrong, too much or nothing at all (${form})`, async (t) => {
      const rig = await started(t, form);
      const { descriptors } = rig;
      for (const { name, act } of CONTENT_ATTACKS) {
        if (only.test(name)) await rig.endure(name, () => act(rig));
      }
      for (const [number, { name, act }] of HUGE_ATTACKS.entries()) {
        if (number % 2 !== i && !isLong) continue;
        if (only.test(name)) await rig.endure(name, () => act(rig));
      }
      t.diagnostic(rig.show());
      assert.ok(rig.descriptors <= descriptors + 5, `${rig.descriptors} descriptors`);
      // Some of what was sent is a hundred megabytes long.
      assert.ok(rig.residentMb < 700, `${rig.residentMb} MB`);
    });

    test(`that changes its mind every 10 ms (${form})`, async (t) => {
      const rig = await started(t, form);
      const { descriptors, residentMb } = rig;
      await rig.endure('flaps', () => flap(rig, FLAP_MS));
      t.diagnostic(rig.show());
      assert.ok(rig.descriptors <= descriptors + 5, `${rig.descriptors} descriptors`);
      assert.ok(rig.residentMb < residentMb + 100, `${rig.residentMb} MB after ${residentMb} MB`);
    });
  }
});
