// The conventions that tidy checks, each shown by a file that breaks it and one that does not.
import assert from 'node:assert/strict';
import test from 'node:test';
import { blankLiterals, findFunctions, findImports } from './support/source-text.ts';
import { checkFiles } from './tidy.ts';

/** Returns `rule` of each violation in files given as path → text; a header is added where there is none. */
function rulesBroken(files: Record<string, string>): string[] {
  const withHeader = (text: string): string => (text.startsWith('//\n') ? text : `// A file.\n${text}\n`);
  return checkFiles(Object.keys(files), (path) => withHeader(files[path]!)).map((violation) => violation.rule);
}

test('a tidy file passes', () => {
  assert.deepEqual(rulesBroken({ 'src/base/a.ts': 'export const a = 1;' }), []);
});

test('imports go down only', () => {
  const direction = ['import direction'];
  const cases: [path: string, statement: string, broken: string[]][] = [
    ['src/base/a.ts', "import { b } from '../telemetry/b.ts';", direction],
    ['src/telemetry/a.ts', "import { b } from '../base/b.ts';", []],
    ['src/wire/http1/a.ts', "import { b } from '../../net/b.ts';", direction],
    ['src/proxy/http/filters/cors.ts', "import { b } from '../filter.ts';", []],
    ['src/proxy/http/filters/cors.ts', "import { b } from '../connection-manager.ts';", direction],
    ['src/proxy/http/filters/cors.ts', "import { b } from '../../cluster/cluster.ts';", direction],
    ['src/proxy/http/filters/cors.ts', "import type { B } from '../stream.ts';", []],
    ['src/proxy/http/filters/router.ts', "import { b } from '../../cluster/cluster.ts';", []],
    ['src/proxy/http/stream.ts', "import { b } from '../config/listener.ts';", direction],
    ['src/proxy/worker.ts', "import { b } from './config/listener.ts';", []],
    ['src/proxy/worker.ts', "import { b } from '../kube/client.ts';", direction],
    ['src/proxy/cluster/a.ts', "import { b } from '../../proto/binary.ts';", direction],
    ['src/control/control.ts', "import { b } from '../ca/authority.ts';", []],
    ['src/base/a.ts', "import { b } from '../../scripts/b.ts';", direction],
    ['src/newroom/a.ts', "import { b } from '../base/b.ts';", direction],
  ];
  for (const [path, statement, broken] of cases) {
    assert.deepEqual(rulesBroken({ [path]: statement }), broken, `${path}: ${statement}`);
  }
});

test('only net/ opens sockets, and pure rooms do no I/O', () => {
  assert.deepEqual(rulesBroken({ 'src/proxy/a.ts': "import { connect } from 'node:net';" }), [
    'only net/ opens sockets',
  ]);
  assert.deepEqual(rulesBroken({ 'src/net/a.ts': "import { connect } from 'node:net';" }), []);
  assert.deepEqual(rulesBroken({ 'src/wire/a.ts': "import { readFileSync } from 'node:fs';" }), [
    'pure rooms do no I/O',
  ]);
});

test('imports are written in full', () => {
  assert.deepEqual(rulesBroken({ 'src/base/a.ts': "import { b } from './b';" }), ['imports']);
  assert.deepEqual(rulesBroken({ 'src/base/a.ts': "import { join } from 'path';" }), ['imports']);
});

test('cycles of values are found, cycles of types are not', () => {
  const a = "import { b } from './b.ts';";
  assert.deepEqual(rulesBroken({ 'src/base/a.ts': a, 'src/base/b.ts': "export { a } from './a.ts';" }), [
    'no import cycles',
  ]);
  assert.deepEqual(rulesBroken({ 'src/base/a.ts': a, 'src/base/b.ts': "import type { a } from './a.ts';" }), []);
});

test('clocks, randomness, environment and console belong to their rooms', () => {
  for (const call of ['Date.now()', 'setTimeout(f, 1)', 'Math.random()', 'process.env.HOME', "console.log('')"]) {
    assert.deepEqual(rulesBroken({ 'src/proxy/a.ts': `${call};` }), ['banned calls'], call);
    assert.deepEqual(rulesBroken({ 'src/base/clock.ts': `${call};` }), [], call);
  }
  assert.deepEqual(rulesBroken({ 'src/proxy/a.ts': 'clock.setTimeout(f, 1); // Date.now()' }), []);
});

test('lengths have limits', () => {
  const body = '  step();\n'.repeat(80);
  assert.deepEqual(rulesBroken({ 'src/base/a.ts': `function long(a: { b: number }): void {\n${body}}` }), [
    'function length',
  ]);
  assert.deepEqual(rulesBroken({ 'src/base/a.ts': `class A {\n  long(): { b: number } {\n${body}}\n}` }), [
    'function length',
  ]);
  assert.deepEqual(rulesBroken({ 'src/base/a.ts': `// ${'a'.repeat(120)}` }), ['line length']);
  assert.deepEqual(rulesBroken({ 'src/base/a.ts': 'a();\n'.repeat(601) }), ['file length']);
});

test('texts that do not belong are found', () => {
  assert.deepEqual(rulesBroken({ 'src/base/a.ts': `// ${'TO'}${'DO'}: later` }), ['no leftovers']);
  assert.deepEqual(rulesBroken({ 'docs/a.md': `//\n${'/wo'}${'rk/'}notes\n` }), ['machine texts']);
  assert.deepEqual(rulesBroken({ 'package-lock.json': '//\n{ "resolved": "x" }\n' }), ['lock file']);
  assert.deepEqual(rulesBroken({ 'src/base/a.ts': 'export default 1;' }), ['no default exports']);
  assert.deepEqual(rulesBroken({ 'src/base/index.ts': '' }), ['no barrels']);
  assert.deepEqual(rulesBroken({ 'src/base/aB.ts': '' }), ['names']);
  assert.deepEqual(rulesBroken({ 'src/base/a.test.ts': 'test.only();' }), ['no skipped tests']);
});

test('blanking keeps offsets and sees through templates, regular expressions and comments', () => {
  const source = 'const a = `x${f({ b: "}" })}y`; /* { */ const c = /[/"]{2}/.test(d) / 2; // {\n{}';
  const blanked = blankLiterals(source);
  assert.equal(blanked.length, source.length);
  assert.equal(blanked.replace(/\s+/g, ''), 'consta=`${f({b:""})}`;constc=//.test(d)/2;{}');
});

test('imports of every form are found', () => {
  const source = [
    "import 'a';",
    "import { b, type C } from 'b';",
    "import { type C } from 'c';",
    "import type D from 'd';",
    "export * from 'e';",
    'const text = "import \'f\'";',
    "const lazy = await import('g');",
    "export const h = 'h';",
    'import {\n  i,\n} from',
    "  'i';",
  ].join('\n');
  const found = findImports(source, blankLiterals(source));
  assert.deepEqual(
    found.map((one) => `${one.line}${one.specifier}${one.typeOnly ? '!' : ''}`),
    ['1a', '2b', '3c!', '4d!', '5e', '9i', '7g'],
  );
});

test('functions of every form are measured', () => {
  const source =
    'export async function a<T>(b: T): Promise<{ c: T }> {\n}\nconst d = (e: number): void => {\n\n};\nf(g);\n';
  assert.deepEqual(
    findFunctions(blankLiterals(source)).map((one) => `${one.name} ${one.line} ${one.lines}`),
    ['a 1 2', 'arrow function 3 3'],
  );
});
