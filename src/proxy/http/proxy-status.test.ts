// The Proxy-Status header: which flag decides, what is told, and that nothing splits it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headerKey } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import { type ConnectionInfo, Flag, StreamInfo } from '../stream-info.ts';
import { setProxyStatus } from './proxy-status.ts';

const all = { name: 'edge', hasDetails: true, hasTerminationDetails: true, hasFlags: true, setsStatus: true };

function answer(flags: number, details: string, config = all, termination = ''): [string | undefined, number] {
  const connection = { remoteAddress: null, terminationDetails: termination } as unknown as ConnectionInfo;
  const info = new StreamInfo(connection, 0, 0);
  info.flags = flags;
  info.responseCodeDetails = details;
  const headers = new Headers();
  headers.status = 418;
  setProxyStatus(headers, info, flags, config);
  return [headers.get(headerKey('proxy-status')), headers.status];
}

test('the first flag that means a failure decides', () => {
  assert.deepEqual(answer(Flag.UF, 'd'), ['edge; error=connection_refused; details="d; UF"', 502]);
  assert.deepEqual(answer(Flag.URX | Flag.UC, 'd'), ['edge; error=connection_terminated; details="d; URX,UC"', 502]);
  assert.deepEqual(answer(Flag.DI, 'd'), [undefined, 418]);
  assert.deepEqual(answer(Flag.FI, 'd'), ['edge; error=http_request_error; details="d; FI"', 418]);
});

test('what is left out', () => {
  const text = (parts: Partial<typeof all>): string | undefined =>
    answer(Flag.NR, 'd', { ...all, ...parts }, 'gone')[0];
  assert.equal(text({}), 'edge; error=destination_not_found; details="d; gone; NR"');
  assert.equal(text({ hasTerminationDetails: false }), 'edge; error=destination_not_found; details="d; NR"');
  assert.equal(text({ hasFlags: false }), 'edge; error=destination_not_found; details="d; gone"');
  assert.equal(text({ hasDetails: false }), 'edge; error=destination_not_found');
});

test('details cannot end the text or the header', () => {
  assert.equal(answer(Flag.NR, 'a"b\\c')[0], 'edge; error=destination_not_found; details="a\\"b\\\\c; NR"');
  assert.equal(answer(Flag.NR, 'a\r\nx: y')[0], undefined);
});
