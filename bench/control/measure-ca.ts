// How many certificates the CA signs per second of CPU: real gRPC calls, a connection each, requests of both kinds.
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { certificateRequest } from '../../src/identity/certificate-request.ts';
import { CREATE_CERTIFICATE } from '../../src/ca/certificate-service.ts';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { exactCpuMs, freePort, startProgram, stopProgram, waitForPort } from '../support/process.ts';
import { MessageReader } from './delta-wire.ts';
import { quantile } from './measure.ts';

const LEAST_PER_CPU_SECOND = 200;
const ROUNDS = 5;
const CALLS = 300;
const AT_ONCE = 8;
const FRAME_BYTES = 5;

const REQUEST = registry.message('istio.v1.auth.IstioCertificateRequest');
const RESPONSE = registry.message('istio.v1.auth.IstioCertificateResponse');

/** The request's gRPC frame. */
function requestOf(key: KeyObject): Buffer {
  const { request } = certificateRequest('spiffe://cluster.local/ns/mesh/sa/proxy', key);
  const message = encodeBinary(REQUEST, { csr: request, validity_duration: 86_400 });
  const frame = Buffer.alloc(FRAME_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, FRAME_BYTES);
  return frame;
}

async function call(port: number, frame: Buffer): Promise<Buffer> {
  const session = connect(`http://127.0.0.1:${port}`);
  const stream = session.request({
    ':method': 'POST',
    ':path': CREATE_CERTIFICATE,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.end(frame);
  const reader = new MessageReader();
  let answer: Buffer | undefined;
  let status: unknown;
  stream.on('trailers', (trailers) => (status = trailers['grpc-status']));
  for await (const chunk of stream) reader.push(chunk as Buffer, (message) => (answer = message));
  session.close();
  assert.equal(status, '0');
  assert(answer !== undefined);
  return answer;
}

/** Returns the CPU time of the CA for each certificate. */
async function measure(pid: number, port: number, frame: Buffer, calls: number): Promise<number> {
  const before = exactCpuMs(pid);
  let left = calls;
  const work = async (): Promise<void> => {
    while (left-- > 0) check(await call(port, frame));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return (exactCpuMs(pid) - before) / calls;
}

function check(answer: Buffer): void {
  const { cert_chain: chain } = decodeBinary(RESPONSE, answer) as { readonly cert_chain: readonly string[] };
  const leaf = new X509Certificate(chain[0] ?? '');
  assert.equal(leaf.subjectAltName, 'URI:spiffe://cluster.local/ns/mesh/sa/proxy');
  assert.ok(leaf.checkIssued(new X509Certificate(chain[chain.length - 1] ?? '')));
}

export type CaFigure = { readonly kind: string; readonly cpuMs: number; readonly perCpuSecond: number };

export async function measureCa(cores: { readonly proxy: number }, scratch: string): Promise<readonly CaFigure[]> {
  const port = await freePort();
  const node = [process.execPath, ...process.execArgv];
  const command = [...node, join(import.meta.dirname, 'ca-program.ts'), String(port)];
  const program = startProgram(cores.proxy, command, join(scratch, 'ca.log'));
  try {
    await waitForPort(program, port);
    const keys = {
      'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
      'RSA 2048': generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
    };
    const figures: CaFigure[] = [];
    for (const [kind, key] of Object.entries(keys)) {
      const frame = requestOf(key);
      await measure(program.pid, port, frame, CALLS);
      const rounds: number[] = [];
      for (let round = 0; round < ROUNDS; round++) rounds.push(await measure(program.pid, port, frame, CALLS));
      const cpuMs = quantile(rounds, 0.5);
      figures.push({ kind, cpuMs, perCpuSecond: 1000 / cpuMs });
    }
    return figures;
  } finally {
    await stopProgram(program);
  }
}

export function caLine({ kind, cpuMs, perCpuSecond }: CaFigure): string {
  const verdict = perCpuSecond >= LEAST_PER_CPU_SECOND ? 'met' : '**missed**';
  const figures = `${perCpuSecond.toFixed(0)} certificates per CPU second (${cpuMs.toFixed(2)} ms each)`;
  return `CA, keys of ${kind}: ${figures}, bar ≥ ${LEAST_PER_CPU_SECOND}: ${verdict}`;
}
