// Runs the tests in stages and ends with one line of counts; `--fast`: those without peers, `--only a,b`: by name.
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { writeGroups } from './support/test-groups.ts';
import type { TestCounts } from './support/test-reporter.ts';

const ROOT = dirname(import.meta.dirname);
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning'];

/** Lines shown of one stage: a program that does not start fails a thousand tests in one way. */
const MOST_LINES = 300;

/** Named of one stage before the details. */
const MOST_NAMED = 8;

/** As the reporter writes one: the place and the name of a test. */
const FAILED_LINE = /^\s*FAILED {2}(\S+\.ts:\d+) {2}(.*)$/gm;

/** `grouped`: files that may do so share processes. */
type TestRun = { readonly files: readonly string[]; readonly concurrency: number; readonly grouped?: true };

type Stage = {
  readonly name: string;
  /** Arguments of a program, which counts as one test; or test files, counted one by one. */
  readonly run: readonly string[] | TestRun;
  /** Left out by `--fast`. */
  readonly slow?: true;
  /**
   * Some of its tests wait on a clock for others: what fails is asked once more, alone, and told as unsteady. Files are
   * run again as a whole, or for those cases that a variable chooses by a pattern.
   */
  readonly asksAgain?: true | { readonly casesBy: string };
  /** A longer stage than this hangs. */
  readonly timeoutMs: number;
};

const script = (...args: string[]): string[] => [process.execPath, ...NODE_FLAGS, ...args];
const npmBinary = (name: string, ...args: string[]): string[] => [join(ROOT, 'node_modules/.bin', name), ...args];
const cores = availableParallelism();

/** Its bundle is what `bin/heddle` starts while no source is newer. */
const BUILD = 'build';

/** Stages of one inner list run side by side; the lists run one after the other. */
const STAGES: readonly (readonly Stage[])[] = [
  [
    { name: 'biome', run: npmBinary('biome', 'check', '--error-on-warnings', '.'), timeoutMs: 60_000 },
    { name: 'tidy', run: script('scripts/tidy.ts'), timeoutMs: 60_000 },
    { name: 'tsc', run: npmBinary('tsc', '--noEmit'), timeoutMs: 120_000 },
    { name: 'tsc of web', run: npmBinary('tsc', '--noEmit', '-p', 'web'), timeoutMs: 120_000 },
  ],
  [
    {
      name: 'unit',
      run: { files: ['{src,scripts,bench,web}/**/*.test.ts'], concurrency: cores, grouped: true },
      asksAgain: true,
      timeoutMs: 400_000,
    },
  ],
  [{ name: BUILD, run: script('scripts/build.ts'), slow: true, timeoutMs: 60_000 }],
  [{ name: 'peers', run: script('scripts/peers.ts'), slow: true, timeoutMs: 600_000 }],
  [
    {
      name: 'fuzz',
      run: { files: ['test/{fuzz,simulation}/**/*.{test,fuzz}.ts'], concurrency: cores },
      slow: true,
      timeoutMs: 300_000,
    },
  ],
  [
    {
      // The control plane as a whole, without sockets: against what istiods and API servers said.
      name: 'control',
      run: { files: ['test/control/**/*.test.ts'], concurrency: cores },
      slow: true,
      timeoutMs: 300_000,
    },
  ],
  [
    {
      name: 'integration',
      run: { files: ['test/{integration,support}/**/*.test.ts', 'examples/**/*.test.ts'], concurrency: cores },
      slow: true,
      asksAgain: true,
      timeoutMs: 1_800_000,
    },
    {
      // Whatever a test makes is in namespaces of its process and goes with it: nothing of it meets the others' ports.
      name: 'namespaces',
      run: { files: ['test/namespaces/**/*.test.ts'], concurrency: 1 },
      slow: true,
      asksAgain: true,
      timeoutMs: 600_000,
    },
  ],
  [
    {
      // Whole meshes of real programs, as `heddle up` runs them: most of the time they wait.
      name: 'up',
      run: { files: ['test/up/**/*.test.ts'], concurrency: cores + 1 },
      slow: true,
      asksAgain: true,
      timeoutMs: 1_200_000,
    },
  ],
  [
    {
      name: 'differential',
      run: { files: ['test/differential/**/*.test.ts'], concurrency: cores },
      slow: true,
      asksAgain: { casesBy: 'HEDDLE_DIFF_ONLY' },
      timeoutMs: 1_800_000,
    },
  ],
];

