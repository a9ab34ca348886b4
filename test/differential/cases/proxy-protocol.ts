// The PROXY protocol in all its forms: what is believed, what is refused, and what it is counted and logged as.
import type { Case, Group } from '../case.ts';
import { bootstrap } from '../config.ts';
import {
  bytesCase,
  inSingleBytes,
  listenerFilter,
  piecesCase,
  waitingCase,
  watchedListener,
} from './listener-client.ts';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const V4_ADDRESSES = '\x01\x02\x03\x04\x05\x06\x07\x08\x03\xe8\x07\xd0';
const V6_ADDRESS = '\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09';
const V6_ADDRESSES = `${V6_ADDRESS}${V6_ADDRESS}\x03\xe8\x07\xd0`;
const MAPPED = `${'\0'.repeat(10)}\xff\xff\x01\x02\x03\x04`;

const u16 = (value: number): string => String.fromCharCode(value >> 8, value & 0xff);
const tlv = (type: number, value: string): string => String.fromCharCode(type) + u16(value.length) + value;
const v2 = (verCmd: number, family: number, rest: string, length = rest.length): string =>
  SIGNATURE + String.fromCharCode(verCmd, family) + u16(length) + rest;
const v1 = (text: string): string => `PROXY ${text}\r\nhello`;
const GOOD_V1 = v1('TCP4 1.2.3.4 5.6.7.8 1000 2000');
const GOOD_V2 = v2(0x21, 0x11, V4_ADDRESSES);

const V1_LINES: readonly string[] = [
  'TCP4 1.2.3.4 5.6.7.8 1000 2000',
  'TCP6 2001:db8::1 2001:DB8:0:0::2 1000 2000',
  'TCP6 ::ffff:1.2.3.4 ::ffff:5.6.7.8 1 2',
  'TCP6 fe80::1%1 fe80::2 1 2',
  'UNKNOWN',
  'UNKNOWN ffff::1 ffff::2 1 2 and more',
  'UNKNOWNx',
  '',
  'TCP5 1.2.3.4 5.6.7.8 1 2',
  ' TCP4 1.2.3.4 5.6.7.8 1 2',
  'TCP4 1.2.3.4 5.6.7.8 1 2  \t',
  'TCP4 1.2.3.4 5.6.7.8 1 2 x',
  'TCP4 1.2.3.4 5.6.7.8 1',
  'TCP4 1.2.3.4 5.6.7.8 0 0',
  'TCP4 1.2.3.4 5.6.7.8 01 +2',
  'TCP4 1.2.3.4 5.6.7.8 65535 65536',
  'TCP4 1.2.3.4 5.6.7.8 -1 2',
  'TCP4 1.2.3.4 5.6.7.8 0x10 2',
  'TCP4 01.2.3.4 5.6.7.8 1 2',
  'TCP4 1.2.3 5.6.7.8 1 2',
  'TCP4 ::1 ::2 1 2',
  'TCP4 [::1] [::2] 1 2',
  'TCP6 1.2.3.4 5.6.7.8 1 2',
  'TCP4 0.0.0.0 5.6.7.8 1 2',
  'TCP4 1.2.3.4 224.0.0.1 1 2',
  'TCP4 255.255.255.255 5.6.7.8 1 2',
  'TCP4 240.0.0.1 5.6.7.8 1 2',
  'TCP6 :: ::1 1 2',
  'TCP6 ff02::1 ::1 1 2',
];

