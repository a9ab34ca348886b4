// `heddle analyze`: what is wrong with Istio's configuration, with Istio's codes, at file, line and column.
import { analyze } from '../../control/analyze/analyze.ts';
import { ANALYZERS } from '../../control/analyze/analyzers.ts';
import { type Code, isCode, type Level } from '../../control/analyze/codes.ts';
import { type Message, reaches } from '../../control/analyze/message.ts';
import { isTold, parseSuppression, type Suppression } from '../../control/analyze/suppress.ts';
import { type Finding, formatFinding } from '../../control/source/finding.ts';
import { type Command, defineCommand } from '../command/command.ts';
import { oneOf, UsageError } from '../command/parse.ts';
import type { CommandSpec } from '../command/spec.ts';
import { type Format, printAnalyzers, printMessages } from './print.ts';
import { type AnalysisSource, CLUSTER_DOMAIN, shownFile, sourceOf } from './sources.ts';

const LEVELS: readonly Level[] = ['Info', 'Warning', 'Error'];
const FORMATS: readonly Format[] = ['log', 'json', 'yaml'];

/** As istioctl's. */
const EXIT_UNREAD = 65;
const EXIT_FOUND = 79;
const HELP_PAGE = 'https://istio.io/latest/docs/reference/config/analysis';

const SPEC = {
  verb: 'analyze',
  about: `Looks for mistakes in Istio's configuration, as istioctl analyze does: of files and directories, of a mesh,
or of files as if they were applied to a mesh. Exit code ${EXIT_FOUND} when something reaches the failure threshold,
${EXIT_UNREAD} when a file cannot be read as objects, 1 when it is not there; with -o json and yaml always 0.`,
  usage: ['analyze [FILE | DIR | -]...'],
  arguments: [{ name: '[FILE | DIR | -]...', complete: 'file', repeats: true }],
  options: {
    namespace: {
      type: 'string',
      short: 'n',
      value: 'NS',
      complete: 'namespace',
      help: 'only of that namespace, to which also belongs what says none',
    },
    'all-namespaces': { type: 'boolean', short: 'A', help: 'of all (that is so without -n, too)' },
    dir: {
      type: 'string',
      value: 'DIR',
      complete: 'directory',
      help: 'the mesh of that directory (without files: the one around here)',
    },
    output: { type: 'string', short: 'o', value: 'FORMAT', default: 'log', help: 'log, json or yaml' },
    'output-threshold': {
      type: 'string',
      value: 'LEVEL',
      default: 'Info',
      help: 'Info, Warning or Error: what is told',
    },
    'failure-threshold': {
      type: 'string',
      value: 'LEVEL',
      default: 'Error',
      help: `what makes the exit code ${EXIT_FOUND}`,
    },
    suppress: {
      type: 'string',
      short: 'S',
      multiple: true,
      value: 'CODE=OBJECT',
      help: 'do not tell it of objects, such as IST0103=Pod *.testing',
    },
    also: {
      type: 'string',
      multiple: true,
      value: 'CODE',
      help: 'look for it too: IST0136 is not looked for otherwise',
    },
    'ignore-unknown': { type: 'boolean', help: 'documents that are no objects are no mistake' },
    'list-analyzers': { type: 'boolean', short: 'L', help: 'list what is looked for, and with which codes' },
    color: { type: 'boolean', help: 'colours also where the output is no terminal' },
    'no-color': { type: 'boolean', help: 'no colours' },
  },
  notes: [
    'An object tells nothing of the codes in its annotation galley.istio.io/analyze-suppress: IST0107,IST0108 (or *).',
  ],
  examples: [
    ['heddle analyze', 'the mesh of this directory'],
    ['heddle analyze reviews.yaml gateways/', 'files alone'],
    ['heddle analyze reviews.yaml --dir .', 'files as if they were applied to the mesh of this directory'],
    ['heddle analyze mesh/ -S "IST0103=Pod *.testing" --failure-threshold Warning', 'in a pipeline'],
  ],
} as const satisfies CommandSpec;

