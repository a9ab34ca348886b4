// A name table as a control plane sends it, read a small part at a time: what is on its way does not wait for it.
import { decodeBinary } from '../../proto/binary-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { FieldCursor } from '../../proto/wire-reader.ts';
import { type NameInfo, type NameScope, NameTable } from './name-table.ts';

const TYPE = 'istio.networking.nds.v1.NameTable';
/** Of a part that is decoded at once. */
const PART_BYTES = 2048;

type Message = { readonly table?: Readonly<Record<string, NameInfo>> };

/** The table, or why it is refused. */
export function* readNameTable(bytes: Uint8Array, scope: NameScope): Generator<void, NameTable | string> {
  const type = registry.message(TYPE);
  const table = new NameTable(scope.search);
  for (const part of parts(bytes)) {
    const report = new Report();
    const message = decodeBinary(type, part, report) as Message | undefined;
    if (message === undefined) return report.problems[0]?.reason ?? 'malformed';
    yield;
    for (const [host, info] of Object.entries(message.table ?? {})) {
      table.add(host, info, scope);
      yield;
    }
  }
  return table;
}

/** The fields of a message, some at a time: by the rules of protobuf each part is a message of the same type. */
function* parts(bytes: Uint8Array): Generator<Uint8Array> {
  const cursor = new FieldCursor(bytes);
  let start = 0;
  while (cursor.next()) {
    const end = Math.min(cursor.valueEnd, bytes.length);
    if (end - start < PART_BYTES && end < bytes.length) continue;
    yield bytes.subarray(start, end);
    start = end;
  }
}
