// Real connections under the rules of capture: who gets them, and whether the destination and the client are known.
import assert from 'node:assert/strict';
import * as dgram from 'node:dgram';
import * as net from 'node:net';
import { after, afterEach, test } from 'node:test';
import type { Address } from '../../src/base/byte-stream.ts';
import { apply, clean } from '../../src/intercept/capture.ts';
import { realMachine } from '../../src/intercept/machine.ts';
import {
  bindSocket,
  IPV6_V6ONLY,
  makeSocket,
  originalDestination,
  SO_MARK,
  setSocketOption,
  SOL_IPV6,
  SOL_SOCKET,
} from '../../src/net/native.ts';
import { asOwner, type Owner } from '../../src/net/probe.ts';
import { dialTransparent, listenerTransparent } from '../../src/net/socket-options.ts';
import { planOf } from './intercept-cases.ts';
import { Lab, type Namespace } from './lab.ts';

type Family = 'ipv4' | 'ipv6';
const FAMILIES = ['ipv4', 'ipv6'] as const;
const KINDS = ['nft', 'iptables'] as const;
type Kind = (typeof KINDS)[number];

const HOSTS = {
  ipv4: {
    home: '10.99.0.1',
    far: '10.99.0.2',
    other: '10.99.0.3',
    any: '0.0.0.0',
    loopback: '127.0.0.1',
    six: '127.0.0.6',
  },
  ipv6: { home: 'fd99::1', far: 'fd99::2', other: 'fd99::3', any: '::', loopback: '::1', six: '::6' },
};
const APPLICATION: Owner = { uid: 1000, gid: 1000 };
const PROXY: Owner = { uid: 1337, gid: 1337 };
const OUTSIDER: Owner = { uid: 1000, gid: 5555 };

const lab = Lab.make();
const machine = realMachine(process.env['PATH'] ?? '');
let toClose: (() => void)[] = [];

if (typeof lab === 'string') {
  test('namespaces are refused, so nothing can be captured', () => assert.match(lab, /unshare/));
} else {
  lab.far.ip('address add fd99::3/64 dev cable nodad');
  after(() => lab.close());
  afterEach(() => {
    closeAll();
    clean(machine);
  });
  for (const kind of KINDS) {
    test(`${kind}: who gets which connection`, () => redirected(lab, kind));
    test(`${kind}: only chosen destinations and ports`, () => chosen(lab, kind));
    test(`${kind}: DNS goes to the proxy, and the proxy's to its servers`, () => dns(lab, kind));
    test(`${kind}: TPROXY keeps the client's address, there and back`, () => transparent(lab, kind));
    test(`${kind}: without a proxy nothing passes`, () => closed(lab, kind));
  }
}

function closeAll(): void {
  for (const close of toClose.reverse()) close();
  toClose = [];
}

function load(kind: Kind, flags: string): void {
  const { options, plan } = planOf(flags);
  apply(machine, { options, plan, backend: kind, variant: '', force: true });
}

function at(family: Family, host: keyof (typeof HOSTS)['ipv4'], port: number): Address {
  return { family, address: HOSTS[family][host], port };
}

function show({ address, port }: Address): string {
  return `${address} ${port}`;
}

/** A server that says its name and where the connection was going. */
async function serve(where: Namespace, on: Address, name: string): Promise<net.Server> {
  const server = await where.listen(on, (socket) => {
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    const local = { family: on.family, address: socket.localAddress ?? '', port: socket.localPort ?? 0 };
    const to = originalDestination(fd, on.family) ?? local;
    socket.on('error', () => undefined).end(`${name}: ${show(to)}`);
  });
  toClose.push(() => server.close());
  return server;
}

/** A socket of the owner. This thread is at home, and only root may leave it for a moment. */
function socketOf(from: 'home' | 'far', owner: Owner, family: Family, type: 'stream' | 'datagram' = 'stream'): number {
  const fd =
    from === 'home' ? asOwner(owner, () => makeSocket(family, type)) : far().run(() => makeSocket(family, type));
  assert.ok(typeof fd === 'number');
  return fd;
}

function far(): Namespace {
  return (lab as Lab).far;
}

/** What the server said, or the error's name. */
function ask(from: 'home' | 'far', to: Address, owner: Owner, source?: Address, patienceMs = 3000): Promise<string> {
  return new Promise((resolve) => {
    const fd = socketOf(from, owner, to.family as Family);
    if (source !== undefined) assert.equal(bindSocket(fd, source), null);
    const socket = dial(fd, to);
    let text = '';
    socket.setTimeout(patienceMs, () => socket.destroy(new Error('no answer')));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
  });
}

