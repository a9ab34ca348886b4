// What the ClientHello reader finds, whole and in single bytes; expectations were seen at the real Envoy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientHello } from '../../test/support/client-hello.ts';
import { ClientHelloReader } from './client-hello-reader.ts';

/** The outcome of one piece, after checking that single bytes lead to the same. */
function read(bytes: Buffer): ClientHelloReader {
  const whole = new ClientHelloReader();
  whole.read(bytes);
  const slow = new ClientHelloReader();
  for (let end = 0; end <= bytes.length && slow.status === 'more'; end++) slow.read(bytes, end);
  assert.deepEqual(factsOf(slow), factsOf(whole));
  return whole;
}

function factsOf({ status, reason, bytesRead, hello }: ClientHelloReader) {
  const names = hello && [hello.version, hello.serverName, hello.hasServerName, hello.alpn];
  return [status, reason, bytesRead, names, hello?.ciphers, hello?.extensions];
}

const outcome = (bytes: Buffer): string => {
  const { status, reason } = read(bytes);
  return reason === '' ? status : `${status} ${reason}`;
};

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const sized = (content: Buffer): Buffer => Buffer.concat([u16(content.length), content]);
const record = (content: Buffer, type = 22, version = 0x0301): Buffer =>
  Buffer.concat([Buffer.from([type]), u16(version), sized(content)]);
const message = (body: Buffer, type = 1): Buffer =>
  Buffer.concat([Buffer.from([type, body.length >> 16]), u16(body.length & 0xffff), body]);
const STANDARD = clientHello({ serverName: 'Example.COM', alpn: ['h2', 'http/1.1'] });
const STANDARD_MESSAGE = STANDARD.subarray(5);

type BodyParts = {
  session?: Buffer;
  ciphers?: Buffer;
  compressions?: Buffer;
  extensions?: Buffer;
  version?: number;
};

function helloOf(parts: BodyParts): Buffer {
  const session = parts.session ?? Buffer.alloc(0);
  const compressions = parts.compressions ?? Buffer.from([0]);
  const body = Buffer.concat([
    u16(parts.version ?? 0x0303),
    Buffer.alloc(32),
    Buffer.from([session.length]),
    session,
    sized(parts.ciphers ?? u16(0x1301)),
    Buffer.from([compressions.length]),
    compressions,
    parts.extensions ?? Buffer.alloc(0),
  ]);
  return record(message(body));
}

const extension = (type: number, content: Buffer): Buffer => Buffer.concat([u16(type), sized(content)]);
const withExtensions = (...list: Buffer[]): Buffer => helloOf({ extensions: sized(Buffer.concat(list)) });
const hostName = (name: Buffer, type = 0): Buffer => Buffer.concat([Buffer.from([type]), sized(name)]);
const serverNames = (...names: Buffer[]): Buffer => extension(0, sized(Buffer.concat(names)));

test('a usual hello tells its names', () => {
  const { hello, status, bytesRead } = read(STANDARD);
  assert.equal(status, 'found');
  assert.equal(hello?.serverName, 'example.com');
  assert.deepEqual(hello.alpn, ['h2', 'http/1.1']);
  assert.deepEqual(hello.ciphers, [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f]);
  assert.deepEqual(hello.extensions, [0, 10, 11, 13, 16, 43]);
  assert.deepEqual(hello.numbersOf(43, 1), [0x0304, 0x0303]);
  assert.deepEqual(hello.pointFormats, [0]);
  assert.equal(bytesRead, STANDARD.length);
});

test('the message may come in many records, down to single bytes, with empty ones between', () => {
  for (const recordBytes of [1, 3, 4, 5, 100]) {
    const { hello } = read(clientHello({ serverName: 'a.b', alpn: ['x'], recordBytes }));
    assert.deepEqual([hello?.serverName, hello?.alpn], ['a.b', ['x']]);
  }
  const empty = (count: number): Buffer[] => Array.from({ length: count }, () => record(Buffer.alloc(0)));
  assert.equal(outcome(Buffer.concat([...empty(32), STANDARD])), 'found');
  assert.equal(outcome(Buffer.concat([...empty(33), STANDARD])), 'malformed TOO_MANY_EMPTY_FRAGMENTS');
});

test('a hello of post-quantum size is read, and one beyond 16 KiB is not', () => {
  const keyShare = extension(51, Buffer.alloc(1263));
  assert.equal(outcome(withExtensions(serverNames(hostName(Buffer.from('pq'))), keyShare)), 'found');
  assert.equal(outcome(withExtensions(extension(21, Buffer.alloc(16_200)))), 'found');
  assert.equal(outcome(record(Buffer.from([1, 0, 0x40, 0]))), 'more');
  assert.equal(outcome(record(Buffer.from([1, 0, 0x40, 1]))), 'malformed EXCESSIVE_MESSAGE_SIZE');
});

test('other protocols are told by their first five bytes', () => {
  const cases: [string, string][] = [
    ['GET / HTTP/1.1\r\n', 'not-tls HTTP_REQUEST'],
    ['PUT /a', 'not-tls HTTP_REQUEST'],
    ['CONNECT a', 'not-tls HTTPS_PROXY_REQUEST'],
    ['OPTIONS *', 'not-tls WRONG_VERSION_NUMBER'],
    ['SSH-2.0-x\r\n', 'not-tls WRONG_VERSION_NUMBER'],
    ['abcd', 'more'],
    ['\x16\x03\x01\x02', 'more'],
    ['\x16xxxxxx', 'not-tls WRONG_VERSION_NUMBER'],
    ['\x16\x03\x01\x41\x41', 'not-tls ENCRYPTED_LENGTH_TOO_LONG'],
    ['\x16\x03\x01\x41\x40', 'more'],
    ['', 'more'],
  ];
  for (const [text, expected] of cases) assert.equal(outcome(Buffer.from(text, 'latin1')), expected, text);
  assert.equal(read(Buffer.from('GET / HTTP/1.1\r\n')).bytesRead, 5);
});

