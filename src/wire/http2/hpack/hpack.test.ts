// Tests HPACK: the examples of RFC 7541 appendix C, limits, broken blocks, and what the encoder puts into its table.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HeaderKey, headerKey, headerName } from '../../header-names.ts';
import { Headers } from '../../headers.ts';
import { HpackDecoder } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';
import { BAD_NAME, BAD_VALUE } from './field-traits.ts';
import { decodeHuffman, encodeHuffman, huffmanLength } from './huffman.ts';

type Field = readonly [string, string];

class Fields {
  readonly list: Field[] = [];
  readonly traits: number[] = [];
  isFull = false;
  field(key: HeaderKey, value: string, size: number, traits: number): void {
    assert.equal(size, headerName(key).length + value.length);
    this.list.push([headerName(key), value]);
    this.traits.push(traits);
  }
}

function decode(decoder: HpackDecoder, hex: string): Field[] {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  const fields = new Fields();
  assert.equal(decoder.decode(bytes, 0, bytes.length, fields), null);
  return fields.list;
}

function fault(hex: string, decoder = new HpackDecoder(4096)): string | null {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  return decoder.decode(bytes, 0, bytes.length, new Fields());
}

function encode(encoder: HpackEncoder, headers: Headers): string {
  const out = Buffer.alloc(encoder.bound(headers) + 1, 0xee);
  const end = encoder.encode(headers, out, 1);
  assert.ok(end <= out.length && out[0] === 0xee);
  return out.toString('hex', 1, end);
}

function request(path: string, fields: readonly Field[] = []): Headers {
  const headers = new Headers();
  headers.method = 'GET';
  headers.scheme = 'http';
  headers.authority = 'www.example.com';
  headers.path = path;
  for (const [name, value] of fields) headers.add(headerKey(name), value);
  return headers;
}

test('C.2: representations of a field', () => {
  const decoder = new HpackDecoder(4096);
  const custom = '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572';
  assert.deepEqual(decode(decoder, custom), [['custom-key', 'custom-header']]);
  assert.equal(decoder.tableBytes, 55);
  const plain = new HpackDecoder(4096);
  assert.deepEqual(decode(plain, '040c 2f73 616d 706c 652f 7061 7468'), [[':path', '/sample/path']]);
  assert.deepEqual(decode(plain, '1008 7061 7373 776f 7264 0673 6563 7265 74'), [['password', 'secret']]);
  assert.deepEqual(decode(plain, '82'), [[':method', 'GET']]);
  assert.equal(plain.tableBytes, 0);
});

const REQUESTS: readonly (readonly Field[])[] = [
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
  ],
  [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/'],
    [':authority', 'www.example.com'],
    ['cache-control', 'no-cache'],
  ],
  [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ],
];

test('C.3 and C.4: requests with and without Huffman code', () => {
  const plain = [
    '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    '8286 84be 5808 6e6f 2d63 6163 6865',
    '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
  ];
  const coded = [
    '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
    '8286 84be 5886 a8eb 1064 9cbf',
    '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
  ];
  for (const blocks of [plain, coded]) {
    const decoder = new HpackDecoder(4096);
    const sizes = blocks.map((block, i) => {
      assert.deepEqual(decode(decoder, block), REQUESTS[i]);
      return decoder.tableBytes;
    });
    assert.deepEqual(sizes, [57, 110, 164]);
  }
});

const DATE = 'Mon, 21 Oct 2013 20:13:21 GMT';
const LATER = 'Mon, 21 Oct 2013 20:13:22 GMT';
const COOKIE = 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const LOCATION = 'https://www.example.com';

test('C.5 and C.6: responses with evictions, with and without Huffman code', () => {
  const responses: readonly (readonly Field[])[] = [
    [
      [':status', '302'],
      ['cache-control', 'private'],
      ['date', DATE],
      ['location', LOCATION],
    ],
    [
      [':status', '307'],
      ['cache-control', 'private'],
      ['date', DATE],
      ['location', LOCATION],
    ],
    [
      [':status', '200'],
      ['cache-control', 'private'],
      ['date', LATER],
      ['location', LOCATION],
      ['content-encoding', 'gzip'],
      ['set-cookie', COOKIE],
    ],
  ];
  const hex = (text: string): string => Buffer.from(text).toString('hex');
  const plain = [
    `4803333032 5807${hex('private')} 611d${hex(DATE)} 6e17${hex(LOCATION)}`,
    '4803 3330 37c1 c0bf',
    `88c1 611d${hex(LATER)} c0 5a04${hex('gzip')} 7738${hex(COOKIE)}`,
  ];
  const coded = [
    '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e' +
      '919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
    '4883 640e ffc1 c0bf',
    '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2' +
      'e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
  ];
  for (const blocks of [plain, coded]) {
    const decoder = new HpackDecoder(256);
    decoder.setLimit(256);
    const sizes = blocks.map((block, i) => {
      assert.deepEqual(decode(decoder, block), responses[i]);
      return decoder.tableBytes;
    });
    assert.deepEqual(sizes, [222, 222, 215]);
  }
});

