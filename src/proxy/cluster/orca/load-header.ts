// What an endpoint says of its own load in an answer's fields: ORCA load reports in their three forms.
import { decodeBinary } from '../../../proto/binary-decode.ts';
import type { Orca_OrcaLoadReport as OrcaLoadReport } from '../../../proto/generated/types.d.ts';
import { fromJson } from '../../../proto/json-decode.ts';
import type { MessageType } from '../../../proto/message-type.ts';
import { registry } from '../../../proto/registry.ts';
import { Report } from '../../../proto/report.ts';
import { headerKey } from '../../../wire/header-names.ts';
import type { Headers } from '../../../wire/headers.ts';

const BINARY = headerKey('endpoint-load-metrics-bin');
const TAGGED = headerKey('endpoint-load-metrics');

/** Numbers by the names that LRS has for them: 'cpu_utilization', 'named_metrics.foo'. */
export type OrcaLoad = ReadonlyMap<string, number>;

/** Always there, 0 where the report says nothing. */
const SCALARS: readonly string[] = [
  'cpu_utilization',
  'mem_utilization',
  'application_utilization',
  'eps',
  'rps_fractional',
];
const MAPS = ['named_metrics', 'utilization', 'request_cost'] as const;
/** Those that text may have. */
const TEXT_MAPS = ['named_metrics.', 'utilization.'];

/** Null: there is none, or it is broken, which nobody is told. Source: Envoy Orca::parseOrcaLoadReportHeaders. */
export function readLoadHeader(headers: Headers): OrcaLoad | null {
  const binary = headers.get(BINARY);
  if (binary !== undefined) return fromBase64(binary);
  const tagged = headers.get(TAGGED);
  if (tagged === undefined) return null;
  if (tagged.startsWith('TEXT ')) return fromText(tagged.slice(5));
  if (tagged.startsWith('JSON ')) return fromJsonText(tagged.slice(5));
  return tagged.startsWith('BIN ') ? fromBase64(tagged.slice(4)) : null;
}

const reportType = (): MessageType<OrcaLoadReport> =>
  registry.message('xds.data.orca.v3.OrcaLoadReport') as MessageType<OrcaLoadReport>;

/** The standard alphabet, with or without padding. */
function fromBase64(text: string): OrcaLoad | null {
  const digits = /^([A-Za-z0-9+/]+)={0,2}$/.exec(text)?.[1];
  if (digits === undefined) return null;
  const bytes = Buffer.from(digits, 'base64');
  // Bits that are left over must be 0.
  if (bytes.toString('base64').replaceAll('=', '') !== digits) return null;
  const message = decodeBinary(reportType(), bytes);
  return message === undefined ? null : loadOf(message);
}

function fromJsonText(text: string): OrcaLoad | null {
  let json: unknown;
  try {
    json = JSON.parse(utf8(text) ?? '');
  } catch {
    return null;
  }
  const report = new Report();
  const message = fromJson(reportType(), json, report);
  return report.problems.length > 0 ? null : loadOf(message);
}

function loadOf(message: OrcaLoadReport): OrcaLoad {
  const load = new Map<string, number>();
  for (const name of SCALARS) load.set(name, Number(message[name as keyof OrcaLoadReport] ?? 0));
  for (const map of MAPS) {
    for (const [key, value] of Object.entries(message[map] ?? {})) load.set(`${map}.${key}`, value);
  }
  return load;
}

/** 'cpu_utilization=0.5, named_metrics.foo:7': what is unknown, twice there or no number makes all of it void. */
function fromText(text: string): OrcaLoad | null {
  const load = new Map<string, number>();
  for (const item of text.split(',')) {
    const pair = item.replace(/^\s+/, '');
    if (pair === '') continue;
    const [name = '', value, more] = pair.split(/[=:]/);
    if (value === undefined || more !== undefined) return null;
    const key = utf8(name);
    const number = numberOf(value.trim());
    if (key === null || number === null || load.has(key) || !isTextName(key)) return null;
    load.set(key, number);
  }
  for (const name of SCALARS) if (!load.has(name)) load.set(name, 0);
  return load;
}

function isTextName(name: string): boolean {
  return SCALARS.includes(name) || TEXT_MAPS.some((prefix) => name.startsWith(prefix) && name.length > prefix.length);
}

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const HEX = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)(?:p([+-]?\d+))?$/i;

/** A number that is neither negative nor endless; null for anything else. Source: absl::SimpleAtod. */
function numberOf(text: string): number | null {
  const value = DECIMAL.test(text) ? Number(text) : hexNumber(text);
  return Number.isFinite(value) && value >= 0 ? value : null;
}

function hexNumber(text: string): number {
  const match = HEX.exec(text);
  if (match === null) return Number.NaN;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  if (whole + fraction === '') return Number.NaN;
  const value = Number.parseInt(`0${whole}${fraction}`, 16) * 2 ** (Number(exponent) - 4 * fraction.length);
  return sign === '-' ? -value : value;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Bytes of a field as the text that they are; null when they are none. Names go out again in reports. */
function utf8(latin1: string): string | null {
  try {
    return decoder.decode(Buffer.from(latin1, 'latin1'));
  } catch {
    return null;
  }
}
