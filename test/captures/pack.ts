// Packs captures of an istiod (a folder per scenario and role, a file per type) into the one file that tests open.
// bin/heddle-node test/captures/pack.ts FOLDER
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import type { Packed, PackedCapture, PackedStep } from './captures.ts';

type Json = Readonly<Record<string, unknown>>;
type Captured = {
  readonly type_url: string;
  readonly requested?: readonly string[];
  readonly resources: readonly { readonly name: string; readonly resource: Json }[];
};
/** A line of a trace: what a client asked or was sent at `ms`. */
type Line = { readonly ms: number; readonly dir: 'req' | 'resp'; readonly msg: Json };

const folder = process.argv[2] ?? '';
/** Text of each distinct resource → its place in the list. */
const places = new Map<string, number>();

function place(resource: unknown): number {
  const text = JSON.stringify(resource);
  const known = places.get(text);
  if (known !== undefined) return known;
  places.set(text, places.size);
  return places.size - 1;
}

function read<T>(...path: string[]): T {
  return JSON.parse(readFileSync(join(folder, ...path), 'utf8')) as T;
}

function packCapture(name: string): PackedCapture {
  const types: Record<string, [name: string, place: number][]> = {};
  for (const file of globSync('*.json', { cwd: join(folder, name) }).sort()) {
    // What was asked in both forms is the same.
    if (file === 'node.json' || file.endsWith('.delta.json')) continue;
    const { type_url: typeUrl, resources } = read<Captured>(name, file);
    types[typeUrl] = resources.map((resource) => [resource.name, place(resource.resource)]);
  }
  return { name, node: read(name, 'node.json'), types };
}

/** Resources of a state-of-the-world response have no names of their own. */
function packStep({ ms, dir, msg }: Line): PackedStep {
  const { resources, node: _, ...rest } = msg as { resources?: readonly Json[] } & Json;
  if (resources === undefined) return { ms, dir, message: rest };
  const packed = resources.map((resource) => {
    const { resource: inner, ...more } = resource as { resource?: Json };
    return inner === undefined ? { place: place(resource) } : { ...more, place: place(inner) };
  });
  return { ms, dir, message: rest, resources: packed };
}

function packTrace(file: string): PackedStep[] {
  const lines = readFileSync(join(folder, file), 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => packStep(JSON.parse(line) as Line));
}

const names = globSync('*/*/node.json', { cwd: folder }).map(dirname).sort();
const captures = names.map(packCapture);
const traces: Record<string, PackedStep[]> = {};
for (const file of globSync('*/trace.*.jsonl', { cwd: folder }).sort()) {
  traces[basename(file).split('.')[1] ?? ''] = packTrace(file);
}
const packed: Packed = { resources: [...places.keys()].map((text) => JSON.parse(text) as Json), captures, traces };
const bytes = Buffer.from(JSON.stringify(packed));
const params = {
  [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
  [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
  [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
};
const compressed = brotliCompressSync(bytes, { params });
writeFileSync(join(import.meta.dirname, 'captures.json.br'), compressed);
console.log(`${names.length} captures, ${places.size} resources, ${bytes.length} → ${compressed.length} bytes`);
