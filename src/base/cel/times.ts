// Durations and timestamps of expressions: what they are read from, their parts, and their texts.
import { CelError, Duration, type Result, Timestamp } from './values.ts';

export const NS_PER_S = 1_000_000_000n;
const UNITS: Readonly<Record<string, bigint>> = {
  ...{ ns: 1n, us: 1_000n, µs: 1_000n, μs: 1_000n, ms: 1_000_000n, s: NS_PER_S },
  ...{ m: 60n * NS_PER_S, h: 3600n * NS_PER_S },
};
/** Beyond it no protobuf duration goes: some 10,000 years. */
const MAX_DURATION = 315_576_000_000n * NS_PER_S;
const MIN_TIME = -62_135_596_800n * NS_PER_S;
const MAX_TIME = 253_402_300_800n * NS_PER_S - 1n;

const DURATION = /^[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;

/** Go's time.ParseDuration; null for what is none. */
export function parseDuration(text: string): Duration | null {
  if (text.length > 100 || !DURATION.test(text)) return null;
  let ns = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of text.matchAll(/(\d*)\.?(\d*)([a-zµμ]+)/g)) {
    const scale = UNITS[unit] as bigint;
    ns += BigInt(whole === '' ? 0 : whole) * scale;
    if (fraction !== '') ns += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length);
  }
  if (text.startsWith('-')) ns = -ns;
  return ns > MAX_DURATION || ns < -MAX_DURATION ? null : new Duration(ns);
}

const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[-+]\d\d:\d\d)$/;

