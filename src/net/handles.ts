// The runtime's raw socket handles: their types, how they are reached, and the check that they are what we think.
import process from 'node:process';

export type AddressRecord = { address?: string; family?: string; port?: number };

/** A TCP or unix socket of libuv. Calls return 0 or a negative error number. */
export type Handle = {
  readonly fd: number;
  /** Ours: whom it belongs to. */
  owner: unknown;
  /** Must be a function always: the runtime aborts on anything else. What it returns replaces the read buffer. */
  onread: (this: Handle) => Buffer | undefined;
  onconnection: (status: number, handle: Handle | undefined) => void;
  useUserBuffer(buffer: Buffer): void;
  readStart(): number;
  readStop(): number;
  writeLatin1String(req: WriteRequest, text: string): number;
  writeBuffer(req: WriteRequest, chunk: Uint8Array): number;
  writev(req: WriteRequest, chunks: unknown[], allBuffers: boolean): number;
  shutdown(req: ShutdownRequest): number;
  listen(backlog: number): number;
  open(fd: number): number | undefined;
  close(): void;
};

export type TcpHandle = Handle & {
  bind(address: string, port: number, flags?: number): number;
  bind6(address: string, port: number, flags: number): number;
  connect(req: ConnectRequest, address: string, port: number): number;
  connect6(req: ConnectRequest, address: string, port: number): number;
  getsockname(out: AddressRecord): number;
  getpeername(out: AddressRecord): number;
  setNoDelay(on: boolean): number;
  setKeepAlive(on: boolean, delayS: number): number;
  reset(): number;
};

export type PipeHandle = Handle & {
  bind(path: string): number;
  connect(req: ConnectRequest, path: string): number | undefined;
};

export type WriteRequest = {
  oncomplete: (this: WriteRequest, status: number) => void;
  owner: unknown;
  /** Keeps the memory alive that libuv points to. */
  keep: unknown;
};
export type ShutdownRequest = { oncomplete: (this: ShutdownRequest, status: number) => void; owner: unknown };
export type ConnectRequest = { oncomplete: (this: ConnectRequest, status: number) => void; owner: unknown };

type Class<T> = new (kind?: number) => T;

/** Everything that this engine takes from the runtime without a public name. */
export type Surface = {
  readonly Tcp: Class<TcpHandle>;
  readonly Pipe: Class<PipeHandle>;
  readonly TcpConnectRequest: Class<ConnectRequest>;
  readonly PipeConnectRequest: Class<ConnectRequest>;
  readonly WriteRequest: Class<WriteRequest>;
  readonly ShutdownRequest: Class<ShutdownRequest>;
  /** Results of the last call: state[readIndex] bytes or error, state[asyncIndex] whether the write goes on. */
  readonly state: Int32Array;
  readonly readIndex: number;
  readonly asyncIndex: number;
};

export const SOCKET = 0;
export const SERVER = 1;
export const FLAG_IPV6_ONLY = 1;
export const FLAG_REUSE_PORT = 2;
/** libuv's end of file. */
export const UV_EOF = -4095;

let surface: Surface | null = null;

/** The raw surface. Only to be called where `checkHandles()` is null. */
export function handleSurface(): Surface {
  surface ??= loadSurface();
  return surface;
}

type Binding = Record<string, unknown>;

function loadSurface(): Surface {
  const [tcp, pipe, stream] = loadBindings();
  return {
    Tcp: tcp['TCP'] as Surface['Tcp'],
    Pipe: pipe['Pipe'] as Surface['Pipe'],
    TcpConnectRequest: tcp['TCPConnectWrap'] as Surface['TcpConnectRequest'],
    PipeConnectRequest: pipe['PipeConnectWrap'] as Surface['PipeConnectRequest'],
    WriteRequest: stream['WriteWrap'] as Surface['WriteRequest'],
    ShutdownRequest: stream['ShutdownWrap'] as Surface['ShutdownRequest'],
    state: stream['streamBaseState'] as Int32Array,
    readIndex: stream['kReadBytesOrError'] as number,
    asyncIndex: stream['kLastWriteWasAsync'] as number,
  };
}

function loadBindings(): [Binding, Binding, Binding] {
  const { binding } = process as unknown as { binding(name: string): Binding };
  // With --pending-deprecation the first use would print DEP0111: we know, that is what the self-test is for.
  const settings = process as { noDeprecation?: boolean };
  const before = settings.noDeprecation;
  settings.noDeprecation = true;
  try {
    return [binding('tcp_wrap'), binding('pipe_wrap'), binding('stream_wrap')];
  } finally {
    if (before === undefined) delete settings.noDeprecation;
    else settings.noDeprecation = before;
  }
}

const SOCKET_METHODS = [
  'useUserBuffer',
  'readStart',
  'readStop',
  'writeLatin1String',
  'writeBuffer',
  'writev',
  'shutdown',
  'listen',
  'open',
  'close',
  'bind',
  'connect',
];
const TCP_METHODS = ['bind6', 'connect6', 'getsockname', 'getpeername', 'setNoDelay', 'setKeepAlive', 'reset'];

let checked: string | null | undefined;

/**
 * Null when raw handles exist and behave, else the reason why not. Runs once: the names, then a listening socket on
 * loopback that is bound, asked for its address, and closed. Behaviour of reads and writes is pinned by the tests.
 */
export function checkHandles(): string | null {
  if (checked === undefined) checked = check();
  return checked;
}

function check(): string | null {
  // libuv gives file descriptors only there, and text writes are tested on these.
  if (process.platform !== 'linux' && process.platform !== 'darwin') return `platform ${process.platform}`;
  if ('bun' in process.versions) return 'not Node';
  try {
    const found = loadSurface();
    const classes = [
      found.Tcp,
      found.Pipe,
      found.TcpConnectRequest,
      found.PipeConnectRequest,
      found.WriteRequest,
      found.ShutdownRequest,
    ];
    if (classes.some((one) => typeof one !== 'function')) return 'a class is missing';
    if (!(found.state instanceof Int32Array)) return 'streamBaseState is no Int32Array';
    for (const index of [found.readIndex, found.asyncIndex]) {
      if (!Number.isInteger(index) || index < 0 || index >= found.state.length) return 'a state index is missing';
    }
    const missing =
      missingMethod(found.Tcp, [...SOCKET_METHODS, ...TCP_METHODS]) ?? missingMethod(found.Pipe, SOCKET_METHODS);
    if (missing !== null) return `${missing} is missing`;
    surface = found;
    return tryBind(found);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function missingMethod(from: Class<Handle>, names: string[]): string | null {
  for (const name of names) if (typeof (from.prototype as Record<string, unknown>)[name] !== 'function') return name;
  for (const name of ['fd', 'onread']) if (!(name in from.prototype)) return name;
  return null;
}

function tryBind(found: Surface): string | null {
  const handle = new found.Tcp(SERVER);
  try {
    const out: AddressRecord = {};
    if (handle.bind('127.0.0.1', 0, 0) !== 0) return null; // A machine without IPv4 says nothing about handles.
    if (handle.getsockname(out) !== 0 || out.address !== '127.0.0.1') return 'getsockname does not answer';
    if (!(typeof out.port === 'number' && out.port > 0)) return 'getsockname gives no port';
    return handle.fd >= 0 ? null : 'no file descriptor';
  } finally {
    handle.close();
  }
}
