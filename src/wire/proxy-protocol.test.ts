// What the PROXY header reader takes, whole and in single bytes; expectations were seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ProxyHeader, type ProxyHeaderRules, readProxyHeader } from './proxy-protocol.ts';
import { writeProxyHeader } from './proxy-protocol-writer.ts';

const ALL: ProxyHeaderRules = { allowsV1: true, allowsV2: true, allowsNone: false };

function read(input: Buffer | string, rules: ProxyHeaderRules = ALL): ProxyHeader {
  const bytes = typeof input === 'string' ? Buffer.from(input, 'latin1') : input;
  const whole = readProxyHeader(bytes, rules);
  let slow = readProxyHeader(bytes.subarray(0, 0), rules);
  for (let end = 1; end <= bytes.length && slow.status === 'more'; end++) {
    slow = readProxyHeader(bytes.subarray(0, end), rules);
  }
  assert.deepEqual(slow, whole);
  return whole;
}

/** E.g. 'found 1 1.2.3.4:5 > 6.7.8.9:10'. */
function summary(input: Buffer | string, rules: ProxyHeaderRules = ALL): string {
  const { status, version, source, destination } = read(input, rules);
  if (source === null || destination === null || status !== 'found') return `${status} ${version}`;
  return `${status} ${version} ${source.address}:${source.port} > ${destination.address}:${destination.port}`;
}

const line = (text: string): string => summary(`PROXY ${text}\r\n`);

test('version 1', () => {
  assert.equal(line('TCP4 1.2.3.4 5.6.7.8 1000 2000'), 'found 1 1.2.3.4:1000 > 5.6.7.8:2000');
  assert.equal(line('TCP6 2001:db8::1 2001:DB8:0::2 1 2'), 'found 1 2001:db8::1:1 > 2001:db8::2:2');
  assert.equal(line('TCP6 ::ffff:1.2.3.4 ::1 1 2'), 'found 1 ::ffff:1.2.3.4:1 > ::1:2');
  assert.equal(line('TCP6 fe80::1%1 fe80::2 1 2'), 'found 1 fe80::1%1:1 > fe80::2:2');
  assert.equal(line('UNKNOWN'), 'found 1');
  assert.equal(line('UNKNOWN anything at all'), 'found 1');
  assert.equal(line('TCP4 1.2.3.4 5.6.7.8 1000 2000 \t '), 'found 1 1.2.3.4:1000 > 5.6.7.8:2000');
  assert.equal(line('TCP4 1.2.3.4 5.6.7.8 01 +2'), 'found 1 1.2.3.4:1 > 5.6.7.8:2');
  assert.equal(line('TCP4 1.2.3.4 240.0.0.1 0 0'), 'found 1 1.2.3.4:0 > 240.0.0.1:0');
  assert.equal(read('PROXY UNKNOWN\r\nGET /').length, 15);
});

test('broken lines of version 1', () => {
  const broken = [
    ...['', 'UNKNOWNx', 'TCP5 1.2.3.4 5.6.7.8 1 2', ' TCP4 1.2.3.4 5.6.7.8 1 2', 'TCP4 1.2.3.4 5.6.7.8 1'],
    ...['TCP4 1.2.3.4 5.6.7.8 1 2 x', 'TCP4 1.2.3.4  5.6.7.8 1 2', 'TCP4 1.2.3.4 5.6.7.8 65536 1'],
    ...['TCP4 1.2.3.4 5.6.7.8 -1 1', 'TCP4 1.2.3.4 5.6.7.8 0x1 1', 'TCP4 01.2.3.4 5.6.7.8 1 2'],
    ...['TCP4 1.2.3 5.6.7.8 1 2', 'TCP4 1.2.3.256 5.6.7.8 1 2', 'TCP6 1.2.3.4 5.6.7.8 1 2', 'TCP4 ::1 ::2 1 2'],
    ...['TCP4 [::1] [::2] 1 2', 'TCP4 0.0.0.0 5.6.7.8 1 2', 'TCP4 5.6.7.8 0.0.0.0 1 2', 'TCP4 224.0.0.1 5.6.7.8 1 2'],
    ...['TCP4 255.255.255.255 5.6.7.8 1 2', 'TCP6 :: ::1 1 2', 'TCP6 ff02::1 ::1 1 2', 'TCP6 fe80::1%lo ::1 1 2'],
  ];
  for (const text of broken) assert.equal(line(text), 'error 1', text);
});

test('version 1 has at most 108 bytes', () => {
  const unknown = (length: number): string => `PROXY UNKNOWN ${'x'.repeat(length - 16)}\r\n`;
  assert.equal(summary(unknown(108)), 'found 1');
  assert.equal(readProxyHeader(Buffer.from(unknown(109)), ALL).status, 'error');
  assert.equal(summary(unknown(108).slice(0, 107)), 'more 0');
  assert.equal(summary(`PROXY UNKNOWN ${'x'.repeat(95)}`), 'error 0');
  assert.equal(summary(`PROXY UNKNOWN ${'x'.repeat(94)}`), 'more 0');
});

