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
  upstreamFilters,
  upstreamTransports,
} from '../src/proxy/extensions.ts';
import { NO_NODE } from '../src/proxy/istio/node.ts';
import { udpProxy } from '../src/proxy/udp/udp-proxy.ts';
import {
  EXTENSION_GROUP,
  GROUPS,
  INERT,
  NOT_BUILT,
  LIMITS,
  NO_EFFECT,
  OTHER_EXTENSIONS,
  REFUSED_WHOLE,
} from './support/field-notes.ts';
import { withIntended } from './support/intended-block.ts';

const DOCS = join(dirname(import.meta.dirname), 'docs');
export const FIELDS_PAGE = join(DOCS, 'supported-fields.md');
export const DIFFERENCES_PAGE = join(DOCS, 'differences.md');

/** A filter or transport socket: what its part of the page is called, and what it knows. */
type Owner = {
  readonly kind: string;
  readonly title: string;
  readonly configType: string;
  readonly messages: ReadonlySet<string>;
};

/** Everything that the proxy checks a bootstrap against. */
export type Support = {
  /** Message full name → its fields that take effect. */
  readonly fields: ReadonlyMap<string, ReadonlySet<string> | '*'>;
  readonly owners: readonly Owner[];
  /** Messages that only inert filters know. */
  readonly inert: ReadonlySet<string>;
};

const INERT_TITLE = 'Inert network filters';
const NOT_BUILT_TITLE = 'Filters that are not built';

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

export function readSupport(): Support {
  // Factories only keep their parts until a chain is built, and none is built here.
  const none = { clusters: null as never, onDemandClusters: null as never, dnsCaches: null as never };
  const parts = { ...none, zone: '', localAddress: '', node: NO_NODE, metricExpiryMs: 0 };
  const extensions = {
    httpFilters: httpFilters(parts),
    networkFilters: networkFilters(parts),
    listenerFilters: listenerFilters(),
    downstreamTransports: downstreamTransports(),
    upstreamTransports: upstreamTransports(),
    upstreamFilters: upstreamFilters(parts),
  };
  const inert = extensions.networkFilters.filter((filter) => filter.isInert === true);
  const transports = [...extensions.downstreamTransports, ...extensions.upstreamTransports];
  const owners = [
    ...extensions.httpFilters.filter(isBuilt).map((filter) => ownerOf('HTTP filter', filter)),
    ...extensions.networkFilters
      .filter((filter) => filter.isInert !== true && isBuilt(filter))
      .map((filter) => ownerOf('Network filter', filter)),
    ...inert.map((filter) => ({ ...ownerOf('Inert network filter', filter), title: INERT_TITLE })),
    ...[...extensions.httpFilters, ...extensions.networkFilters]
      .filter((filter) => !isBuilt(filter))
      .map((filter) => ({ ...ownerOf('Stand-in', filter), title: NOT_BUILT_TITLE })),
    ...extensions.listenerFilters.map((filter) => ownerOf('Listener filter', filter)),
    ...extensions.upstreamFilters.map((filter) => ownerOf('Network filter of clusters', filter)),
    ownerOf('UDP listener filter', { ...udpProxy, name: 'envoy.filters.udp_listener.udp_proxy' }),
    ...transports.map((transport) => ownerOf('Transport socket', transport)),
  ];
  const others = owners.filter(({ title }) => title !== INERT_TITLE);
  const inertMessages = inert.flatMap(({ fields }) => Object.keys(fields));
  return {
    fields: supportedFields(extensions),
    owners,
    inert: new Set(inertMessages.filter((name) => !others.some(({ messages }) => messages.has(name)))),
  };
}

type Extension = {
  readonly name: string;
  readonly configType: string;
  readonly fields: Readonly<Record<string, string>>;
};

/** Not: a stand-in, which takes any configuration. */
function isBuilt({ configType, fields }: Extension): boolean {
  return fields[configType] !== '**';
}

function ownerOf(kind: string, { name, configType, fields }: Extension): Owner {
  return { kind, title: `${kind} ${name}`, configType, messages: new Set(Object.keys(fields)) };
}

function renderPage(): string {
  const support = readSupport();
  const groups = assign(support);
  const parts = [INTRODUCTION, renderContents(groups), renderExtensions(support)];
  for (const [title, names] of groups) {
    parts.push(`## ${title}\n`);
    if (title === INERT_TITLE) parts.push(`${INERT}\n`);
    if (title === NOT_BUILT_TITLE) {
      parts.push(`${NOT_BUILT}\n`, ...names.map((name) => `- ${code(name)}`), '');
      continue;
    }
    const whole = names.filter((name) => isWhole(name, support));
    for (const name of names) if (!whole.includes(name)) parts.push(renderMessage(name, support));
    if (whole.length > 0) parts.push(renderWhole(whole));
  }
  return `${parts.join('\n').trimEnd()}\n`;
}

