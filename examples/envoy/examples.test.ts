// Every example runs in the real Envoy and in Heddle, and both answer its first requests alike.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, compareAnswers, exchange } from '../../bench/support/exchange.ts';
import { freePort } from '../../bench/support/process.ts';
import { locatePeer } from '../../scripts/peers.ts';
import { CERTIFICATE_DIRECTORY, makeExampleCertificates } from './certificates.ts';

const ROOT = dirname(dirname(import.meta.dirname));
const START_TIMEOUT_MS = 60_000;
const EXAMPLE_PORTS = { proxy: 10000, inner: 10443, admin: 9901, upstreams: [10080, 10081] };

const scratch = mkdtempSync(join(tmpdir(), 'heddle-examples-'));
const certificates = join(scratch, 'certificates');
const upstreams: Server[] = [];
const datagramUpstreams: Socket[] = [];
const upstreamPorts: number[] = [];

before(async () => {
  makeExampleCertificates(certificates);
  for (const examplePort of EXAMPLE_PORTS.upstreams) {
    const server = createServer((request, response) => {
      request.resume();
      response.setHeader('x-powered-by', 'upstream');
      response.end(`${examplePort} ${request.method} ${request.url} ${request.headers.host}\n`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    upstreams.push(server);
    upstreamPorts.push(address.port);
    const socket = createSocket('udp4');
    socket.on('message', (chunk, from) => socket.send(`${examplePort} ${chunk}`, from.port, from.address));
    socket.bind(address.port, '127.0.0.1');
    await once(socket, 'listening');
    datagramUpstreams.push(socket);
  }
});

after(() => {
  for (const server of upstreams) server.close();
  for (const socket of datagramUpstreams) socket.close();
  for (const server of upstreams) server.closeAllConnections();
  rmSync(scratch, { recursive: true, force: true });
});

type Running = { readonly child: ChildProcess; readonly port: number };

/** Starts a program on a copy of the example whose ports are free ones. */
async function start(command: readonly string[], example: string): Promise<Running> {
  const port = await freePort();
  const ports = new Map([
    [EXAMPLE_PORTS.proxy, port],
    [EXAMPLE_PORTS.admin, await freePort()],
    [EXAMPLE_PORTS.inner, await freePort()],
    ...EXAMPLE_PORTS.upstreams.map((from, index) => [from, upstreamPorts[index]!] as const),
  ]);
  const text = readFileSync(join(import.meta.dirname, example), 'utf8');
  const path = join(scratch, `${port}-${example}`);
  writeFileSync(
    path,
    text
      .replace(/port_value: (\d+)/g, (_, from) => `port_value: ${ports.get(Number(from)) ?? from}`)
      .replaceAll(CERTIFICATE_DIRECTORY, certificates)
      .replaceAll('/tmp/heddle-tap', join(scratch, 'tap')),
  );
  const flags = ['-c', path, '--concurrency', '1', '--disable-hot-restart', '-l', 'error'];
  const child = spawn(command[0]!, [...command.slice(1), ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr?.on('data', (chunk) => (errors += chunk));
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const adminPort = ports.get(EXAMPLE_PORTS.admin)!;
    const ready = await exchange(adminPort, { path: '/ready', headers: ['host: localhost'] }).catch(() => null);
    if (ready?.status === 200) return { child, port };
    if (child.exitCode !== null || performance.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`${command[0]} did not start with ${example}:\n${errors}`);
    }
    await sleep(25);
  }
}

async function stop({ child }: Running): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

type Attempt = { readonly path: string; readonly host: string | null };

/** What an example's own "Try" lines ask for, by HTTPS where they name a host, without what is left to chance. */
function attempts(example: string): Attempt[] {
  const text = readFileSync(join(import.meta.dirname, example), 'utf8');
  const comment = text.slice(0, text.indexOf('admin:'));
  if (['weighted-split.yaml', 'fault-injection.yaml', 'stateful-session.yaml'].includes(example)) return [];
  const found = comment.matchAll(/(?:(https):\/\/([a-z.]+)|127\.0\.0\.1):10000(\/\S*)/g);
  const asked = [...found].map(([, scheme, host, path]): Attempt => {
    return { path: path!.replace(/[;']+$/, ''), host: scheme === undefined ? null : host! };
  });
  const first = asked[0]?.host ?? null;
  return [{ path: '/', host: first }, ...asked];
}

/** With the certificate of a client at hand, for servers that ask for one. */
function askSecurely(port: number, { path, host }: Attempt): Promise<Answer> {
  const [ca, cert, key] = ['ca.pem', 'client.pem', 'client.key'].map((name) => readFileSync(join(certificates, name)));
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, servername: host!, ca, cert, key, agent: false });
    outgoing.setHeader('host', host!);
    outgoing.on('response', async (response) => {
      const chunks = await response.toArray();
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

function ask(port: number, attempt: Attempt): Promise<Answer> {
  return attempt.host === null ? exchange(port, { path: attempt.path }) : askSecurely(port, attempt);
}

/** What a datagram is answered with. */
async function askByDatagram(port: number): Promise<string> {
  const socket = createSocket('udp4');
  socket.send('hello', port, '127.0.0.1');
  const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(2000) });
  socket.close();
  return String(answer);
}

function isForDatagrams(example: string): boolean {
  return readFileSync(join(import.meta.dirname, example), 'utf8').includes('envoy.filters.udp_listener.');
}

for (const example of readdirSync(import.meta.dirname).filter((file) => file.endsWith('.yaml'))) {
  test(`${example} runs in Envoy and in Heddle`, async (context) => {
    const envoy = locatePeer('envoy');
    if ('missing' in envoy) {
      if (process.env.HEDDLE_REQUIRE_PEERS === '1') assert.fail(`envoy: ${envoy.missing}`);
      context.skip(`envoy: ${envoy.missing}`);
      return;
    }
    const theirs = await start([envoy.path], example);
    try {
      const ours = await start([join(ROOT, 'bin/heddle'), 'proxy'], example);
      try {
        if (isForDatagrams(example)) {
          assert.equal(await askByDatagram(ours.port), await askByDatagram(theirs.port));
          return;
        }
        for (const attempt of attempts(example)) {
          const answers = [await ask(theirs.port, attempt), await ask(ours.port, attempt)] as const;
          assert.equal(compareAnswers(...answers), null, `${example} ${attempt.path}`);
        }
      } finally {
        await stop(ours);
      }
    } finally {
      await stop(theirs);
    }
  });
}
