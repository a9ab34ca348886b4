// Who the client is: positions in x-forwarded-for, trusted proxies, private addresses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CidrSet, parseCidr, parseIp } from '../../base/ip.ts';
import { H } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import type { ConnectionInfo } from '../stream-info.ts';
import {
  addressFromList,
  detectClient,
  HeaderDetection,
  HopDetection,
  isPrivate,
  TrustedProxyDetection,
} from './client-address.ts';

const naming = { localAddress: '192.0.2.9', representIpv4AsMapped: false };
const peer = { remoteAddress: { family: 'ipv4', address: '10.0.0.1', port: 7 } } as unknown as ConnectionInfo;
const proxies = new CidrSet(['10.0.0.0/8'].flatMap((text) => parseCidr(text) ?? []));

function forwarded(list: string): Headers {
  const headers = new Headers();
  headers.add(H['x-forwarded-for'], list);
  return headers;
}

test('positions are counted from the end', () => {
  const list = '203.0.113.9 , 2001:DB8::1,10.1.1.1';
  assert.equal(addressFromList(list, 0)?.address, '10.1.1.1');
  assert.equal(addressFromList(list, 1)?.address, '2001:db8::1');
  assert.equal(addressFromList(list, 2)?.address, '203.0.113.9');
  assert.equal(addressFromList(list, 3), null);
  assert.equal(addressFromList('', 0), null);
  assert.equal(addressFromList(',', 1), null);
});

test('what is no address alone is none', () => {
  for (const text of [
    '1.2.3.4:80',
    '[::1]',
    'fe80::1%eth0',
    '010.0.0.1',
    '1.2.3',
    'x',
    ' ',
    '"1.2.3.4"',
    '1.2.3.4\xa0',
  ]) {
    assert.equal(addressFromList(text, 0), null, text);
  }
});

test('proxies that are trusted are passed over, twenty entries at most', () => {
  const detection = new TrustedProxyDetection(proxies, false);
  const address = (list: string, from = peer): string | undefined =>
    detectClient([detection], forwarded(list), from, naming).address?.address;
  assert.equal(address('203.0.113.9, 10.1.1.1, 10.1.1.2'), '203.0.113.9');
  assert.equal(address('10.9.9.9, 10.1.1.1'), '10.9.9.9');
  assert.equal(address('garbage, 10.1.1.1'), undefined);
  assert.equal(address(`203.0.113.9${', 10.1.1.1'.repeat(19)}`), '203.0.113.9');
  assert.equal(address(`203.0.113.9${', 10.1.1.1'.repeat(20)}`), undefined);
  const stranger = { remoteAddress: { family: 'ipv4', address: '198.51.100.1', port: 7 } } as unknown as ConnectionInfo;
  const headers = forwarded('203.0.113.9');
  assert.equal(detectClient([detection], headers, stranger, naming).address, null);
  assert.equal(headers.get(H['x-forwarded-for']), '203.0.113.9,198.51.100.1');
});

test('a header that must be there refuses, and the first that knows decides', () => {
  const refusing = new HeaderDetection('x-real-ip', true, 401);
  const headers = forwarded('203.0.113.9');
  assert.equal(detectClient([refusing, new HopDetection(0, false)], headers, peer, naming).rejectStatus, 401);
  headers.add('x-real-ip', '198.51.100.7');
  const found = detectClient([refusing, new HopDetection(0, false)], headers, peer, naming);
  assert.deepEqual([found.address?.address, found.isTrusted, found.rejectStatus], ['198.51.100.7', true, 0]);
});

test('private addresses', () => {
  const isInternal = (text: string): boolean => isPrivate(parseIp(text) as NonNullable<ReturnType<typeof parseIp>>);
  for (const text of ['10.255.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '127.0.0.1', 'fd12::1', '::1']) {
    assert.ok(isInternal(text), text);
  }
  for (const text of ['11.0.0.1', '172.32.0.1', '192.169.0.1', '127.0.0.2', 'fe80::1', '::', '::ffff:10.0.0.1']) {
    assert.ok(!isInternal(text), text);
  }
});