type Outcome = TestCounts & {
  readonly name: string;
  readonly output: string;
  readonly ms: number;
  /** Tests that failed, and passed when they ran once more. */
  readonly unsteady?: number;
};

async function runStage(stage: Stage, scratch: string, more: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const start = performance.now();
  const countsFile = join(scratch, `${stage.name}.json`);
  const command = 'files' in stage.run ? testCommand(stage.name, stage.run, scratch) : stage.run;
  const { code, output } = await runProgram(command, stage.timeoutMs, {
    ...process.env,
    HEDDLE_TEST_COUNTS: countsFile,
    NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/heddle'),
    ...more,
  });
  const counts: TestCounts = existsSync(countsFile)
    ? JSON.parse(readFileSync(countsFile, 'utf8'))
    : { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  // A runner that ends badly after all tests passed (a crash, a hang) has failed too.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return { ...counts, name: stage.name, output, ms: performance.now() - start };
}

/** More files than these, or more tests, fail for a reason. */
const MOST_ASKED_AGAIN = 6;
const MOST_TESTS_ASKED_AGAIN = 20;

/** Runs the files in which tests failed once more, when others are done; both runs are told. */
async function askAgain(stage: Stage, first: Outcome, scratch: string): Promise<Outcome> {
  const named = [...first.output.matchAll(FAILED_LINE)];
  const files = [...new Set(named.flatMap(([, place = '']) => testFiles(place.slice(0, place.lastIndexOf(':')))))];
  const isWhole = named.length === first.failed && named.length <= MOST_TESTS_ASKED_AGAIN;
  const isFew = files.length > 0 && files.length <= MOST_ASKED_AGAIN;
  if (stage.asksAgain === undefined || first.failed === 0 || !isWhole || !isFew) return first;
  const cases = named.map(([, , name = '']) => name.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|');
  const chosen = stage.asksAgain === true ? {} : { [stage.asksAgain.casesBy]: ` / (?:${cases})$` };
  const second = await runStage({ ...stage, run: { files, concurrency: 1 } }, scratch, chosen);
  const words = named.map(
    ([, place, name]) => `${second.failed === 0 ? 'unsteady' : 'failed twice'}: ${place}: ${name}`,
  );
  const output = `${words.join('\n')}\n${first.output}\n--- again ---\n${second.output}`;
  const ms = first.ms + second.ms;
  // Those that were chosen by name have to be there, or nothing was asked.
  if (second.failed > 0 || second.passed < named.length) return { ...first, output, ms };
  return { ...first, passed: first.passed + first.failed, failed: 0, unsteady: first.failed, output, ms };
}

/** A failure may stand in a file of tests that several test files share: then it is theirs. */
function testFiles(file: string): readonly string[] {
  if (/\.(test|fuzz)\.ts$/.test(file)) return [file];
  const beside = globSync(join(dirname(file), '*.test.ts'), { cwd: ROOT });
  return beside.filter((one) => readFileSync(join(ROOT, one), 'utf8').includes(`'./${basename(file)}'`));
}

function testCommand(
  name: string,
  { files: globs, concurrency, grouped }: TestRun,
  scratch: string,
): readonly string[] {
  const files = globs.flatMap((glob) => globSync(glob, { cwd: ROOT })).sort();
  if (files.length === 0) return script('-e', `throw new Error('no test matches ${globs.join(' ')}')`);
  const processes = grouped === true ? writeGroups(ROOT, files, join(scratch, name)) : files;
  const reporter = '--test-reporter=./scripts/support/test-reporter.ts';
  // A test that failed before it could clean up may have left something open, which would hold its file for ever.
  const limits = ['--test-timeout=300000', '--import=./scripts/support/end-after-tests.ts'];
  return script('--test', reporter, `--test-concurrency=${concurrency}`, ...limits, ...processes);
}

function runProgram(
  [file, ...args]: readonly string[],
  timeoutMs: number,
  env: NodeJS.ProcessEnv,
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(file!, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    // The stage leads its own process group, so that a hanging one ends with all it started.
    const killGroup = (): void => {
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // It ended by itself.
      }
    };
    const timer = setTimeout(() => {
      output += `took longer than ${timeoutMs / 1000} s\n`;
      killGroup();
    }, timeoutMs);
    process.once('exit', killGroup);
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ code: 1, output: `${output}${error.message}\n` });
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      process.off('exit', killGroup);
      resolve({ code: code ?? 1, output });
    });
  });
}

