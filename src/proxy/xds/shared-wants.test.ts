// What several workers want: one question for all, and another for whoever comes after the answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Want } from './holders.ts';
import { ADS_PLACE } from './place.ts';
import { SharedWants } from './shared-wants.ts';
import { CLUSTER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE } from './types.ts';

function started(): { readonly wants: SharedWants; readonly log: string[] } {
  const wants = new SharedWants();
  const log: string[] = [];
  wants.attach({
    want: ({ name }) => void log.push(`want ${name}`),
    unwant: ({ name }) => void log.push(`unwant ${name}`),
  });
  return { wants, log };
}

const want = (type: string, name: string): Want => ({ type, name, place: ADS_PLACE, statPrefix: '' });

test('workers want as one, and each that comes after the answer asks for it', () => {
  const { wants, log } = started();
  const routes = want(ROUTE_TYPE, 'r');
  for (const worker of [0, 1]) wants.want(worker, routes);
  assert.deepEqual(log, ['want r']);
  wants.answered(ROUTE_TYPE, 'other', ADS_PLACE.key);
  wants.answered(ROUTE_TYPE, 'r', ADS_PLACE.key);
  wants.want(2, routes);
  assert.deepEqual(log, ['want r', 'want r']);
  for (const worker of [0, 1, 2]) wants.want(worker, routes);
  assert.deepEqual(log.slice(2), ['want r'], 'all are sent anew, and one asks');
  wants.want(3, routes);
  assert.equal(log.length, 3, 'the answer to that question is not here yet');
  wants.gone(3);
  wants.gone(0);
  wants.unwant(1, routes);
  assert.equal(log.length, 3);
  wants.unwant(2, routes);
  assert.equal(log.at(-1), 'unwant r');
});

test('each request for a virtual host needs an answer', () => {
  const { wants, log } = started();
  for (const worker of [0, 1, 1]) wants.want(worker, want(VIRTUAL_HOST_TYPE, 'r/x.test'));
  assert.equal(log.length, 3);
  for (const worker of [0, 1]) wants.want(worker, want(VIRTUAL_HOST_TYPE, 'r/'));
  assert.deepEqual(log.slice(3), ['want r/']);
});

test('clusters on demand stay asked for when the worker that asked is gone', () => {
  const { wants, log } = started();
  const cluster = want(CLUSTER_TYPE, 'c');
  wants.want(0, cluster);
  wants.gone(0);
  wants.want(0, cluster);
  assert.deepEqual(log, ['want c', 'want c'], 'each question counts');
  wants.unwant(0, cluster);
  assert.equal(log.at(-1), 'unwant c');
});
