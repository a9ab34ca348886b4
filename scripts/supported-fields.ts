// Writes the pages that are made from code: supported fields, intended differences; `--check` only compares them.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Field, type MessageType, TYPE } from '../src/proto/message-type.ts';
import { registry } from '../src/proto/registry.ts';
import { supportedFields } from '../src/proxy/config/bootstrap.ts';
import { TUNING_FIELDS } from '../src/proxy/config/support.ts';
import {
  downstreamTransports,
  httpFilters,
  listenerFilters,
  networkFilters,
  upstreamTransports,
} from '../src/proxy/extensions.ts';
import type { HttpFilterFactory } from '../src/proxy/http/filter.ts';
import { GROUPS, HTTP_FILTER_GROUP, LIMITS, NO_EFFECT, REFUSED_WHOLE } from './support/field-notes.ts';
import { withIntended } from './support/intended-block.ts';

const DOCS = join(dirname(import.meta.dirname), 'docs');
export const FIELDS_PAGE = join(DOCS, 'supported-fields.md');
export const DIFFERENCES_PAGE = join(DOCS, 'differences.md');

export type Support = ReadonlyMap<string, ReadonlySet<string> | '*'>;

const INTRODUCTION = `# Supported fields

<!-- Made by scripts/supported-fields.ts from the tables in src/proxy; edit those and run it again. -->

What the proxy does with every field of every message that it takes. A field is one of three:

- **takes effect** as Envoy documents it, within the limits that stand beside it;
- **accepted, no effect**: nothing that a user can observe depends on it here, or it is listed with what is missing;
- **refused**: a configuration that sets it does not start, and the message names the field. \
Deprecated fields are
  marked, whichever they are.

A message that is not on this page is refused wherever it may stand, and so is every extension type that is not listed
under [Extensions](#extensions). Ask before you deploy: \`heddle proxy --mode validate -c envoy.yaml\`.
`;

/** What the page is made of: everything that the proxy checks a bootstrap against. */
export function readSupport(): { readonly support: Support; readonly filters: readonly HttpFilterFactory[] } {
  // Factories only keep their parts until a chain is built, and none is built here.
  const parts = { clusters: null as never, zone: '', localAddress: '' };
  const filters = httpFilters(parts);
  const extensions = {
    httpFilters: filters,
    networkFilters: networkFilters(parts),
    listenerFilters: listenerFilters(),
    downstreamTransports: downstreamTransports(),
    upstreamTransports: upstreamTransports(),
  };
  return { support: supportedFields(extensions), filters };
}

function renderPage(): string {
  const { support, filters } = readSupport();
  const groups = assign(support, filters);
  const parts = [INTRODUCTION, renderContents(groups), renderExtensions(support)];
  for (const [title, names] of groups) {
    parts.push(`## ${title}\n`);
    const whole = names.filter((name) => isWhole(name, support));
    for (const name of names) if (!whole.includes(name)) parts.push(renderMessage(name, support));
    if (whole.length > 0) parts.push(renderWhole(whole));
  }
  return `${parts.join('\n').trimEnd()}\n`;
}

/** Messages by group; each stands once: with the filter that alone knows it, or where its package belongs. */
function assign(support: Support, filters: readonly HttpFilterFactory[]): Map<string, string[]> {
  const groups = new Map<string, string[]>(GROUPS.map(({ title }) => [title, []]));
  for (const filter of filters) groups.set(filterTitle(filter), []);
  // Small messages that everything uses come last.
  const last = GROUPS.at(-1)!.title;
  groups.delete(last);
  groups.set(last, []);
  for (const name of [...support.keys()].sort()) {
    if (registry.find(name)!.fields.length === 0 || REFUSED_WHOLE.has(name)) continue;
    const group = GROUPS.find(({ messages }) => messages.test(name))?.title;
    const owners = filters.filter((filter) => Object.hasOwn(filter.fields, name));
    const title = owners.length === 1 && group === HTTP_FILTER_GROUP ? filterTitle(owners[0]!) : (group ?? last);
    groups.get(title === HTTP_FILTER_GROUP ? last : title)!.push(name);
  }
  groups.delete(HTTP_FILTER_GROUP);
  return groups;
}

function filterTitle(filter: HttpFilterFactory): string {
  return `HTTP filter ${filter.name}`;
}

