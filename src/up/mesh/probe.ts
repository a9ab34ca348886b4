// Whether something is ready: a path, a port, a command, or a proxy's admin interface.
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import * as net from 'node:net';
import { inNamespace } from '../../net/namespace.ts';
import { makeSocket } from '../../net/native.ts';
import type { HealthSpec } from '../manifest/manifest.ts';
import type { HostPort } from '../place/placement.ts';

const TIMEOUT_MS = 2000;

/** '' when it is ready, else why not. */
export type Probe = () => Promise<string>;

export type ProbePlace = {
  readonly network: number | null;
  /** Where a port of the specification is on this machine. */
  readonly at: (port: number) => HostPort;
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
};

export function healthProbe(health: HealthSpec, place: ProbePlace): Probe {
  switch (health.kind) {
    case 'none':
      return () => Promise.resolve('');
    case 'tcp':
      return () => probeTcp(place, health.port);
    case 'http':
      return () => probeHttp(place, health.port, health.path);
    case 'command':
      return () => probeCommand(place, health.command);
  }
}

function dial({ network, at }: ProbePlace, port: number): net.Socket {
  const { address: host, port: number } = at(port);
  if (network === null) return net.connect({ host, port: number });
  const fd = inNamespace(network, () => makeSocket('ipv4'));
  if (typeof fd === 'string') throw new Error(fd);
  const socket = new net.Socket({ fd, manualStart: true } as net.SocketConstructorOpts);
  return socket.connect({ host, port: number, autoSelectFamily: false } as net.TcpNetConnectOpts);
}

function probeTcp(place: ProbePlace, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = dial(place, port);
    const end = (reason: string): void => {
      socket.destroy();
      resolve(reason);
    };
    socket.setTimeout(TIMEOUT_MS, () => end(`port ${port} does not answer`));
    socket.on('connect', () => end(''));
    socket.on('error', (error: NodeJS.ErrnoException) => end(`port ${port}: ${error.code ?? error.message}`));
  });
}

function probeHttp(place: ProbePlace, port: number, path: string): Promise<string> {
  return new Promise((resolve) => {
    const ask = request(
      {
        path,
        headers: { host: 'localhost', connection: 'close' },
        createConnection: () => dial(place, port),
        timeout: TIMEOUT_MS,
      },
      (response) => {
        response.resume();
        const { statusCode = 0 } = response;
        resolve(statusCode >= 200 && statusCode < 400 ? '' : `${path} answers ${statusCode}`);
      },
    );
    ask.on('timeout', () => ask.destroy(new Error('does not answer')));
    ask.on('error', (error: NodeJS.ErrnoException) => resolve(`port ${port}: ${error.code ?? error.message}`));
    ask.end();
  });
}

function probeCommand({ network, environment, directory }: ProbePlace, command: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const [program = '', ...args] = command;
    const start = () =>
      spawn(program, args, { env: environment, cwd: directory, stdio: 'ignore', timeout: TIMEOUT_MS });
    const child = network === null ? start() : inNamespace(network, start);
    child.on('error', (error) => resolve(`${program}: ${error.message}`));
    child.on('exit', (code) => resolve(code === 0 ? '' : `${program} ends with ${code}`));
  });
}

/** A page of a proxy's admin interface, on its unix socket; status 0 when nobody answers. */
export function askSocket(
  socketPath: string,
  path: string,
  timeoutMs = TIMEOUT_MS,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve) => {
    const ask = request({ socketPath, path, timeout: timeoutMs, headers: { connection: 'close' } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
      response.on('error', () => resolve({ status: 0, body: '' }));
    });
    ask.on('timeout', () => ask.destroy());
    ask.on('error', (error) => resolve({ status: 0, body: error.message }));
    ask.end();
  });
}
