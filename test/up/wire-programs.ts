// A program of the tests, started in the network of a workload: it records packets, or dials as a proxy would.
//   wire-programs.ts record PORT,PORT MS    prints 'ready', then a line of JSON for each TCP packet with a payload
//   wire-programs.ts dial PORT ADDRESS...   prints for each address what a connection with the proxies' mark got
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as net from 'node:net';
import * as native from '../../src/net/native.ts';

const AF_PACKET = 17;
const SOCK_DGRAM = 2;
/** ETH_P_IP in the network's order of bytes. */
const IP_PACKETS = 8;
const SO_RCVTIMEO = 20;
const TCP = 6;
const LOOK_MICROSECONDS = 20_000;
const DIAL_MS = 1500;
const PROXY_MARK = 1337;

export type Packet = {
  readonly from: string;
  readonly to: string;
  readonly sequence: number;
  readonly base64: string;
};

function record(ports: ReadonlySet<number>, ms: number): void {
  const koffi = createRequire(import.meta.url)('koffi') as {
    load(path: string): {
      func(name: string, result: string, types: readonly string[]): (...args: unknown[]) => number;
    };
  };
  const libc = koffi.load('libc.so.6');
  const fd = libc.func('socket', 'int', ['int', 'int', 'int'])(AF_PACKET, SOCK_DGRAM, IP_PACKETS);
  if (fd < 0) throw new Error('no packet socket: only root may have one');
  const patience = Buffer.alloc(16);
  patience.writeBigInt64LE(BigInt(LOOK_MICROSECONDS), 8);
  native.setSocketOption(fd, { level: native.SOL_SOCKET, name: SO_RCVTIMEO, value: patience });
  const receive = libc.func('recv', 'long', ['int', 'void *', 'size_t', 'int']);
  const bytes = Buffer.alloc(65_536);
  writeSync(1, 'ready\n');
  const endMs = Date.now() + ms;
  const lines: string[] = [];
  while (Date.now() < endMs) {
    const length = receive(fd, bytes, bytes.length, 0);
    const packet = length > 0 ? packetIn(bytes.subarray(0, length), ports) : null;
    if (packet !== null) lines.push(`${JSON.stringify(packet)}\n`);
  }
  // A pipe takes so much only piece by piece.
  process.stdout.write(lines.join(''));
}

/** Null for what is not asked for. */
function packetIn(ip: Buffer, ports: ReadonlySet<number>): Packet | null {
  const headBytes = (ip[0]! & 15) * 4;
  if (ip[0]! >> 4 !== 4 || ip[9] !== TCP) return null;
  const end = ip.readUInt16BE(2);
  const source = ip.readUInt16BE(headBytes);
  const target = ip.readUInt16BE(headBytes + 2);
  if (!ports.has(source) && !ports.has(target)) return null;
  const payload = ip.subarray(headBytes + (ip[headBytes + 12]! >> 4) * 4, end);
  if (payload.length === 0) return null;
  return {
    from: `${ip.subarray(12, 16).join('.')}:${source}`,
    to: `${ip.subarray(16, 20).join('.')}:${target}`,
    sequence: ip.readUInt32BE(headBytes + 4),
    base64: payload.toString('base64'),
  };
}

function dial(host: string, port: number): Promise<string> {
  const fd = native.makeSocket('ipv4');
  if (typeof fd === 'string') throw new Error(fd);
  const failed = native.setSocketOption(fd, { level: native.SOL_SOCKET, name: native.SO_MARK, value: PROXY_MARK });
  if (failed !== null) throw new Error(`SO_MARK: ${failed}`);
  return new Promise((resolve) => {
    const socket = new net.Socket({ fd, manualStart: true } as net.SocketConstructorOpts);
    const end = (result: string): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(DIAL_MS, () => end('timeout'));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    socket.connect({ host, port, autoSelectFamily: false } as net.TcpNetConnectOpts, () => end('connected'));
  });
}

if (import.meta.main) {
  const [what, first = '', ...rest] = process.argv.slice(2);
  if (what === 'record') record(new Set(first.split(',').map(Number)), Number(rest[0]));
  else await Promise.all(rest.map(async (host) => console.log(`${host} ${await dial(host, Number(first))}`)));
}