test('all bytes survive Huffman code, and its padding is checked', () => {
  const all = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
  for (const text of [all, '', 'a', 'www.example.com', '\x00\xff\x16'.repeat(50), ...all]) {
    const bytes = Buffer.from(text, 'latin1');
    const coded = Buffer.alloc(huffmanLength(bytes, bytes.length));
    assert.equal(encodeHuffman(bytes, bytes.length, coded, 0), coded.length);
    const out = Buffer.alloc(text.length + 1);
    assert.equal(decodeHuffman(coded, 0, coded.length, out), text.length);
    assert.equal(out.latin1Slice(0, text.length), text);
  }
  const out = Buffer.alloc(64);
  // 'a' is 00011: seven bits of padding too many, zeros as padding, and EOS.
  for (const broken of ['1fff', '18', 'ffffffff', 'ff', '1ffffffffc']) {
    const bytes = Buffer.from(broken, 'hex');
    assert.equal(decodeHuffman(bytes, 0, bytes.length, out), -1, broken);
  }
});

test('broken blocks are refused', () => {
  assert.equal(fault('80'), 'invalid index');
  assert.equal(fault('be'), 'invalid index');
  assert.equal(fault('ff00'), 'invalid index');
  assert.equal(fault('ff'), 'invalid index');
  assert.equal(fault('ffffffffffff0f'), 'invalid index');
  assert.equal(fault('7f80808080800161'), 'invalid literal');
  assert.equal(fault('00'), 'invalid literal');
  assert.equal(fault('40'), 'invalid literal');
  assert.equal(fault('0001'), 'invalid literal');
  assert.equal(fault('00016105'), 'invalid literal');
  assert.equal(fault('000161'), 'invalid literal');
  assert.equal(fault('0f'), 'invalid literal');
  assert.equal(fault('7e0161'), 'invalid literal');
  assert.equal(fault('0481ff'), 'invalid literal');
  assert.equal(fault('82 20'), 'invalid table size update');
  assert.equal(fault('3fe21f'), 'invalid table size update');
  assert.equal(fault('3fe11f 20 82'), null);
});

test('a table never grows past its limit, and an entry that is too large empties it', () => {
  const decoder = new HpackDecoder(4096);
  for (let i = 0; i < 2000; i++) {
    decode(decoder, `4003${Buffer.from(String(i % 900).padStart(3, '0')).toString('hex')}0161`);
    assert.ok(decoder.tableBytes <= 4096);
  }
  assert.equal(decoder.tableCount, Math.floor(4096 / 36));
  assert.equal(decode(decoder, 'be')[0]?.[0], String(1999 % 900));
  assert.equal(decode(decoder, 'ff2f')[0]?.[1], 'a');
  decode(decoder, '20');
  assert.equal(decoder.tableBytes, 0);
  assert.equal(fault('be', decoder), 'invalid index');
  decode(decoder, `3f61 4001 61 01 62`);
  assert.equal(decoder.tableBytes, 34);
  assert.deepEqual(decode(decoder, `4001617f21${'63'.repeat(160)}`), [['a', 'c'.repeat(160)]]);
  assert.equal(decoder.tableBytes, 0);
  decoder.setLimit(0);
  assert.equal(fault('21', decoder), 'invalid table size update');
});

test('values that nobody wants are not made, but those of the table are', () => {
  const decoder = new HpackDecoder(4096);
  const fields = new Fields();
  fields.isFull = true;
  const bytes = Buffer.from('00016101624001630164', 'hex');
  assert.equal(decoder.decode(bytes, 0, bytes.length, fields), null);
  assert.deepEqual(fields.list, [['c', 'd']]);
  assert.equal(decoder.tableCount, 1);
});

