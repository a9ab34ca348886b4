// Runs the socket spike: each engine alone on one core, wrk and nginx on the other, CPU time of the proxy per request.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const args = process.argv.slice(2);
const option = (name: string, fallback: string): string => {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? fallback : (args[at + 1] as string);
};
const rounds = Number(option('rounds', '3'));
const seconds = Number(option('seconds', '3'));
const engines = option('engines', 'streams,onread,handles').split(',');
const path = option('path', '/1k');
const connections = option('connections', '32');
const tickMs = 10;

const dir = mkdtempSync(join(tmpdir(), 'net-spike-'));
// The nginx worker may run as another user.
chmodSync(dir, 0o755);
const upstreamPort = 18_900;
const children: ChildProcess[] = [];

function start(command: string, list: string[], core: number): ChildProcess {
  const child = spawn('taskset', ['-c', String(core), command, ...list], { stdio: ['ignore', 'inherit', 'inherit'] });
  children.push(child);
  return child;
}

function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

function rssKib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function wrk(port: number, durationS: number): number {
  const out = execFileSync(
    'taskset',
    ['-c', '1', 'wrk', '-t', '1', '-c', connections, '-d', `${durationS}s`, `http://127.0.0.1:${port}${path}`],
    { encoding: 'latin1' },
  );
  if (/Non-2xx/.test(out)) process.stderr.write(out);
  return Number(/(\d+) requests in/.exec(out)?.[1] ?? 0);
}

async function idleRss(port: number, pid: number): Promise<number> {
  const before = rssKib(pid);
  const sockets: net.Socket[] = [];
  for (let i = 0; i < 1000; i++) {
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(`GET /1k HTTP/1.1\r\nhost: a\r\n\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
  }
  await sleep(200);
  const grown = rssKib(pid) - before;
  for (const socket of sockets) socket.destroy();
  await sleep(200);
  return grown;
}

writeFileSync(join(dir, '1k'), 'x'.repeat(1024));
writeFileSync(join(dir, '100k'), 'x'.repeat(100 * 1024));
writeFileSync(
  join(dir, 'nginx.conf'),
  `daemon off; worker_processes 1; pid ${dir}/pid; error_log ${dir}/error.log;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 600; open_file_cache max=10; sendfile off;
  server { listen 127.0.0.1:${upstreamPort}; root ${dir}; } }`,
);
const results = new Map<string, number[]>();
try {
  start('nginx', ['-c', join(dir, 'nginx.conf'), '-p', dir], 1);
  const proxies = engines.map((engine, index) => {
    const [name = '', kib = '64', inline = '16'] = engine.split(':');
    const port = upstreamPort + 1 + index;
    const script = fileURLToPath(new URL('./spike-proxy.ts', import.meta.url));
    const child = start(process.execPath, [script, name, String(port), String(upstreamPort), kib, inline], 0);
    return { engine, port, pid: child.pid as number };
  });
  await sleep(1500);
  if (args.includes('--idle')) {
    for (const { engine, port, pid } of proxies) {
      const kib = await idleRss(port, pid);
      console.log(`${engine}: ${kib} KiB RSS per 1,000 idle connections with their upstream reuse`);
    }
  } else {
    for (const { port } of proxies) wrk(port, 2);
    for (let round = 0; round < rounds; round++) {
      for (const { engine, port, pid } of proxies) {
        const before = cpuMs(pid);
        const count = wrk(port, seconds);
        const us = ((cpuMs(pid) - before) * 1000) / count;
        results.set(engine, [...(results.get(engine) ?? []), us]);
      }
    }
    for (const [engine, list] of results) {
      list.sort((a, b) => a - b);
      const text = list.map((us) => us.toFixed(1)).join(' ');
      console.log(`${engine.padEnd(22)} median ${(list[list.length >> 1] as number).toFixed(1)} us  (${text})`);
    }
  }
} finally {
  for (const child of children) child.kill('SIGTERM');
  await sleep(300);
  rmSync(dir, { recursive: true, force: true });
}
