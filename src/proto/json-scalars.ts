// Proto-JSON forms of single values, both ways: numbers, 64-bit integers, base64, durations, times, field masks.
import { lowerCamel } from './descriptor.ts';
import { TYPE } from './message-type.ts';

/** A value that could not be read: what was expected. */
export class Expected {
  readonly what: string;
  constructor(what: string) {
    this.what = what;
  }
}

export interface SecondsNanos {
  seconds: number | bigint;
  nanos: number;
}

/** Longest text that is taken as a number: keeps hostile digits from costing time. */
const MAX_NUMBER_LENGTH = 400;

const RANGES: { readonly [type: number]: readonly [number, number] } = {
  [TYPE.int32]: [-0x80000000, 0x7fffffff],
  [TYPE.sint32]: [-0x80000000, 0x7fffffff],
  [TYPE.sfixed32]: [-0x80000000, 0x7fffffff],
  [TYPE.uint32]: [0, 0xffffffff],
  [TYPE.fixed32]: [0, 0xffffffff],
};

/** Reads a scalar (not enum, not message) from JSON; unless `strict`, the further forms that Envoy takes as well. */
export function scalarFromJson(type: number, json: unknown, strict = false): unknown {
  switch (type) {
    case TYPE.string:
      return typeof json === 'string' && json.isWellFormed() ? json : new Expected('a string');
    case TYPE.bool:
      return boolFromJson(json, strict);
    case TYPE.bytes:
      return bytesFromJson(json);
    case TYPE.double:
    case TYPE.float:
      return floatFromJson(type, json, strict);
    case TYPE.int64:
    case TYPE.uint64:
    case TYPE.sint64:
    case TYPE.fixed64:
    case TYPE.sfixed64:
      return int64FromJson(json, type === TYPE.uint64 || type === TYPE.fixed64, strict);
    default:
      return int32FromJson(type, json, strict);
  }
}

const NUMBER_TEXT = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** Numbers as C++ reads them from text: a plus sign, leading zeros, hexadecimal. */
const LENIENT_NUMBER_TEXT = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|0[xX][\da-fA-F]+)$/;

function numberFromText(text: string, strict: boolean): number {
  if (text.length > MAX_NUMBER_LENGTH) return Number.NaN;
  return (strict ? NUMBER_TEXT : LENIENT_NUMBER_TEXT).test(text) ? Number(text) : Number.NaN;
}

const TRUE_TEXTS = new Set(['true', 't', 'yes', 'y', '1']);
const FALSE_TEXTS = new Set(['false', 'f', 'no', 'n', '0']);

function boolFromJson(json: unknown, strict: boolean): boolean | Expected {
  if (typeof json === 'boolean') return json;
  if (typeof json === 'string' && !strict) {
    const text = json.toLowerCase();
    if (TRUE_TEXTS.has(text) || FALSE_TEXTS.has(text)) return TRUE_TEXTS.has(text);
  }
  return new Expected('true or false');
}

const SPECIAL_FLOATS: { readonly [text: string]: number } = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};
const LENIENT_FLOAT = /^([+-]?)(?:(nan)|inf(?:inity)?)$/i;

function floatFromText(text: string, strict: boolean): number | undefined {
  if (Object.hasOwn(SPECIAL_FLOATS, text)) return SPECIAL_FLOATS[text];
  const lenient = strict ? null : LENIENT_FLOAT.exec(text.trim());
  if (lenient !== null) return lenient[2] === undefined ? Number(`${lenient[1]}Infinity`) : Number.NaN;
  const value = numberFromText(strict ? text : text.trim(), strict);
  return Number.isFinite(value) ? value : undefined;
}

function floatFromJson(type: number, json: unknown, strict: boolean): number | Expected {
  const finite = typeof json === 'number' && Number.isFinite(json) ? json : undefined;
  const value = typeof json === 'string' ? floatFromText(json, strict) : finite;
  if (value === undefined) return new Expected('a number');
  if (type === TYPE.double || !Number.isFinite(value)) return value;
  const single = Math.fround(value);
  return Number.isFinite(single) ? single : new Expected('a number that fits a 32-bit float');
}

function int32FromJson(type: number, json: unknown, strict: boolean): number | Expected {
  const [low, high] = RANGES[type] as readonly [number, number];
  const value = typeof json === 'string' ? numberFromText(json, strict) : json;
  if (typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high) return value + 0;
  return new Expected(`an integer from ${low} to ${high}`);
}

function int64FromJson(json: unknown, unsigned: boolean, strict: boolean): number | bigint | Expected {
  const expected = new Expected(unsigned ? 'an integer from 0 to 2^64-1' : 'an integer from -2^63 to 2^63-1');
  const value = bigFromJson(json, strict);
  if (value === undefined || (unsigned ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value)) !== value)
    return expected;
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
}

function bigFromJson(json: unknown, strict: boolean): bigint | undefined {
  if (typeof json === 'bigint') return json;
  if (typeof json === 'number') return Number.isInteger(json) ? BigInt(json) : undefined;
  if (typeof json !== 'string' || json.length > MAX_NUMBER_LENGTH) return undefined;
  if (/^-?\d+$/.test(json)) return BigInt(json);
  const value = numberFromText(json, strict);
  return Number.isSafeInteger(value) ? BigInt(value) : undefined;
}

