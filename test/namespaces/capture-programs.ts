// Programs that know nothing of a mesh, with their servers: curl, psql, redis-cli and the client of MySQL's protocol.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import * as net from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { locatePeer } from '../../scripts/peers.ts';
import { at, certificate, FAMILIES, type Family, type Host, PORTS, TLS_NAME } from './capture-matrix-rig.ts';
import type { Namespace } from './lab.ts';

const NAMES = ['curl', 'psql', 'postgres', 'redis-cli', 'redis-server', 'mariadb', 'mariadbd'] as const;
type Name = (typeof NAMES)[number];

/** PostgreSQL's servers refuse to be root. */
const NOBODY = { uid: 65534, gid: 65534 };
const SERVER_PORTS = { postgres: 5432, redis: 6379, mariadb: 3306 };
/** What curl trusts. */
const TRUSTED = 'trusted.pem';
const STARTS_WITHIN_MS = 10_000;

/** What keeps the programs from being tried; '' for nothing. */
export function missingPrograms(): string {
  return NAMES.flatMap((name) => {
    const peer = locatePeer(name);
    return 'missing' in peer ? [`${name}: ${peer.missing}`] : [];
  }).join('; ');
}

function pathOf(name: Name): string {
  const peer = locatePeer(name);
  if ('missing' in peer) throw new Error(`${name}: ${peer.missing}`);
  return peer.path;
}

type Options = { readonly uid?: number; readonly gid?: number; readonly env?: NodeJS.ProcessEnv };

function run(where: Namespace, path: string, args: readonly string[], options: Options): Promise<string> {
  return new Promise((resolve, reject) => {
    where.run(() =>
      execFile(path, args, { ...options, timeout: 10_000 }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout.trim());
        else reject(new Error(`${path}: ${error.message}${stderr}`));
      }),
    );
  });
}

// ─── Servers ──────────────────────────────────────────────────────────────────────────────────────────────────────

export class ProgramServers {
  readonly #folder: string;
  readonly #children: ChildProcess[] = [];
  #said = '';

