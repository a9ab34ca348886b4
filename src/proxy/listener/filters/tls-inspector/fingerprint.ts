// Fingerprints of a ClientHello: JA3 and JA4, with the choices that Envoy makes where their descriptions leave one.
import { hash } from 'node:crypto';
import { type ClientHello, EXTENSION } from '../../../../wire/client-hello.ts';

/** Hex digits of a JA4 list's digest. */
const JA4_DIGITS = 12;
const NO_DIGEST = '0'.repeat(JA4_DIGITS);
/** JA4 counts with two digits. */
const MAX_COUNT = 99;
const VERSIONS: ReadonlyMap<number, string> = new Map([
  [0x0304, '13'],
  [0x0303, '12'],
  [0x0302, '11'],
  [0x0301, '10'],
]);

/** MD5 of version, ciphers, extensions, groups, point formats. Envoy takes GREASE out of the first two lists only. */
export function ja3Of(hello: ClientHello): string {
  const lists = [
    hello.ciphers.filter(isMeant),
    hello.extensions.filter(isMeant),
    hello.numbersOf(EXTENSION.supportedGroups, 2),
    hello.pointFormats,
  ];
  return hash('md5', `${hello.version},${lists.map((list) => list.join('-')).join(',')}`);
}

/** E.g. t13d1516h2_8daaf6152771_e5627efa2ab1. */
export function ja4Of(hello: ClientHello): string {
  const ciphers = hello.ciphers.filter(isMeant);
  const extensions = hello.extensions.filter(isMeant);
  const sni = hello.extension(EXTENSION.serverName) === null ? 'i' : 'd';
  const counts = twoDigits(ciphers.length) + twoDigits(extensions.length);
  const hashed = extensions.filter((type) => type !== EXTENSION.serverName && type !== EXTENSION.alpn);
  const algorithms = hello.numbersOf(EXTENSION.signatureAlgorithms, 2);
  const suffix = algorithms.length === 0 ? '' : `_${hexList(algorithms)}`;
  return `t${versionOf(hello)}${sni}${counts}${alpnMark(hello)}_${digest(ciphers, '')}_${digest(hashed, suffix)}`;
}

/** No GREASE (RFC 8701): values that clients make up so that servers keep ignoring what they do not know. */
function isMeant(value: number): boolean {
  return (value & 0x0f0f) !== 0x0a0a || value >> 8 !== (value & 0xff);
}

function versionOf(hello: ClientHello): string {
  const range = hello.extension(EXTENSION.supportedVersions);
  let highest = 0;
  if (range !== null) {
    const [start, end] = range;
    if (start === end || start + 1 + (hello.bytes[start] as number) > end) return '00';
    const list = hello.bytes.subarray(start + 1, start + 1 + (hello.bytes[start] as number));
    for (let at = 0; at + 1 < list.length; at += 2) {
      const version = list.readUInt16BE(at);
      if (isMeant(version) && version > highest) highest = version;
    }
  }
  return VERSIONS.get(highest === 0 ? hello.version : highest) ?? '00';
}

function twoDigits(count: number): string {
  return String(Math.min(count, MAX_COUNT)).padStart(2, '0');
}

/** First and last char of the first protocol, or a half byte of each where they are no letters or digits. */
function alpnMark(hello: ClientHello): string {
  const range = hello.extension(EXTENSION.alpn);
  if (range === null || range[1] - range[0] < 3) return '00';
  const nameAt = range[0] + 3;
  const length = hello.bytes[nameAt - 1] as number;
  if (length === 0 || nameAt + length > range[1]) return '00';
  const mark =
    hello.bytes.latin1Slice(nameAt, nameAt + 1) + hello.bytes.latin1Slice(nameAt + length - 1, nameAt + length);
  if (/^[0-9A-Za-z]{2}$/.test(mark)) return mark;
  return (mark.charCodeAt(0) >> 4).toString(16) + (mark.charCodeAt(1) & 0xf).toString(16);
}

function digest(values: readonly number[], suffix: string): string {
  if (values.length === 0) return NO_DIGEST;
  const sorted = [...values].sort((a, b) => a - b);
  return hash('sha256', hexList(sorted) + suffix).slice(0, JA4_DIGITS);
}

function hexList(values: readonly number[]): string {
  return values.map((value) => value.toString(16).padStart(4, '0')).join(',');
}