function dial(fd: number, to: Address): net.Socket {
  const socket = new net.Socket({ fd, manualStart: true } as net.SocketConstructorOpts);
  return socket.connect({ host: to.address, port: to.port, autoSelectFamily: false } as net.TcpNetConnectOpts);
}

/** The proxy's listeners, an application on 8001 and on ports that are left alone, and servers far away. */
async function everybody(lab: Lab, family: Family): Promise<void> {
  // Dual-stack sockets would take each other's ports.
  for (const [port, name] of [
    [15001, 'outbound'],
    [15006, 'inbound'],
  ] as const) {
    await serve(lab.home, at(family, 'home', port), name);
    await serve(lab.home, at(family, 'loopback', port), name);
  }
  for (const port of [8001, 8022, 15008]) await serve(lab.home, at(family, 'home', port), 'application');
  await serve(lab.home, at(family, 'loopback', 8001), 'application');
  for (const port of [7001, 7022, 7030]) await serve(lab.far, at(family, 'far', port), 'far');
  await serve(lab.far, at(family, 'other', 7001), 'far');
}

type Row = readonly [what: string, from: 'home' | 'far', owner: Owner, to: Address, answer: string, source?: Address];

async function askAll(rows: readonly Row[]): Promise<void> {
  for (const [what, from, owner, to, answer, source] of rows) {
    assert.equal(await ask(from, to, owner, source), `${answer}: ${show(to)}`, `${to.family}: ${what}`);
  }
}

async function redirected(lab: Lab, kind: Kind): Promise<void> {
  load(kind, '-d 8022 -o 7022 -x 10.99.0.3/32,fd99::3/128 --istio-outbound-owner-groups-exclude 5555');
  for (const family of FAMILIES) {
    await everybody(lab, family);
    const to = (host: keyof (typeof HOSTS)['ipv4'], port: number): Address => at(family, host, port);
    await askAll([
      ['outbound', 'home', APPLICATION, to('far', 7001), 'outbound'],
      ['outbound of root', 'home', { uid: 0, gid: 0 }, to('far', 7001), 'outbound'],
      ['outbound, an excluded port', 'home', APPLICATION, to('far', 7022), 'far'],
      ['outbound, an excluded destination', 'home', APPLICATION, to('other', 7001), 'far'],
      ['outbound, an excluded group', 'home', OUTSIDER, to('far', 7001), 'far'],
      ['the proxy', 'home', PROXY, to('far', 7001), 'far'],
      ['the proxy by its group', 'home', { uid: 0, gid: 1337 }, to('far', 7001), 'far'],
      ['inbound', 'far', APPLICATION, to('home', 8001), 'inbound'],
      ['inbound, an excluded port', 'far', APPLICATION, to('home', 8022), 'application'],
      ['inbound, a tunnel', 'far', APPLICATION, to('home', 15008), 'application'],
      ['to oneself by the proxy', 'home', PROXY, to('home', 8001), 'inbound'],
      ['a tunnel to oneself', 'home', PROXY, to('home', 15008), 'application'],
      ['to oneself', 'home', APPLICATION, to('home', 8001), 'application'],
      ['loopback', 'home', APPLICATION, to('loopback', 8001), 'application'],
      ['loopback of the proxy', 'home', PROXY, to('loopback', 8001), 'application'],
      ['what came in, on to the application', 'home', PROXY, to('home', 8001), 'application', to('six', 0)],
    ]);
  }
}

async function chosen(lab: Lab, kind: Kind): Promise<void> {
  load(kind, '-i 10.99.0.3/32,fd99::3/128 -q 7030 -b 8001');
  for (const family of FAMILIES) {
    await everybody(lab, family);
    const to = (host: keyof (typeof HOSTS)['ipv4'], port: number): Address => at(family, host, port);
    await askAll([
      ['a destination', 'home', APPLICATION, to('other', 7001), 'outbound'],
      ['a port', 'home', APPLICATION, to('far', 7030), 'outbound'],
      ['neither', 'home', APPLICATION, to('far', 7001), 'far'],
      ['a port in', 'far', APPLICATION, to('home', 8001), 'inbound'],
      ['another port in', 'far', APPLICATION, to('home', 8022), 'application'],
    ]);
  }
}

function udpEcho(from: 'home' | 'far', on: Address, name: string): Promise<void> {
  // The proxy's answers are told apart by whose socket sends them.
  const fd = socketOf(from, PROXY, on.family as Family, 'datagram');
  if (on.family === 'ipv6') setSocketOption(fd, { level: SOL_IPV6, name: IPV6_V6ONLY, value: 1 });
  assert.equal(bindSocket(fd, on), null);
  const socket = dgram.createSocket(on.family === 'ipv6' ? 'udp6' : 'udp4');
  toClose.push(() => socket.close());
  socket.on('message', (message, { address, port }) => socket.send(`${name}: ${message}`, port, address));
  return new Promise((resolve) => {
    socket.bind({ fd }, () => resolve());
  });
}

