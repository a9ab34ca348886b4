// Which test files share a process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupFiles } from './test-groups.ts';

test('neighbours share a process, up to a number; what concerns a whole process has its own', () => {
  const texts: Record<string, string> = {
    'src/ca/a.test.ts': '',
    'src/proxy/http/a.test.ts': "import { test } from 'node:test';",
    'src/proxy/http/b.test.ts': 'after(() => close());',
    'src/proxy/http/c.test.ts': "process.env['A'] = '1';",
    'src/proxy/http/deep/d.test.ts': 'const version = process.version;',
    'src/proxy/http/e.test.ts': 'const made = await make();',
    'src/proxy/lua/f.test.ts': '',
  };
  const groups = groupFiles(Object.keys(texts), (file) => texts[file] as string);
  assert.deepEqual(groups, [
    ['src/ca/a.test.ts'],
    ['src/proxy/http/a.test.ts', 'src/proxy/http/deep/d.test.ts'],
    ['src/proxy/http/b.test.ts'],
    ['src/proxy/http/c.test.ts'],
    ['src/proxy/http/e.test.ts'],
    ['src/proxy/lua/f.test.ts'],
  ]);
  const many = Array.from({ length: 30 }, (_, i) => `src/xds/${i}.test.ts`);
  const sizes = groupFiles(many, () => '').map((group) => group.length);
  assert.equal(
    sizes.reduce((sum, size) => sum + size),
    30,
  );
  assert.ok(sizes.length > 1 && sizes.length < 10, sizes.join(' '));
});
