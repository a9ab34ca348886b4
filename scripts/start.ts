// `npm start`: the bookshop, as `heddle up` runs it, from a bundle that is made when the sources changed. With the name
// of one of examples/envoy (`npm start -- routing`): the proxy alone on that file.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = dirname(import.meta.dirname);
const BUNDLE = join(ROOT, 'dist/heddle.js');
const node = (...args: string[]): string[] => [process.execPath, '--disable-warning=ExperimentalWarning', ...args];

/** Sources are run, too, but take three times as long to start and twice the memory. */
function isStale(): boolean {
  const made = statSync(BUNDLE, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = globSync('{src,web}/**/*.{ts,tsx,css,html}', { cwd: ROOT });
  return sources.some((file) => statSync(join(ROOT, file)).mtimeMs > made);
}

function build(): void {
  const [program = '', ...args] = node(join(ROOT, 'scripts/build.ts'));
  const { status } = spawnSync(program, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) process.stderr.write('heddle: the bundle cannot be made; the sources are run\n');
}

/** This process becomes that program, so that signals and its end are that program's own. */
function become(program: string, ...args: string[]): never {
  process.chdir(ROOT);
  const environment = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  process.execve?.(program, [program, ...args], environment);
  throw new Error('this Node cannot become another program');
}

const [name, ...rest] = process.argv.slice(2);
if (name !== undefined && !name.startsWith('-') && existsSync(join(ROOT, 'examples/envoy', `${name}.yaml`))) {
  const [program = '', ...args] = node(join(ROOT, 'scripts/start-example.ts'), name);
  become(program, ...args);
} else {
  if (isStale()) build();
  const directory = name === undefined || name.startsWith('-') ? 'examples/bookshop' : name;
  const options = name === undefined || !name.startsWith('-') ? rest : [name, ...rest];
  become('/bin/sh', join(ROOT, 'bin/heddle'), 'up', directory, ...options);
}
