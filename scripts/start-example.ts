// Runs the proxy on one of examples/envoy (`npm start -- routing`) with upstreams of its own; Ctrl-C ends all.
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { CERTIFICATE_DIRECTORY, makeExampleCertificates } from '../examples/envoy/certificates.ts';

const ROOT = dirname(import.meta.dirname);
const EXAMPLES = join(ROOT, 'examples/envoy');
const PROXY_PORT = 10000;
const ADMIN_PORT = 9901;
/** The examples' clusters: the first is the stable one, the second the canary or the shadow. */
const UPSTREAM_PORTS = [10080, 10081];
const START_TIMEOUT_MS = 10_000;

function answer(port: number, message: IncomingMessage, response: ServerResponse): void {
  message.resume();
  message.on('end', () => {
    const headers = Object.entries(message.headers).map(([name, value]) => `  ${name}: ${String(value)}`);
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    response.setHeader('x-powered-by', 'heddle example upstream');
    const asked = `It was asked for ${message.method} ${message.url} with`;
    response.end([`Hello from the upstream on port ${port}.`, asked, ...headers, ''].join('\n'));
  });
}

function startUpstream(port: number): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer((message, response) => answer(port, message, response));
    server.on('error', (error) => fail(`port ${port}: ${error.message}; end the program that has it and try again`));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** The same for datagrams. */
function startDatagramUpstream(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.on('message', (chunk, { port: to, address }) => {
      socket.send(`Hello from the upstream on port ${port}, which got ${chunk.toString()}`, to, address);
    });
    socket.on('error', (error) =>
      fail(`UDP port ${port}: ${error.message}; end the program that has it and try again`),
    );
    socket.bind(port, '127.0.0.1', resolve);
  });
}

/** Says whether someone listens on a port already, which is friendlier to know before than after. */
function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

function isReady(): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request({ host: '127.0.0.1', port: ADMIN_PORT, path: '/ready', timeout: 1000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    probe.on('error', () => resolve(false));
    probe.on('timeout', () => probe.destroy());
    probe.end();
  });
}

function chooseExample(name: string): string {
  const path = join(EXAMPLES, `${name}.yaml`);
  if (existsSync(path)) return path;
  const names = readdirSync(EXAMPLES).flatMap((file) => (file.endsWith('.yaml') ? [file.slice(0, -5)] : []));
  return fail(`there is no example ${name}; there are ${names.join(', ')}`);
}

function fail(text: string): never {
  console.error(`heddle: ${text}`);
  process.exit(1);
}

/** What the example's comment says to try, or what suits most. */
function hints(text: string): string[] {
  const comment = text.split('\n').filter((line) => line.startsWith('#'));
  const first = comment.findIndex((line) => line.startsWith('# Try: '));
  if (first < 0) return [`curl -i http://127.0.0.1:${PROXY_PORT}/hello`];
  const rest = comment.slice(first).map((line) => line.replace(/^# (?:Try: )?/, ''));
  const end = rest.findIndex((line, index) => index > 0 && !/^(?: {2}|curl )/.test(line));
  return (end < 0 ? rest : rest.slice(0, end)).map((line) => line.replace(/^ {5}/, ''));
}

async function waitUntilReady(proxy: ChildProcess): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await isReady())) {
    if (proxy.exitCode !== null || proxy.signalCode !== null) process.exit(proxy.exitCode ?? 1);
    if (performance.now() > deadline) {
      proxy.kill();
      fail(`the proxy was not ready after ${START_TIMEOUT_MS / 1000} s`);
    }
    await sleep(25);
  }
}

async function main(): Promise<void> {
  const name = process.argv[2] ?? 'quickstart';
  const config = chooseExample(name);
  for (const port of [PROXY_PORT, ADMIN_PORT, ...UPSTREAM_PORTS]) {
    if (await isTaken(port)) fail(`port ${port} is taken by another program; end it and try again`);
  }
  for (const port of UPSTREAM_PORTS) {
    await startUpstream(port);
    await startDatagramUpstream(port);
  }
  // Paths in an example are those of whoever stands in the root of the clone.
  process.chdir(ROOT);
  const text = readFileSync(config, 'utf8');
  if (text.includes(CERTIFICATE_DIRECTORY)) makeExampleCertificates(CERTIFICATE_DIRECTORY);
  // Whoever tries something wants to see it in the log at once.
  const flags = ['proxy', '-c', config, '--concurrency', '1', '-l', 'warning', '--file-flush-interval-msec', '100'];
  const proxy = spawn(join(ROOT, 'bin/heddle'), flags, { stdio: 'inherit' });
  proxy.on('error', (error) => fail(error.message));
  proxy.on('exit', (code) => process.exit(code ?? 0));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => proxy.kill(signal));
  await waitUntilReady(proxy);
  console.log(`Heddle runs examples/envoy/${name}.yaml. Try:`);
  for (const hint of hints(text)) console.log(`  ${styleText('cyan', hint)}`);
  console.log(`Statistics and configuration: ${styleText('cyan', `http://127.0.0.1:${ADMIN_PORT}/`)}`);
  console.log('Ctrl-C ends it.');
}

await main();
