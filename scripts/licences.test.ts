// NOTICE says what the packages' own metadata says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { renderNotice } from './licences.ts';

test('NOTICE is up to date (bin/heddle-node scripts/licences.ts writes it)', () => {
  assert.equal(readFileSync(join(dirname(import.meta.dirname), 'NOTICE'), 'utf8'), renderNotice());
});
