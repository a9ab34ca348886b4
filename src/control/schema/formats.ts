// The formats of texts that schemas of the API server ask for.
import { parseIp } from '../../base/ip.ts';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const DATE_TIME = /^\d{4}-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

const CHECKS: ReadonlyMap<string, (text: string) => boolean> = new Map<string, (text: string) => boolean>([
  ['byte', (text) => BASE64.test(text.replace(/[\r\n]/g, ''))],
  ['date-time', (text) => isDateTime(text)],
  ['ipv4', (text) => parseIp(text)?.family === 'ipv4'],
  ['ipv6', (text) => parseIp(text)?.family === 'ipv6'],
]);

function isDateTime(text: string): boolean {
  const match = DATE_TIME.exec(text);
  if (match === null) return false;
  const [, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.map(Number);
  return month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour <= 23 && minute <= 59 && second <= 60;
}

/** A format that nobody knows is no restriction. */
export function hasFormat(text: string, format: string): boolean {
  return CHECKS.get(format)?.(text) ?? true;
}

/** The ranges of formats of numbers. */
export const NUMBER_RANGES: ReadonlyMap<string, readonly [least: number, most: number]> = new Map([
  ['int32', [-2147483648, 2147483647]],
  ['int64', [-(2 ** 63), 2 ** 63]],
  ['uint32', [0, 4294967295]],
]);