const V2_HEADERS: readonly (readonly [string, string])[] = [
  ['tcp over ipv4', GOOD_V2],
  ['udp over ipv4', v2(0x21, 0x12, V4_ADDRESSES)],
  ['tcp over ipv6', v2(0x21, 0x21, V6_ADDRESSES)],
  ['mapped addresses', v2(0x21, 0x21, `${MAPPED}${MAPPED}\0\x01\0\x02`)],
  ['unix addresses', v2(0x21, 0x31, '\0'.repeat(216))],
  ['unspecified family', v2(0x21, 0x00, '')],
  ['unspecified transport', v2(0x21, 0x10, V4_ADDRESSES)],
  ['unknown transport', v2(0x21, 0x13, V4_ADDRESSES)],
  ['local', v2(0x20, 0x00, '')],
  ['local with addresses', v2(0x20, 0x11, V4_ADDRESSES)],
  ['local with a broken list', v2(0x20, 0x00, '\x01')],
  ['unknown command', v2(0x22, 0x11, V4_ADDRESSES)],
  ['version 1 in binary', v2(0x11, 0x11, V4_ADDRESSES)],
  ['version 3', v2(0x31, 0x11, V4_ADDRESSES)],
  ['a length that is too short', v2(0x21, 0x11, V4_ADDRESSES, 11)],
  ['no addresses', v2(0x21, 0x11, '')],
  ['multicast source', v2(0x21, 0x11, `\xe0${V4_ADDRESSES.slice(1)}`)],
  ['any as source', v2(0x21, 0x11, `\0\0\0\0${V4_ADDRESSES.slice(4)}`)],
  ['entries without rules', v2(0x21, 0x11, V4_ADDRESSES + tlv(9, 'skipped') + tlv(4, '\0\0\0'))],
  ['the largest header', v2(0x21, 0x11, V4_ADDRESSES + tlv(9, 'x'.repeat(65_535 - 15)))],
  ...['\x09', '\x09\0', '\x09\0\x05a', '\x09\0\0\x01'].map(
    (list, i) => [`broken list ${i}`, v2(0x21, 0x11, V4_ADDRESSES + list)] as const,
  ),
];

const forms: readonly Case[] = [
  ...V1_LINES.map((line) => bytesCase(`v1 ${line || '(nothing)'}`, 'strict', v1(line))),
  ...V2_HEADERS.map(([name, header]) => bytesCase(`v2 ${name}`, 'strict', `${header}hello`)),
  piecesCase('v1 in single bytes', 'strict', inSingleBytes(GOOD_V1)),
  piecesCase('v2 in single bytes', 'strict', inSingleBytes(GOOD_V2)),
  piecesCase('v2 with a list, in two pieces', 'strict', [
    v2(0x21, 0x11, V4_ADDRESSES + tlv(9, 'abc')).slice(0, 30),
    v2(0x21, 0x11, V4_ADDRESSES + tlv(9, 'abc')).slice(30),
  ]),
  bytesCase('v1 of 108 bytes', 'strict', v1(`UNKNOWN ${'x'.repeat(92)}`)),
  bytesCase('v1 of 109 bytes', 'strict', v1(`UNKNOWN ${'x'.repeat(93)}`)),
  bytesCase('110 bytes without a line end', 'strict', `PROXY UNKNOWN ${'x'.repeat(96)}`),
  piecesCase('109 single bytes without a line end', 'strict', inSingleBytes(`PROXY UNKNOWN ${'x'.repeat(95)}`)),
  bytesCase('no header but HTTP', 'strict', 'GET / HTTP/1.1\r\n\r\n'),
  bytesCase('a short line of another protocol', 'strict', 'GET /\r\n'),
  bytesCase('lower case', 'strict', 'proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n'),
  bytesCase('a line end and no signature', 'strict', `\r\n${'x'.repeat(20)}`),
];

const unfinished: readonly Case[] = [
  waitingCase('nothing, then the client ends', 'strict', ''),
  waitingCase('nothing, then the client resets', 'strict', '', 'reset'),
  waitingCase('half a line, then the client ends', 'strict', 'PROXY TCP4 1.2.3.4'),
  waitingCase('a line end of LF alone', 'strict', 'PROXY UNKNOWN\n'),
  waitingCase('half a signature', 'strict', SIGNATURE),
  waitingCase('half the addresses', 'strict', GOOD_V2.slice(0, 20)),
];

