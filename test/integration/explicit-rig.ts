// A mesh of processes without redirect: agents whose workloads share one loopback, and the callers beside them.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createServer as createHttp, type Server as HttpServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcp, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-ports.ts';
import { PROJECT_ROOT } from '../support/find-envoy.ts';
import type { TestAgent } from './agent-rig.ts';
import { TestMesh } from './agent-mesh-rig.ts';

/** Of this process: two runs of the test at once have different ones. */
const NET = `127.${randomInt(65, 250)}.${randomInt(1, 250)}`;
let nextAddress = 1;

export function ownAddress(): string {
  return `${NET}.${nextAddress++}`;
}

export type Workload = {
  readonly name: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Where its application listens, by the port that others call. */
  readonly inbound: Readonly<Record<string, number>>;
  /** TCP peers by 'HOST:PORT', and where the proxy listens for them. */
  readonly outbound: Readonly<Record<string, number>>;
  readonly proxyPort: number;
};

export async function workload(
  name: string,
  labels: Readonly<Record<string, string>>,
  inbound: Readonly<Record<string, number>> = {},
  peers: readonly string[] = [],
): Promise<Workload> {
  const outbound: Record<string, number> = {};
  for (const peer of peers) outbound[peer] = await freePort();
  return { name, address: ownAddress(), labels, inbound, outbound, proxyPort: await freePort() };
}

const place = (port: number) => ({ address: '127.0.0.1', port });
const places = (ports: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(ports).map(([key, port]) => [key, place(port)]));

export type ExplicitAgent = {
  readonly agent: TestAgent;
  readonly workload: Workload;
  readonly adminSocket: string;
};

export class ExplicitMesh {
  readonly mesh: TestMesh;
  readonly agents: ExplicitAgent[] = [];
  readonly #servers: (Server | HttpServer)[] = [];

  private constructor(mesh: TestMesh) {
    this.mesh = mesh;
  }

  static async start(objects: string): Promise<ExplicitMesh> {
    return new ExplicitMesh(await TestMesh.start(objects));
  }

  async add(workload: Workload, kind: 'heddle' | 'envoy', role: 'sidecar' | 'router' = 'sidecar'): Promise<void> {
    const { name, address, labels, inbound, outbound, proxyPort } = workload;
    const adminSocket = join(this.mesh.directory, `${name}.admin`);
    const explicit =
      role === 'router' ? {} : { httpProxy: place(proxyPort), inbound: places(inbound), outbound: places(outbound) };
    const agent = await this.mesh.agent(name, {
      role,
      ...(kind === 'heddle' ? { envoy: null } : {}),
      variables: {
        INSTANCE_IP: address,
        HEDDLE_ADMIN_SOCKET: adminSocket,
        ISTIO_META_INTERCEPTION_MODE: 'NONE',
        ISTIO_METAJSON_EXPLICIT: JSON.stringify(explicit),
        ISTIO_METAJSON_LABELS: JSON.stringify(labels),
        // The ports of a pod: on the workload's own address they are free.
        PROXY_CONFIG: JSON.stringify({ concurrency: 1, terminationDrainDuration: '1s' }),
        ENVOY_STATUS_PORT: '15021',
        ENVOY_PROMETHEUS_PORT: '15090',
      },
    });
    this.agents.push({ agent, workload, adminSocket });
  }

  async ready(): Promise<void> {
    for (const { agent, workload } of this.agents) {
      const url = `http://${workload.address}:15020/healthz/ready`;
      await agent.until('readiness', async () => (await status(url)) === 200, 20_000);
    }
  }

  async stop(): Promise<void> {
    for (const { agent } of this.agents) await agent.stop('SIGKILL');
    for (const server of this.#servers) {
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
    }
    await this.mesh.stop();
  }

  /** An application that tells who it is and what it got. */
  async httpApplication(name: string): Promise<number> {
    const server = createHttp((request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ name, url: request.url, headers: request.headers }));
    });
    return this.#listen(server);
  }

  /** Answers each connection with its name, then with what comes. */
  async tcpApplication(name: string): Promise<number> {
    const server = createTcp((socket) => {
      socket.on('error', () => undefined);
      socket.write(`${name}\n`);
      socket.pipe(socket);
    });
    return this.#listen(server);
  }

  async serve(server: Server): Promise<number> {
    return this.#listen(server);
  }

  async #listen(server: Server | HttpServer): Promise<number> {
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }
}

export async function status(url: string): Promise<number> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(3000) })).status;
  } catch {
    return 0;
  }
}

export type Ran = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** A program with the variables that a workload has. */
export function run(command: string, args: readonly string[], proxyPort: number): Promise<Ran> {
  const proxy = `http://127.0.0.1:${proxyPort}`;
  const { NO_PROXY: _upper, no_proxy: _lower, ...inherited } = process.env;
  const child = spawn(command, args, {
    cwd: PROJECT_ROOT,
    env: { ...inherited, HTTP_PROXY: proxy, HTTPS_PROXY: proxy, http_proxy: proxy, NODE_USE_ENV_PROXY: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

/** Runs JavaScript as an application; what it prints is JSON. */
export async function runScript<T>(script: string, proxyPort: number): Promise<T> {
  const { code, stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', script], proxyPort);
  if (code !== 0) throw new Error(`the caller ended with ${code}\n${stdout}${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Sends a line and returns what came by the time that it (or `until`) came back; or as much as came before the end. */
export async function talk(port: number, line: string, host = '127.0.0.1', until = line): Promise<string> {
  const socket = connect({ port, host });
  let got = '';
  let isOver = false;
  socket.on('data', (chunk) => (got += chunk.toString('latin1')));
  for (const event of ['end', 'close', 'error']) socket.on(event, () => (isOver = true));
  socket.write(line);
  for (let i = 0; !got.includes(until) && !isOver && i < 400; i++) await sleep(10);
  socket.destroy();
  return got;
}
