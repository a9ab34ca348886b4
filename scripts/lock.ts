// Makes package-lock.json and completes it with the packages of other platforms: npm leaves out what a registry lacks
// today, and then refuses the file (`npm ci`) on every platform.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = dirname(import.meta.dirname);
const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'win32'];
const PROCESSORS = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 's390x', 'riscv64', 'wasm32', 'loong64'];

type Entry = {
  version: string;
  dev?: boolean;
  optional?: boolean;
  optionalDependencies?: Record<string, string>;
  [key: string]: unknown;
};

/** Adds an entry for every optional dependency that has none; what it is for is told by its name. */
function complete(packages: Record<string, Entry>): string[] {
  const added: string[] = [];
  for (const [path, entry] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const key = `node_modules/${name}`;
      if (packages[key] !== undefined) continue;
      const words = name.split(/[/-]/);
      const system = SYSTEMS.find((one) => words.includes(one));
      const processor = PROCESSORS.find((one) => words.includes(one));
      packages[key] = {
        version,
        cpu: [processor ?? 'unknown'],
        ...(path === '' ? {} : { dev: true }),
        ...(words.includes('musl') ? { libc: ['musl'] } : {}),
        optional: true,
        os: [system ?? 'unknown'],
      };
      added.push(`${name}@${version}`);
    }
  }
  return added;
}

const scratch = mkdtempSync(join(tmpdir(), 'heddle-lock-'));
try {
  for (const file of ['package.json', '.npmrc']) copyFileSync(join(ROOT, file), join(scratch, file));
  // Under an old Node npm resolves older packages, so npm itself runs on ours, which is the first on the PATH here.
  execFileSync('npm', ['install', '--package-lock-only'], { cwd: scratch, stdio: 'inherit' });
  const lock: { packages: Record<string, Entry> } = JSON.parse(
    readFileSync(join(scratch, 'package-lock.json'), 'utf8'),
  );
  const added = complete(lock.packages);
  const root = lock.packages[''];
  const rest = Object.entries(lock.packages).filter(([path]) => path !== '');
  lock.packages = Object.fromEntries([['', root!], ...rest.sort(([a], [b]) => (a < b ? -1 : 1))]);
  writeFileSync(join(ROOT, 'package-lock.json'), `${JSON.stringify(lock, null, 2)}\n`);
  console.log(added.length === 0 ? 'lock: complete' : `lock: added ${added.join(', ')}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
