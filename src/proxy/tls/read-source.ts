// Data sources of TLS messages: what they hold, and what Envoy calls them in its messages.
import type { DataSource } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { readDataSource } from '../formatter/data-source.ts';

/** '<inline>', the path of a file, '' for what has no name. */
export function sourceName(source: DataSource | undefined): string {
  if (source?.filename !== undefined) return source.filename;
  return source?.inline_string !== undefined || source?.inline_bytes !== undefined ? '<inline>' : '';
}

/** Its bytes; null after rejecting it. Nothing to read is refused in Envoy's words. */
export function readWholeSource(source: DataSource, d: ConfigDecoder): Buffer | null {
  const bytes = readDataSource(source, d);
  if (bytes === null || bytes.length > 0) return bytes;
  d.reject('', 'DataSource cannot be empty');
  return null;
}

/** Its bytes, or none where there are none to be had: that is for the reader to refuse, as in Envoy. */
export function readSourceOrNothing(source: DataSource | undefined, d: ConfigDecoder): Buffer {
  if (source === undefined) return Buffer.alloc(0);
  const reasonsBefore = d.reasons.length;
  const bytes = readDataSource(source, d);
  if (bytes !== null) return bytes;
  d.reasons.length = reasonsBefore;
  return Buffer.alloc(0);
}