function renderContents(groups: ReadonlyMap<string, readonly string[]>): string {
  const anchor = (title: string): string =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-');
  const titles = ['Extensions', ...groups.keys()];
  return `${titles.map((title) => `- [${title}](#${anchor(title)})`).join('\n')}\n`;
}

/** Messages of extensions that never stand in a typed_config. */
const PARTS_ONLY = /\.common\.|\.(Mutations|LocalReplyConfig|ResponseMapper|RequestIDExtension|HttpFilter|FaultAbort)$/;

/** The types that a typed_config may have: what is named envoy.extensions and may stand in an Any. */
function renderExtensions(support: Support): string {
  const kinds = new Map<string, string[]>();
  for (const name of [...support.keys()].sort()) {
    const match = /^envoy\.extensions\.(.+)\.v3\.\w+$/.exec(name);
    if (match === null || PARTS_ONLY.test(name)) continue;
    const kind = (match[1] as string)
      .replace(/\.[^.]+$/, '')
      .replaceAll('_', ' ')
      .replaceAll('.', ' ');
    kinds.set(kind, [...(kinds.get(kind) ?? []), name]);
  }
  const lines = [...kinds].map(([kind, names]) => `| ${kind} | ${names.map(code).join('<br>')} |`);
  return ['## Extensions\n', '| kind | types |', '|---|---|', ...lines, ''].join('\n');
}

export type FieldState =
  | { readonly state: 'effect'; readonly limit: string | null }
  | { readonly state: 'no effect'; readonly reason: string }
  | { readonly state: 'refused'; readonly reason: string | null };

/** What becomes of a field that is set. */
export function stateOf(type: MessageType, field: Field, support: Support): FieldState {
  const key = `${type.fullName}.${field.name}`;
  const names = support.get(type.fullName);
  const tuning = TUNING_FIELDS[type.fullName]?.[field.name];
  if (names !== '*' && names?.has(field.name) !== true && tuning === undefined)
    return { state: 'refused', reason: null };
  // The walk goes on below a field that is accepted, and there an unknown message is refused.
  if (!isKnown(field, support))
    return { state: 'refused', reason: `nothing of ${valueOf(field).typeName} is supported yet` };
  const limit = LIMITS.get(key) ?? null;
  if (limit?.startsWith('refused: ') === true) return { state: 'refused', reason: limit.slice('refused: '.length) };
  const reason = tuning ?? NO_EFFECT.get(key);
  return reason === undefined ? { state: 'effect', limit } : { state: 'no effect', reason };
}

function isKnown(field: Field, support: Support): boolean {
  const value = valueOf(field);
  if (value.type !== TYPE.message || value.message.wellKnown !== 'none') return true;
  return support.has(value.typeName) || TUNING_FIELDS[value.typeName] !== undefined;
}

function valueOf(field: Field): Field {
  return field.map?.value ?? field;
}

function isWhole(name: string, support: Support): boolean {
  const type = registry.find(name)!;
  return type.fields.every((field) => {
    const state = stateOf(type, field, support);
    return state.state === 'effect' && state.limit === null;
  });
}

function renderWhole(names: readonly string[]): string {
  return ['**All fields take effect** of', '', ...names.map((name) => `- ${code(name)}`), ''].join('\n');
}

function renderMessage(name: string, support: Support): string {
  const type = registry.find(name)!;
  const states = type.fields.map((field) => ({ field, state: stateOf(type, field, support) }));
  const named = (field: Field): string => code(field.name) + (field.deprecated ? ' *(deprecated)*' : '');
  const plain = (kind: FieldState['state']): string =>
    states
      .filter(({ state }) => state.state === kind)
      .map(({ field }) => named(field))
      .join(', ');
  const lines = [`### ${name}`, ''];
  const effect = plain('effect');
  if (effect !== '') lines.push(`Takes effect: ${effect}.`, '');
  for (const { field, state } of states) {
    if (state.state === 'effect' && state.limit !== null) lines.push(`- ${code(field.name)}: ${state.limit}`);
  }
  if (lines.at(-1) !== '') lines.push('');
  for (const { field, state } of states) {
    if (state.state === 'no effect') lines.push(`- Accepted, no effect: ${named(field)}: ${state.reason}`);
  }
  if (lines.at(-1) !== '') lines.push('');
  const refused = plain('refused');
  if (refused !== '') lines.push(`Refused: ${refused}.`, '');
  for (const { field, state } of states) {
    if (state.state === 'refused' && state.reason !== null) lines.push(`- ${code(field.name)}: ${state.reason}`);
  }
  if (lines.at(-1) !== '') lines.push('');
  return lines.join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}

/** Both pages as they should be. */
export function renderPages(): ReadonlyMap<string, string> {
  return new Map([
    [FIELDS_PAGE, renderPage()],
    [DIFFERENCES_PAGE, withIntended(readFileSync(DIFFERENCES_PAGE, 'utf8'))],
  ]);
}

function main(): void {
  const isCheck = process.argv.includes('--check');
  for (const [path, text] of renderPages()) {
    if (!isCheck) writeFileSync(path, text);
    else if (readFileSync(path, 'utf8') !== text) {
      console.error(`${relative(process.cwd(), path)} is stale; run bin/heddle-node scripts/supported-fields.ts`);
      process.exitCode = 1;
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
