// Filters that answer by themselves: direct_response and echo.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NetworkHarness, networkReasons } from '../../../../test/support/network-harness.ts';
import { directResponse } from './direct-response.ts';
import { echo } from './echo.ts';

const answer = (response: object): string => new NetworkHarness([[directResponse, { response }]]).connect().received;

test('a direct response is said and the connection ends', () => {
  const harness = new NetworkHarness([[directResponse, { response: { inline_string: 'hello\n' } }]]);
  const talk = harness.connect();
  assert.equal(talk.received, 'hello\n|');
  talk.close();
  assert.equal(talk.isClosed, true);
  assert.equal(talk.connection.info.responseCodeDetails, 'direct_response');
  assert.equal(talk.connection.localCloseReason, '');
});

test('it may come from anywhere, and is not a format', () => {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-response-'));
  const filename = join(directory, 'body');
  writeFileSync(filename, Buffer.from([0, 1, 0xff]));
  assert.equal(answer({ filename }), '\0\x01\xff|');
  rmSync(directory, { recursive: true });
  assert.equal(answer({ inline_bytes: Buffer.from('%PROTOCOL%') }), '%PROTOCOL%|');
  assert.equal(answer({ environment_variable: 'GREETING' }), 'from the environment|');
  assert.equal(new NetworkHarness([[directResponse, {}]]).connect().received, '|');
  assert.deepEqual(networkReasons(directResponse, { response: { environment_variable: 'NONE' } }), [
    { path: 'response.environment_variable', reason: "Environment variable doesn't exist: NONE" },
  ]);
});

test('echo', () => {
  const talk = new NetworkHarness([[echo, {}]]).connect();
  talk.send('a');
  talk.send('bc');
  assert.equal(talk.received, 'abc');
  talk.end();
  assert.equal(talk.received, 'abc|');
  assert.equal(talk.isClosed, true);
});
