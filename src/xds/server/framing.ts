// Responses as bytes: resources framed once in chunks that all streams share, and a short end of each stream's own.
import type { EncodedResource } from './resource.ts';

/** A part of a response: resources as fields of it, encoded once for all who get the same ones. */
export type Chunk = { readonly resources: readonly EncodedResource[]; readonly bytes: Buffer };

/** Field numbers of envoy.service.discovery.v3. */
const DELTA = { systemVersion: 1, resources: 2, typeUrl: 4, nonce: 5, removed: 6, controlPlane: 7 } as const;
const SOTW = { version: 1, resources: 2, typeUrl: 4, nonce: 5, controlPlane: 6 } as const;
const RESOURCE = { version: 1, resource: 2, name: 3, aliases: 4 } as const;
const ANY = { typeUrl: 1, value: 2 } as const;
const CONTROL_PLANE = { identifier: 1 } as const;

/** All resources as `repeated Resource resources` of a DeltaDiscoveryResponse. */
export function deltaChunk(resources: readonly EncodedResource[]): Chunk {
  let length = 0;
  for (const resource of resources) length += fieldSize(deltaSize(resource));
  const writer = new FieldWriter(length, true);
  for (const resource of resources) {
    writer.head(DELTA.resources, deltaSize(resource));
    writer.text(RESOURCE.name, resource.name);
    writer.text(RESOURCE.version, resource.version);
    for (const alias of resource.aliases) writer.text(RESOURCE.aliases, alias);
    writer.head(RESOURCE.resource, anySize(resource));
    writer.any(resource);
  }
  return { resources, bytes: writer.bytes };
}

/** All resources as `repeated google.protobuf.Any resources` of a DiscoveryResponse. */
export function sotwChunk(resources: readonly EncodedResource[]): Chunk {
  let length = 0;
  for (const resource of resources) length += fieldSize(anySize(resource));
  const writer = new FieldWriter(length, true);
  for (const resource of resources) {
    writer.head(SOTW.resources, anySize(resource));
    writer.any(resource);
  }
  return { resources, bytes: writer.bytes };
}

export type ResponseEnd = {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly controlPlane: string;
  /** Delta: what is gone, and what never was there. */
  readonly removed: readonly string[];
  /** Delta: virtual hosts that were asked for and do not exist, which the client wants to hear by name. */
  readonly absent: readonly string[];
};

/** The rest of a DeltaDiscoveryResponse. */
export function deltaEnd(end: ResponseEnd): Buffer {
  const { typeUrl, nonce, version, controlPlane, removed, absent } = end;
  let length = textSize(typeUrl) + textSize(nonce) + textSize(version) + controlPlaneSize(controlPlane);
  for (const name of removed) length += textSize(name);
  for (const name of absent) length += fieldSize(2 * textSize(name));
  const writer = new FieldWriter(length, false);
  writer.text(DELTA.systemVersion, version);
  for (const name of absent) {
    // The alias that was asked for, and no resource. Source: xDS protocol, "Aliases".
    writer.head(DELTA.resources, 2 * textSize(name));
    writer.text(RESOURCE.name, name);
    writer.text(RESOURCE.aliases, name);
  }
  writer.text(DELTA.typeUrl, typeUrl);
  writer.text(DELTA.nonce, nonce);
  for (const name of removed) writer.text(DELTA.removed, name);
  writer.controlPlane(DELTA.controlPlane, controlPlane);
  return writer.bytes;
}

/** The rest of a DiscoveryResponse. */
export function sotwEnd({ typeUrl, nonce, version, controlPlane }: ResponseEnd): Buffer {
  const length = textSize(typeUrl) + textSize(nonce) + textSize(version) + controlPlaneSize(controlPlane);
  const writer = new FieldWriter(length, false);
  writer.text(SOTW.version, version);
  writer.text(SOTW.typeUrl, typeUrl);
  writer.text(SOTW.nonce, nonce);
  writer.controlPlane(SOTW.controlPlane, controlPlane);
  return writer.bytes;
}

// ─── Sizes, of fields with numbers below 16 ─────────────────────────────────────────────────────────────────────────

function varintSize(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
}

function fieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}

/** A text's field; 0 for an empty one, which is left out. */
function textSize(text: string): number {
  return text === '' ? 0 : fieldSize(Buffer.byteLength(text));
}

function anySize({ typeUrl, body }: EncodedResource): number {
  return textSize(typeUrl) + (body.length === 0 ? 0 : fieldSize(body.length));
}

function deltaSize(resource: EncodedResource): number {
  let size = textSize(resource.name) + textSize(resource.version) + fieldSize(anySize(resource));
  for (const alias of resource.aliases) size += textSize(alias);
  return size;
}

function controlPlaneSize(identifier: string): number {
  return identifier === '' ? 0 : fieldSize(textSize(identifier));
}

/** Writes length-delimited fields into memory whose size is known. */
class FieldWriter {
  readonly bytes: Buffer;
  #pos = 0;

  /** `isKept`: in memory of its own, for what is shared and kept; small pieces are cheaper out of Node's pool. */
  constructor(length: number, isKept: boolean) {
    this.bytes = isKept ? Buffer.allocUnsafeSlow(length) : Buffer.allocUnsafe(length);
  }

  head(field: number, length: number): void {
    const { bytes } = this;
    bytes[this.#pos++] = (field << 3) | 2;
    let rest = length;
    while (rest > 0x7f) {
      bytes[this.#pos++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.#pos++] = rest;
  }

  text(field: number, text: string): void {
    if (text === '') return;
    this.head(field, Buffer.byteLength(text));
    this.#pos += this.bytes.write(text, this.#pos);
  }

  any({ typeUrl, body }: EncodedResource): void {
    this.text(ANY.typeUrl, typeUrl);
    if (body.length === 0) return;
    this.head(ANY.value, body.length);
    this.bytes.set(body, this.#pos);
    this.#pos += body.length;
  }

  controlPlane(field: number, identifier: string): void {
    if (identifier === '') return;
    this.head(field, textSize(identifier));
    this.text(CONTROL_PLANE.identifier, identifier);
  }
}
