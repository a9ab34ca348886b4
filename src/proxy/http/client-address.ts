// Who the client is: detection by x-forwarded-for or another header, and which addresses count as internal.
import type { Address } from '../../base/byte-stream.ts';
import { type CidrSet, formatIp, hasIp, type Ip, parseIp } from '../../base/ip.ts';
import { H, type HeaderKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import { trimBlanks } from '../../wire/http1/tables.ts';
import type { ConnectionInfo } from '../stream-info.ts';

/** What detection found; one object for all requests, read before the next one is judged. */
export type Detected = {
  address: Address | null;
  /** The address may be taken for that of an internal client. */
  isTrusted: boolean;
  /** The request is refused with this status; 0: it is not. */
  rejectStatus: number;
  /** The peer is to be appended to x-forwarded-for. */
  appends: boolean;
};

/** One of original_ip_detection_extensions. */
export type AddressDetection = { detect(headers: Headers, connection: ConnectionInfo, found: Detected): void };

function set(found: Detected, address: Address | null, isTrusted: boolean, appends: boolean): void {
  found.address = address;
  found.isTrusted = isTrusted;
  found.appends = appends;
}

/** The header holds the address alone. Source: Envoy CustomHeaderIPDetection. */
export class HeaderDetection implements AddressDetection {
  readonly #key: HeaderKey;
  readonly #isTrusted: boolean;
  readonly #rejectStatus: number;

  /** `rejectStatus`: of requests without a good address; 0 lets them pass. */
  constructor(key: HeaderKey, isTrusted: boolean, rejectStatus: number) {
    this.#key = key;
    this.#isTrusted = isTrusted;
    this.#rejectStatus = rejectStatus;
  }

  detect(headers: Headers, _connection: ConnectionInfo, found: Detected): void {
    const text = headers.get(this.#key);
    const address = text === undefined ? null : addressIn(text);
    set(found, address, address !== null && this.#isTrusted, false);
    if (address === null) found.rejectStatus = this.#rejectStatus;
  }
}

/** A position in x-forwarded-for, counted from its end. */
export class HopDetection implements AddressDetection {
  readonly #hops: number;
  readonly #appends: boolean;

  constructor(hops: number, appends: boolean) {
    this.#hops = hops;
    this.#appends = appends;
  }

  detect(headers: Headers, _connection: ConnectionInfo, found: Detected): void {
    const list = forwardedFor(headers);
    set(found, list === undefined ? null : addressFromList(list, this.#hops), isSingle(list), this.#appends);
  }
}

/** Source: Envoy Http::Utility, MAX_ALLOWED_XFF_ENTRIES. */
const MAX_ENTRIES = 20;

/** The last address in x-forwarded-for that is not one of trusted proxies, and only when the peer is one. */
export class TrustedProxyDetection implements AddressDetection {
  readonly #proxies: CidrSet;
  readonly #appends: boolean;

  constructor(proxies: CidrSet, appends: boolean) {
    this.#proxies = proxies;
    this.#appends = appends;
  }

  detect(headers: Headers, { remoteAddress }: ConnectionInfo, found: Detected): void {
    if (!hasIp(remoteAddress) || !this.#proxies.contains(remoteAddress.address)) {
      set(found, null, false, true);
      return;
    }
    const list = forwardedFor(headers);
    set(found, list === undefined ? null : this.#lastOther(list), isSingle(list), this.#appends);
  }

  #lastOther(list: string): Address | null {
    if (entries(list) > MAX_ENTRIES) return null;
    let last: Address | null = null;
    for (let end = list.length; end >= 0; ) {
      const start = end === 0 ? 0 : list.lastIndexOf(',', end - 1) + 1;
      const address = addressIn(list.slice(start, end));
      if (address === null || !this.#proxies.contains(address.address)) return address;
      last = address;
      end = start - 1;
    }
    return last;
  }
}

function entries(list: string): number {
  let count = 1;
  for (let at = list.indexOf(','); at >= 0 && count <= MAX_ENTRIES; at = list.indexOf(',', at + 1)) count++;
  return count;
}

export function forwardedFor(headers: Headers): string | undefined {
  return headers.mayHave(H['x-forwarded-for']) ? headers.get(H['x-forwarded-for']) : undefined;
}

function isSingle(list: string | undefined): boolean {
  return list !== undefined && !list.includes(',');
}

/** The address at `hops` from the end of the list (0 = the last); null when there is none or it is no address. */
export function addressFromList(list: string, hops: number): Address | null {
  let end = list.length;
  for (let hop = 0; hop < hops; hop++) {
    end = end === 0 ? -1 : list.lastIndexOf(',', end - 1);
    if (end < 0) return null;
  }
  const start = end === 0 ? 0 : list.lastIndexOf(',', end - 1) + 1;
  return addressIn(list.slice(start, end));
}

/** Longer texts are no addresses. */
const MAX_ADDRESS_CHARS = 64;

/** An address without port, blanks around it allowed. A zone (`%eth0`) means nothing on another machine: null. */
function addressIn(text: string): Address | null {
  const trimmed = trimBlanks(text);
  if (trimmed === '' || trimmed.length > MAX_ADDRESS_CHARS || trimmed.includes('%')) return null;
  const ip = parseIp(trimmed);
  return ip === null ? null : { family: ip.family, address: ip.family === 'ipv4' ? trimmed : formatIp(ip), port: 0 };
}

/** Runs the detections one after the other until one of them knows. Source: Envoy mutateRequestHeaders. */
export function detectClient(
  detections: readonly AddressDetection[],
  headers: Headers,
  connection: ConnectionInfo,
  config: PeerNaming,
): Detected {
  found.address = null;
  found.isTrusted = false;
  found.rejectStatus = 0;
  for (const detection of detections) {
    detection.detect(headers, connection, found);
    if (found.rejectStatus !== 0) return found;
    if (found.appends) appendPeer(headers, connection, config);
    if (found.address !== null) return found;
    found.isTrusted = false;
  }
  return found;
}
const found: Detected = { address: null, isTrusted: false, rejectStatus: 0, appends: false };

/** How the peer is named in x-forwarded-for. */
export type PeerNaming = {
  /** This machine's address, which stands for a peer on loopback. */
  readonly localAddress: string;
  readonly representIpv4AsMapped: boolean;
};

export function appendPeer(headers: Headers, { remoteAddress }: ConnectionInfo, config: PeerNaming): void {
  if (!hasIp(remoteAddress)) return;
  const { family, address } = remoteAddress;
  let text = address;
  if (address === '127.0.0.1' || address === '::1') text = config.localAddress;
  else if (config.representIpv4AsMapped && family === 'ipv4') text = `::ffff:${address}`;
  headers.appendValue(H['x-forwarded-for'], text);
}

const LOOPBACK = 0x7f000001;

/** RFC 1918, what IPv6 has for it, and 127.0.0.1. Source: Envoy Network::Utility::isInternalAddress. */
export function isPrivate(ip: Ip): boolean {
  if (ip.family === 'ipv4') {
    const { w3 } = ip;
    return w3 >>> 24 === 10 || w3 >>> 20 === 0xac1 || w3 >>> 16 === 0xc0a8 || w3 === LOOPBACK;
  }
  const { w0, w1, w2, w3 } = ip;
  return w0 >>> 24 === 0xfd || (w0 === 0 && w1 === 0 && w2 === 0 && w3 === 1);
}
