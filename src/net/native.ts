// The native adapter: socket calls that the runtime has no name for, by FFI (koffi) on file descriptors.
//
// The one file that loads koffi, and only when a function here is first called. Linux only: the numbers are its own.
import { createRequire } from 'node:module';
import process from 'node:process';
import type { Address } from '../base/byte-stream.ts';
import { formatIp, parseIp } from '../base/ip.ts';
import { MAX_UNIX_PATH_BYTES, systemPath, unixAddress } from './address.ts';
import { errnoName } from './errno.ts';

/** Level and name of a socket option with its value; `SocketOption` of the engine is one. */
export type OptionValue = { readonly level: number; readonly name: number; readonly value: number | Uint8Array };

export const SOL_IP = 0;
export const SOL_SOCKET = 1;
export const SOL_TCP = 6;
export const SOL_IPV6 = 41;

export const SO_REUSEADDR = 2;
export const SO_KEEPALIVE = 9;
export const SO_REUSEPORT = 15;
export const SO_MARK = 36;
export const IP_FREEBIND = 15;
export const IP_TRANSPARENT = 19;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IPV6_V6ONLY = 26;
export const IPV6_TRANSPARENT = 75;
export const IPV6_FREEBIND = 78;
export const SO_ORIGINAL_DST = 80;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_FASTOPEN = 23;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;
/** struct sockaddr_un, the largest of those used here, rounded up. */
const SOCKADDR_BYTES = 128;
/** Largest option that is read back. */
const OPTION_BYTES = 256;

type Calls = {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  close(fd: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Buffer, length: Buffer): number;
  getsockname(fd: number, address: Buffer, length: Buffer): number;
  getpeername(fd: number, address: Buffer, length: Buffer): number;
  setns(fd: number, kind: number): number;
  unshare(kind: number): number;
  pipe2(ends: Buffer, flags: number): number;
  madvise(address: number, bytes: number, advice: number): number;
  /** Of glibc alone. */
  malloc_trim: ((padding: number) => number) | null;
  errno(): number;
};

const CLONE_NEWNET = 0x40000000;
const MADV_DONTNEED = 4;

/** Sockaddr and length of the call under way; the kernel reads or fills them before it returns. */
const scratch = Buffer.alloc(OPTION_BYTES);
const lengthCell = Buffer.alloc(4);
const intCell = Buffer.alloc(4);

let calls: Calls | null = null;
let problem: string | null | undefined;

/** Null where native calls work, else why not. Loads the library and tries it on a real socket, once. */
export function nativeProblem(): string | null {
  if (problem === undefined) problem = loadAndTry();
  return problem;
}

/** Sets one option. Null, or the name of the error ('EPERM'; 'ENOSYS' where native calls do not work). */
export function setSocketOption(fd: number, option: OptionValue): string | null {
  if (nativeProblem() !== null) return 'ENOSYS';
  return set(fd, option);
}

/** Reads an option of at most 256 bytes, or the name of the error. */
export function getSocketOption(fd: number, level: number, name: number, bytes = 4): Buffer | string {
  if (nativeProblem() !== null) return 'ENOSYS';
  return get(fd, level, name, Math.min(bytes, OPTION_BYTES));
}

/** Reads an option that is an int, or the name of the error. */
export function getIntOption(fd: number, level: number, name: number): number | string {
  const value = getSocketOption(fd, level, name, 4);
  return typeof value === 'string' ? value : value.readInt32LE(0);
}

/**
 * Where the connection was going before the kernel redirected it (SO_ORIGINAL_DST). `family` is that of the peer's
 * address; the other one is asked as well, because an IPv4 client of a dual-stack listener is known to IPv4 only.
 * Null when it was not redirected, or the system cannot say.
 */
export function originalDestination(fd: number, family: Address['family']): Address | null {
  if (family === 'unix' || nativeProblem() !== null) return null;
  const first = family === 'ipv6' ? SOL_IPV6 : SOL_IP;
  return askOriginal(fd, first) ?? askOriginal(fd, first === SOL_IP ? SOL_IPV6 : SOL_IP);
}

/** A new socket, non-blocking and closed on exec: its descriptor, or the name of the error. The caller closes it. */
export function makeSocket(family: Address['family'], type: 'stream' | 'datagram' = 'stream'): number | string {
  if (nativeProblem() !== null) return 'ENOSYS';
  return newSocket(family, type);
}

/** Null, or the name of the error. */
export function bindSocket(fd: number, address: Address): string | null {
  if (nativeProblem() !== null) return 'ENOSYS';
  const encoded = encodeSocketAddress(address);
  if (encoded === null) return 'EINVAL';
  return outcome((calls as Calls).bind(fd, encoded, encoded.length));
}

/** The address a descriptor is bound to, or null. Unlike the runtime's it tells the paths of unix sockets. */
export function socketAddress(fd: number): Address | null {
  return nativeProblem() === null ? askAddress((calls as Calls).getsockname, fd) : null;
}

/** The address a descriptor is connected to, or null. */
export function peerAddress(fd: number): Address | null {
  return nativeProblem() === null ? askAddress((calls as Calls).getpeername, fd) : null;
}

