// Tests that roots reach the streams, and who is waited for until they have.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openCa } from '../../test/support/ca-rig.ts';
import { decodeBinary } from '../proto/binary-decode.ts';
import { registry } from '../proto/registry.ts';
import { ResourceTable } from '../xds/server/resource.ts';
import { PROXY_CONFIG_TYPE, TrustBundleTable, type TrustingStream } from './trust-bundle.ts';

function stream(label: string, acked: (() => number) | null): TrustingStream {
  const type = acked === null ? undefined : { ackedOf: acked };
  return { label, type: () => type } as unknown as TrustingStream;
}

test('a root signs when every stream has it, and others had the time to renew', async () => {
  const streams: TrustingStream[] = [];
  let bundle: TrustBundleTable | null = null;
  const rig = await openCa({
    leastAnnouncedMs: 0,
    waitingFor: () => bundle?.waitingFor(streams, 3_600_000) ?? [],
  });
  const { authority, clock } = rig;
  bundle = new TrustBundleTable(clock);
  let pushes = 0;
  bundle.follow(authority, () => pushes++);
  const rootsNow = (): string[] => {
    const body = bundle?.table.get('')?.body as Uint8Array;
    const { ca_certificates_pem = [] } = decodeBinary(registry.message('istio.mesh.v1alpha1.ProxyConfig'), body) as {
      ca_certificates_pem?: string[];
    };
    return ca_certificates_pem;
  };
  assert.deepEqual(rootsNow(), [authority.bundle.pem]);
  const own = new ResourceTable('x');
  const view = bundle.within({ tables: () => [own] });
  assert.deepEqual(view.tables('x'), [own]);
  assert.equal(view.tables(PROXY_CONFIG_TYPE), view.tables(PROXY_CONFIG_TYPE));

  let acked = bundle.table.seq;
  streams.push(
    stream('follows', () => acked),
    stream('asks not', null),
  );
  await authority.rotate();
  assert.equal(pushes, 1);
  assert.equal(rootsNow().length, 2);
  assert.deepEqual(bundle.waitingFor(streams, 3_600_000), ['follows', 'asks not']);
  acked = bundle.table.seq;
  clock.advance(60_000);
  assert.deepEqual(bundle.waitingFor(streams, 3_600_000), ['asks not']);
  assert.ok(authority.isRotating);
  clock.advance(3_600_000);
  // Which of the roots signs changes nothing for those who trust them.
  assert.ok(!authority.isRotating);
  assert.equal(pushes, 1);
  rig.close();
});
