// Whether something is ready: a path, a port, a command, or a proxy's admin interface.
import { spawn } from 'node:child_process';
import { dialIn } from '../../net/dial-in.ts';
import { askHttpOnce } from '../../net/http-request.ts';
import { inNamespace } from '../../net/namespace.ts';
import type { HealthSpec } from '../manifest/manifest.ts';
import type { HostPort } from '../../net/relay.ts';

const TIMEOUT_MS = 2000;
/** Metrics of a proxy are the most that is asked for. */
const MAX_BYTES = 16 * 1024 * 1024;

/** '' when it is ready, else why not. */
export type Probe = () => Promise<string>;

export type ProbePlace = {
  readonly network: number | null;
  /** Where a port of the specification is on this machine. */
  readonly at: (port: number) => HostPort;
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  /** As whom a command asks. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
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

function probeTcp(place: ProbePlace, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = dialIn(place.network, place.at(port));
    const end = (reason: string): void => {
      socket.destroy();
      resolve(reason);
    };
    socket.setTimeout(TIMEOUT_MS, () => end(`port ${port} does not answer`));
    socket.on('connect', () => end(''));
    socket.on('error', (error: NodeJS.ErrnoException) => end(`port ${port}: ${error.code ?? error.message}`));
  });
}

async function probeHttp({ network, at }: ProbePlace, port: number, path: string): Promise<string> {
  const { address: host, port: number } = at(port);
  const headers = { host: 'localhost' };
  const question = { host, port: number, path, headers, network, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES };
  const answer = await askHttpOnce(question);
  if ('error' in answer) return `port ${port}: ${answer.error}`;
  return answer.status >= 200 && answer.status < 400 ? '' : `${path} answers ${answer.status}`;
}

function probeCommand(
  { network, environment, directory, user }: ProbePlace,
  command: readonly string[],
): Promise<string> {
  return new Promise((resolve) => {
    const [program = '', ...args] = command;
    const start = () =>
      spawn(program, args, { env: environment, cwd: directory, stdio: 'ignore', timeout: TIMEOUT_MS, ...(user ?? {}) });
    const child = network === null ? start() : inNamespace(network, start);
    child.on('error', (error) => resolve(`${program}: ${error.message}`));
    child.on('exit', (code) => resolve(code === 0 ? '' : `${program} ends with ${code}`));
  });
}

/** A page of a proxy's admin interface, on its unix socket; status 0 when nobody answers. */
export async function askSocket(
  socketPath: string,
  path: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const question = { host: 'localhost', port: 0, socketPath, path, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES };
  const answer = await askHttpOnce(question);
  return 'error' in answer ? { status: 0, body: answer.error } : { status: answer.status, body: String(answer.body) };
}
