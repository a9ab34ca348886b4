// All objects of all files: who defines what, what is live, and what is wrong. Texts in, changes and findings out.
import { type MadeObject, makeObject } from './make-object.ts';
import { type Finding, formatPath, type PathPart, parsePath, type Problem } from './finding.ts';
import type { ConfigObject } from './object.ts';
import { type Chunk, readChunk, splitChunks, type UnreadDocument } from './read-documents.ts';
import { checkReferences } from './references.ts';
import { sameJson } from './same-json.ts';
import { locate, type YamlError } from './yaml.ts';

export type Position = { readonly file: string; readonly line: number; readonly column: number };

/** A part of a file as it was read last. */
type ReadChunk = {
  readonly text: string;
  linesBefore: number;
  readonly documents: readonly ReadDocument[];
  readonly unread: readonly UnreadDocument[];
  readonly syntaxError: YamlError | null;
};

type NewChunk = Chunk & { readonly path: string; readonly isApplication: boolean };

type Spot = {
  readonly chunk: ReadChunk;
  readonly index: number;
  readonly prefix: readonly PathPart[];
  readonly isBareSpec?: boolean;
};

type ReadDocument = Spot & {
  readonly made: MadeObject;
};

/** A document of a file that defines an object. The first claim of a key is the one that counts. */
type Claim = {
  readonly file: string;
  document: ReadDocument;
  /** What the document said when it was last right. */
  accepted: ConfigObject | null;
};

type ReadFile = { chunks: readonly ReadChunk[]; claims: Map<string, Claim>; error: string | null };

/** Findings that are kept; more would be read by nobody. */
const MAX_FINDINGS = 10_000;
/** Of one object; they are looked for anew with every change of any. */
const MAX_REFERENCE_PROBLEMS = 100;

export class ObjectStore {
  readonly #files = new Map<string, ReadFile>();
  readonly #claims = new Map<string, Claim[]>();
  readonly #live = new Map<string, ConfigObject>();
  /** What was live before, of keys whose claims changed since `settle`. */
  readonly #touched = new Map<string, ConfigObject | undefined>();
  #findings: readonly Finding[] | null = null;
  readonly #clusterDomain: string;
  readonly #ownNamespace: string | undefined;

  /** `ownNamespace`: of objects that say none; 'default' without. */
  constructor(clusterDomain: string, ownNamespace?: string) {
    this.#clusterDomain = clusterDomain;
    this.#ownNamespace = ownNamespace;
  }

  get objects(): ReadonlyMap<string, ConfigObject> {
    return this.#live;
  }

  get files(): Iterable<string> {
    return this.#files.keys();
  }

  /**
   * The file says this now. Only the parts of it that changed are parsed and validated. In the files of an application
   * documents that do not claim to be objects are none.
   */
  setFile(path: string, text: string, isApplication = false): void {
    const before = this.#files.get(path);
    const known = new Map<string, ReadChunk[]>();
    for (const chunk of before?.chunks ?? []) {
      const same = known.get(chunk.text);
      same === undefined ? known.set(chunk.text, [chunk]) : same.push(chunk);
    }
    const chunks = splitChunks(text).map(({ text: part, linesBefore }) => {
      const same = known.get(part)?.shift();
      // A part that is all that changed must not hold the whole text of its version in memory.
      const own = before === undefined ? part : Buffer.from(part).toString();
      if (same === undefined) return this.#read({ path, text: own, linesBefore, isApplication }, before);
      same.linesBefore = linesBefore;
      return same;
    });
    this.#claim(path, chunks, before);
  }

  /** The file is there and cannot be read: what it said stays. */
  setUnreadable(path: string, error: string): void {
    const file = this.#files.get(path) ?? { chunks: [], claims: new Map(), error };
    file.error = error;
    this.#files.set(path, file);
    this.#findings = null;
  }

