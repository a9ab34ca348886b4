// `heddle __complete -- WORDS`: what the last word may become, one candidate a line; made of the tables of the verbs.
import type { ArgumentSpec, CommandSpec, OptionSpec, WordKind } from '../command/spec.ts';
import { HELP_OPTION } from '../command/spec.ts';
import { proxyNames } from '../config/admin.ts';
import { askControl, findControl, type MeshValues } from '../control-client.ts';
import { kindsNamed, NAMED_KINDS } from '../objects/kinds.ts';
import type { Verb } from '../run.ts';

type Verbs = Readonly<Record<string, Verb>>;

/** Longer than this nobody waits for a completion. */
const PATIENCE_MS = 1500;

export async function runComplete(args: readonly string[], verbs: Verbs): Promise<void> {
  const words = args[0] === '--' ? args.slice(1) : args;
  const lines = await complete(words, verbs);
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
}

/** `words`: after 'heddle', the last is the one that is written. */
export async function complete(words: readonly string[], verbs: Verbs): Promise<string[]> {
  const before = words.slice(0, -1);
  // bash parts '--output=j' into three words.
  const current = words.at(-1) === '=' ? '' : (words.at(-1) ?? '');
  const [name, ...rest] = before;
  if (name === undefined) return startingWith(verbWords(verbs), current);
  if (name === 'help') return startingWith(verbWords(verbs), current);
  const verb = verbs[name];
  if (verb === undefined) return [];
  if (verb.spec === undefined) return startingWith(await optionsOfUsage(verb), current);
  return completeVerb(await verb.spec(), rest, current);
}

function verbWords(verbs: Verbs): string[] {
  return Object.entries(verbs).flatMap(([name, { summary, isHidden }]) =>
    isHidden === true ? [] : [`${name}\t${summary.split(': heddle')[0]}`],
  );
}

/** Of verbs without a table: what the help's lines begin with. */
async function optionsOfUsage({ usage }: Verb): Promise<string[]> {
  const text = (await usage?.()) ?? '';
  return [...text.matchAll(/^ +(?:-\w, )?(--[\w-]+)(?: [A-Z]\S*)?(?: {2,}(.*))?$/gm)].map(([, name, what = '']) =>
    what === '' ? (name as string) : `${name}\t${what.trim()}`,
  );
}

async function completeVerb(spec: CommandSpec, before: readonly string[], current: string): Promise<string[]> {
  const options: Readonly<Record<string, OptionSpec>> = { ...spec.options, help: HELP_OPTION };
  const { values, words, open } = readSoFar(options, before);
  if (open !== null) return valuesOf(open, values, words, current);
  const glued = /^--([\w-]+)=(.*)$/s.exec(current);
  const gluedTo = glued === null ? undefined : options[glued[1] ?? ''];
  if (gluedTo !== undefined) {
    const found = await valuesOf(gluedTo, values, words, glued?.[2] ?? '');
    return found.map((line) => (line.startsWith(':') ? line : `--${glued?.[1]}=${line}`));
  }
  if (current.startsWith('-')) {
    return startingWith(
      Object.entries(options).map(([name, { help }]) => `--${name}\t${help}`),
      current,
    );
  }
  const places = spec.arguments ?? [];
  const last = places.at(-1);
  const place = places[words.length] ?? (last?.repeats === true ? last : undefined);
  return place === undefined ? [] : valuesOf(place, values, words, current);
}

type SoFar = {
  readonly values: Readonly<Record<string, string>>;
  readonly words: readonly string[];
  /** The option whose value is written now. */
  readonly open: OptionSpec | null;
};

function readSoFar(options: Readonly<Record<string, OptionSpec>>, before: readonly string[]): SoFar {
  const values: Record<string, string> = {};
  const words: string[] = [];
  let open: readonly [string, OptionSpec] | null = null;
  for (const word of before) {
    if (open !== null) {
      if (word === '=') continue;
      values[open[0]] = word;
      open = null;
      continue;
    }
    const [, long, value] = /^--([\w-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const short = /^-(\w)$/.exec(word)?.[1];
    const found = Object.entries(options).find(([name, one]) => name === long || (short ?? '-') === one.short);
    if (found === undefined) {
      if (!word.startsWith('-')) words.push(word);
    } else if (value !== undefined) values[found[0]] = value;
    else if (found[1].type === 'string') open = found;
  }
  return { values, words, open: open === null ? null : open[1] };
}

async function valuesOf(
  { words: known, complete: kind }: Pick<ArgumentSpec, 'words' | 'complete'>,
  values: MeshValues & { readonly namespace?: string },
  words: readonly string[],
  current: string,
): Promise<string[]> {
  if (known !== undefined) return startingWith(known, current);
  if (kind === undefined) return [];
  return startingWith(await WORDS[kind]({ values, words, current }), current);
}

type Asked = {
  readonly values: MeshValues & { readonly namespace?: string };
  readonly words: readonly string[];
  readonly current: string;
};

const WORDS: Readonly<Record<WordKind, (asked: Asked) => Promise<string[]> | string[]>> = {
  file: () => [':files'],
  directory: () => [':directories'],
  verb: () => [],
  workload: ({ values }) => quietly(async () => workloads(values)),
  kind: () => NAMED_KINDS.map(({ plural, short, kind }) => `${plural}\t${[kind, ...short].join(', ')}`),
  object: (asked) => quietly(() => objectNames(asked)),
  namespace: ({ values }) => quietly(async () => [...new Set((await objects(values, '')).map((one) => one.namespace))]),
};

/** Processes, and workloads that have several. */
function workloads(values: MeshValues): string[] {
  const { mesh } = findControl(values);
  const names = mesh === null ? [] : proxyNames(mesh.runtime);
  return [...new Set(names.flatMap((name) => [name.replace(/-\d+$/, ''), name]))];
}

type Listed = { readonly kind: string; readonly namespace: string; readonly name: string };

/** After a kind its names; alone KIND/NAME and files. */
async function objectNames({ values, words, current }: Asked): Promise<string[]> {
  const [first = ''] = words;
  const slash = current.indexOf('/');
  const kind = first !== '' && !first.includes('/') ? first : slash < 0 ? '' : current.slice(0, slash);
  const kinds = kindsNamed(kind).map((one) => one.kind);
  if (kinds.length === 0) return [...NAMED_KINDS.map(({ singular }) => `${singular}/`), ':files'];
  const found = await objects(values, kinds.join(','));
  const isMeant = ({ namespace }: Listed): boolean => values.namespace === undefined || namespace === values.namespace;
  const prefix = kind === first ? '' : `${kind}/`;
  return found.filter(isMeant).map(({ name, namespace }) => `${prefix}${name}\t${namespace}`);
}

async function objects(values: MeshValues, kind: string): Promise<readonly Listed[]> {
  const { body } = await askControl(findControl(values), `/api/v1/objects${kind === '' ? '' : `?kind=${kind}`}`);
  return (body as { objects: readonly Listed[] }).objects;
}

/** Who completes a word is told nothing of what is missing. */
async function quietly(work: () => Promise<string[]>): Promise<string[]> {
  const late = new Promise<string[]>((resolve) => setTimeout(() => resolve([]), PATIENCE_MS).unref());
  return Promise.race([work().catch(() => []), late]);
}

function startingWith(lines: readonly string[], current: string): string[] {
  return lines.filter((line) => line.startsWith(current) || line.startsWith(':'));
}