/** Takes both alphabets, with and without padding. */
function bytesFromJson(json: unknown): Uint8Array | Expected {
  const parts = typeof json === 'string' ? /^([A-Za-z0-9+/_-]*)(={0,2})$/.exec(json) : null;
  if (parts === null) return new Expected('base64 text');
  const [, text = '', padding = ''] = parts;
  const isCut = text.length % 4 === 1 || (padding !== '' && (text.length + padding.length) % 4 !== 0);
  return isCut ? new Expected('base64 text') : new Uint8Array(Buffer.from(text, 'base64'));
}

const MAX_DURATION_SECONDS = 315_576_000_000;

/** Reads `1.5s`. */
export function durationFromJson(json: unknown): SecondsNanos | Expected {
  const parts = typeof json === 'string' ? /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(json) : null;
  if (parts === null) return new Expected('a duration such as "1.5s"');
  const seconds = Number(parts[2]);
  const nanos = Number((parts[3] ?? '').padEnd(9, '0'));
  if (seconds > MAX_DURATION_SECONDS) return new Expected('a duration of at most 315576000000 s');
  return parts[1] === '-' ? { seconds: 0 - seconds, nanos: 0 - nanos } : { seconds, nanos };
}

/** Whether a duration that was given by its fields has a JSON form. */
export function isDuration({ seconds, nanos }: SecondsNanos): boolean {
  const isInRange = seconds <= MAX_DURATION_SECONDS && seconds >= -MAX_DURATION_SECONDS && Math.abs(nanos) < 1e9;
  return isInRange && !(seconds > 0 && nanos < 0) && !(seconds < 0 && nanos > 0);
}

/** Whether a time that was given by its fields has a JSON form. */
export function isTimestamp({ seconds, nanos }: SecondsNanos): boolean {
  return seconds >= MIN_TIMESTAMP_SECONDS && seconds <= MAX_TIMESTAMP_SECONDS && nanos >= 0 && nanos < 1e9;
}

export function durationToJson({ seconds, nanos }: SecondsNanos): string {
  const sign = seconds < 0 || nanos < 0 ? '-' : '';
  return `${sign}${String(seconds).replace('-', '')}${fraction(Math.abs(nanos))}s`;
}

/** Fraction of a second with 0, 3, 6 or 9 digits. */
function fraction(nanos: number): string {
  if (nanos === 0) return '';
  const digits = String(nanos).padStart(9, '0');
  return `.${digits.replace(/(?:000){1,2}$/, '')}`;
}

const TIMESTAMP = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;
const MIN_TIMESTAMP_SECONDS = -62_135_596_800;
const MAX_TIMESTAMP_SECONDS = 253_402_300_799;

/** Reads RFC 3339, years 1 to 9999. */
export function timestampFromJson(json: unknown): SecondsNanos | Expected {
  const expected = new Expected('a time such as "2026-01-31T12:00:00Z"');
  const parts = typeof json === 'string' ? TIMESTAMP.exec(json) : null;
  if (parts === null) return expected;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [
    ...[number, number, number],
    ...[number, number, number],
  ];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const isReal =
    date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!isReal || Number(parts[9] ?? 0) > 23 || Number(parts[10] ?? 0) > 59) return expected;
  const offset = (Number(parts[9] ?? 0) * 60 + Number(parts[10] ?? 0)) * 60 * (parts[8] === '-' ? -1 : 1);
  const seconds = date.getTime() / 1000 - offset;
  if (seconds < MIN_TIMESTAMP_SECONDS || seconds > MAX_TIMESTAMP_SECONDS) return expected;
  return { seconds, nanos: Number((parts[7] ?? '').padEnd(9, '0')) };
}

/** Writes RFC 3339 in UTC; a time that has no such form is written as its seconds. */
export function timestampToJson({ seconds, nanos }: SecondsNanos): string {
  const whole = Number(seconds);
  if (whole < MIN_TIMESTAMP_SECONDS || whole > MAX_TIMESTAMP_SECONDS || nanos < 0) return `${seconds}.${nanos}`;
  return `${new Date(whole * 1000).toISOString().slice(0, 19)}${fraction(nanos)}Z`;
}

/** Reads `fooBar,baz.quxQuux` into proto paths. */
export function fieldMaskFromJson(json: unknown, strict = false): string[] | Expected {
  if (typeof json !== 'string' || !json.isWellFormed()) return new Expected('field paths separated by commas');
  if (json === '') return [];
  if (strict && json.includes('_')) return new Expected('field paths in lowerCamelCase');
  return json.split(',').map(snakePath);
}

function snakePath(path: string): string {
  return path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A path that camel case would spoil is left as it is. */
export function fieldMaskToJson(paths: readonly string[]): string {
  const camelPath = (path: string): string => path.split('.').map(lowerCamel).join('.');
  return paths.map((path) => (snakePath(camelPath(path)) === path ? camelPath(path) : path)).join(',');
}

/** Writes a scalar as JSON. */
export function scalarToJson(type: number, value: unknown): unknown {
  switch (type) {
    case TYPE.bytes:
      return Buffer.from(value as Uint8Array).toString('base64');
    case TYPE.int64:
    case TYPE.uint64:
    case TYPE.sint64:
    case TYPE.fixed64:
    case TYPE.sfixed64:
      return String(value);
    case TYPE.float:
      return floatToJson(value as number, shortestFloat(value as number));
    case TYPE.double:
      return floatToJson(value as number, value as number);
    default:
      return value;
  }
}

function floatToJson(value: number, finite: number): unknown {
  return Number.isFinite(value) ? finite : String(value);
}

/** The shortest decimal that reads back as the same 32-bit float. */
function shortestFloat(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}
