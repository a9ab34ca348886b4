// Tests of the comparison and of what the rig regards as equal between two runs.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compare } from './compare.ts';
import { fillPlaceholders, placeholdersIn, toYaml } from './config.ts';
import { Normaliser } from './normalise.ts';

describe('compare', () => {
  it('names the place of each difference', () => {
    const envoy = { a: [{ b: 1 }, { b: 2 }], c: 'x', gone: true };
    const heddle = { a: [{ b: 1 }, { b: 3 }], c: 'x', more: true };
    assert.deepEqual(compare(envoy, heddle), [
      { path: 'a[1].b', envoy: 2, heddle: 3 },
      { path: 'gone', envoy: true, heddle: undefined },
      { path: 'more', envoy: undefined, heddle: true },
    ]);
  });

  it('keeps the order of values of one header', () => {
    assert.equal(compare({ 'set-cookie': ['a', 'b'] }, { 'set-cookie': ['b', 'a'] }).length, 1);
    assert.equal(compare({ x: ['1'], y: ['2'] }, { y: ['2'], x: ['1'] }).length, 0);
  });
});

describe('Normaliser', () => {
  const normaliser = new Normaliser(new Map([['listen.main', 12345]]), '/some/dir');

  it('names allocated ports and hides ephemeral ones', () => {
    assert.equal(normaliser.text('127.0.0.1:12345 127.0.0.1:40001'), '127.0.0.1:<listen.main> 127.0.0.1:<ephemeral>');
    assert.equal(normaliser.text('112345 123456'), '112345 123456');
    assert.equal(normaliser.text('{"port_value": 12345}'), '{"port_value": "<listen.main>"}');
  });

  it('keeps a date that is not of this run, and the trace digit of a request id', () => {
    assert.equal(normaliser.header('date', new Date().toUTCString()), '<date>');
    assert.equal(normaliser.header('date', 'Mon, 01 Jan 2024 00:00:00 GMT'), 'Mon, 01 Jan 2024 00:00:00 GMT');
    assert.equal(normaliser.header('x-request-id', '11111111-2222-9333-8444-555555555555'), '<uuid 9>');
  });
});

describe('placeholders', () => {
  it('become numbers where they stand alone', () => {
    const text = toYaml({ port_value: '{{listen.main}}', text: 'at {{listen.main}}', path: '{{dir}}' });
    assert.deepEqual(placeholdersIn(text), ['listen.main', 'dir']);
    const values = new Map<string, string | number>([
      ['listen.main', 12345],
      ['dir', '/some/dir'],
    ]);
    assert.equal(fillPlaceholders(text, values), "port_value: 12345\ntext: at 12345\npath: '/some/dir'\n");
  });
});
