// How commands find the mesh that is meant.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { findMesh, meshIn, type MeshLocation, removeLocation, runningMeshes, writeLocation } from './location.ts';
import { startOf } from '../net/process-identity.ts';

/** A registry of its own. */
function rig(t: TestContext): { mesh(name: string, more?: Partial<MeshLocation>): MeshLocation; directory: string } {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-location-'));
  const before = process.env['XDG_RUNTIME_DIR'];
  process.env['XDG_RUNTIME_DIR'] = join(directory, 'run');
  t.after(() => {
    if (before === undefined) delete process.env['XDG_RUNTIME_DIR'];
    else process.env['XDG_RUNTIME_DIR'] = before;
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    directory,
    mesh(name, more = {}) {
      const own = join(directory, name);
      mkdirSync(join(own, '.heddle'), { recursive: true });
      const location = {
        ...{ pid: process.pid, processStart: startOf(process.pid), directory: own, control: 'http://127.0.0.1:1' },
        ...{ token: 'secret', runtime: '/tmp', startedMs: 1, ...more },
      };
      writeLocation(location);
      return location;
    },
  };
}

test('the mesh of a directory, of one above, or the only one', (t) => {
  const { mesh, directory } = rig(t);
  assert.equal(findMesh(null, directory), 'no mesh runs here: start one with heddle up DIR');
  const shop = mesh('shop');
  assert.deepEqual(findMesh(join(directory, 'shop'), '/'), shop);
  mkdirSync(join(directory, 'shop/a/b'), { recursive: true });
  assert.deepEqual(findMesh(null, join(directory, 'shop/a/b')), shop);
  assert.deepEqual(findMesh(null, '/'), shop, 'the only one');
  const other = mesh('other');
  assert.deepEqual(findMesh(null, join(directory, 'other')), other);
  const which = String(findMesh(null, '/'));
  assert.match(which, /^2 meshes run; say which with --dir DIR: /);
  assert.ok(which.includes(shop.directory) && which.includes(other.directory));
  assert.match(String(findMesh(directory, '/')), /^no mesh runs in .*: start it with heddle up /);
});

test('what names the secret is for its owner alone', (t) => {
  const { mesh } = rig(t);
  const { directory } = mesh('shop');
  assert.equal(statSync(join(directory, '.heddle/up.json')).mode & 0o777, 0o600);
});

test('a mesh whose process is gone, or is another one by now, is none', (t) => {
  const { mesh, directory } = rig(t);
  mesh('gone', { pid: 999_999_999 });
  mesh('other', { processStart: 'another boot 1' });
  assert.equal(meshIn(join(directory, 'gone')), null);
  assert.equal(meshIn(join(directory, 'other')), null);
  assert.deepEqual(runningMeshes(), []);
  assert.deepEqual(readdirSync(join(directory, 'run/heddle-meshes')), [], 'and is forgotten');
});

test('a directory by another name, and one that was deleted meanwhile', (t) => {
  const { mesh, directory } = rig(t);
  const shop = mesh('shop');
  symlinkSync(shop.directory, join(directory, 'link'));
  assert.deepEqual(meshIn(join(directory, 'link')), shop);
  removeLocation(join(directory, 'link'));
  assert.equal(meshIn(shop.directory), null);
  assert.deepEqual(runningMeshes(), []);
  const deleted = mesh('deleted');
  rmSync(deleted.directory, { recursive: true });
  removeLocation(deleted.directory);
  assert.deepEqual(runningMeshes(), []);
});
