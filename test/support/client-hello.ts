// Builds TLS ClientHello records byte by byte, for tests of what looks at them without speaking TLS.

export type ClientHelloOptions = {
  readonly serverName?: string;
  readonly alpn?: readonly string[];
  readonly ciphers?: readonly number[];
  /** supported_groups. */
  readonly groups?: readonly number[];
  /** supported_versions; an empty list leaves the extension out. */
  readonly versions?: readonly number[];
  /** Further extensions, after the others: type and content. */
  readonly extensions?: readonly (readonly [number, Buffer])[];
  /** legacy_version of the hello. */
  readonly legacyVersion?: number;
  /** The handshake message is cut into records of at most so many bytes. */
  readonly recordBytes?: number;
};

const SIGNATURE_ALGORITHMS = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
const MAX_RECORD_BYTES = 16_384;

/** The bytes that a TLS client sends first. Source: RFC 8446, section 4.1.2; RFC 6066 (SNI); RFC 7301 (ALPN). */
export function clientHello(options: ClientHelloOptions = {}): Buffer {
  const body = Buffer.concat([
    u16(options.legacyVersion ?? 0x0303),
    Buffer.alloc(32, 0x5a),
    withLength(1, Buffer.alloc(32, 0xa5)),
    withLength(2, u16List(options.ciphers ?? [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f])),
    Buffer.from([1, 0]),
    withLength(2, Buffer.concat(extensionsOf(options).map(([type, content]) => extension(type, content)))),
  ]);
  const message = Buffer.concat([Buffer.from([1]), withLength(3, body)]);
  const records: Buffer[] = [];
  const size = options.recordBytes ?? MAX_RECORD_BYTES;
  for (let at = 0; at < message.length; at += size) {
    records.push(Buffer.from([0x16, 3, 1]), withLength(2, message.subarray(at, at + size)));
  }
  return Buffer.concat(records);
}

function extensionsOf(options: ClientHelloOptions): (readonly [number, Buffer])[] {
  const list: (readonly [number, Buffer])[] = [];
  if (options.serverName !== undefined) {
    const name = withLength(2, Buffer.from(options.serverName, 'latin1'));
    list.push([0, withLength(2, Buffer.concat([Buffer.from([0]), name]))]);
  }
  list.push([10, withLength(2, u16List(options.groups ?? [0x001d, 0x0017]))]);
  list.push([11, withLength(1, Buffer.from([0]))]);
  list.push([13, withLength(2, u16List(SIGNATURE_ALGORITHMS))]);
  if (options.alpn !== undefined) {
    const names = options.alpn.map((name) => withLength(1, Buffer.from(name, 'latin1')));
    list.push([16, withLength(2, Buffer.concat(names))]);
  }
  const versions = options.versions ?? [0x0304, 0x0303];
  if (versions.length > 0) list.push([43, withLength(1, u16List(versions))]);
  return [...list, ...(options.extensions ?? [])];
}

function extension(type: number, content: Buffer): Buffer {
  return Buffer.concat([u16(type), withLength(2, content)]);
}

function withLength(lengthBytes: number, content: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(content.length, 0, lengthBytes);
  return Buffer.concat([length, content]);
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

function u16List(values: readonly number[]): Buffer {
  return Buffer.concat(values.map(u16));
}
