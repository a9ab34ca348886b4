// What a TLS ClientHello says, for those who look at it without speaking TLS; read as BoringSSL (so Envoy) reads it.

export const EXTENSION = {
  serverName: 0,
  supportedGroups: 10,
  pointFormats: 11,
  signatureAlgorithms: 13,
  alpn: 16,
  supportedVersions: 43,
} as const;

/** RFC 6066: a host name is shorter than that. */
const MAX_HOST_NAME_BYTES = 255;
/** Extension types up to this number are compared with each other, more go through a set. */
const FEW_EXTENSIONS = 48;

const HEADER_BYTES = 4;

const NO_NAMES: readonly string[] = Object.freeze([]);

/** What a ClientHello says. It borrows the bytes that it was read from. */
export class ClientHello {
  /** Client's legacy_version: 0x0303 also where TLS 1.3 is offered. */
  version = 0;
  /** SNI in lower case, one char per byte; '' when there is none. */
  serverName = '';
  hasServerName = false;
  /** As offered; empty when there is no such extension, or a broken one. */
  alpn: readonly string[] = NO_NAMES;
  /** The message's body, for what is read only when somebody asks. */
  readonly bytes: Buffer;
  ciphersStart = 0;
  ciphersEnd = 0;
  extensionsStart = 0;
  extensionsEnd = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get ciphers(): number[] {
    return u16List(this.bytes, this.ciphersStart, this.ciphersEnd);
  }

  /** Types in the client's order. */
  get extensions(): number[] {
    const types: number[] = [];
    for (let at = this.extensionsStart; at < this.extensionsEnd; at += 4 + u16(this.bytes, at + 2)) {
      types.push(u16(this.bytes, at));
    }
    return types;
  }

  /** An extension's content as [start, end) of `bytes`, or null. */
  extension(type: number): readonly [number, number] | null {
    for (let at = this.extensionsStart; at < this.extensionsEnd; at += 4 + u16(this.bytes, at + 2)) {
      if (u16(this.bytes, at) === type) return [at + 4, at + 4 + u16(this.bytes, at + 2)];
    }
    return null;
  }

  /** The 16-bit numbers of an extension behind so many bytes of length; what is broken at its end is left out. */
  numbersOf(type: number, lengthBytes: 1 | 2): number[] {
    const range = this.extension(type);
    return range === null ? [] : u16List(this.bytes, range[0] + lengthBytes, range[1]);
  }

  get pointFormats(): number[] {
    const range = this.extension(EXTENSION.pointFormats);
    return range === null ? [] : [...this.bytes.subarray(Math.min(range[0] + 1, range[1]), range[1])];
  }
}

/**
 * Reads a whole handshake message, header included, whose type is ClientHello. Returns why it cannot: the message or
 * its server name is broken.
 */
export function parseClientHello(
  message: Buffer,
): ClientHello | 'CLIENTHELLO_PARSE_FAILED' | 'ERROR_PARSING_EXTENSION' {
  const hello = new ClientHello(message);
  if (!readBody(hello, message)) return 'CLIENTHELLO_PARSE_FAILED';
  return readNames(hello) ? hello : 'ERROR_PARSING_EXTENSION';
}

