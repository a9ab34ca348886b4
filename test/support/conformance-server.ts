// Stands between the Connect project's conformance runner and a server of its own: starts that server with a proxy in
// front and tells the runner the proxy's port. Arguments: path of the server, `pass` or `bridge` (the server only
// speaks gRPC, and the proxy makes it of gRPC-Web).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Hop, startHop, typed } from './http2-hops.ts';

const [serverPath = '', mode = 'pass'] = process.argv.slice(2);

const PROTOCOL_GRPC = 2;
const HTTP_VERSION_1 = 1;
const HTTP_VERSION_2 = 2;
const LENGTH_BYTES = 4;

type Value = number | Buffer;

/** Fields of one protobuf message by number: varints and bytes, which is all that these have. */
function decode(bytes: Buffer): Map<number, Value> {
  const fields = new Map<number, Value>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; at < bytes.length; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) break;
    }
    return value;
  };
  while (at < bytes.length) {
    const tag = varint();
    const size = varint();
    if ((tag & 7) === 0) fields.set(tag >> 3, size);
    else fields.set(tag >> 3, bytes.subarray(at, (at += size)));
  }
  return fields;
}

function encode(fields: ReadonlyMap<number, Value>): Buffer {
  const out: number[] = [];
  const varint = (value: number): void => {
    for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) | 128);
    out.push(value);
  };
  for (const [number, value] of fields) {
    varint(number * 8 + (typeof value === 'number' ? 0 : 2));
    if (typeof value === 'number') varint(value);
    else {
      varint(value.length);
      out.push(...value);
    }
  }
  return Buffer.from(out);
}

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}

async function readMessage(stream: NodeJS.ReadableStream): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of stream) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    if (bytes.length >= LENGTH_BYTES && bytes.length >= LENGTH_BYTES + bytes.readUInt32BE(0)) break;
  }
  return bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + bytes.readUInt32BE(0));
}

const request = decode(await readMessage(process.stdin));
const [version, usesTls, clientCa, limit, ownCertificate] = [2, 4, 5, 6, 7].map((field) => request.get(field));

// What the runner wants of TLS is the proxy's part.
const behind = new Map<number, Value>([
  [1, mode === 'bridge' ? PROTOCOL_GRPC : (request.get(1) ?? 0)],
  [2, mode === 'bridge' ? HTTP_VERSION_2 : (version ?? 0)],
]);
if (limit !== undefined) behind.set(6, limit);

const child = spawn(serverPath, [], { stdio: ['pipe', 'pipe', 'inherit'] });
child.stdin.write(framed(encode(behind)));
const answer = decode(await readMessage(child.stdout));

const certificate = ownCertificate === undefined ? undefined : decode(ownCertificate as Buffer);
const hop: Hop = {
  upstream: mode !== 'bridge' && version === HTTP_VERSION_1 ? 'http1' : 'http2',
  ...(mode === 'bridge'
    ? { filters: [{ name: 'grpc_web', typed_config: typed('filters.http.grpc_web.v3.GrpcWeb') }] }
    : {}),
  ...(usesTls === 1 && certificate !== undefined
    ? { certificate: { chainPem: String(certificate.get(1)), keyPem: String(certificate.get(2)) } }
    : {}),
  ...(clientCa === undefined ? {} : { clientCa: String(clientCa) }),
};
const folder = mkdtempSync(join(tmpdir(), 'heddle-conformance-'));
const running = await startHop(hop, Number(answer.get(2)), folder);
const reply = new Map<number, Value>([
  [1, Buffer.from('127.0.0.1')],
  [2, running.port],
]);
if (certificate !== undefined) reply.set(3, certificate.get(1) ?? Buffer.alloc(0));
process.stdout.write(framed(encode(reply)));

const stop = async (): Promise<void> => {
  child.kill('SIGTERM');
  await Promise.all([running.stop(), child.exitCode === null ? once(child, 'exit') : null]);
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
process.stdin.once('end', () => {});
