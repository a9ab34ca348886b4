// Addresses and CIDR ranges: parsing as inet_pton, printing as inet_ntop, sets against a naive reference.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Cidr,
  CidrMap,
  CidrSet,
  cidrContains,
  formatAddress,
  formatCidr,
  formatIp,
  type Ip,
  parseCidr,
  parseIp,
  unmapIp,
} from './ip.ts';

test('parses and prints addresses', () => {
  const rows: readonly (readonly [text: string, printed: string | null])[] = [
    ['1.2.3.4', '1.2.3.4'],
    ['255.255.255.255', '255.255.255.255'],
    ['0.0.0.0', '0.0.0.0'],
    ['1.2.3', null],
    ['1.2.3.4.5', null],
    ['1.2.3.', null],
    ['1..2.3', null],
    ['01.2.3.4', null],
    ['256.2.3.4', null],
    ['a.b.c.d', null],
    ['', null],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:2:3:4:5:6:0:8', '1:2:3:4:5:6:0:8'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
    ['fe80::1%eth0', 'fe80::1'],
    ['1:2:3:4:5:6:7:8:9', null],
    ['1:2:3:4:5:6:7', null],
    ['1::2::3', null],
    [':1', null],
    ['1:', null],
    ['12345::', null],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['1:2:3:4:5:6:7:8::', null],
    ['[::1]', null],
  ];
  for (const [text, printed] of rows) {
    const ip = parseIp(text);
    assert.equal(ip === null ? null : formatIp(ip), printed, text);
  }
});

test('keeps IPv4 and mapped IPv6 apart until asked', () => {
  const mapped = parseIp('::ffff:10.1.2.3') as Ip;
  assert.equal(mapped.family, 'ipv6');
  assert.deepEqual(unmapIp(mapped), parseIp('10.1.2.3'));
  assert.equal(new CidrSet([parseCidr('10.0.0.0/8') as Cidr]).contains('::ffff:10.1.2.3'), false);
});

test('prints addresses with ports, and ranges', () => {
  assert.equal(formatAddress({ family: 'ipv4', address: '1.2.3.4', port: 80 }), '1.2.3.4:80');
  assert.equal(formatAddress({ family: 'ipv6', address: '::1', port: 80 }), '[::1]:80');
  assert.equal(formatAddress({ family: 'unix', address: '/a/b', port: 0 }), '/a/b');
  assert.equal(formatCidr(parseCidr('10.1.2.3/8') as Cidr), '10.0.0.0/8');
  assert.equal(formatCidr(parseCidr('2001:db8:ffff::/33') as Cidr), '2001:db8:8000::/33');
  assert.equal(formatCidr(parseCidr('1.2.3.4') as Cidr), '1.2.3.4/32');
  assert.equal(parseCidr('1.2.3.4/x'), null);
});

test('the map answers with the longest prefix', () => {
  const entry = (text: string): [Cidr, string] => [parseCidr(text) as Cidr, text];
  const map = new CidrMap(['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '::/0', '2001:db8::/32'].map(entry));
  assert.equal(map.lookup('10.1.2.3'), '10.1.0.0/16');
  assert.equal(map.lookup('10.2.2.3'), '10.0.0.0/8');
  assert.equal(map.lookup('9.2.2.3'), '0.0.0.0/0');
  assert.equal(map.lookup('2001:db8::5'), '2001:db8::/32');
  assert.equal(map.lookup('2001:db9::5'), '::/0');
  assert.equal(map.lookup('nonsense'), undefined);
});

test('the set contains what one of its ranges contains', () => {
  // Few distinct bytes, so that ranges overlap and addresses fall into them.
  const byte = fc.constantFrom(0, 1, 127, 128, 255);
  const v4 = fc.array(byte, { minLength: 4, maxLength: 4 }).map((bytes) => bytes.join('.'));
  const v6 = fc
    .array(fc.constantFrom(0, 1, 0x7fff, 0x8000, 0xffff), { minLength: 8, maxLength: 8 })
    .map((groups) => groups.map((group) => group.toString(16)).join(':'));
  const cidr = fc.oneof(
    fc.tuple(v4, fc.nat(32)).map(([ip, length]) => parseCidr(`${ip}/${length}`) as Cidr),
    fc.tuple(v6, fc.nat(128)).map(([ip, length]) => parseCidr(`${ip}/${length}`) as Cidr),
  );
  fc.assert(
    fc.property(fc.array(cidr, { maxLength: 12 }), fc.oneof(v4, v6), (cidrs, address) => {
      const ip = parseIp(address) as Ip;
      const expected = cidrs.some((each) => cidrContains(each, ip));
      assert.equal(new CidrSet(cidrs).contains(address), expected);
    }),
    { numRuns: 500 },
  );
});
