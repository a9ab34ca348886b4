// The delta discovery messages that the fleet sends and takes, at the least cost: bodies stay where they arrived.

/** `body` is the message inside the Any; it shares the response's memory. */
export type WireResource = { readonly name: string; readonly version: string; readonly body: Buffer };

export type DeltaResponse = {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly WireResource[];
  readonly removed: readonly string[];
};

export type DeltaRequest = {
  /** Encoded Node; the first request of a stream has it. */
  readonly node?: Buffer;
  readonly typeUrl: string;
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  /** Of the response that this acknowledges. */
  readonly nonce?: string;
};

/** Field numbers of envoy.service.discovery.v3. */
const RESPONSE = { resources: 2, typeUrl: 4, nonce: 5, removed: 6 };
const RESOURCE = { version: 1, resource: 2, name: 3 };
const ANY = { value: 2 };
const REQUEST = { node: 1, typeUrl: 2, subscribe: 3, unsubscribe: 4, nonce: 6 };
const FRAME_BYTES = 5;

/** Reads the fields of one message; throws when they do not fit into it. */
export class Fields {
  readonly #buffer: Buffer;
  readonly #end: number;
  #at: number;
  number = 0;
  start = 0;
  end = 0;

  constructor(buffer: Buffer, start: number, end: number) {
    this.#buffer = buffer;
    this.#at = start;
    this.#end = end;
  }

  /** Goes to the next field that has a length; those without are passed over. */
  next(): boolean {
    while (this.#at < this.#end) {
      const tag = this.#varint();
      const wireType = tag & 7;
      this.number = tag >>> 3;
      if (wireType === 0) this.#varint();
      else if (wireType === 1) this.#at += 8;
      else if (wireType === 5) this.#at += 4;
      else if (wireType === 2) return this.#lengthDelimited();
      else throw new Error(`bench: wire type ${wireType}`);
    }
    if (this.#at > this.#end) throw new Error('bench: a field goes beyond its message');
    return false;
  }

  text(): string {
    return this.#buffer.toString('utf8', this.start, this.end);
  }

  #lengthDelimited(): boolean {
    const length = this.#varint();
    this.start = this.#at;
    this.end = this.#at += length;
    if (this.end > this.#end) throw new Error('bench: a field goes beyond its message');
    return true;
  }

  #varint(): number {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = this.#buffer[this.#at++];
      if (byte === undefined || shift > 2 ** 49) throw new Error('bench: a broken varint');
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  }
}

export function decodeResponse(message: Buffer): DeltaResponse {
  const fields = new Fields(message, 0, message.length);
  const resources: WireResource[] = [];
  const removed: string[] = [];
  let typeUrl = '';
  let nonce = '';
  while (fields.next()) {
    if (fields.number === RESPONSE.resources) resources.push(decodeResource(message, fields.start, fields.end));
    else if (fields.number === RESPONSE.typeUrl) typeUrl = fields.text();
    else if (fields.number === RESPONSE.nonce) nonce = fields.text();
    else if (fields.number === RESPONSE.removed) removed.push(fields.text());
  }
  return { typeUrl, nonce, resources, removed };
}

function decodeResource(message: Buffer, start: number, end: number): WireResource {
  const fields = new Fields(message, start, end);
  let name = '';
  let version = '';
  let body = message.subarray(0, 0);
  while (fields.next()) {
    if (fields.number === RESOURCE.name) name = fields.text();
    else if (fields.number === RESOURCE.version) version = fields.text();
    else if (fields.number === RESOURCE.resource) {
      const any = new Fields(message, fields.start, fields.end);
      while (any.next()) if (any.number === ANY.value) body = message.subarray(any.start, any.end);
    }
  }
  return { name, version, body };
}

/** With its gRPC frame. */
export function encodeRequest(request: DeltaRequest): Buffer {
  const parts: [number, Buffer][] = [];
  const add = (field: number, text: string): void => void parts.push([field, Buffer.from(text)]);
  if (request.node !== undefined) parts.push([REQUEST.node, request.node]);
  add(REQUEST.typeUrl, request.typeUrl);
  for (const name of request.subscribe ?? []) add(REQUEST.subscribe, name);
  for (const name of request.unsubscribe ?? []) add(REQUEST.unsubscribe, name);
  if (request.nonce !== undefined) add(REQUEST.nonce, request.nonce);
  let size = 0;
  for (const [, bytes] of parts) size += 1 + varintBytes(bytes.length) + bytes.length;
  const frame = Buffer.allocUnsafe(FRAME_BYTES + size);
  frame[0] = 0;
  frame.writeUInt32BE(size, 1);
  let at = FRAME_BYTES;
  for (const [field, bytes] of parts) {
    frame[at++] = (field << 3) | 2;
    for (let rest = bytes.length; ; rest >>>= 7) {
      frame[at++] = rest > 127 ? (rest & 127) | 128 : rest;
      if (rest <= 127) break;
    }
    at += bytes.copy(frame, at);
  }
  return frame;
}

function varintBytes(value: number): number {
  let count = 1;
  for (; value > 127; value >>>= 7) count++;
  return count;
}

/** Joins gRPC messages that come in pieces; a message is a buffer of its own. */
export class MessageReader {
  readonly #head = Buffer.alloc(FRAME_BYTES);
  #headBytes = 0;
  #message: Buffer | null = null;
  #messageBytes = 0;

  /** Calls `take` for each message that is complete. */
  push(chunk: Buffer, take: (message: Buffer) => void): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#message === null) {
        const count = Math.min(FRAME_BYTES - this.#headBytes, chunk.length - at);
        chunk.copy(this.#head, this.#headBytes, at, at + count);
        at += count;
        this.#headBytes += count;
        if (this.#headBytes < FRAME_BYTES) return;
        if (this.#head[0] !== 0) throw new Error('bench: a compressed message');
        this.#message = Buffer.allocUnsafe(this.#head.readUInt32BE(1));
        this.#messageBytes = 0;
      }
      const count = Math.min(this.#message.length - this.#messageBytes, chunk.length - at);
      chunk.copy(this.#message, this.#messageBytes, at, at + count);
      at += count;
      this.#messageBytes += count;
      if (this.#messageBytes < this.#message.length) continue;
      const message = this.#message;
      this.#message = null;
      this.#headBytes = 0;
      take(message);
    }
  }
}
