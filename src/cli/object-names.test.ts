// Objects as people name them on the command line.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { namedObjects } from './object-names.ts';

let folder = '';
const map = (name: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: a}\ndata: {}\n`;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-names-'));
  mkdirSync(join(folder, 'below'));
  writeFileSync(join(folder, 'one.yaml'), map('one'));
  writeFileSync(join(folder, 'below/two.yml'), map('two'));
  writeFileSync(join(folder, '.hidden.yaml'), map('hidden'));
  writeFileSync(join(folder, 'notes.txt'), 'not read');
  writeFileSync(join(folder, 'empty.yaml'), '');
});
after(() => rmSync(folder, { recursive: true }));

const keys = (...words: string[]): string[] => namedObjects(words, 'shop').map(({ key }) => key);

test('files and directories', () => {
  assert.deepEqual(keys(join(folder, 'one.yaml')), ['ConfigMap/a/one']);
  assert.deepEqual(keys(folder).sort(), ['ConfigMap/a/one', 'ConfigMap/a/two']);
  assert.deepEqual(keys(join(folder, 'empty.yaml')), []);
});

test('kinds and names', () => {
  assert.deepEqual(keys('virtualservice/r', 'VirtualServices/other/r', 'Namespace/n'), [
    ...['VirtualService/shop/r', 'VirtualService/other/r', 'Namespace//n'],
  ]);
  assert.deepEqual(keys('gateway/g', 'gateway.networking.k8s.io:gateway/g'), [
    ...['Gateway/shop/g', 'gateway.networking.k8s.io:Gateway/shop/g'],
  ]);
  for (const bad of ['nothing', 'VirtualService', 'Unknown/x', 'VirtualService/a/b/c']) {
    assert.throws(() => keys(bad), /no KIND\/NAME/, bad);
  }
});

test('a broken file is told with place and remedy', () => {
  const path = join(folder, 'one.yaml');
  writeFileSync(
    path,
    'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec: {hst: [a]}\n',
  );
  assert.throws(() => keys(path), /one\.yaml:4:8: VirtualService\/default\/v: spec\.hst: unknown field "hst"; /);
  writeFileSync(path, map('one'));
});