/** The answer must come from whom was asked, or a connected socket does not take it. */
function askUdp(to: Address, owner: Owner): Promise<string> {
  return new Promise((resolve, reject) => {
    const fd = socketOf('home', owner, to.family as Family, 'datagram');
    const socket = dgram.createSocket(to.family === 'ipv6' ? 'udp6' : 'udp4');
    const timer = setTimeout(() => socket.close(() => reject(new Error(`no answer from ${show(to)}`))), 3000);
    socket.on('message', (message, { address, port }) => {
      clearTimeout(timer);
      assert.equal(show({ family: to.family, address, port }), show(to));
      socket.close(() => resolve(String(message)));
    });
    socket.bind({ fd }, () => socket.send('question', to.port, to.address));
  });
}

async function dns(lab: Lab, kind: Kind): Promise<void> {
  load(kind, '--redirect-dns --capture-all-dns');
  for (const family of FAMILIES) {
    // Where it is redirected to; from another address its answers would not be known as such.
    await udpEcho('home', at(family, 'loopback', 15053), 'proxy');
    await udpEcho('far', at(family, 'far', 53), 'far');
    await serve(lab.home, at(family, 'loopback', 15053), 'dns');
    const server = at(family, 'far', 53);
    assert.equal(await askUdp(server, APPLICATION), 'proxy: question');
    assert.equal(await askUdp(server, PROXY), 'far: question');
    // A server of this machine is asked by loopback.
    assert.equal(await askUdp(at(family, 'loopback', 53), APPLICATION), 'proxy: question');
    await askAll([
      ['dns over tcp', 'home', APPLICATION, server, 'dns'],
      ['dns over tcp by loopback', 'home', APPLICATION, at(family, 'loopback', 53), 'dns'],
    ]);
  }
}

async function transparent(lab: Lab, kind: Kind): Promise<void> {
  load(kind, '-m TPROXY -d 8022');
  for (const family of FAMILIES) {
    const client = at(family, 'far', 0).address;
    const application = at(family, 'home', 8001);
    const seen: string[] = [];
    const server = await lab.home.listen(application, (socket) => {
      socket.end(`application: ${socket.remoteAddress}`);
    });
    toClose.push(() => server.close());
    await serve(lab.home, at(family, 'home', 8022), 'application');
    // What the proxy does: it knows both addresses, and dials the application with the client's.
    const proxy = await lab.home.listen(at(family, 'any', 15006), (socket) => {
      const { remoteAddress = '', localAddress = '', localPort = 0 } = socket;
      seen.push(`${remoteAddress} to ${localAddress} ${localPort}`);
      const fd = socketOf('home', PROXY, family);
      for (const option of dialTransparent(family)) setSocketOption(fd, option);
      setSocketOption(fd, { level: SOL_SOCKET, name: SO_MARK, value: 1337 });
      assert.equal(bindSocket(fd, { family, address: remoteAddress, port: 0 }), null);
      connectThrough(fd, application, socket);
    });
    toClose.push(() => proxy.close());
    for (const option of listenerTransparent(family, true)) {
      setSocketOption((proxy as unknown as { _handle: { fd: number } })._handle.fd, option);
    }
    assert.equal(await ask('far', application, APPLICATION, at(family, 'far', 0)), `application: ${client}`);
    assert.deepEqual(seen, [`${client} to ${show(application)}`]);
    const excluded = at(family, 'home', 8022);
    assert.equal(await ask('far', excluded, APPLICATION), `application: ${show(excluded)}`);
    // A listener of IPv6 on any address wants those of IPv4 as well.
    closeAll();
  }
}

function connectThrough(fd: number, to: Address, downstream: net.Socket): void {
  const upstream = dial(fd, to);
  upstream.on('error', () => downstream.destroy());
  downstream.on('error', () => upstream.destroy());
  upstream.pipe(downstream).pipe(upstream);
}

async function closed(lab: Lab, kind: Kind): Promise<void> {
  for (const mode of ['REDIRECT', 'TPROXY']) {
    load(kind, `-m ${mode}`);
    for (const family of FAMILIES) {
      const far = await serve(lab.far, at(family, 'far', 7001), 'far');
      const application = await serve(lab.home, at(family, 'home', 8001), 'application');
      assert.equal(await ask('home', at(family, 'far', 7001), APPLICATION), 'ECONNREFUSED', `${mode}, out`);
      const answer = await ask('far', at(family, 'home', 8001), APPLICATION, undefined, 300);
      assert.ok(answer === 'ECONNREFUSED' || answer === 'no answer', `${mode}, in: ${answer}`);
      far.close();
      application.close();
    }
  }
}
