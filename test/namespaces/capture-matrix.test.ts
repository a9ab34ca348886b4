// Capture as a whole: each kind of rules, both families, both ways, and each kind of traffic through the built proxy.
import assert from 'node:assert/strict';
import type * as dgram from 'node:dgram';
import { rmSync } from 'node:fs';
import type * as net from 'node:net';
import { after, test } from 'node:test';
import * as tls from 'node:tls';
import { DnsServer } from '../support/dns-server.ts';
import { arePeersRequired } from '../support/find-envoy.ts';
import { queryOf, readReply } from '../support/dns-messages.ts';
import {
  at,
  certificate,
  datagrams,
  FAMILIES,
  type Family,
  type Host,
  INSPECTION_MS,
  intercept,
  LONG_ANSWER,
  makeFolder,
  type Mode,
  Pod,
  PORTS,
  serve,
  serveDatagrams,
  TLS_NAME,
  WAYS,
  type Way,
} from './capture-matrix-rig.ts';
import { type Call, missingPrograms, PROGRAMS, ProgramServers } from './capture-programs.ts';
import { hasSysAdmin, Lab } from './lab.ts';

/** Beyond the wait for a client that says nothing: two cores may be busy. */
const SLACK_MS = 3000;

const lab = Lab.make();
const folder = makeFolder();
after(() => rmSync(folder, { recursive: true }));

if (typeof lab === 'string') {
  test('namespaces are refused for want of CAP_SYS_ADMIN, so nothing can be captured', () => {
    assert.equal(lab, 'unshare: error 1');
    assert.equal(hasSysAdmin(), false);
  });
} else {
  // Clients take it only where they ask for it.
  lab.far.ip('address add fd99::3/64 dev cable nodad preferred_lft 0');
  after(() => lab.close());
  const lacking = missingPrograms();
  const programs = lacking === '' || arePeersRequired() ? new ProgramServers(folder) : null;
  const starting = programs?.start([
    [lab.far, 'far'],
    [lab.home, 'home'],
  ]);
  after(() => programs?.stop());
  for (const mode of ['REDIRECT', 'TPROXY'] as const) {
    test(mode, async (t) => {
      const upstream = await DnsServer.start();
      const servers = [await serve(lab.far, 'far'), await serve(lab.home, 'home')];
      const asked = await Promise.all(FAMILIES.map((family) => serveDatagrams(lab, family)));
      await starting;
      const pod = await Pod.start(mode, folder, upstream.port);
      try {
        for (const backend of ['nft', 'iptables']) {
          intercept('apply', '-m', mode, '--backend', backend, '--redirect-dns', '--capture-all-dns');
          try {
            await t.test(`${backend}: every protocol, family and way`, () => matrix(lab, pod, mode));
            await t.test(`${backend}: DNS`, () => dns(lab, upstream, `${backend}.test`));
            if (programs !== null) await t.test(`${backend}: programs`, () => callAll(lab, pod, mode));
          } finally {
            intercept('clean');
          }
        }
      } finally {
        await pod.stop();
        for (const close of servers) close();
        for (const socket of asked) socket.close();
        await upstream.close();
      }
    });
  }
}

type Cell = {
  /** A connection of the client's to a port of the server's. */
  readonly dial: (port: number) => net.Socket;
  /** What the server must say there. */
  readonly facts: (port: number) => string;
};

async function matrix(lab: Lab, pod: Pod, mode: Mode): Promise<void> {
  const expected: string[] = [];
  const before = await pod.timeouts();
  const cells: Promise<void>[] = [];
  for (const way of WAYS) {
    for (const family of FAMILIES) {
      const { client, server, seen } = partners(way, mode);
      const clientAddress = at(family, client, 0);
      const cell: Cell = {
        dial: (port) => {
          const to = at(family, server, port);
          return way === 'outbound' ? lab.home.connect(to) : lab.far.connect(to, clientAddress);
        },
        facts: (port) => `${at(family, server, 0).address} ${port} for ${at(family, seen, 0).address}`,
      };
      for (const [name, run] of Object.entries(TRAFFIC)) {
        const annotate = (error: Error): void => assert.fail(`${way} ${family} ${name}: ${error.stack}`);
        cells.push(run(cell).catch(annotate));
        const chain = name === 'http' || name === 'tls' ? name : 'tcp';
        const passage: Passage = { port: PORTS[name as keyof typeof PORTS], chain };
        expected.push(logLine(way, family, passage, client, server));
      }
    }
  }
  await passedBy(pod, cells, expected);
  // Of the greetings, only those on a port that is not known for them waited.
  assert.equal((await pod.timeouts()) - before, WAYS.length * FAMILIES.length);
}

/** Programs as they are, that learn from their servers whom those see. */
async function callAll(lab: Lab, pod: Pod, mode: Mode): Promise<void> {
  const expected: string[] = [];
  const calls: Promise<void>[] = [];
  for (const way of WAYS) {
    for (const family of FAMILIES) {
      const { server, seen: host } = partners(way, mode);
      const client = way === 'outbound' ? 'home' : 'far';
      const seen = at(family, host === 'other' ? 'far' : host, 0).address;
      const call: Call = { from: way === 'outbound' ? lab.home : lab.far, family, server, seen, folder };
      for (const [name, program] of Object.entries(PROGRAMS)) {
        calls.push(program.call(call).catch((error) => assert.fail(`${way} ${family} ${name}: ${error.stack}`)));
        expected.push(logLine(way, family, program, client, server));
      }
    }
  }
  await passedBy(pod, calls, expected);
}

