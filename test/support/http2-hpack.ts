// A small HPACK for tests (RFC 7541): writes plain literals, so that any field can be sent, and reads everything.

export type Http2Field = readonly [name: string, value: string];

/** By index from 1 on: names, or `name=value`. */
const STATIC_TABLE: readonly Http2Field[] = (
  ':authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|:status=200|:status=204|' +
  ':status=206|:status=304|:status=400|:status=404|:status=500|accept-charset|accept-encoding=gzip, deflate|' +
  'accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|' +
  'content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|' +
  'cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|' +
  'last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|' +
  'retry-after|server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate'
)
  .split('|')
  .map((entry): Http2Field => {
    const at = entry.indexOf('=');
    return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
  });

/** Bits of each symbol's code, as base-36 digits of bytes 0 to 255 and EOS; codes of one length follow one another. */
const CODE_BITS =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca' +
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds' +
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu';

const ENTRY_OVERHEAD = 32;
const DEFAULT_TABLE_BYTES = 4096;

/** `length:code` to symbol. */
const symbols = new Map<string, number>();
{
  let code = 0;
  for (let bits = 5; bits <= 30; bits++) {
    for (let symbol = 0; symbol < CODE_BITS.length; symbol++) {
      if (Number.parseInt(CODE_BITS[symbol]!, 36) === bits) symbols.set(`${bits}:${code++}`, symbol);
    }
    code *= 2;
  }
}

/** A block of literals without Huffman code and without index; texts are latin1. */
export function writeFields(fields: readonly Http2Field[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), writeText(name), writeText(value)]));
}

function writeText(text: string): Buffer {
  return Buffer.concat([writeInteger(text.length, 7, 0), Buffer.from(text, 'latin1')]);
}

export function writeInteger(value: number, prefixBits: number, first: number): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.of(first | value);
  const bytes = [first | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

export class HpackReader {
  #table: Http2Field[] = [];
  #limit = DEFAULT_TABLE_BYTES;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /** Throws on what no encoder may write. */
  read(block: Buffer): Http2Field[] {
    this.#block = block;
    this.#at = 0;
    const fields: Http2Field[] = [];
    while (this.#at < block.length) {
      const first = block[this.#at]!;
      if (first >= 0x80) fields.push(this.#entry(this.#integer(7)));
      else if (first >= 0x40) {
        const field = this.#literal(6);
        this.#table.unshift(field);
        this.#evict();
        fields.push(field);
      } else if (first >= 0x20) {
        this.#limit = this.#integer(5);
        this.#evict();
      } else fields.push(this.#literal(4));
    }
    return fields;
  }

  #literal(prefixBits: number): Http2Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#text() : this.#entry(index)[0];
    return [name, this.#text()];
  }

  #entry(index: number): Http2Field {
    const dynamic = this.#table[index - 1 - STATIC_TABLE.length];
    const entry = index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : dynamic;
    if (entry === undefined) throw new Error(`HPACK index ${index} does not exist`);
    return entry;
  }

  #integer(prefixBits: number): number {
    const most = 2 ** prefixBits - 1;
    let value = this.#byte() & most;
    if (value < most) return value;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  #text(): string {
    const isHuffman = this.#block[this.#at]! >= 0x80;
    const length = this.#integer(7);
    const bytes = this.#block.subarray(this.#at, this.#at + length);
    if (bytes.length < length) throw new Error('HPACK block ends within a text');
    this.#at += length;
    return isHuffman ? readHuffman(bytes) : bytes.toString('latin1');
  }

  #byte(): number {
    const byte = this.#block[this.#at++];
    if (byte === undefined) throw new Error('HPACK block ends early');
    return byte;
  }

  #evict(): void {
    const size = (): number =>
      this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + ENTRY_OVERHEAD, 0);
    while (this.#table.length > 0 && size() > this.#limit) this.#table.pop();
  }
}

function readHuffman(bytes: Buffer): string {
  let text = '';
  let code = 0;
  let bits = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1);
      bits++;
      const symbol = symbols.get(`${bits}:${code}`);
      if (symbol === undefined) continue;
      text += String.fromCharCode(symbol);
      code = 0;
      bits = 0;
    }
  }
  if (bits > 7 || code !== 2 ** bits - 1) throw new Error('HPACK text has bad padding');
  return text;
}
