// Users of named resources: one question for many of them, answers for all, and an end of the wait.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Holders, type Want, WantBox } from './holders.ts';
import { ADS_KEY, type ConfigPlace } from './place.ts';

const PLACE: ConfigPlace = { key: ADS_KEY, source: { kind: 'ads' }, message: { ads: {} }, initialFetchTimeoutMs: 0 };
const OTHER: ConfigPlace = { ...PLACE, key: 'other' };

class Log {
  readonly lines: string[] = [];
  want({ type, name, place }: Want): void {
    this.lines.push(`want ${type} ${name} of ${place.key}`);
  }
  unwant({ name }: Want): void {
    this.lines.push(`unwant ${name}`);
  }
}

test('a resource is asked for with its first user and let go with its last', () => {
  const log = new Log();
  const holders = new Holders<string>('t', log);
  const one = holders.use('a', PLACE, 'x.');
  assert.equal(holders.use('a', PLACE, 'x.'), one);
  const elsewhere = holders.use('a', OTHER, 'x.');
  assert.notEqual(elsewhere, one);
  holders.release(one);
  assert.deepEqual(log.lines, ['want t a of ads', 'want t a of other']);
  holders.release(one);
  holders.ask(elsewhere);
  assert.deepEqual(log.lines.slice(2), ['unwant a', 'want t a of other']);
  assert.equal(holders.set('a', ADS_KEY, 'late'), false);
});

test('users hear of values, and wait until the first answer or the end of time', () => {
  const holders = new Holders<string>('t', new Log());
  const holder = holders.use('a', PLACE, 'x.');
  const heard: (string | null)[] = [];
  const listener = (): void => void heard.push(holder.current);
  holder.listen(listener);
  let settled = 0;
  holder.whenSettled(() => settled++);
  assert.equal(settled, 0);
  holders.set('a', ADS_KEY, 'one');
  holders.set('a', ADS_KEY, null);
  holder.whenSettled(() => settled++);
  holder.unlisten(listener);
  holders.set('a', ADS_KEY, 'three');
  assert.deepEqual([heard, settled], [['one', null], 2]);

  const slow = holders.use('b', PLACE, 'x.');
  slow.whenSettled(() => settled++);
  holders.timedOut('b', ADS_KEY);
  assert.deepEqual([settled, slow.current], [3, null]);
});

test('wants wait for who fetches', () => {
  const box = new WantBox();
  const holders = new Holders<string>('t', box);
  holders.use('a', PLACE, 'x.');
  holders.release(holders.use('b', PLACE, 'x.'));
  const log = new Log();
  box.attach(log);
  holders.use('c', PLACE, 'x.');
  assert.deepEqual(log.lines, ['want t a of ads', 'want t c of ads']);
});
