// Where the objects come from: directories, bundle files or the standard input; followed as they change.
import { mkdirSync, readFileSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import type { DirectoryWatcher } from '../../net/file-watch.ts';
import { APPLICATION_FILES, FileTree, OBJECT_FILES } from './file-tree.ts';
import type { Finding } from './finding.ts';
import type { ConfigObject } from './object.ts';
import { ObjectStore, type Position } from './object-store.ts';

/** Why something changed. */
export type SourceCause = {
  readonly kind: 'start' | 'change';
  /** Files that were read again, or are gone. */
  readonly files: readonly string[];
  /** Monotonic, of the clock that the source was given. */
  readonly atMs: number;
};

/** The object as it is now, null for one that is gone. Without changes only the findings are other ones. */
export type SourceListener = (changes: ReadonlyMap<string, ConfigObject | null>, cause: SourceCause) => void;

/** A place with objects. Of an object that several define, the one that was read first stays live. */
export type ConfigRoot = {
  /** A directory, a file, or '-' for the standard input, which is read to its end once. */
  readonly path: string;
  /**
   * 'objects': all that lies there is meant as objects. 'application': a directory with other things, too; only the
   * objects in its YAML files count. 'overlay': objects that commands put there; the directory is made if missing.
   */
  readonly kind: 'objects' | 'application' | 'overlay';
};

/** What the rest of the control plane knows of a source. */
export type ObjectSource = {
  /** Reads everything; listeners are called before it returns. Returns why changes will not be noticed, or null. */
  start(): string | null;
  stop(): void;
  onChange(listener: SourceListener): void;
  objects(): ReadonlyMap<string, ConfigObject>;
  findings(): readonly Finding[];
  positionOf(key: string, fieldPath?: string): Position | null;
};

export type SourceParts = {
  readonly clock: Clock;
  /** Null: everything is read once. */
  readonly watcher: DirectoryWatcher | null;
  /** For what is said of hosts that nothing is known as; 'cluster.local' without. */
  readonly clusterDomain?: string;
  /** Of objects that say none; 'default' without. */
  readonly ownNamespace?: string;
};

const DEFAULT_DOMAIN = 'cluster.local';

/** A source with what listeners and store have in common; subclasses say where texts come from. */
abstract class StoredSource implements ObjectSource {
  protected readonly store: ObjectStore;
  readonly #listeners: SourceListener[] = [];

  constructor(clusterDomain: string, ownNamespace?: string) {
    this.store = new ObjectStore(clusterDomain, ownNamespace);
  }

  abstract start(): string | null;
  abstract stop(): void;

  onChange(listener: SourceListener): void {
    this.#listeners.push(listener);
  }

  objects(): ReadonlyMap<string, ConfigObject> {
    return this.store.objects;
  }

  findings(): readonly Finding[] {
    return this.store.findings();
  }

  positionOf(key: string, fieldPath?: string): Position | null {
    return this.store.positionOf(key, fieldPath);
  }

  protected tell(kind: SourceCause['kind'], files: readonly string[], atMs: number): void {
    const changes = this.store.settle();
    for (const listener of this.#listeners) listener(changes, { kind, files, atMs });
  }
}

export class ConfigSource extends StoredSource {
  readonly #roots: readonly ConfigRoot[];
  readonly #parts: SourceParts;
  readonly #trees: FileTree[] = [];
  /** Files that were read before everything was. */
  #first: string[] | null = [];

  /** `roots` in the order in which they are read. */
  constructor(roots: readonly ConfigRoot[], parts: SourceParts) {
    super(parts.clusterDomain ?? DEFAULT_DOMAIN, parts.ownNamespace);
    this.#roots = roots;
    this.#parts = parts;
  }

  /** Throws when a path is not there. */
  start(): string | null {
    const errors = this.#roots.flatMap((root) => this.#open(root) ?? []);
    const files = this.#first ?? [];
    this.#first = null;
    this.tell('start', files, this.#parts.clock.nowMs);
    return errors.length === 0 ? null : errors.join('; ');
  }

  #open({ path: root, kind }: ConfigRoot): string | null {
    if (root === '-') {
      this.store.setFile('-', readFileSync(0, 'utf8'));
      this.#first?.push('-');
      return null;
    }
    const isApplication = kind === 'application';
    if (kind === 'overlay') mkdirSync(root, { recursive: true, mode: 0o700 });
    const tree = new FileTree(root, isApplication ? APPLICATION_FILES : OBJECT_FILES, {
      ...this.#parts,
      listener: {
        onText: (path, text) => this.store.setFile(path, text, isApplication),
        onUnreadable: (path, error) => this.store.setUnreadable(path, error),
        onGone: (path) => this.store.removeFile(path),
        onSettled: (files) => this.#settled(files),
      },
    });
    this.#trees.push(tree);
    return tree.start();
  }

  #settled(files: readonly string[]): void {
    if (this.#first !== null) this.#first.push(...files);
    else this.tell('change', files, this.#parts.clock.nowMs);
  }

  stop(): void {
    for (const tree of this.#trees.splice(0)) tree.stop();
  }
}

/** Texts from memory, for tests and for those who have them already. */
export class MemorySource extends StoredSource {
  #isStarted = false;

  constructor(files: Readonly<Record<string, string>> = {}) {
    super(DEFAULT_DOMAIN);
    for (const path of Object.keys(files).sort()) this.store.setFile(path, files[path] as string);
  }

  start(): null {
    this.#isStarted = true;
    this.tell('start', [...this.store.files], 0);
    return null;
  }

  stop(): void {
    this.#isStarted = false;
  }

  /** Null removes a file. All are one batch. */
  write(files: Readonly<Record<string, string | null>>): void {
    for (const [path, text] of Object.entries(files)) {
      text === null ? this.store.removeFile(path) : this.store.setFile(path, text);
    }
    if (this.#isStarted) this.tell('change', Object.keys(files), 0);
  }
}

/** What a text says, for tools that look at one file: its objects, and what is wrong with it. */
export function readDocuments(
  text: string,
  file: string,
): { readonly objects: ReadonlyMap<string, ConfigObject>; readonly findings: readonly Finding[] } {
  const source = new MemorySource({ [file]: text });
  source.start();
  return { objects: source.objects(), findings: source.findings() };
}
