// Bundles the program to `dist/`: JavaScript for users, because Node does not strip types below node_modules.
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

const ROOT = dirname(import.meta.dirname);

/** Read at run time, found by the program as `./generated/NAME` beside its module, in dist and in src/proto alike. */
const DATA_FILES = ['src/proto/generated/descriptors.bin', 'src/proto/generated/descriptors.index'];

/**
 * The entry keeps compiled code between starts, which it can only do for modules that are loaded after it asked.
 * A directory beside the bundle serves a clone; an installed package its user may not write to uses the user's own.
 */
const ENTRY = `// Starts Heddle with its compiled code kept from the last start.
import { accessSync, constants } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

let cache = join(import.meta.dirname, '.compile-cache');
try {
  accessSync(import.meta.dirname, constants.W_OK);
} catch {
  cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'heddle');
}
enableCompileCache(cache);
await import('./main.js');
`;

/** Builds beside `target` and swaps at the end: who starts meanwhile finds a whole bundle. Returns its bytes. */
export async function build(target: string = join(ROOT, 'dist')): Promise<number> {
  const dist = `${target}.new`;
  const entry = join(ROOT, 'src/main.ts');
  if (!existsSync(entry)) throw new Error('src/main.ts is not there');
  const bundle = await rolldown({
    input: { main: entry },
    platform: 'node',
    cwd: ROOT,
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(log.message);
    },
  });
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(join(dist, 'generated'), { recursive: true });
  await bundle.write({
    dir: dist,
    format: 'esm',
    sourcemap: true,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    // Names stay, because stack traces and profiles are read by people.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
  });
  await bundle.close();
  for (const file of DATA_FILES) copyFileSync(join(ROOT, file), join(dist, 'generated', basename(file)));
  writeFileSync(join(dist, 'heddle.js'), ENTRY);
  rmSync(target, { recursive: true, force: true });
  renameSync(dist, target);
  return readdirSync(target, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const start = performance.now();
  const bytes = await build();
  console.log(`build: ${(bytes / 1024).toFixed(0)} KiB in dist/ in ${(performance.now() - start).toFixed(0)} ms`);
}
