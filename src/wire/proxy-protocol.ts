// Reads the PROXY protocol header, versions 1 and 2, at the start of a connection: with Envoy's tolerances and limits.
import type { Address } from '../base/byte-stream.ts';
import { formatIp, type Ip, parseIp } from '../base/ip.ts';

/**
 * 'more': the header may still be coming. 'none': the connection has no header and needs none. 'denied': a version that
 * is not allowed. 'error': no header where one must be, or a broken one.
 */
export type ProxyHeaderStatus = 'more' | 'found' | 'none' | 'denied' | 'error';

export type ProxyHeaderRules = {
  readonly allowsV1: boolean;
  readonly allowsV2: boolean;
  /** Connections without a header are let through. */
  readonly allowsNone: boolean;
};

/** An entry of version 2's list, as [type, start, end) of the bytes that were read. */
export type ProxyTlv = readonly [type: number, start: number, end: number];

export type ProxyHeader = {
  status: ProxyHeaderStatus;
  /** 0 as long as neither signature is seen. */
  version: 0 | 1 | 2;
  /** Of the whole header, when it was found. */
  length: number;
  /** Null for LOCAL and UNKNOWN: the connection's own addresses count. */
  source: Address | null;
  destination: Address | null;
  tlvs: readonly ProxyTlv[];
};

const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1');
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** The longest header of version 1, its line end included; the specification's 107 and one more (Envoy). */
const MAX_V1_BYTES = 108;
/** Bytes of version 2 before the addresses. */
const V2_HEADER_BYTES = 16;
/** Envoy looks at no more bytes before it knows a length: version 2 with the longest addresses, those of AF_UNIX. */
const FIRST_READ_BYTES = V2_HEADER_BYTES + 216;
/** Version 2 counts addresses and list in 16 bits. */
export const MAX_PROXY_HEADER_BYTES = V2_HEADER_BYTES + 65_535;

const COMMAND_LOCAL = 0;
const COMMAND_PROXY = 1;
const FAMILY_INET = 1;
const FAMILY_INET6 = 2;
const TRANSPORT_STREAM = 1;
const TRANSPORT_DGRAM = 2;
const INET_BYTES = 12;
const INET6_BYTES = 36;
const LF = 0x0a;
const CR = 0x0d;

const NO_TLVS: readonly ProxyTlv[] = Object.freeze([]);

/** `bytes` are all bytes so far; the same call with more of them gives the same answer or a later one. */
export function readProxyHeader(bytes: Buffer, rules: ProxyHeaderRules): ProxyHeader {
  const header: ProxyHeader = { status: 'more', version: 0, length: 0, source: null, destination: null, tlvs: NO_TLVS };
  header.status = read(header, bytes, rules);
  return header;
}

function read(header: ProxyHeader, bytes: Buffer, rules: ProxyHeaderRules): ProxyHeaderStatus {
  if (bytes.length === 0) return 'more';
  if (rules.allowsNone) {
    const mayBeV1 = rules.allowsV1 && startsLike(bytes, V1_SIGNATURE);
    const mayBeV2 = rules.allowsV2 && startsLike(bytes, V2_SIGNATURE);
    if (!mayBeV1 && !mayBeV2) return 'none';
  }
  if (bytes.length >= V2_HEADER_BYTES) {
    if (startsLike(bytes, V2_SIGNATURE)) {
      header.version = 2;
      return rules.allowsV2 ? readV2(header, bytes) : 'denied';
    }
    if (!startsLike(bytes, V1_SIGNATURE)) return 'error';
  }
  return readV1(header, bytes, rules.allowsV1);
}

/** Whether the bytes that are there are those of the signature. */
function startsLike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== signature[i]) return false;
  return true;
}

// ─── Version 1: a line of text ──────────────────────────────────────────────────────────────────────────────────────

function readV1(header: ProxyHeader, bytes: Buffer, isAllowed: boolean): ProxyHeaderStatus {
  const length = Math.min(bytes.length, FIRST_READ_BYTES);
  // A line end at the very beginning is where version 2's signature may begin.
  if (bytes[0] === CR && bytes[1] === LF) return 'more';
  let end = 1;
  while (end < length && !(bytes[end] === LF && bytes[end - 1] === CR)) end++;
  if (end < length) {
    header.version = 1;
    end++;
  }
  if (end > MAX_V1_BYTES) return 'error';
  if (header.version === 0) return 'more';
  if (!isAllowed) return 'denied';
  header.length = end;
  return readLine(header, bytes.latin1Slice(0, end)) ? 'found' : 'error';
}