/** A line for the stage, and one for each test that failed: what they said comes after the last stage. */
function report(outcome: Outcome): void {
  const { name, passed, failed, skipped, ms, output, unsteady = 0 } = outcome;
  const verdict = failed > 0 ? 'FAILED' : unsteady > 0 ? 'UNSTEADY' : 'ok';
  console.log(
    `${name.padEnd(14)}${verdict.padEnd(9)}${(ms / 1000).toFixed(1).padStart(6)} s` +
      `   ${passed} passed, ${failed} failed, ${skipped} skipped`,
  );
  const named = new Set([...output.matchAll(FAILED_LINE)].map(([, place, test]) => `  ${place}  ${test}`));
  for (const line of [...named].slice(0, MOST_NAMED)) console.log(line);
  if (named.size > MOST_NAMED) console.log(`  ... and ${named.size - MOST_NAMED} tests more`);
}

function details({ name, failed, skipped, unsteady = 0, output }: Outcome): void {
  if (failed === 0 && skipped === 0 && unsteady === 0) return;
  const lines = output.trimEnd().split('\n');
  console.log(`--- ${name} ---`);
  for (const line of lines.slice(0, MOST_LINES)) console.log(`  ${line}`);
  if (lines.length > MOST_LINES) console.log(`  ... and ${lines.length - MOST_LINES} lines more`);
}

/** The stages that the command line asks for. */
function stagesWanted(args: readonly string[]): readonly (readonly Stage[])[] {
  if (args.length === 0) return STAGES;
  if (args.length === 1 && args[0] === '--fast') return STAGES.map((group) => group.filter((stage) => !stage.slow));
  const names = args[0] === '--only' && args.length === 2 ? (args[1] as string).split(',') : undefined;
  if (names === undefined)
    throw new Error(`unknown arguments ${args.join(' ')}; there are --fast and --only STAGE,...`);
  const known = STAGES.flat().map((stage) => stage.name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`no stage is called ${unknown.join(', ')}; there are ${known.join(', ')}`);
  // Programs of the others start from the bundle, which is of the sources as they are: in a fifth of the time.
  const isNeeded = (stage: Stage): boolean => stage.slow === true && stage.name !== 'peers';
  const isBuilt = STAGES.flat().some((stage) => names.includes(stage.name) && isNeeded(stage));
  return STAGES.map((group) => group.filter(({ name }) => names.includes(name) || (isBuilt && name === BUILD)));
}

async function main(): Promise<void> {
  const wanted = stagesWanted(process.argv.slice(2));
  const scratch = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  mkdirSync(join(ROOT, 'node_modules/.cache'), { recursive: true });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
  const all: Outcome[] = [];
  const start = performance.now();
  for (const stages of wanted) {
    const outcomes = await Promise.all(stages.map((stage) => runStage(stage, scratch)));
    for (const [i, first] of outcomes.entries()) {
      const outcome = await askAgain(stages[i] as Stage, first, scratch);
      report(outcome);
      all.push(outcome);
    }
  }
  rmSync(scratch, { recursive: true, force: true });
  for (const outcome of all) details(outcome);
  const sum = (of: (outcome: Outcome) => number): number => all.reduce((total, outcome) => total + of(outcome), 0);
  const failed = sum((outcome) => outcome.failed);
  console.log(`took ${((performance.now() - start) / 1000).toFixed(1)} s`);
  console.log(`${sum((o) => o.passed)} passed, ${failed} failed, ${sum((o) => o.skipped)} skipped`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
