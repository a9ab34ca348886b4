// Which paths a template takes, and which templates are none. Envoy gives the same answers (test/differential).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilePathTemplate } from './path-template.ts';
import { compileRegex } from './regex.ts';

function takes(template: string, path: string): boolean {
  const compiled = compilePathTemplate(template);
  if ('error' in compiled) assert.fail(`${template}: ${compiled.error}`);
  const regex = compileRegex(compiled.regex);
  if ('error' in regex) assert.fail(`${compiled.regex}: ${regex.error}`);
  return regex.matches(path);
}

test('which paths a template takes', () => {
  const cases: readonly (readonly [template: string, yes: readonly string[], no: readonly string[]])[] = [
    ['/', ['/'], ['', '//', '/a']],
    ['/a/*/b', ['/a/x/b', '/a/x.y~%20/b'], ['/a/b', '/a//b', '/a/x/y/b', '/a/x/b/', '/a/ü/b']],
    ['/c/**', ['/c/', '/c/x', '/c/x/y/', '/c//'], ['/c', '/cx']],
    ['/**', ['/', '/a/b'], []],
    ['/a/', ['/a/'], ['/a', '/a//']],
    ['/a.b', ['/a.b'], ['/axb']],
    ['/a*b', ['/aab', '/ab', '/b'], ['/a*b']],
    ['/a+(b)$', ['/a+(b)$'], ['/aa(b)$']],
    ['/*.html', ['/x.html', '/x.y.html'], ['/.html', '/x/y.html', '/xhtml']],
    ['/{a}/{b=x/*}/{c=**}', ['/1/x/2/', '/1/x/2/3/4'], ['/1/y/2/', '/1/x/2']],
    ['/{a}.jpg', ['/x.jpg'], ['/x.jpgs']],
    ['/**.m3u8', ['/a/b.m3u8', '/.m3u8'], ['/a/b']],
  ];
  for (const [template, yes, no] of cases) {
    for (const path of yes) assert.equal(takes(template, path), true, `${template} takes ${path}`);
    for (const path of no) assert.equal(takes(template, path), false, `${template} does not take ${path}`);
  }
});

test('which templates are none', () => {
  const cases: Readonly<Record<string, string>> = {
    '': 'Invalid pattern',
    a: 'Invalid pattern',
    '/a b': 'Invalid pattern',
    '//a': 'Invalid literal',
    '/a?b': 'Invalid literal',
    '/*/**/*': 'Glob after text glob.',
    '/**/{a}': 'Implicit variable path glob after text glob.',
    '/**/{a=*}': 'Glob after text glob.',
    '/{a': 'Unmatched variable bracket',
    '/{}': 'Invalid variable name',
    '/{1a}': 'Invalid variable name',
    '/{a=}': 'Empty variable match',
    '/{a=b/}': 'Invalid variable match',
    '/{a=*b}': 'Invalid variable match',
    '/{a}/{a}': 'Repeated variable name',
    '/{abcdefghijklmnopq}': 'Invalid variable length',
    '/{a}/{b}/{c}/{d}/{e}/{f}': 'Exceeded variable count limit',
    '/*a/b': 'Prefix match not supported.',
    '/*{a}': 'Invalid literal',
  };
  for (const [template, error] of Object.entries(cases)) {
    assert.deepEqual(compilePathTemplate(template), { error }, template);
  }
});

test('variables are named in their order', () => {
  const compiled = compilePathTemplate('/{b}/x/{a=**}');
  assert.deepEqual('names' in compiled && compiled.names, ['b', 'a']);
});
