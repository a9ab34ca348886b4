// Looks into encoded discovery messages for what a relay needs, without decoding them.
import { FieldCursor, WIRE } from '../../proto/wire-reader.ts';

/** Numbers of fields. Source: envoy/service/discovery/v3/discovery.proto. */
const REQUEST_TYPE_URL = 4;
const DELTA_REQUEST_TYPE_URL = 2;
const RESPONSE_TYPE_URL = 4;

/** Of a message buf[start, end); '' when it has none or cannot be read. */
export function requestTypeUrl(buf: Buffer, start: number, end: number, isDelta: boolean): string {
  return textField(buf, start, end, isDelta ? DELTA_REQUEST_TYPE_URL : REQUEST_TYPE_URL);
}

export function responseTypeUrl(buf: Buffer, start: number, end: number): string {
  return textField(buf, start, end, RESPONSE_TYPE_URL);
}

function textField(buf: Buffer, start: number, end: number, number: number): string {
  const cursor = new FieldCursor(buf, start, end);
  let found = '';
  while (cursor.next()) {
    // The sender is another process: a length beyond the message is its mistake, and no reason to read on.
    if (cursor.valueEnd > end) return '';
    if (cursor.number === number && cursor.wireType === WIRE.bytes) found = cursor.text();
  }
  return found;
}
