// Key logs: which connections are written, and how.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Cidr, makeCidr } from '../../base/ip.ts';
import { ipAddress } from '../../net/address.ts';
import { KeyLog } from './key-log.ts';

const range = (address: string, length: number): Cidr => makeCidr(address, length) as Cidr;

it('writes lines of the connections between its addresses', () => {
  const lines: string[] = [];
  const files = { open: () => ({ write: (line: string) => void lines.push(line) }) };
  const local = [range('10.0.0.0', 8)];
  const remote = [range('192.168.0.0', 16), range('::1', 128)];
  const log = new KeyLog({ path: 'x', local, remote }, files);
  const between = (a: string, b: string): ((line: Buffer) => void) | null =>
    log.writer({ localAddress: ipAddress(a, 1), remoteAddress: ipAddress(b, 2) });
  assert.equal(between('11.0.0.1', '192.168.0.1'), null);
  assert.equal(between('10.0.0.1', '192.169.0.1'), null);
  between('10.0.0.1', '192.168.0.1')?.(Buffer.from('CLIENT_RANDOM a b\n'));
  between('10.0.0.1', '::1')?.(Buffer.from('CLIENT_RANDOM c d'));
  assert.deepEqual(lines, ['CLIENT_RANDOM a b\n', 'CLIENT_RANDOM c d\n']);
});

it('writes all without ranges, and nothing without a file', () => {
  const ends = { localAddress: ipAddress('1.1.1.1', 1), remoteAddress: ipAddress('2.2.2.2', 2) };
  const config = { path: 'x', local: [], remote: [] };
  assert.notEqual(new KeyLog(config, { open: () => ({ write: () => undefined }) }).writer(ends), null);
  assert.equal(new KeyLog(config, { open: () => 'no such file' }).writer(ends), null);
});
