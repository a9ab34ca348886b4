// Bundles the program to `dist/`: JavaScript for users, because Node does not strip types below node_modules.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';
import { escapeBundle } from './support/ascii-bundle.ts';
import { buildWeb } from './support/build-web.ts';

const ROOT = dirname(import.meta.dirname);

/** Read at run time, found by the program as `./generated/NAME` beside its module, in dist and in src alike. */
const DATA_FILES = [
  'src/proto/generated/descriptors.bin',
  'src/proto/generated/descriptors.index',
  'src/control/schema/generated/crds.txt',
];

/**
 * Functions are optimised ten times later than by default, so that starting alone does not bring the optimising
 * compilers into memory (5 MB); under load ten times later is a fraction of a second. Such flags come and go with V8,
 * which complains of those that it does not know, so they are for the Node that they were measured with.
 */
const FLAGS_OF_NODE = 24;
const LATE_OPTIMISATION = [
  '--invocation-count-for-maglev=4000',
  '--invocation-count-for-maglev-osr=1000',
  '--invocation-count-for-turbofan=30000',
  '--invocation-count-for-osr=5000',
];

/**
 * Node's own modules come with their code compiled, but V8 takes that only while its flags are as they were when Node
 * was built. What the verbs that serve until they are told to end need of them is loaded before any flag is set, which
 * saves 25 ms and 2 MB; all other verbs are over before anything is optimised. Whatever a module exports is read when
 * it is imported, and may load others: for node:http that would be 12 MB that nobody needs, so it is not imported.
 */
const EARLY: Record<string, { readonly imported: readonly string[]; readonly asked: readonly string[] }> = {};
const SOCKETS = ['assert/strict', 'crypto', 'net', 'os', 'process', 'util', 'worker_threads'];
EARLY['proxy'] = { imported: SOCKETS, asked: ['perf_hooks'] };
EARLY['agent'] = { imported: [...SOCKETS, 'dns'], asked: ['perf_hooks', 'tls', 'http', 'cluster'] };
EARLY['control'] = EARLY['agent'];

/**
 * The entry keeps compiled code between starts, which it can only do for modules that are loaded after it asked.
 * A directory beside the bundle serves a clone; an installed package its user may not write to uses the user's own.
 */
const IMPORTS = `import { accessSync, constants } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
`;
const ENABLE_CACHE = `let cache = join(import.meta.dirname, '.compile-cache');
try {
  accessSync(import.meta.dirname, constants.W_OK);
} catch {
  cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'heddle');
}
enableCompileCache(cache);
`;
const ENTRY = `// Starts Heddle with its compiled code kept from the last start, and with V8 set for a small proxy.
${IMPORTS}import { setFlagsFromString } from 'node:v8';

const early = ${JSON.stringify(EARLY)}[process.argv[2]];
if (early !== undefined && process.versions.node.startsWith('${FLAGS_OF_NODE}.')) {
  for (const name of early.imported) await import('node:' + name);
  for (const name of early.asked) process.getBuiltinModule('node:' + name);
  for (const flag of ${JSON.stringify(LATE_OPTIMISATION)}) setFlagsFromString(flag);
}
${ENABLE_CACHE}await import('./main.js');
`;

/** The same for a worker thread, which compiles for itself but finds what others left; the flags are the process's. */
const WORKER_ENTRY = `// Starts a worker thread of Heddle with its compiled code kept from the last start.
${IMPORTS}
${ENABLE_CACHE}await import('./worker.js');
`;

/** Builds beside `target` and swaps at the end: who starts meanwhile finds a whole bundle. Returns its bytes. */
export async function build(target: string = join(ROOT, 'dist')): Promise<number> {
  const dist = `${target}.new`;
  const input = { main: join(ROOT, 'src/main.ts'), worker: join(ROOT, 'src/proxy/workers/thread.ts') };
  for (const entry of Object.values(input)) if (!existsSync(entry)) throw new Error(`${entry} is not there`);
  const bundle = await rolldown({
    input,
    platform: 'node',
    // Native code stays a package of its own, loaded only by what needs it.
    external: ['koffi'],
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
  for (const file of readdirSync(dist).filter((name) => name.endsWith('.js'))) escapeFile(join(dist, file));
  for (const file of DATA_FILES) copyFileSync(join(ROOT, file), join(dist, 'generated', basename(file)));
  await buildWeb(join(dist, 'web'));
  writeFileSync(join(dist, 'heddle.js'), ENTRY);
  writeFileSync(join(dist, 'heddle-worker.js'), WORKER_ENTRY);
  rmSync(target, { recursive: true, force: true });
  renameSync(dist, target);
  return readdirSync(target, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
}

function escapeFile(path: string): void {
  // A file that only passes on what another one has comes without a map.
  if (!existsSync(`${path}.map`)) return;
  const map: { mappings: string } = JSON.parse(readFileSync(`${path}.map`, 'utf8'));
  const { code, mappings } = escapeBundle(readFileSync(path, 'utf8'), map.mappings);
  writeFileSync(path, code);
  writeFileSync(`${path}.map`, JSON.stringify({ ...map, mappings }));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const start = performance.now();
  const bytes = await build();
  console.log(`build: ${(bytes / 1024).toFixed(0)} KiB in dist/ in ${(performance.now() - start).toFixed(0)} ms`);
}