function u16(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

function u16List(bytes: Buffer, start: number, end: number): number[] {
  const list: number[] = [];
  for (let at = start; at + 1 < end; at += 2) list.push(u16(bytes, at));
  return list;
}

/** Finds the lists in a message; false when they are not what RFC 8446, section 4.1.2, says. */
function readBody(hello: ClientHello, message: Buffer): boolean {
  const end = message.length;
  let at = HEADER_BYTES;
  // Version, random, and the session id's length.
  if (end - at < 2 + 32 + 1) return false;
  hello.version = u16(message, at);
  at += 34;
  const sessionBytes = message[at] as number;
  at += 1 + sessionBytes;
  if (sessionBytes > 32 || end - at < 2) return false;
  const cipherBytes = u16(message, at);
  at += 2;
  if (cipherBytes < 2 || (cipherBytes & 1) !== 0 || end - at < cipherBytes + 1) return false;
  hello.ciphersStart = at;
  at += cipherBytes;
  hello.ciphersEnd = at;
  const compressions = message[at] as number;
  at += 1 + compressions;
  if (compressions < 1 || at > end) return false;
  hello.extensionsStart = hello.extensionsEnd = at;
  // Before TLS 1.3 a hello could end here.
  if (at === end) return true;
  if (end - at < 2 || u16(message, at) !== end - at - 2) return false;
  hello.extensionsStart = at + 2;
  hello.extensionsEnd = end;
  return hasProperExtensions(message, at + 2, end);
}

const seenTypes = new Uint16Array(FEW_EXTENSIONS);

/** Each extension lies within the list, and no type comes twice. */
function hasProperExtensions(bytes: Buffer, start: number, end: number): boolean {
  let count = 0;
  let many: Set<number> | null = null;
  let at = start;
  while (at < end) {
    if (end - at < 4) return false;
    const type = u16(bytes, at);
    at += 4 + u16(bytes, at + 2);
    if (at > end) return false;
    if (count < FEW_EXTENSIONS) {
      for (let i = 0; i < count; i++) if (seenTypes[i] === type) return false;
      seenTypes[count++] = type;
    } else {
      many ??= new Set(seenTypes);
      if (many.has(type)) return false;
      many.add(type);
    }
  }
  return true;
}

/** Reads SNI and ALPN. A broken SNI makes the hello malformed; a broken ALPN is left to the real TLS. */
function readNames(hello: ClientHello): boolean {
  const { bytes, extensionsEnd } = hello;
  for (let at = hello.extensionsStart; at < extensionsEnd; ) {
    const type = u16(bytes, at);
    const start = at + 4;
    at = start + u16(bytes, at + 2);
    if (type === EXTENSION.serverName) {
      if (!isServerName(bytes, start, at)) return false;
      hello.hasServerName = true;
      hello.serverName = lowerCase(bytes, start + 5, at);
    } else if (type === EXTENSION.alpn) {
      hello.alpn = readProtocols(bytes, start, at);
    }
  }
  return true;
}

/** One host name and nothing else. Source: BoringSSL ssl_parse_server_name; RFC 6066, section 3. */
function isServerName(bytes: Buffer, start: number, end: number): boolean {
  const nameBytes = end - start - 5;
  if (nameBytes < 1 || nameBytes > MAX_HOST_NAME_BYTES) return false;
  if (u16(bytes, start) !== end - start - 2 || bytes[start + 2] !== 0 || u16(bytes, start + 3) !== nameBytes) {
    return false;
  }
  for (let at = start + 5; at < end; at++) if (bytes[at] === 0) return false;
  return true;
}

/** Only ASCII letters have another case here. */
function lowerCase(bytes: Buffer, start: number, end: number): string {
  let hasUpper = false;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte >= 0x41 && byte <= 0x5a) hasUpper = true;
  }
  const text = bytes.latin1Slice(start, end);
  return hasUpper ? text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()) : text;
}

const H2_AND_HTTP1: readonly string[] = Object.freeze(['h2', 'http/1.1']);
/** The list that most clients send. */
const USUAL_LIST = Buffer.from('\x00\x0c\x02h2\x08http/1.1', 'latin1');

function readProtocols(bytes: Buffer, start: number, end: number): readonly string[] {
  if (end - start === USUAL_LIST.length && isSame(bytes, start, USUAL_LIST)) return H2_AND_HTTP1;
  if (end - start < 4 || u16(bytes, start) !== end - start - 2) return NO_NAMES;
  const names: string[] = [];
  for (let at = start + 2; at < end; ) {
    const length = bytes[at] as number;
    at += 1 + length;
    if (length === 0 || at > end) return NO_NAMES;
    names.push(bytes.latin1Slice(at - length, at));
  }
  return names;
}

function isSame(bytes: Buffer, start: number, other: Buffer): boolean {
  for (let i = 0; i < other.length; i++) if (bytes[start + i] !== other[i]) return false;
  return true;
}