  constructor(folder: string) {
    this.#folder = folder;
    process.on('exit', () => {
      for (const child of this.#children) child.kill('SIGKILL');
    });
  }

  /** All servers at each of the hosts, ready. */
  async start(hosts: readonly (readonly [Namespace, Host])[]): Promise<void> {
    const [first] = hosts;
    if (first === undefined) return;
    writeFileSync(join(this.#folder, TRUSTED), certificate.pem);
    const database = await this.#database(first[0]);
    for (const [where, host] of hosts) {
      const [ipv4, ipv6] = FAMILIES.map((family) => at(family, host, 0).address) as [string, string];
      const own = join(this.#folder, `${host}-postgres`);
      cpSync(database, own, { recursive: true });
      ownAll(own);
      const settings = { listen_addresses: `${ipv4},${ipv6}`, unix_socket_directories: '', fsync: 'off' };
      const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
      this.#spawn(where, realpathSync(pathOf('postgres')), ['-D', own, ...flags], NOBODY);
      this.#spawn(where, pathOf('redis-server'), ['--bind', ipv4, ipv6, '--save', '', '--protected-mode', 'no']);
      const tables = join(this.#folder, `${host}-mariadb`);
      mkdirSync(tables);
      // Without tables of rights and InnoDB nothing has to be set up, but it knows its clients' addresses only so.
      const sockets = ['--performance-schema=ON', '--performance-schema-instrument=wait/io/socket/%=ON'];
      const plain = ['--skip-grant-tables', '--innodb=OFF', '--default-storage-engine=Aria', '--user=root'];
      const places = [`--datadir=${tables}`, `--socket=${tables}/socket`, `--bind-address=${ipv4},${ipv6}`];
      this.#spawn(where, pathOf('mariadbd'), ['--no-defaults', ...plain, ...sockets, ...places]);
    }
    const ports = Object.values(SERVER_PORTS);
    const places = hosts.flatMap(([, host]) =>
      FAMILIES.flatMap((family) => ports.map((port) => at(family, host, port))),
    );
    await Promise.all(places.map(({ address, port }) => this.#ready(address, port)));
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map((child) => {
        if (child.exitCode !== null || child.signalCode !== null) return undefined;
        // Nothing of theirs is kept, and what would wait for clients shall not.
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill(child.spawnfile.endsWith('postgres') ? 'SIGQUIT' : 'SIGKILL');
        return ended;
      }),
    );
  }

  async #database(where: Namespace): Promise<string> {
    const path = join(this.#folder, 'postgres');
    mkdirSync(path);
    chownSync(path, NOBODY.uid, NOBODY.gid);
    const initdb = join(dirname(realpathSync(pathOf('postgres'))), 'initdb');
    await run(where, initdb, ['-D', path, '-N', '--auth=trust', '-U', 'test', '--no-locale', '-E', 'UTF8'], NOBODY);
    appendFileSync(join(path, 'pg_hba.conf'), 'host all all all trust\n');
    return path;
  }

  #spawn(where: Namespace, path: string, args: readonly string[], owner: Options = {}): void {
    const stdio = ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'];
    const child = where.run(() => spawn(path, args, { ...owner, stdio, cwd: this.#folder }));
    const collect = (chunk: Buffer): void => {
      if (this.#said.length < 1 << 16) this.#said += chunk;
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    this.#children.push(child);
  }

  async #ready(address: string, port: number): Promise<void> {
    const deadline = Date.now() + STARTS_WITHIN_MS;
    for (;;) {
      const socket = net.connect({ host: address, port, autoSelectFamily: false });
      const isOpen = await new Promise<boolean>((resolve) => {
        socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
      });
      socket.destroy();
      if (isOpen) return;
      if (Date.now() > deadline) throw new Error(`nobody listens on ${address} ${port}:\n${this.#said}`);
      await sleep(20);
    }
  }
}

/** A server of PostgreSQL wants its folder for itself. */
function ownAll(folder: string): void {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  for (const name of ['', ...names]) chownSync(join(folder, name), NOBODY.uid, NOBODY.gid);
  chmodSync(folder, 0o700);
}

// ─── Clients ──────────────────────────────────────────────────────────────────────────────────────────────────────

export type Call = {
  readonly from: Namespace;
  readonly family: Family;
  readonly server: Host;
  /** Whom the server must see. */
  readonly seen: string;
  readonly folder: string;
};

type Program = {
  readonly port: number;
  /** The filter chain that must have taken it. */
  readonly chain: 'http' | 'tls' | 'tcp';
  readonly call: (call: Call) => Promise<void>;
};

/** As an application's user, who has no settings of its own. */
function ask({ from, folder }: Call, name: Name, args: readonly string[]): Promise<string> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, LC_ALL: 'C' };
  return run(from, pathOf(name), args, { uid: 1000, gid: 1000, env });
}

const CURL = ['-sS', '--noproxy', '*', '--max-time', '5'];

export const PROGRAMS: Readonly<Record<string, Program>> = {
  curl: {
    port: PORTS.http,
    chain: 'http',
    async call(call) {
      const address = addressOf(call);
      const host = call.family === 'ipv6' ? `[${address}]` : address;
      const said = await ask(call, 'curl', [...CURL, `http://${host}:${PORTS.http}/`]);
      assert.equal(said, `${address} ${PORTS.http} for ${call.seen}`);
    },
  },
  'curl with TLS': {
    port: PORTS.tls,
    chain: 'tls',
    async call(call) {
      const address = addressOf(call);
      const names = ['--cacert', join(call.folder, TRUSTED), '--resolve', `${TLS_NAME}:${PORTS.tls}:${address}`];
      const said = await ask(call, 'curl', [...CURL, ...names, `https://${TLS_NAME}:${PORTS.tls}/`]);
      assert.equal(said, `${address} ${PORTS.tls} for ${call.seen} as ${TLS_NAME}`);
    },
  },
  psql: {
    port: SERVER_PORTS.postgres,
    chain: 'tcp',
    async call(call) {
      const query = 'select host(inet_client_addr()), host(inet_server_addr()), inet_server_port()';
      const said = await ask(call, 'psql', ['-h', addressOf(call), '-U', 'test', '-AtF', ' ', '-c', query, 'postgres']);
      assert.equal(said, `${call.seen} ${addressOf(call)} ${SERVER_PORTS.postgres}`);
    },
  },
  'redis-cli': {
    port: SERVER_PORTS.redis,
    chain: 'tcp',
    async call(call) {
      const said = await ask(call, 'redis-cli', ['-h', addressOf(call), 'client', 'info']);
      const [, from, to] = / addr=\[?([^ \]]+?)\]?:\d+ laddr=\[?([^ \]]+?)\]?:6379 /.exec(said) ?? [];
      assert.deepEqual([from, to], [call.seen, addressOf(call)], said);
    },
  },
  mariadb: {
    port: SERVER_PORTS.mariadb,
    chain: 'tcp',
    async call(call) {
      const own = 'where t.processlist_id = connection_id()';
      const sockets = 'performance_schema.socket_instances s join performance_schema.threads t using (thread_id)';
      const query = `select s.ip, @@bind_address from ${sockets} ${own}`;
      const said = await ask(call, 'mariadb', ['--no-defaults', '-h', addressOf(call), '-u', 'test', '-Ne', query]);
      const [from, bound] = said.split('\t');
      assert.equal(from, call.seen, said);
      assert.ok(bound?.split(',').includes(addressOf(call)), said);
    },
  },
};

function addressOf({ family, server }: Call): string {
  return at(family, server, 0).address;
}
