// Checks the conventions that neither compiler nor linter knows: import direction, lengths, banned calls, texts.
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findCycles } from './support/import-cycles.ts';
import { GUARDED_ROOMS, IMPURE_PLACES, isBelow, PURE_ROOMS, ROOMS, SOCKET_MODULES } from './support/rooms.ts';
import { blankLiterals, findFunctions, findImports, type ImportStatement } from './support/source-text.ts';

export type Violation = { readonly path: string; readonly line: number; readonly rule: string; readonly text: string };
type Report = (line: number, rule: string, text: string) => void;

const MAX_FILE_LINES = 600;
const MAX_FUNCTION_LINES = 70;
const MAX_LINE_COLUMNS = 120;

/** Files that may be longer, each with its reason. */
const LONG_FILES: ReadonlyMap<string, string> = new Map([
  ['src/wire/http1/parser.ts', 'one state machine: all its steps share the position and the partial head'],
  ['src/proxy/http/filters/router/forward.ts', 'one state machine: attempts, retries and timeouts end one another'],
  ['src/lua/vm.ts', 'one machine: calls, errors and instructions change the same frames'],
  ['src/lua/compiler.ts', 'one pass: statements and expressions share registers, constants and jumps'],
  ['src/proxy/http/stream.ts', 'one state machine: both directions of an exchange share when it stops and ends'],
]);

/** Functions that may be longer, as `path#name`, each with its reason. */
const LONG_FUNCTIONS: ReadonlyMap<string, string> = new Map([
  ['src/proxy/config/http-connection-manager.ts#decodeHttpConnectionManager', 'one object, a line per field'],
  ['src/proxy/http/headers-policy.ts#mutateRequestHeaders', 'one order of steps, as Envoy has it'],
  ['src/lua/vm.ts##runFrame', 'one switch: a case per instruction'],
  ['src/lua/compiler.ts##statement', 'one switch: a case per statement'],
  ['src/lua/lib/os.ts#conversion', 'one switch: a case per letter of strftime'],
  ['scripts/support/source-text.ts#blankLiterals', 'one scanner: its states share the position'],
]);

const EXEMPT = /(?:^|\/)(?:generated|testdata|corpus|node_modules)\//;
const SOURCE = /\.(?:ts|tsx|cjs|mjs)$/;
const TEXT =
  /\.(?:ts|tsx|css|html|cjs|mjs|js|json|md|ya?ml|sh|go|mod|txt|conf|cfg)$|^(?:bin|\.ci)\/[^.]+$|^(?:LICENSE|NOTICE)$/;

/** Pieces are joined here, so that this file does not violate its own rule. */
const MACHINE_TEXTS = [
  ['/wo', 'rk/'],
  ['/ro', 'ot/'],
  ['/tmp/', 'peers'],
  ['registry.', 'npmjs'],
  ['proxy.', 'golang.org'],
  ['files.', 'pythonhosted'],
  ['pypi.', 'org'],
].map((pieces) => pieces.join(''));

const BANNED_CALLS: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\(\)/g, 'time comes from base/clock.ts'],
  [/\bperformance\.now\b|\bhrtime\b/g, 'time comes from base/clock.ts'],
  [/(?<![.\w])set(?:Timeout|Interval|Immediate)\b/g, 'timers come from base/clock.ts'],
  [/\bMath\.random\b/g, 'randomness comes from base/clock.ts'],
  [/\bprocess\.env\b/g, 'the environment is read in cli/ and passed down'],
  [/(?<![.\w])console\./g, 'use the log of telemetry/'],
];

/** Returns every violation in the given files; `read` gives the text of a path. */
export function checkFiles(paths: readonly string[], read: (path: string) => string): Violation[] {
  const violations: Violation[] = [];
  const known = new Set(paths);
  const graph = new Map<string, string[]>();
  for (const path of paths) {
    if (!TEXT.test(path) || EXEMPT.test(path)) continue;
    const text = read(path);
    const report: Report = (line, rule, what) => violations.push({ path, line, rule, text: what });
    checkTexts(path, text, report);
    if (!SOURCE.test(path)) continue;
    const blanked = blankLiterals(text);
    const imports = findImports(text, blanked);
    checkShape(path, text, blanked, report);
    checkCalls(path, text, blanked, report);
    checkImports(path, imports, report);
    const values = imports.filter((one) => !one.typeOnly && one.specifier.startsWith('.'));
    graph.set(
      path,
      values.map((one) => resolveImport(path, one.specifier)).filter((target) => known.has(target)),
    );
  }
  for (const cycle of findCycles(graph)) {
    violations.push({ path: cycle[0]!, line: 1, rule: 'no import cycles', text: cycle.join(' -> ') });
  }
  return violations.sort((a, b) => (a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1));
}

function checkTexts(path: string, text: string, report: Report): void {
  if (path === 'package-lock.json' && /"resolved"\s*:/.test(text)) {
    report(1, 'lock file', 'has download addresses ("resolved"); keep omit-lockfile-registry-resolved=true in .npmrc');
  }
  for (const machineText of MACHINE_TEXTS) {
    const at = text.indexOf(machineText);
    if (at >= 0) report(text.slice(0, at).split('\n').length, 'machine texts', `names ${machineText}`);
  }
  if (text.includes('\r')) report(1, 'line ends', 'has carriage returns');
  if (text !== '' && !text.endsWith('\n')) report(text.split('\n').length, 'line ends', 'has no newline at its end');
}