/** A second descriptor of the same socket (closed on exec), or the name of the error. */
export function duplicateDescriptor(fd: number): number | string {
  if (nativeProblem() !== null) return 'ENOSYS';
  const { fcntl } = calls as Calls;
  const copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return copy < 0 ? lastError() : copy;
}

/** Null, or the name of the error. Never for a descriptor that the runtime owns. */
export function closeDescriptor(fd: number): string | null {
  if (nativeProblem() !== null) return 'ENOSYS';
  return outcome((calls as Calls).close(fd));
}

/** Brings the calling thread into the network namespace of a descriptor. Null, or the name of the error. */
export function enterNetwork(fd: number): string | null {
  if (nativeProblem() !== null) return 'ENOSYS';
  return outcome((calls as Calls).setns(fd, CLONE_NEWNET));
}

/** Brings the calling thread into a new network namespace. Null, or the name of the error. */
export function leaveNetwork(): string | null {
  if (nativeProblem() !== null) return 'ENOSYS';
  return outcome((calls as Calls).unshare(CLONE_NEWNET));
}

/** Both ends of a pipe (closed on exec), which a child can open again by its name in /dev; or the name of the error. */
export function makePipe(): { readonly read: number; readonly write: number } | string {
  if (nativeProblem() !== null) return 'ENOSYS';
  const ends = Buffer.alloc(8);
  const failed = outcome((calls as Calls).pipe2(ends, SOCK_CLOEXEC));
  return failed ?? { read: ends.readInt32LE(0), write: ends.readInt32LE(4) };
}

/** Gives what the C library keeps of freed memory back to the system. Where it has no such call, nothing happens. */
export function trimHeap(): void {
  if (nativeProblem() === null) (calls as Calls).malloc_trim?.(0);
}

/**
 * Takes pages of files out of this process; each comes back when it is touched. What was written to them is lost: only
 * for those of which nothing was. Null, or the name of the error.
 */
export function dropPages(address: number, bytes: number): string | null {
  if (nativeProblem() !== null) return 'ENOSYS';
  return outcome((calls as Calls).madvise(address, bytes, MADV_DONTNEED));
}

/** The address as a `struct sockaddr`; null when it is none. */
export function encodeSocketAddress(address: Address): Buffer | null {
  if (address.family === 'unix') return encodeUnix(address);
  const ip = parseIp(address.address);
  if (ip === null) return null;
  if (ip.family === 'ipv4') {
    const out = Buffer.alloc(SOCKADDR_IN_BYTES);
    out.writeUInt16LE(AF_INET, 0);
    out.writeUInt16BE(address.port, 2);
    out.writeUInt32BE(ip.w3, 4);
    return out;
  }
  const out = Buffer.alloc(SOCKADDR_IN6_BYTES);
  out.writeUInt16LE(AF_INET6, 0);
  out.writeUInt16BE(address.port, 2);
  out.writeUInt32BE(ip.w0, 8);
  out.writeUInt32BE(ip.w1, 12);
  out.writeUInt32BE(ip.w2, 16);
  out.writeUInt32BE(ip.w3, 20);
  return out;
}

/** The address in a `struct sockaddr` of `length` bytes; IPv4-mapped ones become IPv4. Null for other families. */
export function decodeSocketAddress(bytes: Buffer, length: number): Address | null {
  if (length < 2) return null;
  const family = bytes.readUInt16LE(0);
  if (family === AF_INET && length >= 8) {
    const text = `${bytes[4]}.${bytes[5]}.${bytes[6]}.${bytes[7]}`;
    return { family: 'ipv4', address: text, port: bytes.readUInt16BE(2) };
  }
  if (family === AF_INET6 && length >= 24) return decodeIpv6(bytes);
  if (family !== AF_UNIX) return null;
  const isAbstract = length > 3 && bytes[2] === 0;
  if (isAbstract) return unixAddress(`@${bytes.toString('utf8', 3, length)}`);
  let end = 2;
  while (end < length && bytes[end] !== 0) end++;
  return unixAddress(bytes.toString('utf8', 2, end));
}

function decodeIpv6(bytes: Buffer): Address {
  const port = bytes.readUInt16BE(2);
  const [w0, w1, w2, w3] = [8, 12, 16, 20].map((at) => bytes.readUInt32BE(at)) as [number, number, number, number];
  if (w0 === 0 && w1 === 0 && w2 === 0xffff) {
    return { family: 'ipv4', address: formatIp({ family: 'ipv4', w0: 0, w1: 0, w2: 0, w3 }), port };
  }
  return { family: 'ipv6', address: formatIp({ family: 'ipv6', w0, w1, w2, w3 }), port };
}

function encodeUnix(address: Address): Buffer | null {
  const path = Buffer.from(systemPath(address), 'utf8');
  if (path.length === 0 || path.length > MAX_UNIX_PATH_BYTES) return null;
  // A path ends with a zero byte, an abstract name with its last one.
  const out = Buffer.alloc(2 + path.length + (path[0] === 0 ? 0 : 1));
  out.writeUInt16LE(AF_UNIX, 0);
  out.set(path, 2);
  return out;
}

