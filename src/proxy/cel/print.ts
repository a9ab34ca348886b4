// What a value of an expression shows as: a text (Envoy's print), or JSON.
import {
  asNumber,
  CelMap,
  Duration,
  isMap,
  keysOf,
  memberOf,
  numberKind,
  Timestamp,
  TypeName,
  type Uint,
  type Value,
} from '../../base/cel/values.ts';
import { doubleText } from '../../base/cel/numbers.ts';
import { durationJson, durationText, timestampJson, timestampText } from '../../base/cel/times.ts';
import { compareBytes, jsonEscape, jsonNumber } from '../formatter/byte-text.ts';
import { MessageMap, OpenMap, shortText } from './maps.ts';

/** As bytes. Source: Envoy, Expr::print. */
export function printed(value: Value): string {
  if (typeof value === 'string') return value;
  if (value === null) return 'NULL';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  switch (numberKind(value)) {
    case 'int':
      return String(value as number);
    case 'uint':
      return String((value as Uint).value);
    case 'double':
      return doubleText(asNumber(value), 6);
  }
  if (value instanceof MessageMap) return shortText(value);
  if (value instanceof Uint8Array) return Buffer.from(value).latin1Slice();
  if (value instanceof Duration) return durationText(value);
  if (value instanceof Timestamp) return timestampText(value);
  if (Array.isArray(value)) return 'CelList value';
  return value instanceof TypeName ? 'CelType value' : 'CelMap value';
}

/** Values that have no JSON are null. Source: Envoy 1.40, by trial; infinity, which it writes as no JSON, is text. */
export function printedJson(value: Value): string {
  if (typeof value === 'string') return `"${jsonEscape(value)}"`;
  if (value === null) return 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (numberKind(value) !== null) return jsonNumber(asNumber(value));
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`;
  if (value instanceof Duration) return `"${durationJson(value)}"`;
  if (value instanceof Timestamp) return `"${timestampJson(value)}"`;
  if (Array.isArray(value)) return `[${(value as readonly Value[]).map(printedJson).join(',')}]`;
  if (!isMap(value) || (value instanceof OpenMap && !value.hasJson)) return 'null';
  const isMessage = value instanceof CelMap && value.isMessage;
  const members: [string, string][] = [];
  for (const key of keysOf(value)) {
    const member = memberOf(value, key) ?? null;
    // Fields of messages that hold nothing are left out.
    if (isMessage && (member === '' || (isMap(member) && keysOf(member).length === 0))) continue;
    members.push([printed(key), printedJson(member)]);
  }
  members.sort(([a], [b]) => compareBytes(a, b));
  return `{${members.map(([key, json]) => `"${jsonEscape(key)}":${json}`).join(',')}}`;
}