function checkShape(path: string, text: string, blanked: string, report: Report): void {
  const lines = text.split('\n');
  const header = lines[0]!.startsWith('#!') ? 1 : 0;
  if (!/^\/(?:\/|\*\*) [A-Z`'"“]/.test(lines[header]!)) {
    report(header + 1, 'header', 'the first line is a comment, a sentence that says what the file is');
  }
  if (posix.basename(path) === 'index.ts') report(1, 'no barrels', 'an index.ts hides where a name lives');
  if (!/^[a-z0-9]+(?:[-.][a-z0-9]+)*\.[a-z]+$/.test(posix.basename(path)))
    report(1, 'names', 'file names are kebab-case');
  if (lines.length - 1 > MAX_FILE_LINES && !LONG_FILES.has(path)) {
    report(1, 'file length', `${lines.length - 1} lines, at most ${MAX_FILE_LINES}`);
  }
  lines.forEach((line, index) => {
    if (line.length > MAX_LINE_COLUMNS) {
      report(index + 1, 'line length', `${line.length} columns, at most ${MAX_LINE_COLUMNS}`);
    }
    if (/\b(?:TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b/.test(line)) report(index + 1, 'no leftovers', line.trim());
  });
  // Of components most is markup, which is read from top to bottom, and which the scanner does not know.
  if (/\.(?:cjs|tsx)$/.test(path)) return;
  for (const { line, lines: length, name } of findFunctions(blanked)) {
    // A describe or a composition in one arrow is read from top to bottom: only named functions are held to it.
    if (length <= MAX_FUNCTION_LINES || name === 'arrow function' || LONG_FUNCTIONS.has(`${path}#${name}`)) continue;
    report(line, 'function length', `${name} has ${length} lines, at most ${MAX_FUNCTION_LINES}`);
  }
}

function checkCalls(path: string, text: string, blanked: string, report: Report): void {
  const flag = (pattern: RegExp, rule: string, why: string): void => {
    for (const match of blanked.matchAll(pattern)) {
      const line = text.slice(0, match.index).split('\n').length;
      report(line, rule, `${text.slice(match.index, match.index + match[0].length)}: ${why}`);
    }
  };
  const isTest = path.endsWith('.test.ts');
  if (!isBelow(path, IMPURE_PLACES) && !isTest) {
    for (const [pattern, why] of BANNED_CALLS) flag(pattern, 'banned calls', why);
  }
  flag(/^export default\b/gm, 'no default exports', 'a name is the same everywhere');
  if (isTest) {
    flag(/\b(?:test|it|describe|suite)\.(?:only|todo)\b/g, 'no skipped tests', 'every test runs');
    flag(/\b(?:test|it|describe|suite)\.skip\(/g, 'no skipped tests', 'skip at run time, with a reason');
    flag(/\b(?:only|todo): true\b|\bskip: true\b/g, 'no skipped tests', 'skip at run time, with a reason');
  }
}

function checkImports(path: string, imports: readonly ImportStatement[], report: Report): void {
  const isTest = path.endsWith('.test.ts');
  for (const { line, specifier, typeOnly } of imports) {
    if (specifier.startsWith('.')) {
      if (!/\.(?:ts|tsx|cjs|mjs|js|json)$/.test(specifier))
        report(line, 'imports', `${specifier}: write the extension`);
      const target = resolveImport(path, specifier);
      if (!isTest) checkDirection(path, target, typeOnly, line, report);
    } else if (specifier.startsWith('node:')) {
      checkBuiltin(path, specifier.slice(5), typeOnly || isTest, line, report);
    } else if (builtinModules.includes(specifier)) {
      report(line, 'imports', `write node:${specifier}`);
    }
  }
}

function checkBuiltin(path: string, name: string, harmless: boolean, line: number, report: Report): void {
  if (harmless || !path.startsWith('src/')) return;
  if (SOCKET_MODULES.includes(name) && !path.startsWith('src/net/')) {
    report(line, 'only net/ opens sockets', `imports node:${name}`);
  }
  if (isBelow(path, PURE_ROOMS) && !['assert', 'assert/strict', 'buffer', 'util'].includes(name)) {
    report(line, 'pure rooms do no I/O', `imports node:${name}`);
  }
}

function checkDirection(path: string, target: string, typeOnly: boolean, line: number, report: Report): void {
  if (!path.startsWith('src/')) return;
  if (!target.startsWith('src/')) {
    report(line, 'import direction', `src/ imports ${target}`);
    return;
  }
  const guard = [...GUARDED_ROOMS].find(([guarded]) => target.startsWith(guarded));
  if (guard !== undefined && !isBelow(path, guard[1]) && !typeOnly) {
    report(line, 'import direction', `${guard[0]} may be imported only by ${guard[1].join(', ')}`);
    return;
  }
  const room = ROOMS.find((one) => path.startsWith(one.path));
  if (room === undefined) {
    report(1, 'import direction', 'is in no room of scripts/support/rooms.ts');
  } else if (
    !target.startsWith(room.path) &&
    !isBelow(target, room.may) &&
    !(typeOnly && isBelow(target, room.types ?? []))
  ) {
    report(line, 'import direction', `${room.path} may not import ${typeOnly ? 'types of ' : ''}${target}`);
  }
}

function resolveImport(path: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(path), specifier));
}

/** Lists the files that belong to the project: tracked, or new and not ignored. */
function listFiles(root: string): string[] {
  const output = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  const isFile = (path: string): boolean => statSync(join(root, path), { throwIfNoEntry: false })?.isFile() ?? false;
  return [...new Set(output.split('\0'))].filter((path) => path !== '' && isFile(path));
}

function main(): void {
  const root = dirname(import.meta.dirname);
  const paths = listFiles(root);
  const violations = checkFiles(paths, (path) => readFileSync(join(root, path), 'utf8'));
  for (const { path, line, rule, text } of violations) console.log(`${path}:${line}: ${rule}: ${text}`);
  console.log(`tidy: ${paths.length} files, ${violations.length} violations`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