function set(fd: number, { level, name, value }: OptionValue): string | null {
  const { setsockopt } = calls as Calls;
  if (typeof value !== 'number') return outcome(setsockopt(fd, level, name, value, value.length));
  intCell.writeInt32LE(value | 0, 0);
  return outcome(setsockopt(fd, level, name, intCell, 4));
}

function get(fd: number, level: number, name: number, bytes: number): Buffer | string {
  lengthCell.writeUInt32LE(bytes, 0);
  if ((calls as Calls).getsockopt(fd, level, name, scratch, lengthCell) < 0) return lastError();
  return Buffer.from(scratch.subarray(0, lengthCell.readUInt32LE(0)));
}

function newSocket(family: Address['family'], type: 'stream' | 'datagram'): number | string {
  const domain = family === 'ipv4' ? AF_INET : family === 'ipv6' ? AF_INET6 : AF_UNIX;
  const flags = (type === 'stream' ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = (calls as Calls).socket(domain, flags, 0);
  return fd < 0 ? lastError() : fd;
}

function askOriginal(fd: number, level: number): Address | null {
  lengthCell.writeUInt32LE(level === SOL_IP ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES, 0);
  if ((calls as Calls).getsockopt(fd, level, SO_ORIGINAL_DST, scratch, lengthCell) < 0) return null;
  return decodeSocketAddress(scratch, lengthCell.readUInt32LE(0));
}

function askAddress(call: Calls['getsockname'], fd: number): Address | null {
  lengthCell.writeUInt32LE(SOCKADDR_BYTES, 0);
  if (call(fd, scratch, lengthCell) < 0) return null;
  return decodeSocketAddress(scratch, lengthCell.readUInt32LE(0));
}

function outcome(status: number): string | null {
  return status < 0 ? lastError() : null;
}

function lastError(): string {
  return errnoName(-(calls as Calls).errno());
}

// ---------------------------------------------------------------- loading

type Koffi = {
  load(path: string | null): { func(name: string, result: string, args: string[]): unknown };
  errno(): number;
};

function loadAndTry(): string | null {
  if (process.platform !== 'linux') return `native socket calls are built for Linux, not for ${process.platform}`;
  try {
    calls = loadCalls();
  } catch (error) {
    const text = error instanceof Error ? (error.message.split('\n')[0] as string) : String(error);
    return `the koffi package cannot be loaded: ${text}`;
  }
  const failed = tryCalls();
  if (failed === null) return null;
  calls = null;
  return failed;
}

function loadCalls(): Calls {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi;
  // The program itself is linked with the C library, whatever that is called on this system.
  const library = koffi.load(null);
  const declare = (name: string, args: string[]): unknown => library.func(name, 'int', args);
  const declareIfThere = (name: string, args: string[]): unknown => {
    try {
      return declare(name, args);
    } catch {
      return null;
    }
  };
  const option = ['int', 'int', 'int', 'void *'];
  return {
    socket: declare('socket', ['int', 'int', 'int']),
    bind: declare('bind', ['int', 'void *', 'uint32_t']),
    close: declare('close', ['int']),
    // Variadic in C, but passed alike on Linux.
    fcntl: declare('fcntl', ['int', 'int', 'int']),
    setsockopt: declare('setsockopt', [...option, 'uint32_t']),
    getsockopt: declare('getsockopt', [...option, 'void *']),
    getsockname: declare('getsockname', ['int', 'void *', 'void *']),
    getpeername: declare('getpeername', ['int', 'void *', 'void *']),
    setns: declare('setns', ['int', 'int']),
    unshare: declare('unshare', ['int']),
    pipe2: declare('pipe2', ['void *', 'int']),
    madvise: declare('madvise', ['uintptr_t', 'size_t', 'int']),
    malloc_trim: declareIfThere('malloc_trim', ['size_t']),
    errno: () => koffi.errno(),
  } as Calls;
}

/** A real socket: an option is set and read back, it is bound and asked for its address, and an error has its name. */
function tryCalls(): string | null {
  const wrong = (what: string): string => `native socket calls do not behave: ${what}`;
  const fd = newSocket('ipv4', 'stream');
  if (typeof fd === 'string') return wrong(`socket: ${fd}`);
  try {
    const failed = set(fd, { level: SOL_SOCKET, name: SO_KEEPALIVE, value: 1 });
    if (failed !== null) return wrong(`setsockopt: ${failed}`);
    const value = get(fd, SOL_SOCKET, SO_KEEPALIVE, 4);
    if (typeof value === 'string' || value.readInt32LE(0) !== 1) return wrong('an option does not read back');
    const address = askAddress((calls as Calls).getsockname, fd);
    if (address?.family !== 'ipv4' || address.port !== 0) return wrong('getsockname');
  } finally {
    (calls as Calls).close(fd);
  }
  const refused = set(fd, { level: SOL_SOCKET, name: SO_KEEPALIVE, value: 1 });
  return refused === 'EBADF' ? null : wrong(`a closed descriptor gives ${refused}`);
}
