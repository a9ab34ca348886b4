// Network namespaces of a test process, made by itself: they have no name, so they go with the process however it ends.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as net from 'node:net';
import type { Address } from '../../src/base/byte-stream.ts';
import {
  bindSocket,
  makeSocket,
  nativeProblem,
  setSocketOption,
  SO_REUSEADDR,
  SOL_SOCKET,
} from '../../src/net/native.ts';
import { locatePeer } from '../../scripts/peers.ts';

const CLONE_NEWNET = 0x40000000;
const CAP_SYS_ADMIN = 21n;

type NamespaceCalls = { unshare(flags: number): number; setns(fd: number, kind: number): number; errno(): number };

let calls: NamespaceCalls | null = null;

function namespaceCalls(): NamespaceCalls {
  if (calls !== null) return calls;
  const koffi = createRequire(import.meta.url)('koffi') as {
    load(path: null): { func(name: string, result: string, args: string[]): unknown };
    errno(): number;
  };
  const library = koffi.load(null);
  calls = {
    unshare: library.func('unshare', 'int', ['int']) as NamespaceCalls['unshare'],
    setns: library.func('setns', 'int', ['int', 'int']) as NamespaceCalls['setns'],
    errno: () => koffi.errno(),
  };
  return calls;
}

/** Whether this process may make namespaces, as the kernel sees it. */
export function hasSysAdmin(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}

export class Namespace {
  readonly fd: number;
  readonly #lab: Lab;

  constructor(lab: Lab, fd: number) {
    this.#lab = lab;
    this.fd = fd;
  }

  /** Runs synchronous code in the namespace: sockets that it makes, and programs that it starts, stay there. */
  run<T>(work: () => T): T {
    this.#lab.enter(this.fd);
    try {
      return work();
    } finally {
      this.#lab.enter(this.#lab.homeFd);
    }
  }

  /** Runs a program to its end; what goes wrong is thrown. */
  command(name: string, args: readonly string[], input = ''): string {
    const result = this.run(() => spawnSync(name, args, { input, encoding: 'utf8' }));
    assertRan(name, args, result);
    return result.stdout;
  }

  /** `ip` commands, one in each line. */
  ip(lines: string): void {
    this.command('ip', ['-batch', '-'], lines);
  }

  /** A netfilter ruleset, loaded as a whole. */
  nft(rules: string): void {
    const nft = locatePeer('nft');
    if ('missing' in nft) throw new Error(`nft: ${nft.missing}`);
    this.command(nft.path, ['-f', '-'], rules);
  }

  sysctl(name: string, value: string): void {
    this.run(() => writeFileSync(`/proc/sys/${name}`, value));
  }

  /** Dials from here. */
  connect(to: Address, from?: Address): net.Socket {
    const { address: host, port } = to;
    const options = { host, port, autoSelectFamily: false } as net.TcpNetConnectOpts;
    const socket = new net.Socket(this.#descriptor(to.family, from));
    // Many a test ends with a reset.
    return socket.on('error', () => undefined).connect(options);
  }

  /** Listens here. */
  async listen(on: Address, onSocket: (socket: net.Socket) => void): Promise<net.Server> {
    const { fd } = this.#descriptor(on.family, on) as { fd: number };
    const server = net.createServer({ allowHalfOpen: true }, onSocket).listen({ fd });
    await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
    return server;
  }

  #descriptor(family: Address['family'], bindTo: Address | undefined): net.SocketConstructorOpts {
    const fd = this.run(() => makeSocket(family));
    if (typeof fd === 'string') throw new Error(`socket: ${fd}`);
    setSocketOption(fd, { level: SOL_SOCKET, name: SO_REUSEADDR, value: 1 });
    const errno = bindTo === undefined ? null : bindSocket(fd, bindTo);
    if (errno !== null) throw new Error(`bind ${bindTo?.address}: ${errno}`);
    return { fd, manualStart: true, allowHalfOpen: true } as net.SocketConstructorOpts;
  }
}

function assertRan(name: string, args: readonly string[], result: SpawnSyncReturns<string>): void {
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) throw new Error(`${name} ${args.join(' ')}: ${result.stderr}${result.stdout}`);
}

/**
 * Two namespaces joined by a cable: `home`, where this process is from then on with all that it starts, and `far`.
 *
 *   far 10.99.0.2 fd99::2 ---- 10.99.0.1 fd99::1 home
 */
export class Lab {
  readonly homeFd: number;
  readonly home: Namespace;
  readonly far: Namespace;
  readonly #pods: number[] = [];
  #gateway = '';

  private constructor() {
    this.far = new Namespace(this, this.#make());
    this.homeFd = this.#make();
    this.home = new Namespace(this, this.homeFd);
    this.home.ip(
      `link set lo up
       link add cable type veth peer name cable netns /proc/${process.pid}/fd/${this.far.fd}
       address add 10.99.0.1/24 dev cable
       address add fd99::1/64 dev cable nodad
       link set cable up`,
    );
    this.far.ip(
      `link set lo up
       address add 10.99.0.2/24 dev cable
       address add 10.99.0.3/24 dev cable
       address add fd99::2/64 dev cable nodad
       link set cable up`,
    );
  }

  /** The lab, or the name of the error with which the kernel refuses namespaces. */
  static make(): Lab | string {
    const problem = nativeProblem();
    if (problem !== null) return problem;
    const refused = namespaceCalls().unshare(CLONE_NEWNET);
    return refused === 0 ? new Lab() : `unshare: error ${namespaceCalls().errno()}`;
  }

  enter(fd: number): void {
    // Whoever is in the wrong namespace must do nothing more.
    if (namespaceCalls().setns(fd, CLONE_NEWNET) !== 0) process.abort();
  }

  /** A network of more namespaces, all on one bridge at home; `gateway`, which is there, is their way to everywhere. */
  addBridge(gateway: string): void {
    this.home.ip(
      `link add bridge type bridge
       address add ${gateway}/16 dev bridge
       link set bridge up`,
    );
    this.#gateway = gateway;
  }

  /** A namespace of its own with one address on the bridge, as a pod has. */
  addPod(address: string): Namespace {
    const fd = this.#make();
    this.enter(this.homeFd);
    const pod = new Namespace(this, fd);
    this.#pods.push(fd);
    this.home.ip(
      `link add pod${this.#pods.length} type veth peer name eth0 netns /proc/${process.pid}/fd/${fd}
       link set pod${this.#pods.length} master bridge up`,
    );
    pod.ip(
      `link set lo up
       address add ${address}/16 dev eth0
       link set eth0 up
       route add default via ${this.#gateway}`,
    );
    return pod;
  }

  /** To be called last; the namespaces are gone when their sockets are. */
  close(): void {
    for (const fd of this.#pods) closeSync(fd);
    closeSync(this.far.fd);
    closeSync(this.homeFd);
  }

  #make(): number {
    if (namespaceCalls().unshare(CLONE_NEWNET) !== 0) throw new Error(`unshare: ${namespaceCalls().errno()}`);
    return openSync('/proc/thread-self/ns/net', 'r');
  }
}
