// The bookshop in namespaces of an ordinary user, as `heddle up` runs it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { checkBookshop } from './bookshop-checks.ts';
import { BookshopMesh, MODES, skipOf } from './bookshop-mesh.ts';

describe('the bookshop in namespaces without root', { skip: skipOf(MODES.rootless) }, () => {
  let mesh: BookshopMesh;
  before(async () => {
    mesh = await BookshopMesh.start(MODES.rootless);
  });
  after(async () => mesh?.dispose());

  checkBookshop(MODES.rootless, () => mesh);

  it('leaves nothing behind when its inner process is killed', async (t) => {
    mesh.noteProcesses();
    process.kill(mesh.pidOf('inner'), 'SIGKILL');
    const gone = await mesh.goneWithin(3000);
    assert.equal(typeof gone, 'number', String(gone));
    t.diagnostic(`gone after ${Math.round(gone as number)} ms`);
  });
});
