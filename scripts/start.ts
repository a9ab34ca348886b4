// `npm start`: the bookshop, as `heddle up` runs it, from a bundle that is made when the sources changed. With the name
// of one of examples/envoy (`npm start -- routing`): the proxy alone on that file.
import { spawn, spawnSync } from 'node:child_process';
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

function follow(command: readonly string[]): void {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { cwd: ROOT, stdio: 'inherit' });
  // A terminal's signals reach it too; those of others are passed on.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => {
    process.stderr.write(`heddle: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
}

const [name, ...rest] = process.argv.slice(2);
if (name !== undefined && !name.startsWith('-') && existsSync(join(ROOT, 'examples/envoy', `${name}.yaml`))) {
  follow(node(join(ROOT, 'scripts/start-example.ts'), name));
} else {
  if (isStale()) build();
  const directory = name === undefined || name.startsWith('-') ? 'examples/bookshop' : name;
  const options = name === undefined || !name.startsWith('-') ? rest : [name, ...rest];
  follow([join(ROOT, 'bin/heddle'), 'up', directory, ...options]);
}