  removeFile(path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) return;
    for (const [key, claim] of file.claims) this.#drop(key, claim);
    this.#files.delete(path);
    this.#findings = null;
  }

  /** What became different since the last call: the object as it is now, null for one that is gone. */
  settle(): ReadonlyMap<string, ConfigObject | null> {
    const changes = new Map<string, ConfigObject | null>();
    for (const [key, before] of this.#touched) {
      const after = this.#claims.get(key)?.[0]?.accepted ?? undefined;
      // An equal object stays the one that it was.
      if (sameJson(before, after)) continue;
      after === undefined ? this.#live.delete(key) : this.#live.set(key, after);
      changes.set(key, after ?? null);
    }
    this.#touched.clear();
    return changes;
  }

  findings(): readonly Finding[] {
    this.#findings ??= this.#collect();
    return this.#findings;
  }

  /** Where the object (or a field of it) was written; null when there is no such object. */
  positionOf(key: string, fieldPath = ''): Position | null {
    const claim = this.#claims.get(key)?.[0];
    return claim === undefined ? null : placeIn(claim.file, claim.document, parsePath(fieldPath));
  }

  #read({ path, text, linesBefore, isApplication }: NewChunk, before: ReadFile | undefined): ReadChunk {
    const content = readChunk(text, path, isApplication);
    const documents: ReadDocument[] = [];
    const { unread, syntaxError } = content;
    const chunk: ReadChunk = { text, linesBefore, documents, unread, syntaxError };
    for (const { value, index, prefix, isBareSpec = false } of content.documents) {
      const made = makeObject(value, (key) => before?.claims.get(key)?.accepted ?? null, this.#ownNamespace);
      documents.push({ chunk, index, prefix, isBareSpec, made });
    }
    return chunk;
  }

  #claim(path: string, chunks: readonly ReadChunk[], before: ReadFile | undefined): void {
    const claims = new Map<string, Claim>();
    let isWhole = true;
    for (const chunk of chunks) {
      if (chunk.syntaxError !== null || chunk.unread.some(({ severity }) => severity === 'error')) isWhole = false;
      for (const document of chunk.documents) {
        const { key, object, problems } = document.made;
        if (key === '' && problems.some(({ severity }) => severity === 'error')) isWhole = false;
        // The second document of a file that defines an object is told in the findings.
        if (key === '' || claims.has(key)) continue;
        const claim = before?.claims.get(key) ?? this.#add(key, { file: path, document, accepted: null });
        if (claim.document !== document || claim.accepted === null) this.#touch(key);
        claim.document = document;
        if (object !== null) claim.accepted = object;
        claims.set(key, claim);
      }
    }
    for (const [key, claim] of before?.claims ?? []) {
      if (claims.has(key)) continue;
      // In a file that is broken, what is missing may be behind the mistake.
      if (isWhole) this.#drop(key, claim);
      else claims.set(key, claim);
    }
    this.#files.set(path, { chunks, claims, error: null });
    this.#findings = null;
  }

  #add(key: string, claim: Claim): Claim {
    this.#touch(key);
    const claims = this.#claims.get(key);
    claims === undefined ? this.#claims.set(key, [claim]) : claims.push(claim);
    return claim;
  }

  #drop(key: string, claim: Claim): void {
    this.#touch(key);
    const rest = (this.#claims.get(key) ?? []).filter((one) => one !== claim);
    rest.length === 0 ? this.#claims.delete(key) : this.#claims.set(key, rest);
  }

  #touch(key: string): void {
    if (!this.#touched.has(key)) this.#touched.set(key, this.#live.get(key));
  }

  #collect(): Finding[] {
    const findings: Finding[] = [];
    const say = (file: string, document: Spot, key: string, it: Problem) => {
      if (findings.length >= MAX_FINDINGS) return;
      const { severity, message, remedy } = it;
      const place = placeIn(file, document, it.path);
      const path = document.isBareSpec === true && it.path[0] === 'spec' ? it.path.slice(1) : it.path;
      findings.push({ severity, key, ...place, path: formatPath(path), message, remedy });
    };
    for (const [file, { chunks, claims, error }] of this.#files) {
      if (error !== null) findings.push(unreadable(file, error));
      // Of what is no object it is enough to know that such a file was seen.
      const told = new Set<string>();
      for (const chunk of chunks) this.#collectChunk(file, chunk, claims, told, say);
    }
    for (const [key, problems] of checkReferences(this.#live, this.#clusterDomain)) {
      const claim = this.#claims.get(key)?.[0];
      // An object that is kept while its file is broken stands nowhere in it.
      if (claim === undefined || !chunkIsOf(claim.document, this.#files.get(claim.file))) continue;
      for (const problem of problems.slice(0, MAX_REFERENCE_PROBLEMS)) say(claim.file, claim.document, key, problem);
    }
    return findings;
  }

  #collectChunk(file: string, chunk: ReadChunk, claims: ReadonlyMap<string, Claim>, told: Set<string>, say: Say): void {
    if (chunk.syntaxError !== null) {
      const { error, place } = chunk.syntaxError;
      const text = `the document is no YAML: ${error}`;
      const kept = [...claims.values()].filter(({ document }) => !chunkIsOf(document, this.#files.get(file)));
      const remedy = kept.length === 0 ? FIX_SYNTAX : `${FIX_SYNTAX}; until then what the file said before stays`;
      // The place is the reader's own, not that of a field.
      const at = { chunk: { ...chunk, linesBefore: chunk.linesBefore + place.line - 1 }, index: -1, prefix: [] };
      say(file, { ...at, index: -place.column }, '', { severity: 'error', path: [], message: text, remedy });
    }
    for (const { index, prefix, severity, message, remedy } of chunk.unread) {
      if (severity === 'information' && told.has(message)) continue;
      told.add(message);
      say(file, { chunk, index, prefix }, '', { severity, path: [], message, remedy });
    }
    for (const document of chunk.documents) {
      const { key, problems } = document.made;
      const isKept = claims.get(key)?.accepted !== null && document.made.object === null && claims.has(key);
      for (const problem of problems) {
        const more = isKept && problem.severity === 'error' ? '; until then its last good version stays' : '';
        say(file, document, key, { ...problem, remedy: `${problem.remedy}${more}` });
      }
      const first = this.#claims.get(key)?.[0];
      if (first === undefined || first.document === document) continue;
      const other = placeIn(first.file, first.document, []);
      const message = `${key} is defined in ${other.file}:${other.line} and again in ${file}; the first stays live`;
      const remedy = 'remove one of them, or give one another name or namespace';
      say(file, document, key, { severity: 'error', path: [], message, remedy });
    }
  }
}

type Say = (file: string, document: Spot, key: string, problem: Problem) => void;

const FIX_SYNTAX = 'fix the syntax there';

function chunkIsOf({ chunk }: ReadDocument, file: ReadFile | undefined): boolean {
  return file?.chunks.includes(chunk) === true;
}

function unreadable(file: string, error: string): Finding {
  const remedy = 'put a file there that Heddle may read and that is not too large';
  return { severity: 'error', key: '', file, line: 1, column: 1, path: '', message: error, remedy };
}

/** A negative index is a column of the chunk's first line that is known already. */
function placeIn(file: string, { chunk, index, prefix, isBareSpec }: Spot, path: readonly PathPart[]): Position {
  if (index < 0) return { file, line: chunk.linesBefore + 1, column: -index };
  const inside = isBareSpec === true && path[0] === 'spec' ? path.slice(1) : path;
  const { line, column } = locate(chunk.text, index, [...prefix, ...inside]);
  return { file, line: chunk.linesBefore + line, column };
}