const REQUEST = 'GET / HTTP/1.1\r\n\r\n';
const optional: readonly Case[] = ['optional', 'no-v1', 'no-v2', 'optional-no-v1', 'optional-no-v2'].flatMap((to) => [
  bytesCase(`${to}: no header`, to, REQUEST),
  bytesCase(`${to}: v1`, to, GOOD_V1),
  bytesCase(`${to}: v2`, to, `${GOOD_V2}hello`),
  bytesCase(`${to}: a broken line`, to, v1('nonsense')),
]);
const early: readonly Case[] = [
  bytesCase('optional: one byte that begins no header', 'optional', 'G'),
  bytesCase('optional: PROXY and no blank', 'optional', 'PROXYING'),
  waitingCase('optional: one byte that may begin a header', 'optional', 'P'),
  bytesCase('optional: a signature of eleven bytes', 'optional', `${SIGNATURE.slice(0, 11)}x`),
];

const listed = (...tlvs: readonly string[]): string => `${v2(0x21, 0x11, V4_ADDRESSES + tlvs.join(''))}hello`;
const lists: readonly Case[] = ['rules', 'state'].flatMap((to) => [
  bytesCase(`${to}: entries`, to, listed(tlv(1, 'h2'), tlv(0xea, 'abc'), tlv(2, 'two'), tlv(9, 'skipped'))),
  bytesCase(`${to}: bytes that are no UTF-8`, to, listed(tlv(0xea, 'a\xffb\xc3\xa9\xe2\x82"\n'), tlv(2, '\0\x01'))),
  bytesCase(`${to}: base64`, to, listed(tlv(3, '\xff\0'))),
  bytesCase(`${to}: a type twice`, to, listed(tlv(2, 'one'), tlv(2, 'two'))),
  bytesCase(`${to}: an empty value`, to, listed(tlv(0xea, ''))),
  bytesCase(`${to}: a long value`, to, listed(tlv(0xea, 'x'.repeat(3000)))),
  bytesCase(`${to}: version 1 has none`, to, GOOD_V1),
  bytesCase(`${to}: LOCAL has none`, to, `${v2(0x20, 0x11, V4_ADDRESSES + tlv(0xea, 'abc'))}hello`),
]);

const RULES = [
  { tlv_type: 0xea, on_tlv_present: { key: 'ea' } },
  { tlv_type: 2, on_tlv_present: { metadata_namespace: 'ns', key: 'two' } },
  { tlv_type: 3, on_tlv_present: { metadata_namespace: 'ns', key: 'b64', value_string_encoding: 'BASE64' } },
];
const passAll = { pass_through_tlvs: { match_type: 'INCLUDE_ALL' } };

export const proxyProtocolGroups: readonly Group[] = [
  {
    name: 'PROXY protocol',
    config: bootstrap({
      listeners: [
        ['strict', { stat_prefix: 'strict' }] as const,
        ['optional', { allow_requests_without_proxy_protocol: true }] as const,
        ['no-v1', { disallowed_versions: ['V1'], stat_prefix: 'one' }] as const,
        ['no-v2', { disallowed_versions: ['V2'], stat_prefix: 'two' }] as const,
        ['optional-no-v1', { disallowed_versions: ['V1'], allow_requests_without_proxy_protocol: true }] as const,
        ['optional-no-v2', { disallowed_versions: ['V2'], allow_requests_without_proxy_protocol: true }] as const,
        ['rules', { rules: RULES, pass_through_tlvs: { match_type: 'INCLUDE', tlv_type: [1] } }] as const,
        ['state', { rules: RULES, tlv_location: 'FILTER_STATE', ...passAll }] as const,
      ].map(([name, fields]) => watchedListener(name, [listenerFilter('proxy_protocol', fields)])),
      clusters: [],
    }),
    cases: [...forms, ...unfinished, ...optional, ...early, ...lists],
  },
];