test('what is no header at all', () => {
  const none = { ...ALL, allowsNone: true };
  const noV1 = { ...ALL, allowsV1: false };
  const noV2 = { ...ALL, allowsV2: false };
  assert.equal(summary('GET / HTTP/1.1\r\n'), 'error 0');
  assert.equal(summary('GET / HTTP'), 'more 0');
  assert.equal(summary('GET /\r\n'), 'error 1');
  assert.equal(summary('proxy TCP4 1.2.3.4 '), 'error 0');
  assert.equal(summary('PROXYX TCP4 1.2.'), 'error 0');
  assert.equal(summary('\r\n'), 'more 0');
  assert.equal(summary('\r\nxxxxxxxxxxxxxx'), 'error 0');
  assert.equal(summary('PROXY UNKNOWN\n'), 'more 0');
  assert.equal(summary('G', none), 'none 0');
  assert.equal(summary('P', none), 'more 0');
  assert.equal(summary('POST', none), 'none 0');
  assert.equal(summary('PROXY x\r\n', none), 'error 1');
  assert.equal(summary('PROXY UNKNOWN\r\n', { ...none, allowsV1: false }), 'none 0');
  assert.equal(summary('PROXY UNKNOWN\r\n', noV1), 'denied 1');
  assert.equal(summary(v2(0x21, 0x11, V4), noV2), 'denied 2');
  assert.equal(summary(v2(0x21, 0x11, V4), { ...none, allowsV2: false }), 'none 0');
});

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V4 = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 0, 10, 0, 20]);
const V6 = Buffer.from(`${'20010db8000000000000000000000001'.repeat(2)}000a0014`, 'hex');

function v2(verCmd: number, family: number, rest: Buffer, length = rest.length): Buffer {
  return Buffer.concat([SIGNATURE, Buffer.from([verCmd, family, length >> 8, length & 0xff]), rest]);
}

test('version 2', () => {
  assert.equal(summary(v2(0x21, 0x11, V4)), 'found 2 1.2.3.4:10 > 5.6.7.8:20');
  assert.equal(summary(v2(0x21, 0x12, V4)), 'found 2 1.2.3.4:10 > 5.6.7.8:20');
  assert.equal(summary(v2(0x21, 0x21, V6)), 'found 2 2001:db8::1:10 > 2001:db8::1:20');
  assert.equal(summary(v2(0x20, 0x00, Buffer.alloc(0))), 'found 2');
  assert.equal(summary(v2(0x20, 0x11, V4)), 'found 2');
  assert.equal(summary(v2(0x20, 0x00, Buffer.from([1]))), 'found 2');
  assert.equal(summary(v2(0x21, 0x11, V4).subarray(0, 27)), 'more 2');
  assert.equal(summary(SIGNATURE), 'more 0');
});

test('broken headers of version 2', () => {
  const broken: [number, number, Buffer, number?][] = [
    [0x11, 0x11, V4],
    [0x31, 0x11, V4],
    [0x22, 0x11, V4],
    [0x21, 0x10, V4],
    [0x21, 0x13, V4],
    [0x21, 0x00, V4],
    [0x21, 0x31, Buffer.alloc(216)],
    [0x21, 0x11, V4, 11],
    [0x21, 0x21, V6, 35],
    [0x21, 0x11, Buffer.from([224, 0, 0, 1, 5, 6, 7, 8, 0, 1, 0, 2])],
    [0x21, 0x11, Buffer.from([0, 0, 0, 0, 5, 6, 7, 8, 0, 1, 0, 2])],
    [0x21, 0x21, Buffer.alloc(36)],
  ];
  for (const [verCmd, family, rest, length] of broken) {
    assert.equal(summary(v2(verCmd, family, rest, length)), 'error 2', `${verCmd} ${family} ${length}`);
  }
});

test('the list of version 2', () => {
  const listed = (...entries: number[]): ProxyHeader => read(v2(0x21, 0x11, Buffer.concat([V4, Buffer.from(entries)])));
  assert.deepEqual(listed(1, 0, 2, 104, 50, 4, 0, 0).tlvs, [
    [1, 31, 33],
    [4, 36, 36],
  ]);
  for (const broken of [[1], [1, 0], [1, 0, 1], [1, 0, 2, 7], [1, 0, 0, 2]]) {
    assert.equal(listed(...broken).status, 'error', String(broken));
  }
  const long = v2(0x21, 0x11, Buffer.concat([V4, Buffer.from([9, 0xff, 0xf0]), Buffer.alloc(0xfff0)]));
  assert.equal(readProxyHeader(long, ALL).length, long.length);
  assert.equal(readProxyHeader(long.subarray(0, long.length - 1), ALL).status, 'more');
});

test('what the writer writes reads the same', () => {
  const v4 = { family: 'ipv4', address: '1.2.3.4', port: 5 } as const;
  const v6 = { family: 'ipv6', address: '2001:db8::9', port: 65_535 } as const;
  const bytes = writeProxyHeader(v4, { ...v4, port: 6 }, [[7, Buffer.from('ab')]]);
  assert.equal(summary(bytes), 'found 2 1.2.3.4:5 > 1.2.3.4:6');
  assert.deepEqual(read(bytes).tlvs, [[7, 31, 33]]);
  assert.equal(summary(writeProxyHeader(v6, v6)), 'found 2 2001:db8::9:65535 > 2001:db8::9:65535');
  assert.equal(summary(writeProxyHeader(v4, v6)), 'found 2 ::ffff:1.2.3.4:5 > 2001:db8::9:65535');
  assert.equal(summary(writeProxyHeader({ family: 'unix', address: '@x', port: 0 }, v4)), 'found 2');
  const huge = writeProxyHeader(v4, v4, [
    [1, Buffer.alloc(40_000)],
    [2, Buffer.alloc(40_000)],
  ]);
  assert.deepEqual(
    readProxyHeader(huge, ALL).tlvs.map(([type]) => type),
    [1],
  );
});