/** RFC 3339; null for what is none. */
export function parseTimestamp(text: string): Timestamp | null {
  const match = TIMESTAMP.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, fraction = '', zone = ''] = match;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone.toUpperCase()}`);
  if (
    Number.isNaN(ms) ||
    new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() !== Number(day)
  ) {
    return null;
  }
  return timestampOf(BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0')));
}

/** Null beyond the years 1 to 9999. */
export function timestampOf(ns: bigint): Timestamp | null {
  return ns < MIN_TIME || ns > MAX_TIME ? null : new Timestamp(ns);
}

export function inRange(value: Duration | Timestamp): Result {
  if (value instanceof Timestamp) return timestampOf(value.ns) ?? new CelError('timestamp overflow');
  return value.ns > MAX_DURATION || value.ns < -MAX_DURATION ? new CelError('duration overflow') : value;
}

/** Parts that are asked for by name; of a duration the whole of it in that unit, but milliseconds. */
export type TimePart =
  | ('FullYear' | 'Month' | 'Date' | 'DayOfMonth' | 'DayOfWeek' | 'DayOfYear')
  | ('Hours' | 'Minutes' | 'Seconds' | 'Milliseconds');

export function durationPart({ ns }: Duration, part: TimePart, wholeMilliseconds: boolean): number | null {
  switch (part) {
    case 'Hours':
      return Number(ns / (3600n * NS_PER_S));
    case 'Minutes':
      return Number(ns / (60n * NS_PER_S));
    case 'Seconds':
      return Number(ns / NS_PER_S);
    case 'Milliseconds':
      return Number((wholeMilliseconds ? ns : ns % NS_PER_S) / 1_000_000n);
    default:
      return null;
  }
}

/** Null: there is no such time zone. */
export function timestampPart({ ns }: Timestamp, part: TimePart, zone: string | null): number | null {
  const offsetMs = zone === null ? 0 : offsetOf(zone, ns);
  if (offsetMs === null) return null;
  const date = new Date(Number(floorDivide(ns, 1_000_000n)) + offsetMs);
  switch (part) {
    case 'FullYear':
      return date.getUTCFullYear();
    case 'Month':
      return date.getUTCMonth();
    case 'Date':
      return date.getUTCDate();
    case 'DayOfMonth':
      return date.getUTCDate() - 1;
    case 'DayOfWeek':
      return date.getUTCDay();
    case 'DayOfYear': {
      const midnight = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate());
      return Math.round((midnight - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000);
    }
    case 'Hours':
      return date.getUTCHours();
    case 'Minutes':
      return date.getUTCMinutes();
    case 'Seconds':
      return date.getUTCSeconds();
    default:
      return date.getUTCMilliseconds();
  }
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

const MAX_ZONES = 64;
const zones = new Map<string, Intl.DateTimeFormat | null>();

/** '+02:00', '-3:30', or a name as 'America/New_York'; ms. */
function offsetOf(zone: string, ns: bigint): number | null {
  const fixed = /^([-+]?)(\d{1,2}):(\d\d)$/.exec(zone);
  if (fixed !== null) {
    const ms = (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000;
    return fixed[1] === '-' ? -ms : ms;
  }
  const format = zoneFormat(zone);
  if (format === null) return null;
  const ms = Number(floorDivide(ns, 1_000_000n));
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(ms)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour % 24, minute, second) - Math.floor(ms / 1000) * 1000;
}

function zoneFormat(zone: string): Intl.DateTimeFormat | null {
  const known = zones.get(zone);
  if (known !== undefined) return known;
  let format: Intl.DateTimeFormat | null = null;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit' },
      ...{ hour: '2-digit', minute: '2-digit', second: '2-digit' },
    });
  } catch {
    // An unknown name.
  }
  if (zones.size >= MAX_ZONES) zones.clear();
  zones.set(zone, format);
  return format;
}

/** '90s', '0.001500s': protobuf's JSON. */
export function durationJson({ ns }: Duration): string {
  const size = ns < 0n ? -ns : ns;
  return `${ns < 0n ? '-' : ''}${size / NS_PER_S}${subsecond(size % NS_PER_S)}s`;
}

/** '2024-01-01T00:00:00.500Z': protobuf's JSON. */
export function timestampJson({ ns }: Timestamp): string {
  return `${secondText(ns)}${subsecond(floorRest(ns))}Z`;
}

function floorRest(ns: bigint): bigint {
  return ns - floorDivide(ns, NS_PER_S) * NS_PER_S;
}

function secondText(ns: bigint): string {
  const text = new Date(Number(floorDivide(ns, NS_PER_S)) * 1000).toISOString();
  return text.slice(0, 19);
}

/** None, three, six or nine digits. */
function subsecond(ns: bigint): string {
  if (ns === 0n) return '';
  const digits = String(ns).padStart(9, '0');
  return `.${digits.endsWith('000000') ? digits.slice(0, 3) : digits.endsWith('000') ? digits.slice(0, 6) : digits}`;
}

/** '2024-01-01T00:00:00.5+00:00'. Source: absl::FormatTime. */
export function timestampText({ ns }: Timestamp): string {
  const rest = floorRest(ns);
  const digits = rest === 0n ? '' : `.${String(rest).padStart(9, '0').replace(/0+$/, '')}`;
  return `${secondText(ns)}${digits}+00:00`;
}

/** '1h30m1.5s', '182.411us', '0'. Source: absl::FormatDuration. */
export function durationText({ ns }: Duration): string {
  if (ns === 0n) return '0';
  const sign = ns < 0n ? '-' : '';
  const size = ns < 0n ? -ns : ns;
  if (size < 1000n) return `${sign}${size}ns`;
  if (size < 1_000_000n) return `${sign}${decimal(size, 3)}us`;
  if (size < NS_PER_S) return `${sign}${decimal(size, 6)}ms`;
  const hours = size / (3600n * NS_PER_S);
  const minutes = (size / (60n * NS_PER_S)) % 60n;
  const seconds = size % (60n * NS_PER_S);
  const parts = [hours > 0n ? `${hours}h` : '', minutes > 0n ? `${minutes}m` : ''];
  return `${sign}${parts.join('')}${seconds > 0n ? `${decimal(seconds, 9)}s` : ''}`;
}

function decimal(value: bigint, places: number): string {
  const digits = String(value).padStart(places + 1, '0');
  const fraction = digits.slice(-places).replace(/0+$/, '');
  return `${digits.slice(0, -places)}${fraction === '' ? '' : `.${fraction}`}`;
}
