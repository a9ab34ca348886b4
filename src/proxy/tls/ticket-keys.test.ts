// Ticket keys of our own: by trust, and for as long as the process lives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LocalCells } from '../../base/local-cells.ts';
import { ownTicketKey } from './ticket-keys.ts';

test('each trust has its key, each process its own', () => {
  const cells = new LocalCells();
  const key = ownTicketKey(cells, 'a');
  assert.equal(key.length, 48);
  assert.deepEqual(ownTicketKey(cells, 'a'), key);
  assert.notDeepEqual(ownTicketKey(cells, 'b'), key);
  assert.notDeepEqual(ownTicketKey(new LocalCells(), 'a'), key);
});

test('a key outlives garbage collection', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const cells = new LocalCells();
  const key = ownTicketKey(cells, 'a');
  for (let i = 0; i < 3; i++) {
    gc();
    await turn();
  }
  assert.deepEqual(ownTicketKey(cells, 'a'), key);
});
