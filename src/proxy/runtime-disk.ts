// Runtime layers in directories: a file for each key, a directory for each part of one; looked at again when a link
// takes another's place. Source: Envoy DiskLayer.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { runInSlices } from '../base/slices.ts';
import type { DirectoryWatch, DirectoryWatcher } from '../net/file-watch.ts';
import type { RuntimeChanges, RuntimeLayerConfig } from './runtime.ts';
import { parseRuntimeText } from './runtime-text.ts';
import type { RuntimeEntries, RuntimeEntry } from './runtime-values.ts';

/** Directories inside each other, as in Envoy. */
const MAX_DEPTH = 16;
/** Of one layer; what is larger is no set of switches. */
const MAX_FILES = 10_000;
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_BYTES = 16 * 1024 * 1024;

type DiskConfig = Extract<RuntimeLayerConfig, { kind: 'disk' }>;

export type DiskLoad = {
  readonly disks: RuntimeChanges['disks'];
  /** How often Envoy would have looked, with the same end: once for each layer under that link. */
  readonly times: number;
  /** Layers that could not be read: what they held before stays. */
  readonly broken: number;
};

export type DiskLayersContext = {
  readonly clock: Clock;
  readonly watcher: DirectoryWatcher;
  readonly serviceCluster: string;
  readonly warn: (text: string) => void;
};

/** Watches and reads; a text says why a link cannot be watched. */
export function openDisks(
  layers: readonly RuntimeLayerConfig[],
  context: DiskLayersContext,
): { readonly disks: DiskLayers; readonly load: DiskLoad } | string {
  const disks = new DiskLayers(layers, context);
  const load = disks.start();
  return typeof load === 'string' ? load : { disks, load };
}

export class DiskLayers {
  readonly #context: DiskLayersContext;
  readonly #layers: readonly (readonly [number, DiskConfig])[];
  readonly #last = new Map<number, RuntimeEntries | null>();
  readonly #watches: DirectoryWatch[] = [];
  readonly #moved = new Set<string>();
  #isLoading = false;
  /** Told of every look after the first. */
  onLoaded: (load: DiskLoad) => void = () => undefined;

  constructor(layers: readonly RuntimeLayerConfig[], context: DiskLayersContext) {
    this.#context = context;
    this.#layers = [...layers.entries()].flatMap(([i, layer]) => (layer.kind === 'disk' ? [[i, layer] as const] : []));
  }

  /** Watches, and reads all of them at once. A text says why a link cannot be watched. */
  start(): DiskLoad | string {
    for (const root of new Set(this.#layers.map(([, { root }]) => root))) {
      const name = basename(root);
      const opened = this.#context.watcher.watch(dirname(root), {
        onMoved: (moved) => moved === name && this.#onMoved(root),
        onChanged: () => undefined,
      });
      if (typeof opened === 'string') {
        this.close();
        return `unable to add filesystem watch for file ${root}: ${opened.replace(/^.*: /, '')}`;
      }
      this.#watches.push(opened);
    }
    const reading = this.#readAll(1);
    for (;;) {
      const step = reading.next();
      if (step.done === true) return step.value;
    }
  }

  close(): void {
    for (const watch of this.#watches.splice(0)) watch.close();
  }

  #onMoved(root: string): void {
    this.#moved.add(root);
    this.#reload();
  }

  #reload(): void {
    if (this.#isLoading || this.#moved.size === 0) return;
    this.#isLoading = true;
    const times = this.#layers.filter(([, { root }]) => this.#moved.has(root)).length;
    this.#moved.clear();
    runInSlices(this.#context, this.#readAll(times), (load) => {
      this.#isLoading = false;
      this.onLoaded(load);
      this.#reload();
    });
  }

  *#readAll(times: number): Generator<void, DiskLoad> {
    let broken = 0;
    for (const [i, { name, root, subdirectory, appendsCluster }] of this.#layers) {
      const cluster = appendsCluster ? `/${this.#context.serviceCluster}` : '';
      const read = yield* readLayer(`${root}/${subdirectory}${cluster}`);
      if (typeof read !== 'string') this.#last.set(i, read);
      else {
        broken++;
        const kept = this.#last.get(i) ?? null;
        this.#last.set(i, kept);
        const stays = kept === null ? 'the layer is left out' : 'what it held before stays';
        this.#context.warn(`runtime layer ${JSON.stringify(name)}: ${read} (${stays})`);
      }
    }
    return { disks: new Map(this.#last), times, broken };
  }
}

type Reading = { readonly entries: Map<string, RuntimeEntry>; files: number; bytes: number };

/** Null where there is no such directory; a text says what is wrong in it. */
function* readLayer(directory: string): Generator<void, RuntimeEntries | null | string> {
  try {
    if (!statSync(directory).isDirectory()) return null;
  } catch {
    return null;
  }
  const reading: Reading = { entries: new Map(), files: 0, bytes: 0 };
  try {
    const problem = yield* walk(directory, '', 1, reading);
    return problem ?? reading.entries;
  } catch (error) {
    return (error as Error).message;
  }
}

function* walk(directory: string, prefix: string, depth: number, reading: Reading): Generator<void, string | null> {
  if (depth > MAX_DEPTH) return `${directory}: Walk recursion depth exceeded ${MAX_DEPTH}`;
  for (const name of readdirSync(directory).sort()) {
    const path = join(directory, name);
    const stat = statSync(path);
    if (stat.isDirectory()) {
      const problem = yield* walk(path, `${prefix}${name}.`, depth + 1, reading);
      if (problem !== null) return problem;
    } else if (stat.isFile()) {
      if (stat.size > MAX_FILE_BYTES) return `${path}: more than ${MAX_FILE_BYTES} bytes`;
      reading.files++;
      reading.bytes += stat.size;
      if (reading.files > MAX_FILES) return `${directory}: more than ${MAX_FILES} files`;
      if (reading.bytes > MAX_BYTES) return `${directory}: more than ${MAX_BYTES} bytes`;
      const parsed = parseRuntimeText(valueIn(readFileSync(path, 'utf8')));
      if ('error' in parsed) return `${path}: ${parsed.error}`;
      reading.entries.set(prefix + name, parsed);
      yield;
    }
  }
  return null;
}

/** Lines that begin with # are comments, blank ones are nothing, and the end of the last line does not count. */
function valueIn(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '');
  let value = '';
  for (const [i, line] of lines.entries()) {
    if (line.startsWith('#')) continue;
    value += i === lines.length - 1 ? line.trimEnd() : `${line}\n`;
  }
  return value;
}
