// The library os: the clock, dates and environment variables. Nothing of it reaches files or processes.
import { ArgumentError, LuaError, type LuaTable, type LuaValue } from '../values.ts';
import type { Vm } from '../vm.ts';
import { toNumber } from '../operators.ts';
import { numberAt, optionalStringAt, stringAt, tableAt } from './arguments.ts';
import type { Library } from './library.ts';

export type OsParts = {
  /** Wall clock, ms since 1970. */
  readonly nowMs: () => number;
  /** CPU time of the process in s. */
  readonly cpuSeconds: () => number;
  /** A variable of the process's environment. */
  readonly getenv: (name: string) => string | undefined;
};

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** The parts of a time, in the local zone or in UTC. */
type Parts = {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly min: number;
  readonly sec: number;
  readonly weekDay: number;
  readonly yearDay: number;
  readonly date: Date;
  readonly isUtc: boolean;
};

function partsOf(seconds: number, isUtc: boolean): Parts {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw new LuaError('time result cannot be represented in this installation', true);
  const shifted = isUtc ? date : new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  const year = shifted.getUTCFullYear();
  return {
    year,
    month: shifted.getUTCMonth() + 1,
    day: shifted.getUTCDate(),
    hour: shifted.getUTCHours(),
    min: shifted.getUTCMinutes(),
    sec: shifted.getUTCSeconds(),
    weekDay: shifted.getUTCDay(),
    yearDay: Math.floor((shifted.getTime() - Date.UTC(year, 0, 1)) / 86_400_000),
    date,
    isUtc,
  };
}

function two(n: number): string {
  return String(n).padStart(2, '0');
}

function conversion(kind: string, t: Parts): string {
  const hour12 = t.hour % 12 === 0 ? 12 : t.hour % 12;
  switch (kind) {
    case 'a':
      return (DAYS[t.weekDay] as string).slice(0, 3);
    case 'A':
      return DAYS[t.weekDay] as string;
    case 'b':
    case 'h':
      return (MONTHS[t.month - 1] as string).slice(0, 3);
    case 'B':
      return MONTHS[t.month - 1] as string;
    case 'c':
      return strftime('%a %b %e %H:%M:%S %Y', t);
    case 'C':
      return two(Math.floor(t.year / 100));
    case 'd':
      return two(t.day);
    case 'D':
    case 'x':
      return strftime('%m/%d/%y', t);
    case 'e':
      return String(t.day).padStart(2, ' ');
    case 'F':
      return strftime('%Y-%m-%d', t);
    case 'H':
      return two(t.hour);
    case 'I':
      return two(hour12);
    case 'j':
      return String(t.yearDay + 1).padStart(3, '0');
    case 'm':
      return two(t.month);
    case 'M':
      return two(t.min);
    case 'n':
      return '\n';
    case 'p':
      return t.hour < 12 ? 'AM' : 'PM';
    case 'r':
      return strftime('%I:%M:%S %p', t);
    case 'R':
      return strftime('%H:%M', t);
    case 's':
      return String(Math.floor(t.date.getTime() / 1000));
    case 'S':
      return two(t.sec);
    case 't':
      return '\t';
    case 'T':
    case 'X':
      return strftime('%H:%M:%S', t);
    case 'u':
      return String(t.weekDay === 0 ? 7 : t.weekDay);
    case 'U':
      return two(Math.floor((t.yearDay + 7 - t.weekDay) / 7));
    case 'w':
      return String(t.weekDay);
    case 'W':
      return two(Math.floor((t.yearDay + 7 - ((t.weekDay + 6) % 7)) / 7));
    case 'y':
      return two(t.year % 100);
    case 'Y':
      return String(t.year);
    case 'z':
      return zone(t);
    case 'Z':
      return t.isUtc ? 'GMT' : zone(t);
    case '%':
      return '%';
    default:
      return `%${kind}`;
  }
}

function zone(t: Parts): string {
  const minutes = t.isUtc ? 0 : -t.date.getTimezoneOffset();
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(Math.abs(minutes) / 60))}${two(Math.abs(minutes) % 60)}`;
}

function strftime(format: string, t: Parts): string {
  return format.replace(/%(.)/gs, (_, kind: string) => conversion(kind, t));
}

function date(args: LuaValue[], vm: Vm, nowMs: number): LuaValue {
  let format = optionalStringAt(args, 0) ?? '%c';
  const seconds = args[1] === undefined ? Math.floor(nowMs / 1000) : Math.trunc(numberAt(args, 1));
  const isUtc = format.startsWith('!');
  if (isUtc) format = format.slice(1);
  const t = partsOf(seconds, isUtc);
  if (!format.startsWith('*t')) {
    vm.allocateString(format.length * 4);
    return strftime(format, t);
  }
  const table = vm.newTable();
  const fields = { year: t.year, month: t.month, day: t.day, hour: t.hour, min: t.min, sec: t.sec };
  for (const [name, value] of Object.entries(fields)) vm.setRaw(table, name, value);
  vm.setRaw(table, 'wday', t.weekDay + 1);
  vm.setRaw(table, 'yday', t.yearDay + 1);
  vm.setRaw(table, 'isdst', false);
  return table;
}

function field(table: LuaTable, name: string, fallback: number | undefined): number {
  const n = toNumber(table.get(name));
  if (n !== undefined) return Math.trunc(n);
  if (fallback === undefined) throw new LuaError(`field '${name}' missing in date table`, true);
  return fallback;
}

export function makeOs({ nowMs, cpuSeconds, getenv }: OsParts): Library {
  return {
    clock: () => cpuSeconds(),
    date: (args, vm) => date(args, vm, nowMs()),
    getenv: (args) => {
      const value = getenv(stringAt(args, 0));
      return [value === undefined ? undefined : Buffer.from(value).toString('latin1')];
    },
    difftime: (args) => numberAt(args, 0) - (args[1] === undefined ? 0 : numberAt(args, 1)),
    time: (args) => {
      if (args[0] === undefined) return Math.floor(nowMs() / 1000);
      const table = tableAt(args, 0);
      const time = new Date(
        field(table, 'year', undefined),
        field(table, 'month', undefined) - 1,
        field(table, 'day', undefined),
        field(table, 'hour', 12),
        field(table, 'min', 0),
        field(table, 'sec', 0),
      ).getTime();
      if (Number.isNaN(time)) throw new ArgumentError(1, 'time out of range');
      return Math.floor(time / 1000);
    },
  };
}