test('names and values that no field may have are told', () => {
  const traitsOf = (name: string, value: string): number => {
    const fields = new Fields();
    const bytes = Buffer.concat([
      Buffer.from([0x40, name.length]),
      Buffer.from(name, 'latin1'),
      Buffer.from([value.length]),
      Buffer.from(value, 'latin1'),
      Buffer.from([0xbe]),
    ]);
    assert.equal(new HpackDecoder(4096).decode(bytes, 0, bytes.length, fields), null);
    assert.equal(fields.traits[0], fields.traits[1], JSON.stringify(name));
    return (fields.traits[0] as number) & (BAD_NAME | BAD_VALUE);
  };
  for (const name of ['A', 'aB', '', 'a b', ':foo', ':Path', 'a:', 'a\x00', '\xe9'])
    assert.equal(traitsOf(name, 'v'), BAD_NAME);
  for (const value of ['\n', 'a\r', '\x00', 'a\x7f']) assert.equal(traitsOf('a', value), BAD_VALUE);
  for (const value of ['', ' a\t', '\xff', '~']) assert.equal(traitsOf('x-y', value), 0);
});

test('the encoder makes what the RFC has in its examples', () => {
  const encoder = new HpackEncoder();
  assert.equal(encode(encoder, request('/')), '828641' + '8cf1e3c2e5f23a6ba0ab90f4ff' + '84');
  assert.equal(encode(encoder, request('/', [['cache-control', 'no-cache']])), '8286be84' + '5886a8eb10649cbf');
  assert.equal(encoder.tableBytes, 110);
  assert.equal(encode(encoder, request('/', [['cache-control', 'no-cache']])), '8286bf84be');
  assert.equal(encode(encoder, request('/', [['cache-control', 'no-cache']])), '8286bf84be');
});

test('heads that come again are written as before, until the table changes', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(4096);
  for (let i = 0; i < 200; i++) {
    const fields: Field[] = [['x-same', 'value']];
    if (i % 50 === 20) fields.push(['x-other', `v${i}`]);
    const headers = request('/a/b', fields);
    const decoded = decode(decoder, encode(encoder, headers));
    assert.deepEqual(decoded.slice(3), [[':path', '/a/b'], ...fields]);
  }
});

test('secrets are never indexed and values that do not return take no room', () => {
  const encoder = new HpackEncoder();
  const first = encode(encoder, request('/', [['authorization', 'Basic abc']]));
  assert.match(first, /841f08/);
  assert.equal(encoder.tableBytes, 57);
  encode(
    encoder,
    request('/', [
      ['cookie', 'a=b'],
      ['proxy-authorization', 'x'],
      ['x-request-id', 'y'],
    ]),
  );
  assert.equal(encoder.tableBytes, 57);
  for (let i = 0; i < 400; i++) encode(encoder, request(`/${i}`));
  assert.equal(encoder.tableBytes > 57 && encoder.tableBytes <= 4096, true);
  // The authority is still there: one value in four of the path became an entry.
  const fields = decode(new HpackDecoder(4096), encode(new HpackEncoder(), request('/x')));
  assert.equal(fields.length, 4);
});

test('the encoder follows the table size that the peer allows', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(4096);
  const send = (value: string): void => {
    const decoded = decode(decoder, encode(encoder, request('/', [['x-a', value]])));
    assert.deepEqual(decoded[4], ['x-a', value]);
  };
  send('1');
  encoder.setLimit(0);
  send('2');
  assert.equal(encoder.tableBytes, 0);
  assert.equal(decoder.tableBytes, 0);
  encoder.setLimit(100);
  encoder.setLimit(60);
  encoder.setLimit(10_000);
  const block = encode(encoder, request('/'));
  assert.match(block, /^3f1d3fe11f/);
  decode(decoder, block);
  send('3');
  assert.equal(decoder.tableBytes, encoder.tableBytes);
  const small = new HpackEncoder(1000);
  assert.match(encode(small, request('/')), /^3fc907/);
});

test('fields of HTTP/1 connections are left out', () => {
  const headers = new Headers();
  headers.status = 200;
  const names = [
    'connection',
    'keep-alive',
    'transfer-encoding',
    'upgrade',
    'proxy-connection',
    'http2-settings',
    'te',
  ];
  for (const name of names) headers.add(headerKey(name), 'x');
  assert.equal(encode(new HpackEncoder(), headers), '88');
});
