// Looks at a mesh from the side of the network: packets between workloads, certificates that they show, ways out.
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BookshopMesh } from './bookshop-mesh.ts';
import { environmentOf } from './process-tree.ts';
import { type Finished, isRoot, run } from './up-rig.ts';
import type { Packet } from './wire-programs.ts';

const PROGRAM = join(import.meta.dirname, 'wire-programs.ts');
const RECORD_MS = 1500;
const HANDSHAKE_TRIES = 5;

/** Words before a command that put it into the network of a process. */
function inNetworkOf(pid: number): string[] {
  const as = isRoot ? [] : ['--user', '--preserve-credentials'];
  return ['nsenter', `--target=${pid}`, ...as, '--net'];
}

/** A command in the network between the workloads: the bridge's, or this machine's own. */
export function runBetween(mesh: BookshopMesh, command: readonly string[], input = ''): Promise<Finished> {
  const isOwn = mesh.mode.capture === 'explicit';
  const [program = '', ...args] = [...(isOwn ? [] : inNetworkOf(mesh.pidOf('inner'))), ...command];
  const env = { ...process.env, NO_PROXY: '*' };
  return input === ''
    ? run(program, args, mesh.directory, env)
    : run('sh', ['-c', 'printf "%s" "$INPUT" | "$@"', 'sh', program, ...args], mesh.directory, {
        ...env,
        INPUT: input,
      });
}

/** What each address answers to a connection out of a workload's network that is not redirected. */
export async function dialAround(mesh: BookshopMesh, workload: string, port: number, hosts: readonly string[]) {
  const place = inNetworkOf(mesh.pidOf({ app: workload }));
  const [program = '', ...args] = [...place, process.execPath, PROGRAM, 'dial', String(port), ...hosts];
  const { output } = await run(program, args, mesh.directory, process.env);
  return output
    .split('\n')
    .filter((line) => /^\d/.test(line))
    .map((line) => line.split(' '));
}

export type Recorded = { readonly onWire: readonly Stream[]; readonly behindProxy: readonly Stream[] };
/** What went one way on one connection. */
export type Stream = { readonly name: string; readonly bytes: Buffer };

/** What is sent to and from a workload while `work` runs: on the wire, and between its proxy and itself. */
export async function record(mesh: BookshopMesh, workload: string, work: () => Promise<unknown>): Promise<Recorded> {
  const { address, port } = mesh.endpointOf(workload, 'http-9080');
  const app = mesh.pidOf({ app: workload });
  const isOwn = mesh.mode.capture === 'explicit';
  const appPort = isOwn ? Number(/\0PORT=(\d+)\0/.exec(`\0${environmentOf(app)}`)?.[1]) : port;
  const place = isOwn ? [] : inNetworkOf(app);
  const [program = '', ...args] = [...place, process.execPath, PROGRAM, 'record', `${port},${appPort}`, `${RECORD_MS}`];
  const packets = await packetsOf(program, args, work);
  // From a pod to itself: from its proxy, which calls from 127.0.0.6, and from who asks whether it is ready.
  const isInside = ({ from, to }: Packet): boolean =>
    isOwn
      ? from.endsWith(`:${appPort}`) || to.endsWith(`:${appPort}`)
      : hostOf(from) === hostOf(to) || hostOf(from) === '127.0.0.6' || hostOf(to) === '127.0.0.6';
  const wire = `${address}:${port}`;
  return {
    onWire: streamsOf(packets.filter((one) => (one.from === wire || one.to === wire) && !isInside(one))),
    behindProxy: streamsOf(packets.filter(isInside)),
  };
}

const hostOf = (end: string): string => end.slice(0, end.lastIndexOf(':'));

function packetsOf(program: string, args: readonly string[], work: () => Promise<unknown>): Promise<Packet[]> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let isReady = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (isReady || !output.includes('ready\n')) return;
      isReady = true;
      work().catch(reject);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) {
        const lines = output.split('\n').filter((line) => line.startsWith('{'));
        resolve(lines.map((line) => JSON.parse(line) as Packet));
      } else reject(new Error(output));
    });
  });
}

/** A loopback shows each packet twice, and repeats are the network's right. */
function streamsOf(packets: readonly Packet[]): Stream[] {
  const streams = new Map<string, Map<number, Buffer>>();
  for (const { from, to, sequence, base64 } of packets) {
    const name = `${from} > ${to}`;
    const parts = streams.get(name) ?? new Map<number, Buffer>();
    streams.set(name, parts.set(sequence, Buffer.from(base64, 'base64')));
  }
  return [...streams].map(([name, parts]) => ({
    name,
    bytes: Buffer.concat([...parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes)),
  }));
}

/** Whether the bytes are records of TLS from their first to their last: RFC 8446 §5.1. */
export function areTlsRecords(bytes: Buffer): boolean {
  let at = 0;
  for (; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) {
    const type = bytes[at]!;
    if (type < 20 || type > 23 || bytes[at + 1] !== 3 || bytes[at + 2]! > 3) return false;
  }
  return at === bytes.length;
}

/** What a workload shows to somebody without a certificate, seen by OpenSSL. */
export async function handshake(mesh: BookshopMesh, workload: string) {
  const { address, port } = mesh.endpointOf(workload, 'http-9080');
  const command = ['openssl', 's_client', '-connect', `${address}:${port}`, '-showcerts', '-ign_eof'];
  const request = 'GET /healthz HTTP/1.1\r\nhost: reviews\r\nconnection: close\r\n\r\n';
  let output = '';
  let pem: string | undefined;
  // On a busy machine a connection may come while the listener is replaced.
  for (let tries = 0; pem === undefined && tries < HANDSHAKE_TRIES; tries++) {
    ({ output } = await runBetween(mesh, command, request));
    pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(output)?.[0];
  }
  if (pem === undefined) throw new Error(`no certificate: ${output}`);
  const certificate = new X509Certificate(pem);
  const root = new X509Certificate(readFileSync(join(mesh.directory, '.heddle/control/root-cert.pem')));
  return {
    certificate,
    identity: certificate.subjectAltName ?? '',
    isOfMesh: certificate.verify(root.publicKey),
    hasAnswer: output.includes('HTTP/1.1 '),
  };
}
