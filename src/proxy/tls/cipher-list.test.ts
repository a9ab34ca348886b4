// Cipher lists: expected are the ClientHellos of an Envoy with the same list (suites that OpenSSL names alike).
import assert from 'node:assert/strict';
import { createSecureContext } from 'node:tls';
import { it } from 'node:test';
import { expandCipherList, rejectedCiphers } from './cipher-list.ts';

/** Numbers of IANA, as they were captured. */
const NUMBERS: Readonly<Record<string, string>> = {
  c02b: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  c02f: 'ECDHE-RSA-AES128-GCM-SHA256',
  c02c: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  c030: 'ECDHE-RSA-AES256-GCM-SHA384',
  cca9: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  cca8: 'ECDHE-RSA-CHACHA20-POLY1305',
  c009: 'ECDHE-ECDSA-AES128-SHA',
  c013: 'ECDHE-RSA-AES128-SHA',
  c00a: 'ECDHE-ECDSA-AES256-SHA',
  c014: 'ECDHE-RSA-AES256-SHA',
  c023: 'ECDHE-ECDSA-AES128-SHA256',
  c027: 'ECDHE-RSA-AES128-SHA256',
  '9c': 'AES128-GCM-SHA256',
  '9d': 'AES256-GCM-SHA384',
  '2f': 'AES128-SHA',
  '35': 'AES256-SHA',
  a: 'DES-CBC3-SHA',
};

const ALL = 'c02b c02f c02c c030 cca9 cca8 c009 c013 c00a c014 9c 9d 2f 35';
const CAPTURED: readonly (readonly [string, string])[] = [
  ['ALL', ALL],
  ['HIGH', ALL],
  ['DEFAULT', ALL],
  ['FIPS', ALL],
  ['RSA', '9c 9d 2f 35'],
  ['ECDHE', 'c02b c02f c02c c030 cca9 cca8 c009 c013 c00a c014'],
  ['3DES', 'a'],
  ['AES', 'c02b c02f c02c c030 c009 c013 c00a c014 9c 9d 2f 35'],
  ['AES128', 'c02b c02f c009 c013 9c 2f'],
  ['-ALL:ECDHE', 'c02b c02f c02c c030 cca9 cca8 c009 c013 c00a c014'],
  ['ALL:-AES128', 'c02c c030 cca9 cca8 c00a c014 9d 35'],
  ['ALL:+AESGCM', 'cca9 cca8 c009 c013 c00a c014 2f 35 c02b c02f c02c c030 9c 9d'],
  ['ALL:!ECDHE', '9c 9d 2f 35'],
  ['AES256:AES128', 'c02c c030 c00a c014 9d 35 c02b c02f c009 c013 9c 2f'],
  ['ALL:@STRENGTH', 'c02c c030 cca9 cca8 c00a c014 9d 35 c02b c02f c009 c013 9c 2f'],
  ['SSLv3', 'c009 c013 c00a c014 2f 35'],
  ['TLSv1.2', 'c02b c02f c02c c030 cca9 cca8 9c 9d'],
  ['SHA1', 'c009 c013 c00a c014 2f 35'],
  ['ECDHE+AESGCM:ECDHE', 'c02b c02f c02c c030 cca9 cca8 c009 c013 c00a c014'],
  ['DEFAULT:-AES', 'cca9 cca8'],
  ['ALL:DES-CBC3-SHA', `${ALL} a`],
  ['ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256', 'c023 c027'],
  ['[AES128-SHA|AES256-SHA]:ALL', '2f 35 c02b c02f c02c c030 cca9 cca8 c009 c013 c00a c014 9c 9d'],
  ['AES128-SHA:ALL:+AES128-SHA', 'c02b c02f c02c c030 cca9 cca8 c009 c013 c00a c014 9c 9d 35 2f'],
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'c02f'],
];

it('names the suites that Envoy offers, in its order', () => {
  for (const [list, numbers] of CAPTURED) {
    const expected = numbers.split(' ').map((number) => NUMBERS[number]);
    assert.deepEqual(expandCipherList(list), expected, list);
  }
  assert.deepEqual(expandCipherList('PSK'), [], 'nobody has keys that are shared before');
});

it('knows no suite that the runtime does not, but for 3DES', () => {
  for (const name of expandCipherList('ALL:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256') ?? []) {
    assert.doesNotThrow(() => createSecureContext({ ciphers: `${name}:@SECLEVEL=0` }), name);
  }
});

it('refuses what BoringSSL refuses, and says which part', () => {
  const refused: readonly (readonly [string, string])[] = [
    ['NOPE', 'NOPE'],
    ['NOPE:ECDHE-RSA-AES128-GCM-SHA256:ALSO', 'NOPE, ALSO'],
    ['[ECDHE-ECDSA-AES128-GCM-SHA256|NOPE]', 'NOPE'],
    ['[ECDHE-ECDSA-AES128-GCM-SHA256', ''],
    ['ECDHE-ECDSA-AES128-GCM-SHA256]', ''],
    ['-ECDHE-ECDSA-AES128-GCM-SHA256', ''],
    ['+AES128-SHA', ''],
    ['!aNULL', 'aNULL'],
    ['@STRENGTH', '@STRENGTH'],
    ['AES128-SHA,AES256-SHA', 'AES128-SHA,AES256-SHA'],
    ['AES128-SHA ECDHE', 'AES128-SHA ECDHE'],
    ['TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256'],
    ['AES128-SHA256', 'AES128-SHA256'],
    ['ecdhe-rsa-aes128-gcm-sha256', 'ecdhe-rsa-aes128-gcm-sha256'],
    ['SHA256', 'SHA256'],
    ['LOW', 'LOW'],
  ];
  for (const [list, parts] of refused) {
    assert.equal(expandCipherList(list), null, list);
    assert.equal(rejectedCiphers(list).join(', '), parts, list);
  }
});

it('ends on any text', () => {
  const pieces = ['ALL', ':', '[', ']', '|', '-', '+', '!', '@', 'STRENGTH', 'AES128-SHA', ' ', '\u0000', 'é'];
  let seed = 1;
  for (let i = 0; i < 3000; i++) {
    let text = '';
    for (let j = 0; j < 8; j++) {
      seed = (seed * 48271) % 2147483647;
      text += pieces[seed % pieces.length];
    }
    const names = expandCipherList(text);
    assert.ok(names === null || new Set(names).size === names.length, text);
  }
  assert.equal(expandCipherList('ALL:'.repeat(10_000)), null, 'too long');
});