/** Messages by group; each stands once: with the extension that alone knows it, or where its package belongs. */
function assign(support: Support): Map<string, string[]> {
  // Small messages that everything uses come last.
  const last = GROUPS.at(-1)!.title;
  const ordered = [...GROUPS.slice(0, -1).map(({ title }) => title), ...support.owners.map(({ title }) => title), last];
  const groups = new Map<string, string[]>(ordered.map((title) => [title, []]));
  for (const name of [...support.fields.keys()].sort()) {
    if (registry.find(name)!.fields.length === 0 || REFUSED_WHOLE.has(name)) continue;
    const title = ownTitle(name, support) ?? last;
    groups.get(title === EXTENSION_GROUP ? last : title)!.push(name);
  }
  return new Map([...groups].filter(([, names]) => names.length > 0));
}

function ownTitle(name: string, support: Support): string | undefined {
  if (support.inert.has(name)) return INERT_TITLE;
  const packageOwner = support.owners.find(({ configType }) => name.startsWith(packageOf(configType)));
  if (packageOwner !== undefined) return packageOwner.title;
  const group = GROUPS.find(({ messages }) => messages.test(name))?.title;
  if (group !== EXTENSION_GROUP) return group;
  const titles = new Set(support.owners.filter(({ messages }) => messages.has(name)).map(({ title }) => title));
  return titles.size === 1 ? [...titles][0] : group;
}

/** With the point behind it. */
function packageOf(typeName: string): string {
  return typeName.slice(0, typeName.lastIndexOf('.') + 1);
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
const PARTS_ONLY = new RegExp(
  String.raw`\.common\.|\.(Mutations|LocalReplyConfig|ResponseMapper|RequestIDExtension|HttpFilter)$|` +
    String.raw`\.(FaultAbort|Route)$|transport_sockets\.tls\.|LatencyThreshold`,
);

/** The types that a typed_config may have: filters, transport sockets, and what else is named envoy.extensions. */
function renderExtensions({ fields, owners }: Support): string {
  const kinds = new Map<string, Set<string>>();
  const add = (kind: string, name: string): unknown => kinds.set(kind, (kinds.get(kind) ?? new Set()).add(name));
  for (const { kind, configType } of owners) add(`${kind}s`, configType);
  add('Network filters', 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager');
  for (const name of [...fields.keys()].sort()) {
    const match = /^envoy\.extensions\.(.+)\.v3\.\w+$/.exec(name);
    if (match === null || PARTS_ONLY.test(name)) continue;
    if ([...kinds.values()].some((names) => names.has(name))) continue;
    const kind = (match[1] as string).replace(/\.[^.]+$/, '');
    const words = kind.replaceAll('_', ' ').replaceAll('.', ' ');
    add(KINDS[kind] ?? words.charAt(0).toUpperCase() + words.slice(1), name);
  }
  for (const [kind, name] of OTHER_EXTENSIONS) add(kind, name);
  const lines = [...kinds].map(([kind, names]) => `| ${kind} | ${[...names].sort().map(code).join('<br>')} |`);
  return ['## Extensions\n', '| kind | types |', '|---|---|', ...lines, ''].join('\n');
}

/** Packages below envoy.extensions whose kind has another name. */
const KINDS: Readonly<Record<string, string>> = {
  'filters.http': 'HTTP filters',
  'filters.network': 'Network filters',
  transport_sockets: 'Transport sockets',
  'matching.common_inputs': 'Inputs of matcher trees',
  'network.dns_resolver': 'DNS resolvers',
};

export type FieldState =
  | { readonly state: 'effect'; readonly limit: string | null }
  | { readonly state: 'no effect'; readonly reason: string }
  | { readonly state: 'refused'; readonly reason: string | null };

/** What becomes of a field that is set. */
export function stateOf(type: MessageType, field: Field, support: Support): FieldState {
  const key = `${type.fullName}.${field.name}`;
  const names = support.fields.get(type.fullName);
  const tuning = TUNING_FIELDS[type.fullName]?.[field.name];
  if (names !== '*' && names?.has(field.name) !== true && tuning === undefined)
    return { state: 'refused', reason: null };
  // The walk goes on below a field that takes effect, and there an unknown message is refused.
  if (tuning === undefined && !isKnown(field, support))
    return { state: 'refused', reason: `nothing of ${valueOf(field).typeName} is supported yet` };
  if (support.inert.has(type.fullName)) return { state: 'no effect', reason: 'inert' };
  const limit = LIMITS.get(key) ?? null;
  if (limit?.startsWith('refused: ') === true) return { state: 'refused', reason: limit.slice('refused: '.length) };
  const reason = tuning ?? NO_EFFECT.get(key);
  return reason === undefined ? { state: 'effect', limit } : { state: 'no effect', reason };
}

function isKnown(field: Field, support: Support): boolean {
  const value = valueOf(field);
  if (value.type !== TYPE.message || value.message.wellKnown !== 'none') return true;
  return support.fields.has(value.typeName) || TUNING_FIELDS[value.typeName] !== undefined;
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
  if (support.inert.has(name)) lines.push(`Accepted, no effect: ${plain('no effect')}.`);
  for (const { field, state } of states) {
    if (state.state === 'no effect' && state.reason !== 'inert')
      lines.push(`- Accepted, no effect: ${named(field)}: ${state.reason}`);
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
