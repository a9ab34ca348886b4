// Which texts are URLs with scheme and host, as the real Envoy reads them in a location.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAbsoluteUrl } from './absolute-url.ts';

test('takes scheme, host and path apart', () => {
  assert.deepEqual(parseAbsoluteUrl('HTTP://u:p@h.example:80/a?b#c'), {
    scheme: 'HTTP',
    hostAndPort: 'h.example:80',
    path: '/a?b#c',
  });
  assert.deepEqual(parseAbsoluteUrl('https://[::1]:81'), { scheme: 'https', hostAndPort: '[::1]:81', path: '/' });
});

test('refuses what is none', () => {
  const refused = [
    '',
    '/a',
    '//h/a',
    'h/a',
    'http://',
    'http:///a',
    'http:/a',
    'mailto:a@b',
    'http://h:/a',
    'http://h:x/',
  ];
  const more = [
    'http://h:65536/',
    'http://h_1/',
    'http://*/',
    'http://h/a b',
    'http://h/\xe9',
    'http://h\r\n/',
    'http://a@b@c/',
  ];
  for (const text of [...refused, ...more]) assert.equal(parseAbsoluteUrl(text), null, text);
});