/** PROXY TCP4|TCP6 source destination port port, or PROXY UNKNOWN and anything. */
function readLine(header: ProxyHeader, line: string): boolean {
  const parts = line.replace(/[ \t\n\v\f\r]+$/, '').split(' ');
  if (parts[0] !== 'PROXY' || parts.length < 2) return false;
  const [, protocol, source = '', destination = '', sourcePort = '', destinationPort = ''] = parts;
  if (protocol === 'UNKNOWN') return true;
  if ((protocol !== 'TCP4' && protocol !== 'TCP6') || parts.length !== 6) return false;
  const family = protocol === 'TCP4' ? 'ipv4' : 'ipv6';
  header.source = addressOf(family, source, sourcePort);
  header.destination = addressOf(family, destination, destinationPort);
  return header.source !== null && header.destination !== null;
}

function addressOf(family: 'ipv4' | 'ipv6', text: string, portText: string): Address | null {
  const zone = /^([^%]*)%([0-9]+)$/.exec(text);
  // A zone by name belongs to the machine that wrote it.
  if (zone === null && text.includes('%')) return null;
  const ip = parseIp(zone?.[1] ?? text);
  // As absl::SimpleAtoi reads numbers.
  const port = /^[ \t\n\v\f\r]*\+?[0-9]+[ \t\n\v\f\r]*$/.test(portText) ? Number(portText.trim()) : -1;
  if (ip === null || ip.family !== family || port < 0 || port > 65_535 || !isUnicast(ip)) return null;
  return { family, address: zone === null ? formatIp(ip) : `${formatIp(ip)}%${zone[2]}`, port };
}

/** Envoy takes no other address for a peer of TCP. */
function isUnicast(ip: Ip): boolean {
  if (ip.family === 'ipv4') return ip.w3 !== 0 && ip.w3 !== 0xffffffff && Math.floor(ip.w3 / 2 ** 28) !== 0xe;
  const isAny = ip.w0 === 0 && ip.w1 === 0 && ip.w2 === 0 && ip.w3 === 0;
  return !isAny && Math.floor(ip.w0 / 2 ** 24) !== 0xff;
}

// ─── Version 2: binary ──────────────────────────────────────────────────────────────────────────────────────────────

function readV2(header: ProxyHeader, bytes: Buffer): ProxyHeaderStatus {
  const command = (bytes[12] as number) & 0xf;
  const family = (bytes[13] as number) >> 4;
  const restBytes = bytes.readUInt16BE(14);
  if ((bytes[12] as number) >> 4 !== 2) return 'error';
  let addressBytes = 0;
  if (command !== COMMAND_LOCAL) {
    if (family === FAMILY_INET) addressBytes = INET_BYTES;
    else if (family === FAMILY_INET6) addressBytes = INET6_BYTES;
    else return 'error';
  }
  if (restBytes < addressBytes) return 'error';
  if (bytes.length < V2_HEADER_BYTES + addressBytes) return 'more';
  if (command !== COMMAND_LOCAL && !isForwarded(command, (bytes[13] as number) & 0xf)) return 'error';
  if (bytes.length < V2_HEADER_BYTES + restBytes) return 'more';
  header.length = V2_HEADER_BYTES + restBytes;
  // What a local connection carries says nothing about it.
  if (command === COMMAND_LOCAL) return 'found';
  const tlvs = readTlvs(bytes, V2_HEADER_BYTES + addressBytes, header.length);
  if (tlvs === null) return 'error';
  header.tlvs = tlvs;
  const ipBytes = family === FAMILY_INET ? 4 : 16;
  const portsAt = V2_HEADER_BYTES + 2 * ipBytes;
  header.source = binaryAddress(bytes, V2_HEADER_BYTES, ipBytes, portsAt);
  header.destination = binaryAddress(bytes, V2_HEADER_BYTES + ipBytes, ipBytes, portsAt + 2);
  return header.source !== null && header.destination !== null ? 'found' : 'error';
}

function isForwarded(command: number, transport: number): boolean {
  return command === COMMAND_PROXY && (transport === TRANSPORT_STREAM || transport === TRANSPORT_DGRAM);
}

function binaryAddress(bytes: Buffer, at: number, ipBytes: number, portAt: number): Address | null {
  const word = (i: number): number => bytes.readUInt32BE(at + 4 * i);
  const ip: Ip =
    ipBytes === 4
      ? { family: 'ipv4', w0: 0, w1: 0, w2: 0, w3: word(0) }
      : { family: 'ipv6', w0: word(0), w1: word(1), w2: word(2), w3: word(3) };
  return isUnicast(ip) ? { family: ip.family, address: formatIp(ip), port: bytes.readUInt16BE(portAt) } : null;
}

/** Type, 16 bits of length, value; null when the list does not end where it must. */
function readTlvs(bytes: Buffer, start: number, end: number): readonly ProxyTlv[] | null {
  if (start === end) return NO_TLVS;
  const tlvs: ProxyTlv[] = [];
  for (let at = start; at < end; ) {
    if (end - at < 3) return null;
    const valueAt = at + 3;
    const valueEnd = valueAt + bytes.readUInt16BE(at + 1);
    if (valueEnd > end) return null;
    tlvs.push([bytes[at] as number, valueAt, valueEnd]);
    at = valueEnd;
  }
  return tlvs;
}
