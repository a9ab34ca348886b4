// Checks of single values by protoc-gen-validate's rules, with its C++ texts, because those are what Envoy prints.
import { parseIp } from '../base/ip.ts';
import { compileRegex } from '../base/regex.ts';
import { bytesOf } from '../base/matcher-text.ts';
import { timestampToJson } from './json-scalars.ts';
import type { EnumType, Message } from './message-type.ts';

/** Returns the reason why the value breaks the rule, or undefined. */
export type Check = (value: unknown) => string | undefined;

type Rules = Message;

/** A number, a bigint or a duration, as something that can be compared and printed. */
interface Ordering {
  /** Below 0 when a < b, 0 when equal, above 0 when a > b. */
  compare(a: unknown, b: unknown): number;
  print(value: unknown): string;
}

/** NaN compares as NaN, so that it is inside no range (Envoy lets it pass, to no good). */
const NUMBERS: Ordering = {
  compare: (a, b) =>
    (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : a === b ? 0 : Number(a) - Number(b),
  print: String,
};

const DURATIONS: Ordering = {
  compare: (a, b) => {
    const [x, y] = [a as Span, b as Span];
    return NUMBERS.compare(x.seconds, y.seconds) || x.nanos - y.nanos;
  },
  print: (value) => goDuration(value as Span),
};

interface Span {
  readonly seconds: number | bigint;
  readonly nanos: number;
}

/** Every check of a numeric rule (`lt`, `gte`, `in`, …). */
export function numberChecks(rules: Rules): Check[] {
  const checks = orderedChecks(rules, NUMBERS);
  return rules['ignore_empty'] === true ? checks.map((check) => unless((value) => Number(value) === 0, check)) : checks;
}

function unless(isEmpty: (value: unknown) => boolean, check: Check): Check {
  return (value) => (isEmpty(value) ? undefined : check(value));
}

function orderedChecks(rules: Rules, order: Ordering): Check[] {
  const checks: Check[] = [];
  const wanted = rules['const'];
  if (wanted !== undefined) {
    const reason = `value must equal ${order.print(wanted)}`;
    checks.push((value) => (order.compare(value, wanted) === 0 ? undefined : reason));
  }
  const range = rangeCheck(rules, order);
  if (range !== undefined) checks.push(range);
  checks.push(...listChecks(rules, (a, b) => order.compare(a, b) === 0, order.print));
  return checks;
}

/** One check for what `lt`, `lte`, `gt`, `gte` say together; a lower bound above the upper one means "outside". */
function rangeCheck(rules: Rules, order: Ordering): Check | undefined {
  const { lt, lte, gt, gte } = rules;
  const upper = lt ?? lte;
  const lower = gt ?? gte;
  const belowUpper = (value: unknown): boolean => {
    const difference = order.compare(value, upper);
    return lt === undefined ? difference <= 0 : difference < 0;
  };
  const aboveLower = (value: unknown): boolean => {
    const difference = order.compare(value, lower);
    return gt === undefined ? difference >= 0 : difference > 0;
  };
  if (upper !== undefined && lower !== undefined) {
    const [low, high] = [order.print(lower), order.print(upper)];
    if (order.compare(upper, lower) > 0) {
      const [open, close] = [gt === undefined ? '[' : '(', lt === undefined ? ']' : ')'];
      const inside = `value must be inside range ${open}${low}, ${high}${close}`;
      return (value) => (belowUpper(value) && aboveLower(value) ? undefined : inside);
    }
    const [open, close] = [lt === undefined ? '(' : '[', gt === undefined ? ')' : ']'];
    const outside = `value must be outside range ${open}${high}, ${low}${close}`;
    return (value) => (belowUpper(value) || aboveLower(value) ? undefined : outside);
  }
  if (upper !== undefined) {
    const reason = `value must be less than ${lt === undefined ? 'or equal to ' : ''}${order.print(upper)}`;
    return (value) => (belowUpper(value) ? undefined : reason);
  }
  if (lower !== undefined) {
    const reason = `value must be greater than ${gt === undefined ? 'or equal to ' : ''}${order.print(lower)}`;
    return (value) => (aboveLower(value) ? undefined : reason);
  }
  return undefined;
}

function listChecks(
  rules: Rules,
  same: (a: unknown, b: unknown) => boolean,
  print: (value: unknown) => string,
  subject = 'value',
): Check[] {
  const allowed = rules['in'] as unknown[] | undefined;
  const banned = rules['not_in'] as unknown[] | undefined;
  const checks: Check[] = [];
  if (allowed !== undefined) {
    const reason = `${subject} must be in list [${allowed.map(print).join(' ')}]`;
    checks.push((value) => (allowed.some((item) => same(item, value)) ? undefined : reason));
  }
  if (banned !== undefined) {
    const reason = `${subject} must not be in list [${banned.map(print).join(' ')}]`;
    checks.push((value) => (banned.some((item) => same(item, value)) ? reason : undefined));
  }
  return checks;
}

/** Checks of a google.protobuf.Timestamp that is set; rules about "now" are in no descriptor and not known. */
export function timestampChecks(rules: Rules): Check[] {
  return orderedChecks(rules, { compare: DURATIONS.compare, print: (value) => timestampToJson(value as Span) });
}

const MAX_DURATION_SECONDS = 315_576_000_000;

/** Checks of a google.protobuf.Duration that is set. */
export function durationChecks(rules: Rules): Check[] {
  const checks = orderedChecks(rules, DURATIONS);
  if (checks.length === 0) return checks;
  const isValid: Check = (value) => {
    const { seconds, nanos } = value as Span;
    const valid = Math.abs(nanos) <= 999_999_999 && seconds <= MAX_DURATION_SECONDS && seconds >= -MAX_DURATION_SECONDS;
    return valid ? undefined : 'value is not a valid duration';
  };
  return [isValid, ...checks];
}

/** Prints as Go does, for the texts of the rules are made by Go: 1m0s, 100ms, 1.5s. */
export function goDuration({ seconds, nanos }: Span): string {
  const sign = seconds < 0 || nanos < 0 ? '-' : '';
  const whole = Math.abs(Number(seconds));
  const rest = Math.abs(nanos);
  if (whole === 0) {
    if (rest === 0) return '0s';
    if (rest < 1000) return `${sign}${rest}ns`;
    return rest < 1e6 ? `${sign}${rest / 1e3}µs` : `${sign}${rest / 1e6}ms`;
  }
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const last = `${(whole % 60) + rest / 1e9}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${last}`;
  return minutes > 0 ? `${sign}${minutes}m${last}` : sign + last;
}

export function boolChecks(rules: Rules): Check[] {
  const wanted = rules['const'];
  return wanted === undefined ? [] : [(value) => (value === wanted ? undefined : `value must equal ${String(wanted)}`)];
}

/** Checks of an enum; values are names, or numbers where the enum has no name. */
export function enumChecks(rules: Rules, type: EnumType): Check[] {
  const numberOf = (value: unknown): unknown => (typeof value === 'string' ? type.number(value) : value);
  const nameOf = (number: unknown): string => type.name(number as number) ?? String(number);
  const checks: Check[] = [];
  const wanted = rules['const'];
  if (wanted !== undefined) {
    checks.push((value) => (numberOf(value) === wanted ? undefined : `value must equal ${nameOf(wanted)}`));
  }
  checks.push(...listChecks(rules, (item, value) => item === numberOf(value), nameOf));
  if (rules['defined_only'] === true) {
    checks.push((value) => (typeof value === 'string' ? undefined : 'value must be one of the defined enum values'));
  }
  return checks;
}

/** Checks of the type URL of a google.protobuf.Any that is set. */
export function anyChecks(rules: Rules): Check[] {
  return listChecks(rules, (item, value) => item === (value as { type_url?: string }).type_url, String, 'type URL');
}

const HEADER_NAME = "^:?[0-9a-zA-Z!#$%&'*+-.^_|~\x60]+$";
const HEADER_VALUE = '^[^\u0000-\u0008\u000a-\u001f\u007f]*$';
const HEADER_STRING = '^[^\u0000\u000a\u000d]*$';

function patternOf(rules: Rules): string | undefined {
  const known = rules['well_known_regex'];
  if (known !== 'HTTP_HEADER_NAME' && known !== 'HTTP_HEADER_VALUE') return rules['pattern'] as string | undefined;
  if (rules['strict'] === false) return HEADER_STRING;
  return known === 'HTTP_HEADER_NAME' ? HEADER_NAME : HEADER_VALUE;
}

/** Quotes a text as Go's %q does. */
function goQuote(text: string): string {
  const escapes: { readonly [char: string]: string } = {
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\b': '\\b',
    '\f': '\\f',
  };
  return `"${text.replace(/["\\]/g, '\\$&').replace(/[\x00-\x1f\x7f]/g, (char) => {
    return escapes[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  })}"`;
}

function patternCheck(pattern: string): Check {
  const regex = compileRegex(pattern);
  if ('error' in regex) throw new Error(`the pattern ${pattern} of a rule does not compile: ${regex.error}`);
  const reason = `value does not match regex pattern ${goQuote(pattern)}`;
  return (value) => (regex.matches(bytesOf(value as string)) ? undefined : reason);
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** A text has no more code points than units, and no fewer than half as many: most need not be counted. */
function hasCodePoints(text: string, min: number, max: number): boolean {
  const units = text.length;
  if (units <= max && units >= 2 * min) return true;
  if (units < min || units > 2 * max) return false;
  const count = codePoints(text);
  return count >= min && count <= max;
}

/** Checks of a string. */
export function stringChecks(rules: Rules): Check[] {
  const checks = [
    ...equalityChecks(rules, goQuote as (value: unknown) => string),
    ...characterChecks(rules),
    ...sizeChecks(rules['len_bytes'], rules['min_bytes'], rules['max_bytes'], (value) =>
      Buffer.byteLength(value as string),
    ),
    ...affixChecks(rules, goQuote as (value: unknown) => string),
  ];
  const pattern = patternOf(rules);
  if (pattern !== undefined) checks.push(patternCheck(pattern));
  const format = FORMATS.find(([name]) => rules[name] === true);
  if (format !== undefined) checks.push((value) => (format[1](value as string) ? undefined : format[2]));
  return rules['ignore_empty'] === true ? checks.map((check) => unless((value) => value === '', check)) : checks;
}

/** Checks of bytes, compared as latin1 strings. */
export function bytesChecks(rules: Rules): Check[] {
  const text = (value: unknown): string => Buffer.from(value as Uint8Array).toString('latin1');
  const asText: Rules = {};
  for (const name of ['const', 'prefix', 'suffix', 'contains'] as const) {
    if (rules[name] !== undefined) asText[name] = text(rules[name]);
  }
  for (const name of ['in', 'not_in'] as const) {
    if (rules[name] !== undefined) asText[name] = (rules[name] as unknown[]).map(text);
  }
  const checks = [
    ...equalityChecks(asText, goQuote as (value: unknown) => string),
    ...affixChecks(asText, goQuote as (value: unknown) => string),
  ].map(
    (check): Check =>
      (value) =>
        check(text(value)),
  );
  checks.push(...sizeChecks(rules['len'], rules['min_len'], rules['max_len'], (value) => (value as Uint8Array).length));
  if (typeof rules['pattern'] === 'string') {
    const pattern = patternCheck(rules['pattern']);
    checks.push((value) => pattern(text(value)));
  }
  if (rules['ignore_empty'] !== true) return checks;
  return checks.map((check) => unless((value) => (value as Uint8Array).length === 0, check));
}

function equalityChecks(rules: Rules, quote: (value: unknown) => string): Check[] {
  const wanted = rules['const'];
  const checks: Check[] = [];
  if (wanted !== undefined) {
    const reason = `value must equal ${quote(wanted)}`;
    checks.push((value) => (value === wanted ? undefined : reason));
  }
  checks.push(...listChecks(rules, (a, b) => a === b, String));
  return checks;
}

function characterChecks(rules: Rules): Check[] {
  const min = rules['min_len'] as number | undefined;
  const max = rules['max_len'] as number | undefined;
  const exact = (rules['len'] as number | undefined) ?? (min === max ? min : undefined);
  if (exact !== undefined) return [characters(exact, exact, `value must be ${exact} characters`)];
  if (min !== undefined && max !== undefined) {
    return [characters(min, max, `value must have between ${min} and ${max} characters inclusive`)];
  }
  if (min !== undefined) {
    return [characters(min, Infinity, `value length must be at least ${min} characters`)];
  }
  if (max === undefined) return [];
  return [characters(0, max, `value length must be at most ${max} characters`)];
}

function characters(min: number, max: number, reason: string): Check {
  return (value) => (hasCodePoints(value as string, min, max) ? undefined : reason);
}

function counted(count: (value: unknown) => number, min: number, max: number, reason: string): Check {
  return (value) => {
    const length = count(value);
    return length >= min && length <= max ? undefined : reason;
  };
}

function sizeChecks(len: unknown, min: unknown, max: unknown, size: (value: unknown) => number): Check[] {
  const exact = len ?? (min === max ? min : undefined);
  if (typeof exact === 'number') return [counted(size, exact, exact, `value length must be ${exact} bytes`)];
  if (typeof min === 'number' && typeof max === 'number') {
    return [counted(size, min, max, `value length must be between ${min} and ${max} bytes, inclusive`)];
  }
  if (typeof min === 'number') return [counted(size, min, Infinity, `value length must be at least ${min} bytes`)];
  return typeof max === 'number' ? [counted(size, 0, max, `value length must be at most ${max} bytes`)] : [];
}

function affixChecks(rules: Rules, quote: (value: unknown) => string): Check[] {
  const { prefix, suffix, contains, not_contains: banned } = rules as { readonly [name: string]: string | undefined };
  const checks: Check[] = [];
  const add = (text: string | undefined, holds: (value: string, text: string) => boolean, reason: string): void => {
    if (text === undefined) return;
    checks.push((value) => (holds(value as string, text) ? undefined : `${reason} ${quote(text)}`));
  };
  add(prefix, (value, text) => value.startsWith(text), 'value does not have prefix');
  add(suffix, (value, text) => value.endsWith(text), 'value does not have suffix');
  add(contains, (value, text) => value.includes(text), 'value does not contain substring');
  add(banned, (value, text) => !value.includes(text), 'value contains substring');
  return checks;
}

function isIpv4(value: string): boolean {
  return parseIp(value)?.family === 'ipv4';
}

function isIpv6(value: string): boolean {
  return parseIp(value)?.family === 'ipv6';
}

function isHostname(value: string): boolean {
  const name = value.endsWith('.') ? value.slice(0, -1) : value;
  return name.length <= 253 && name.split('.').every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(label));
}

function isEmail(value: string): boolean {
  const at = value.lastIndexOf('@');
  const local = value.slice(0, at);
  return (
    value.length <= 254 && at > 0 && local.length <= 64 && /^[^\s<>@]+$/.test(local) && isHostname(value.slice(at + 1))
  );
}

function isUri(value: string): boolean {
  return /^[a-z][a-z0-9+.-]*:/i.test(value) && !/[\x00-\x20\x7f]/.test(value) && URL.canParse(value);
}

const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

const FORMATS: readonly (readonly [string, (value: string) => boolean, string])[] = [
  ['ip', (value) => parseIp(value) !== null, 'value must be a valid IP Address'],
  ['ipv4', isIpv4, 'value must be a valid IPv4 Address'],
  ['ipv6', isIpv6, 'value must be a valid IPv6 Address'],
  ['email', isEmail, 'value must be a valid email address'],
  ['address', (value) => isHostname(value) || parseIp(value) !== null, 'value must be an ip address, or a hostname.'],
  ['hostname', isHostname, 'value must be a valid hostname'],
  ['uri', isUri, 'value must be a valid URI'],
  [
    'uri_ref',
    (value) => !/[\x00-\x20\x7f]/.test(value) && URL.canParse(value, 'http://h/'),
    'value must be a valid URI',
  ],
  ['uuid', (value) => UUID.test(value), 'value must be a valid UUID'],
];
