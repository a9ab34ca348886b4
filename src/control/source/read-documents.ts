// Text of a file → its documents: split as kubectl splits it, lists taken apart, mesh configuration found.
import { basename } from 'node:path';
import type { PathPart, Severity } from './finding.ts';
import { MESH_GROUP } from './kinds.ts';
import { parseYaml, type YamlError } from './yaml.ts';

export type Json = Readonly<Record<string, unknown>>;

/** A part of a file that is parsed on its own: what is wrong with it does not concern the other parts. */
export type Chunk = {
  readonly text: string;
  /** Lines of the file before it. */
  readonly linesBefore: number;
};

export type RawDocument = {
  /** What was written; whoever validates it may fill in defaults in place. */
  readonly value: Json;
  /** Among the documents of its chunk, from 0. */
  readonly index: number;
  /** Where in that document the object is: ['items', 2] in a list. */
  readonly prefix: readonly PathPart[];
  /** The document itself is what stands in the object's `spec`. */
  readonly isBareSpec?: true;
};

export type UnreadDocument = {
  readonly index: number;
  readonly prefix: readonly PathPart[];
  readonly severity: Severity;
  readonly message: string;
  readonly remedy: string;
};

export type ChunkContent = {
  readonly documents: readonly RawDocument[];
  readonly unread: readonly UnreadDocument[];
  readonly syntaxError: YamlError | null;
};

/** Objects in lists in lists: deeper ones are left out. */
const MAX_LIST_DEPTH = 4;

/** Nothing but a separator. */
const IS_EMPTY = /^(?:---)?\s*$/;
const SEPARATOR = /^---(?=\s|$)/gm;

/** The parts of a text, each of which begins with its '---'. */
export function splitChunks(text: string): Chunk[] {
  const chunks: Chunk[] = [];
  let from = 0;
  let lines = 0;
  const add = (to: number): void => {
    const part = text.slice(from, to);
    // Directives belong to the document whose '---' they precede.
    if (to < text.length && isDirectives(part)) return;
    if (!IS_EMPTY.test(part)) chunks.push({ text: part, linesBefore: lines });
    for (let at = part.indexOf('\n'); at >= 0; at = part.indexOf('\n', at + 1)) lines++;
    from = to;
  };
  for (const { index } of text.matchAll(SEPARATOR)) if (index > from) add(index);
  add(text.length);
  return chunks;
}

function isDirectives(part: string): boolean {
  return /^%/m.test(part) && part.split('\n').every((line) => /^(?:[%#]|\s*$)/.test(line));
}

/**
 * `file` tells a MeshConfig, which does not say what it is, by the name 'mesh.yaml'. In a file of an application what
 * has neither apiVersion nor kind is something else, and nobody's mistake.
 */
export function readChunk(text: string, file: string, isApplication = false): ChunkContent {
  const parsed = parseYaml(text);
  if ('error' in parsed) return { documents: [], unread: [], syntaxError: parsed };
  const documents: RawDocument[] = [];
  const unread: UnreadDocument[] = [];
  const isMeshFile = /^mesh\.(?:ya?ml|json)$/.test(basename(file));
  const read = (value: unknown, index: number, prefix: readonly PathPart[]): void => {
    if (value === null || value === undefined) return;
    const refuse = (severity: Severity, message: string, remedy: string): void => {
      unread.push({ index, prefix, severity, message, remedy });
    };
    const claimsToBe = isMap(value) && ('apiVersion' in value || 'kind' in value);
    const isBareMesh = isMap(value) && !claimsToBe && isMeshFile && prefix.length === 0;
    if (isApplication && !claimsToBe && !isBareMesh && prefix.length === 0) {
      refuse('information', 'no object: it has neither apiVersion nor kind', 'nothing is to be done: it is not read');
      return;
    }
    if (!isMap(value)) {
      refuse('error', 'the document is no object', 'write apiVersion, kind, metadata and spec');
      return;
    }
    const { apiVersion, kind } = value;
    if (isBareMesh) {
      documents.push({ value: meshObject('MeshConfig', value), index, prefix: [], isBareSpec: true });
      return;
    }
    if (typeof apiVersion !== 'string' || typeof kind !== 'string' || apiVersion === '' || kind === '') {
      const missing = typeof kind === 'string' && kind !== '' ? 'apiVersion' : 'kind';
      const isMeant = 'apiVersion' in value || 'kind' in value || 'metadata' in value;
      if (isMeant) refuse('error', `${missing} is missing`, `add ${missing}: without it nobody knows what this is`);
      else refuse('warning', 'the document is no Kubernetes object', 'move the file elsewhere if it is none');
      return;
    }
    if (Array.isArray(value['items']) && kind.endsWith('List')) {
      if (prefix.length >= 2 * MAX_LIST_DEPTH) refuse('error', 'lists are nested too deep', 'write one list');
      else value['items'].forEach((item, at) => read(item, index, [...prefix, 'items', at]));
      return;
    }
    documents.push({ value, index, prefix });
    readMesh(apiVersion, kind, value, index, prefix);
  };
  const readMesh = (apiVersion: string, kind: string, value: Json, index: number, prefix: readonly PathPart[]) => {
    if (kind === 'ConfigMap' && apiVersion === 'v1') {
      for (const { value: mesh, field } of meshesOf(value)) {
        const place = [...prefix, 'data', field];
        const inner = parseYaml(mesh);
        const refuse = (message: string): void => {
          const remedy = 'write it as the YAML of the message';
          unread.push({ index, prefix: place, severity: 'error', message, remedy });
        };
        if ('error' in inner) refuse(`${field} is no YAML: ${inner.error} in its line ${inner.place.line}`);
        else if (inner.values.length > 1 || !isMap(inner.values[0] ?? {})) refuse(`${field} is no object`);
        else {
          const content = (inner.values[0] ?? {}) as Json;
          const name = field === 'mesh' ? 'MeshConfig' : 'MeshNetworks';
          documents.push({ value: meshObject(name, content), index, prefix: place, isBareSpec: true });
        }
      }
    }
    if (kind === 'IstioOperator' && isMap(value['spec']) && isMap(value['spec']['meshConfig'])) {
      const place = [...prefix, 'spec', 'meshConfig'];
      const mesh = meshObject('MeshConfig', value['spec']['meshConfig']);
      documents.push({ value: mesh, index, prefix: place, isBareSpec: true });
    }
  };
  parsed.values.forEach((value, index) => read(value, index, []));
  return { documents, unread, syntaxError: null };
}

/** What istiod reads of its own ConfigMap. */
function meshesOf(configMap: Json): { readonly value: string; readonly field: 'mesh' | 'meshNetworks' }[] {
  const { metadata, data } = configMap;
  if (!isMap(metadata) || !isMap(data) || metadata['name'] !== 'istio') return [];
  if (metadata['namespace'] !== 'istio-system') return [];
  return (['mesh', 'meshNetworks'] as const).flatMap((field) => {
    const value = data[field];
    return typeof value === 'string' ? [{ value, field }] : [];
  });
}

function meshObject(kind: 'MeshConfig' | 'MeshNetworks', spec: Json): Json {
  return { apiVersion: `${MESH_GROUP}/v1alpha1`, kind, metadata: { name: 'mesh' }, spec };
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