const command = defineCommand(SPEC, async ({ values, words }) => {
  const format = oneOf('output', values.output, FORMATS);
  if (values['list-analyzers']) {
    process.stdout.write(printAnalyzers(ANALYZERS));
    return;
  }
  const outputThreshold = levelOf('output-threshold', values['output-threshold']);
  const failureThreshold = levelOf('failure-threshold', values['failure-threshold']);
  const suppressions = values.suppress.map(suppressionOf);
  const also = values.also.map(codeOf);
  const namespace = values['all-namespaces'] ? undefined : values.namespace;
  const source = sourceOf(words, values.dir, values.namespace);
  const all = messagesOf(source, also).filter((message) => isTold(message, suppressions, namespace ?? null));
  const unread = tellUnread(source.findings);
  const shown = all.filter(({ level }) => reaches(level, outputThreshold));
  process.stdout.write(printMessages(shown, format, isColored(values.color, values['no-color'])));
  if (shown.length === 0) process.stderr.write(nothingFound(source.name, unread));
  // Whoever reads the messages as data decides on them.
  if (format !== 'log') return;
  if (all.some(({ level }) => reaches(level, failureThreshold))) {
    process.stderr.write(`heddle: there are mistakes in ${source.name}\nheddle: see ${HELP_PAGE}\n`);
    process.exitCode = EXIT_FOUND;
  } else if (unread > 0 && !values['ignore-unknown']) {
    process.stderr.write("heddle: some files couldn't be parsed\n");
    process.exitCode = EXIT_UNREAD;
  }
});

/** istioctl's ways to write some flags. */
const SPELLINGS: ReadonlyMap<string, string | null> = new Map([
  ['--color=true', '--color'],
  ['--color=false', '--no-color'],
  ['--use-kube=false', null],
  ['-k=false', null],
  ['--recursive', null],
  ['-R', null],
]);

export const analyzeCommand: Command = {
  spec: SPEC,
  run: (args) => command.run(args.flatMap((arg) => (SPELLINGS.has(arg) ? (SPELLINGS.get(arg) ?? []) : [arg]))),
};

function messagesOf(source: AnalysisSource, also: readonly Code[]): Message[] {
  const { isMesh, isResting } = source;
  const known = { clusterDomain: CLUSTER_DOMAIN, nowMs: Date.now() };
  const settings = { ...known, isInjected: !isMesh, makesSecrets: isResting, also };
  return analyze(source, settings).flatMap((message) => {
    const { place } = message;
    if (place === null) return [message];
    if (!source.isWritten(place.file)) return [];
    return [{ ...message, place: { ...place, file: shownFile(place.file) } }];
  });
}

/** What is in files and is no object; returns how many are mistakes. */
function tellUnread(findings: readonly Finding[]): number {
  const unread = findings.filter(({ key, severity }) => key === '' && severity !== 'information');
  for (const finding of unread) {
    process.stderr.write(
      `heddle: ${finding.severity}: ${formatFinding({ ...finding, file: shownFile(finding.file) })}\n`,
    );
  }
  return unread.filter(({ severity }) => severity === 'error').length;
}

function nothingFound(name: string, unread: number): string {
  if (unread === 0) return `\u2714 No validation issues found when analyzing ${name}.\n`;
  const files = unread === 1 ? '1 document' : `${unread} documents`;
  return `No validation issues found when analyzing ${name} (but ${files} could not be parsed).\n`;
}

/** In any case, as istioctl takes it. */
function levelOf(option: string, text: string): Level {
  const found = LEVELS.find((level) => level.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw new UsageError(`--${option} ${text}: expected ${LEVELS.join(', ')}`);
  return found;
}

function codeOf(text: string): Code {
  if (!isCode(text)) throw new UsageError(`--also ${text}: there is no such code, see --list-analyzers`);
  return text;
}

function suppressionOf(text: string): Suppression {
  const suppression = parseSuppression(text);
  if (suppression === null)
    throw new UsageError(`--suppress ${text}: expected CODE=OBJECT, like IST0103=Pod *.testing`);
  if (!isCode(suppression.code)) {
    process.stderr.write(`heddle: no message has the code ${suppression.code}: --suppress ${text} has no effect\n`);
  }
  return suppression;
}

function isColored(isWanted: boolean, isUnwanted: boolean): boolean {
  if (isUnwanted) return false;
  const { TERM: terminal, NO_COLOR: none } = process.env;
  return isWanted || (process.stdout.isTTY === true && terminal !== 'dumb' && (none ?? '') === '');
}