/** What fails is told when nothing is under way any more, or the next test would meet the rest. */
async function passedBy(pod: Pod, work: readonly Promise<void>[], expected: readonly string[]): Promise<void> {
  await Promise.allSettled(work);
  const logged = await pod.logged(expected.length);
  await Promise.all(work);
  // The servers' words are worth something only if the proxy was between.
  assert.deepEqual(logged, expected.toSorted());
}

type Passage = { readonly port: number; readonly chain: 'http' | 'tls' | 'tcp' };

function partners(way: Way, mode: Mode): { readonly client: Host; readonly server: Host; readonly seen: Host } {
  if (way === 'outbound') return { client: 'home', server: 'far', seen: 'home' };
  return { client: 'other', server: 'home', seen: mode === 'TPROXY' ? 'other' : 'passedOn' };
}

function logLine(way: Way, family: Family, { port, chain }: Passage, client: Host, server: Host): string {
  const { address } = at(family, server, port);
  const destination = family === 'ipv6' ? `[${address}]:${port}` : `${address}:${port}`;
  const from = at(family, client, 0).address;
  return `${way} ${chain}: ${from} to ${destination}, dialled ${destination}, ${chain === 'tls' ? TLS_NAME : '-'}`;
}

const TRAFFIC: Readonly<Record<keyof typeof PORTS, (cell: Cell) => Promise<void>>> = {
  async http({ dial, facts }) {
    const socket = dial(PORTS.http);
    socket.write(`GET / HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n`);
    assert.match(await textOf(socket), new RegExp(`^HTTP/1.1 200 OK\r\n[^]*\r\n\r\n${facts(PORTS.http)}$`));
  },
  async tls({ dial, facts }) {
    const socket = tls.connect({ socket: dial(PORTS.tls), servername: TLS_NAME, ca: certificate.pem });
    socket.write(`GET / HTTP/1.1\r\nhost: any\r\nconnection: close\r\n\r\n`);
    const text = await textOf(socket);
    assert.equal(text.split('\r\n').at(-1), `${facts(PORTS.tls)} as ${TLS_NAME}`);
  },
  async greeting({ dial, facts }) {
    // The client is silent.
    const start = performance.now();
    assert.equal(await textOf(dial(PORTS.greeting)), facts(PORTS.greeting));
    const ms = performance.now() - start;
    assert.ok(ms > INSPECTION_MS * 0.9 && ms < INSPECTION_MS + SLACK_MS, `the greeting took ${ms} ms`);
  },
  async quickGreeting({ dial, facts }) {
    assert.equal(await textOf(dial(PORTS.quickGreeting)), facts(PORTS.quickGreeting));
  },
  async halfClose({ dial, facts }) {
    const socket = dial(PORTS.halfClose);
    // Without the line's end the inspectors would wait for more, and give up at the client's end as Envoy does.
    socket.end('question\n');
    const text = await textOf(socket);
    assert.equal(text.slice(0, -LONG_ANSWER.length), `${facts(PORTS.halfClose)} asked question\n`);
    assert.ok(text.endsWith(LONG_ANSWER));
  },
};

/** All that a server says until its end; anything else than an end is a failure. */
function textOf(socket: net.Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setTimeout(5000, () => socket.destroy(new Error(`silence after ${text.length} characters`)));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed without an end after ${text.length} characters`)));
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('end', () => {
      socket.end();
      resolve(text);
    });
  });
}

async function dns(lab: Lab, upstream: DnsServer, domain: string): Promise<void> {
  for (const family of FAMILIES) {
    const name = `${family}.${domain}`;
    upstream.zone = { [name]: ['192.0.2.1', '2001:db8::1'] };
    // Nobody serves DNS there.
    const client = await datagrams(lab.home, at(family, 'home', 0));
    const reply = readReply(await ask(client, family, 'far', queryOf(name, family === 'ipv4' ? 'A' : 'AAAA')));
    const answer = family === 'ipv4' ? 'A 192.0.2.1' : 'AAAA 2001:db8::1';
    assert.deepEqual([reply.code, ...reply.answers], ['NOERROR', `${name} 60 ${answer}`]);
    assert.equal(upstream.queries.at(-1)?.name, name);
    const outsider = await datagrams(lab.far, at(family, 'other', 0));
    const own = await ask(outsider, family, 'home', queryOf(name));
    assert.equal(String(own), `application for ${at(family, 'other', 0).address}`);
  }
}

/** Asks port 53 of a host; the answer must come from there. */
function ask(socket: dgram.Socket, family: Family, host: Host, query: Buffer): Promise<Buffer> {
  const { address, port } = at(family, host, 53);
  return new Promise<Buffer>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer from ${address}`)), 3000);
    socket.on('message', (message, from) => {
      clearTimeout(timer);
      assert.deepEqual([from.address, from.port], [address, port]);
      resolve(message);
    });
    socket.send(query, port, address);
  }).finally(() => socket.close());
}
