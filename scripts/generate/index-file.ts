// Writes descriptors.index: where each message and enum stands in descriptors.bin (layout in src/proto/registry.ts).
import { FLAG_ENUM, FLAG_PROTO3, INDEX_MAGIC, hashName } from '../../src/proto/registry.ts';
import { FieldCursor } from '../../src/proto/wire-reader.ts';

export interface IndexedType {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
  readonly flags: number;
}

/** Lists the types of a FileDescriptorSet. Map entries are left out: their fields are compiled with the map. */
export function listTypes(set: Uint8Array): IndexedType[] {
  const types: IndexedType[] = [];
  const files = new FieldCursor(set);
  while (files.next()) if (files.number === 1) listFile(files, types);
  return types;
}

function listFile(file: FieldCursor, types: IndexedType[]): void {
  let prefix = '';
  let syntax = 'proto2';
  const head = file.sub();
  while (head.next()) {
    if (head.number === 2) prefix = `${head.text()}.`;
    if (head.number === 12) syntax = head.text();
  }
  if (syntax === 'editions') throw new Error('files with editions are not understood');
  const flags = syntax === 'proto3' ? FLAG_PROTO3 : 0;
  const body = file.sub();
  while (body.next()) {
    if (body.number === 4) listMessage(body, prefix, flags, types);
    if (body.number === 5) types.push(entryOf(body, prefix, flags | FLAG_ENUM));
  }
}

function listMessage(message: FieldCursor, prefix: string, flags: number, types: IndexedType[]): void {
  const entry = entryOf(message, prefix, flags);
  const options = message.sub();
  while (options.next()) {
    if (options.number !== 7) continue;
    const option = options.sub();
    while (option.next()) if (option.number === 7 && option.uint32() === 1) return;
  }
  types.push(entry);
  const body = message.sub();
  while (body.next()) {
    if (body.number === 3) listMessage(body, `${entry.name}.`, flags, types);
    if (body.number === 4) types.push(entryOf(body, `${entry.name}.`, flags | FLAG_ENUM));
  }
}

function entryOf(cursor: FieldCursor, prefix: string, flags: number): IndexedType {
  const body = cursor.sub();
  let name = '';
  while (body.next()) if (body.number === 1) name = body.text();
  return { name: prefix + name, offset: cursor.valueStart, length: cursor.valueEnd - cursor.valueStart, flags };
}

/** Serialises the index. */
export function encodeIndex(types: readonly IndexedType[]): Uint8Array {
  const sorted = types.map((type) => ({ ...type, hash: hashName(type.name) }));
  sorted.sort((a, b) => a.hash - b.hash || (a.name < b.name ? -1 : 1));
  const names = sorted.map((type) => new TextEncoder().encode(type.name));
  const columns = new Uint32Array(2 + sorted.length * 5);
  columns[0] = INDEX_MAGIC;
  columns[1] = sorted.length;
  let nameOffset = 0;
  sorted.forEach((type, i) => {
    const length = (names[i] as Uint8Array).length;
    const row = [type.hash, type.offset, type.length, (length << 8) | type.flags, nameOffset];
    row.forEach((value, column) => {
      columns[2 + column * sorted.length + i] = value;
    });
    nameOffset += length;
  });
  return Buffer.concat([new Uint8Array(columns.buffer), ...names]);
}
