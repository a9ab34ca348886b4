// Finds message and enum types by name: a small index in memory, each type compiled from the descriptors on first use.
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { compileEnum, compileMessage } from './descriptor.ts';
import type { MessageTypes } from './generated/types.d.ts';
import type { EnumType, MessageType, TypeResolver } from './message-type.ts';

/**
 * Layout of descriptors.index (little-endian u32 unless said otherwise), written by scripts/generate:
 * magic, count, then five columns of `count` values: hash of the full name (sorted), offset and length in
 * descriptors.bin, flags (low byte) with the length of the name, offset of the name; then the names in UTF-8.
 */
export const INDEX_MAGIC = 0x31584448;
export const FLAG_ENUM = 1;
export const FLAG_PROTO3 = 2;

/** FNV-1a over the UTF-16 units of an ASCII name. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

interface Entry {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
  readonly flags: number;
}

/**
 * The types of one descriptor set. Only the index (20 bytes per type) stays in memory; names and descriptors are
 * read from the files when a type is first asked for, so that an idle proxy pays for the types that it uses.
 */
export class Registry implements TypeResolver {
  readonly #set: number;
  readonly #index: number;
  readonly #columns: Uint32Array;
  readonly #count: number;
  readonly #namesStart: number;
  readonly #messages = new Map<string, MessageType>();
  readonly #enums = new Map<string, EnumType>();

  /** `folder` holds descriptors.bin and descriptors.index. Throws when they are missing: the installation is broken. */
  constructor(folder: string) {
    this.#set = openSync(`${folder}/descriptors.bin`, 'r');
    this.#index = openSync(`${folder}/descriptors.index`, 'r');
    const head = new Uint32Array(2);
    readSync(this.#index, head, 0, 8, 0);
    if (head[0] !== INDEX_MAGIC) throw new Error(`${folder}/descriptors.index is not an index of descriptors`);
    this.#count = head[1] as number;
    this.#columns = new Uint32Array(this.#count * 5);
    readSync(this.#index, this.#columns, 0, this.#columns.byteLength, 8);
    this.#namesStart = 8 + this.#columns.byteLength;
  }

  /** The message type of that name, compiled on first use; undefined when the set does not have it. */
  find(name: string): MessageType | undefined {
    const known = this.#messages.get(name);
    if (known !== undefined) return known;
    const entry = this.#lookup(name);
    if (entry === undefined || (entry.flags & FLAG_ENUM) !== 0) return undefined;
    const type = compileMessage(this.#source(entry), this);
    this.#messages.set(name, type);
    return type;
  }

  /** As `find`, for names that the program itself knows: a missing one is a bug and throws. */
  message<K extends keyof MessageTypes>(name: K): MessageType<MessageTypes[K]>;
  message(name: string): MessageType;
  message(name: string): MessageType {
    const type = this.find(name);
    if (type === undefined) throw new Error(`no message type ${name}`);
    return type;
  }

  enum(name: string): EnumType {
    const known = this.#enums.get(name);
    if (known !== undefined) return known;
    const entry = this.#lookup(name);
    if (entry === undefined || (entry.flags & FLAG_ENUM) === 0) throw new Error(`no enum type ${name}`);
    const type = compileEnum(this.#source(entry));
    this.#enums.set(name, type);
    return type;
  }

  /** Every message name of the set, sorted; reads the whole index, so not for the data path. */
  messageNames(): string[] {
    const names: string[] = [];
    for (let i = 0; i < this.#count; i++) {
      const entry = this.#entry(i);
      if ((entry.flags & FLAG_ENUM) === 0) names.push(entry.name);
    }
    return names.sort();
  }

  /** Every message and enum name, sorted. */
  allNames(): string[] {
    return Array.from({ length: this.#count }, (_, i) => this.#entry(i).name).sort();
  }

  /** Message types compiled so far. */
  get compiledCount(): number {
    return this.#messages.size;
  }

  /** Bytes of the descriptor set: the rules of fields are read with it. */
  read(start: number, end: number): Uint8Array {
    const bytes = Buffer.allocUnsafe(end - start);
    readSync(this.#set, bytes, 0, bytes.length, start);
    return bytes;
  }

  close(): void {
    closeSync(this.#set);
    closeSync(this.#index);
  }

  #source(entry: Entry): { fullName: string; bytes: Uint8Array; fileOffset: number; isProto3: boolean } {
    return {
      fullName: entry.name,
      bytes: this.read(entry.offset, entry.offset + entry.length),
      fileOffset: entry.offset,
      isProto3: (entry.flags & FLAG_PROTO3) !== 0,
    };
  }

  #lookup(name: string): Entry | undefined {
    const hash = hashName(name);
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#columns[middle] as number) < hash) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < this.#count && this.#columns[i] === hash; i++) {
      const entry = this.#entry(i);
      if (entry.name === name) return entry;
    }
    return undefined;
  }

  #entry(i: number): Entry {
    const count = this.#count;
    const column = (n: number): number => this.#columns[n * count + i] as number;
    const nameStart = column(4);
    const bytes = Buffer.allocUnsafe(column(3) >>> 8);
    readSync(this.#index, bytes, 0, bytes.length, this.#namesStart + nameStart);
    return {
      name: bytes.latin1Slice(),
      offset: column(1),
      length: column(2),
      flags: column(3) & 0xff,
    };
  }
}

/** Where the generated files may be: beside this module in development, beside the bundle for users. */
function findFolder(): string {
  const places = ['./generated', '.', './proto'].map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const found = places.find((place) => existsSync(`${place}/descriptors.index`));
  if (found === undefined) throw new Error(`descriptors.index not found in ${places.join(', ')}`);
  return found;
}

let shared: Registry | null = null;

/** The registry of this process (of this thread), opened on first use. */
export function openRegistry(): Registry {
  shared ??= new Registry(findFolder());
  return shared;
}

/** The shared registry behind the names that callers use: `registry.message('envoy.config.cluster.v3.Cluster')`. */
export const registry: Pick<Registry, 'find' | 'message' | 'enum' | 'messageNames' | 'read'> = {
  find: (name) => openRegistry().find(name),
  message: ((name: string) => openRegistry().message(name)) as Registry['message'],
  enum: (name) => openRegistry().enum(name),
  messageNames: () => openRegistry().messageNames(),
  read: (start, end) => openRegistry().read(start, end),
};
