// Tests that formats follow the files that they name: replaced, changed in place, gone, moved into a directory.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type DirectoryListener, FileWatch } from '../../net/file-watch.ts';
import { FileContents } from './file-contents.ts';

const directory = mkdtempSync(join(tmpdir(), 'heddle-contents-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** Tells of changes when the test says so. */
class Watched {
  readonly listeners = new Map<string, DirectoryListener[]>();
  watch(place: string, listener: DirectoryListener) {
    this.listeners.set(place, [...(this.listeners.get(place) ?? []), listener]);
    return { close() {} };
  }
  moved(place: string, name: string): void {
    for (const listener of this.listeners.get(place) ?? []) listener.onMoved(name);
  }
}

function opened(contents: FileContents, path: string, place = '') {
  const file = contents.open(path, place);
  if (typeof file === 'string') throw new Error(file);
  return file;
}

test('a file is read again when it is replaced, and once for all who name it', () => {
  const path = join(directory, 'a.txt');
  writeFileSync(path, 'one');
  const watched = new Watched();
  const contents = new FileContents(watched);
  const file = opened(contents, path);
  assert.equal(opened(contents, path), file);
  assert.equal(file.text, 'one');
  writeFileSync(path, 'zwölf');
  watched.moved(directory, 'b.txt');
  assert.equal(file.text, 'one');
  watched.moved(directory, 'a.txt');
  assert.equal(file.text, Buffer.from('zwölf').toString('latin1'));
  rmSync(path);
  watched.moved(directory, 'a.txt');
  assert.equal(file.text, Buffer.from('zwölf').toString('latin1'), 'what is gone stays');
});

test('a directory of its own tells of all that moves in there', () => {
  const place = join(directory, 'place');
  mkdirSync(place);
  const path = join(directory, 'c.txt');
  writeFileSync(path, 'one');
  const watched = new Watched();
  const file = opened(new FileContents(watched), path, place);
  writeFileSync(path, 'two');
  watched.moved(place, 'anything');
  assert.equal(file.text, 'two');
});

test('a change in place is seen by the system’s watch', async () => {
  const path = join(directory, 'd.txt');
  writeFileSync(path, 'one');
  const file = opened(new FileContents(new FileWatch()), path);
  writeFileSync(join(directory, 'd.new'), 'two');
  renameSync(join(directory, 'd.new'), path);
  const follows = async (text: string): Promise<void> => {
    while (file.text !== text) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  await follows('two');
  writeFileSync(path, 'three');
  await follows('three');
});

test('what cannot be read or watched is refused', () => {
  const contents = new FileContents(new FileWatch());
  assert.match(contents.open(join(directory, 'none'), '') as string, /^Invalid path: .*none$/);
  assert.match(contents.open(directory, '') as string, /^Invalid path: /);
  const path = join(directory, 'e.txt');
  writeFileSync(path, '');
  assert.match(contents.open(path, join(directory, 'none')) as string, /No such file or directory/);
});