test('records that are no handshake', () => {
  const alert = (level: number, description: number): Buffer => record(Buffer.from([level, description]), 21);
  assert.equal(outcome(record(Buffer.from([1]), 20)), 'not-tls UNEXPECTED_RECORD');
  assert.equal(outcome(record(Buffer.from([1, 0]), 23)), 'not-tls UNEXPECTED_RECORD');
  assert.equal(outcome(alert(1, 0)), 'closed');
  assert.equal(outcome(alert(2, 40)), 'malformed ALERT');
  assert.equal(outcome(alert(3, 40)), 'malformed UNKNOWN_ALERT_TYPE');
  assert.equal(outcome(record(Buffer.from([1]), 21)), 'malformed BAD_ALERT');
  assert.equal(outcome(Buffer.concat([alert(1, 90), STANDARD])), 'found');
  const warnings = Array.from({ length: 5 }, () => alert(1, 90));
  assert.equal(outcome(Buffer.concat([...warnings, STANDARD])), 'malformed TOO_MANY_WARNING_ALERTS');
  assert.equal(outcome(record(STANDARD_MESSAGE, 22, 0x03ff)), 'found');
  assert.equal(outcome(record(STANDARD_MESSAGE, 22, 0x0400)), 'not-tls WRONG_VERSION_NUMBER');
});

test('messages that are no ClientHello, or more than one', () => {
  assert.equal(outcome(record(message(Buffer.alloc(40), 2))), 'malformed UNEXPECTED_MESSAGE');
  const excess = Buffer.concat([STANDARD_MESSAGE, Buffer.from([1])]);
  assert.equal(outcome(record(excess)), 'malformed EXCESS_HANDSHAKE_DATA');
  assert.equal(outcome(Buffer.concat([STANDARD, STANDARD])), 'found');
});

test('the body has its exact form', () => {
  const broken = 'malformed CLIENTHELLO_PARSE_FAILED';
  assert.equal(outcome(helloOf({})), 'found');
  assert.equal(outcome(helloOf({ extensions: u16(0) })), 'found');
  assert.equal(outcome(helloOf({ session: Buffer.alloc(32) })), 'found');
  assert.equal(outcome(helloOf({ session: Buffer.alloc(33) })), broken);
  assert.equal(outcome(helloOf({ ciphers: Buffer.alloc(0) })), broken);
  assert.equal(outcome(helloOf({ ciphers: Buffer.alloc(3) })), broken);
  assert.equal(outcome(helloOf({ compressions: Buffer.alloc(0) })), broken);
  assert.equal(outcome(helloOf({ compressions: Buffer.from([1]) })), 'found');
  assert.equal(outcome(helloOf({ extensions: Buffer.from([0]) })), broken);
  assert.equal(outcome(helloOf({ extensions: Buffer.from([0, 9, 0]) })), broken);
  assert.equal(outcome(withExtensions(Buffer.from([0, 5, 0, 1]))), broken);
  assert.equal(outcome(withExtensions(extension(7, u16(1)), extension(7, u16(1)))), broken);
  const many = Array.from({ length: 300 }, (_, i) => extension(1000 + i, Buffer.alloc(0)));
  assert.equal(outcome(withExtensions(...many)), 'found');
  assert.equal(outcome(withExtensions(...many, extension(1299, Buffer.alloc(0)))), broken);
  assert.equal(outcome(withExtensions(...many, extension(1000, Buffer.alloc(0)))), broken);
  for (let length = 0; length < 39; length++) assert.equal(outcome(record(message(Buffer.alloc(length)))), broken);
});

test('a server name is one host name', () => {
  const named = (text: string): Buffer => withExtensions(serverNames(hostName(Buffer.from(text, 'latin1'))));
  const broken = 'malformed ERROR_PARSING_EXTENSION';
  assert.equal(read(named('1.2.3.4')).hello?.serverName, '1.2.3.4');
  assert.equal(read(named('A b\xc0.')).hello?.serverName, 'a b\xc0.');
  assert.equal(outcome(named('a'.repeat(255))), 'found');
  assert.equal(outcome(named('a'.repeat(256))), broken);
  assert.equal(outcome(named('')), broken);
  assert.equal(outcome(named('a\0b')), broken);
  assert.equal(outcome(withExtensions(serverNames(hostName(Buffer.from('a'), 1)))), broken);
  const two = serverNames(hostName(Buffer.from('a')), hostName(Buffer.from('b')));
  assert.equal(outcome(withExtensions(two)), broken);
  assert.equal(outcome(withExtensions(extension(0, Buffer.alloc(0)))), broken);
});

test('a broken protocol list counts as none', () => {
  const alpn = (content: string) => read(withExtensions(extension(16, Buffer.from(content, 'latin1')))).hello?.alpn;
  assert.deepEqual(alpn('\0\x03\x02h2'), ['h2']);
  assert.deepEqual(alpn('\0\x0c\x02h2\x08http/1.1'), ['h2', 'http/1.1']);
  assert.deepEqual(alpn('\0\x02\x01\xff'), ['\xff']);
  for (const broken of ['', '\0', '\0\0', '\0\x01\0', '\0\x04\x02h2', '\0\x04\x03h2', '\0\x04\x02h2\0']) {
    assert.deepEqual(alpn(broken), [], JSON.stringify(broken));
  }
});
