// Frames of RFC 6455 for tests: written by hand, and read with every rule that a receiver must hold the sender to.

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export type WebSocketFrame = {
  readonly opcode: number;
  readonly payload: Buffer;
  /** The last of its message. */
  readonly isFinal: boolean;
  /** RSV1 to RSV3 as three bits: 4 says that the message is compressed. */
  readonly reserved: number;
  readonly isMasked: boolean;
};

export type FrameOptions = {
  readonly isFinal?: boolean;
  readonly reserved?: number;
  /** The key that a client masks with; null: as a server sends. */
  readonly mask: Buffer | null;
};

export function writeFrame(opcode: number, payload: Uint8Array, options: FrameOptions): Buffer {
  const { isFinal = true, reserved = 0, mask } = options;
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode;
  if (length < 126) head[1] = length;
  else if (length < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  if (mask === null) return Buffer.concat([head, payload]);
  head[1] |= 0x80;
  return Buffer.concat([head, mask, masked(payload, mask)]);
}

/** Masks, and takes a mask off. */
function masked(payload: Uint8Array, mask: Buffer): Buffer {
  const out = Buffer.from(payload);
  for (let i = 0; i < out.length; i++) out[i]! ^= mask[i & 3]!;
  return out;
}

/** Cuts bytes into frames. */
export class WebSocketReader {
  readonly #onFrame: (frame: WebSocketFrame) => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Bytes that are needed before it is worth looking again. */
  #wanted = 2;

  constructor(onFrame: (frame: WebSocketFrame) => void) {
    this.#onFrame = onFrame;
  }

  feed(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#wanted) return;
    let rest: Buffer | null = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    while (rest !== null && rest.length > 0) {
      const taken = this.#take(rest);
      if (taken === 0) break;
      rest = rest.subarray(taken);
    }
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
  }

  /** Returns how many bytes the first frame took; 0 when it is not whole. */
  #take(bytes: Buffer): number {
    this.#wanted = 2;
    if (bytes.length < 2) return 0;
    const [first, second] = bytes as unknown as [number, number];
    const short = second & 0x7f;
    const isMasked = (second & 0x80) !== 0;
    const lengthBytes = short < 126 ? 0 : short === 126 ? 2 : 8;
    const start = 2 + lengthBytes + (isMasked ? 4 : 0);
    this.#wanted = start;
    if (bytes.length < start) return 0;
    const length =
      lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    this.#wanted = start + length;
    if (bytes.length < start + length) return 0;
    this.#wanted = 2;
    const payload = bytes.subarray(start, start + length);
    this.#onFrame({
      opcode: first & 0x0f,
      payload: isMasked ? masked(payload, bytes.subarray(start - 4, start)) : Buffer.from(payload),
      isFinal: (first & 0x80) !== 0,
      reserved: (first >> 4) & 7,
      isMasked,
    });
    return start + length;
  }
}
