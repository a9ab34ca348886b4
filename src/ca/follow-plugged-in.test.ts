// Tests that a CA which is replaced on the disk takes over, and that a broken one does not.
import assert from 'node:assert/strict';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openCa, scratchDirectory } from '../../test/support/ca-rig.ts';
import { FileWatch } from '../net/file-watch.ts';
import { followPluggedIn } from './follow-plugged-in.ts';
import { exportKey, type Issuer, makeIntermediate, makeRoot } from './signing/issuer.ts';
import { pluggedDirectory } from './storage/plugged-in.ts';

const directory = scratchDirectory();
after(() => rmSync(directory, { recursive: true, force: true }));

function put(issuer: Issuer): void {
  const files = {
    'ca-cert.pem': issuer.certificate,
    'ca-key.pem': exportKey(issuer.signer.key),
    'cert-chain.pem': issuer.chain.join(''),
    'root-cert.pem': issuer.roots.join(''),
  };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(directory, `.${name}`), text);
    renameSync(join(directory, `.${name}`), join(directory, name));
  }
}

test('what is put in place is followed', async () => {
  const nowMs = Date.now();
  const spec = { trustDomain: 'a', keyKind: 'p256', fromMs: nowMs - 1000, toMs: nowMs + 86_400_000 * 90 } as const;
  const root = await makeRoot({ ...spec, commonName: 'Root' });
  put(await makeIntermediate({ ...spec, commonName: 'One' }, root));
  const source = { kind: 'plugged-in', from: pluggedDirectory(directory), passphrase: null, store: null } as const;
  const rig = await openCa({ source });
  const { authority, clock, lines } = rig;
  const end = followPluggedIn(authority, directory, new FileWatch());
  assert.ok(typeof end !== 'string', String(end));
  /** Time stands still but for this: the watch is the system's, the wait the CA's. */
  const until = async (isTrue: () => boolean): Promise<void> => {
    for (let tries = 0; tries < 400 && !isTrue(); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      clock.advance(200);
    }
    assert.ok(isTrue(), lines.join('\n'));
  };

  const second = await makeIntermediate({ ...spec, commonName: 'Two' }, root);
  put(second);
  await until(() => authority.issuer.id === second.id);

  writeFileSync(join(directory, 'ca-cert.pem'), 'hello');
  await until(() => lines.some((line) => line.includes('refused, and the one of before signs on')));
  assert.equal(authority.issuer.id, second.id);

  const third = await makeRoot({ ...spec, commonName: 'Other root' });
  put(third);
  await until(() => authority.isRotating);
  assert.equal(authority.issuer.id, second.id);
  assert.equal(authority.bundle.roots.length, 2);
  end();
  rig.close();
});
