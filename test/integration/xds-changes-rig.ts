// A proxy whose control plane never rests, the clients that keep it busy, and what it holds when all is quiet.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-ports.ts';
import { type Inside, lookInside } from '../support/inspected-process.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { openDescriptors, scratchFolder, stat, until } from './heddle.ts';
import {
  type Done,
  Failures,
  h2Load,
  type Lasting,
  Load,
  openGrpc,
  openWebSocket,
  wrkLoad,
} from './xds-changes-load.ts';
import { Mesh, SIDES } from './xds-changes-mesh.ts';
import { type ManyTongues, startManyTongues } from './xds-changes-upstream.ts';
import { ca, issue } from './sds-rig.ts';
import { bootstrap } from './xds-types-rig.ts';

const UPSTREAMS = 4;
/** Listeners that come and go. */
const OTHERS = 4;
/** Old listeners must not stay for long: what is left is counted. */
const DRAIN = ['--drain-time-s', '1'];
/** Changes at once, at most. */
const BURST = 4;
/** Between bursts, so that clients see what they have made of it. */
const PAUSE_MS = 5;
/** So many looks at descriptors must agree. */
const STEADY = 4;

/** What the proxy holds when nobody wants anything but the streams that last. */
export type Holding = {
  readonly descriptors: number;
  readonly rssBytes: number;
  /** Null of a proxy that cannot be looked into. */
  readonly inside: Inside | null;
};

export type RigOptions = {
  readonly kind: ProxyKind;
  readonly type: 'GRPC' | 'DELTA_GRPC';
  readonly seed: number;
  readonly args?: readonly string[];
  /** How long the programs that make load run before they tell of it. */
  readonly roundS: number;
};

export class ChangesRig {
  readonly failures = new Failures();
  readonly done: Done = { wrk: 0, h2load: 0, sessions: 0, secure: 0, webSocket: 0, grpc: 0 };
  readonly #options: RigOptions;
  readonly #upstreams: readonly ManyTongues[];
  readonly #ports: { readonly main: number; readonly secure: number };
  readonly #inspectorPort: number;
  #mesh!: Mesh;
  #proxy!: ProxyProcess;
  #load: Load | null = null;
  #lasting: Lasting[] = [];

  private constructor(options: RigOptions, upstreams: readonly ManyTongues[], ports: readonly number[]) {
    this.#options = options;
    this.#upstreams = upstreams;
    const [main = 0, secure = 0, inspector = 0] = ports;
    this.#ports = { main, secure };
    this.#inspectorPort = inspector;
  }

  static async start(options: RigOptions): Promise<ChangesRig> {
    const identity = issue('upstream');
    const upstreams = await Promise.all(Array.from({ length: UPSTREAMS }, () => startManyTongues(identity)));
    const ports: number[] = [];
    while (ports.length < 3 + OTHERS) ports.push(await freePort());
    const rig = new ChangesRig(options, upstreams, ports);
    const { main, secure } = rig.#ports;
    const meshPorts = { main, secure, others: ports.slice(3), upstreams: upstreams.map(({ port }) => port) };
    const isEnvoy = options.kind === 'envoy';
    const meshOptions = {
      seed: options.seed,
      sendsEndpointsAgain: isEnvoy,
      // Envoy ends what a changed listener has left when the drain time is over.
      openStream: isEnvoy ? null : (port: number) => openWebSocket(port, rig.failures, rig.done),
    };
    rig.#mesh = new Mesh(meshOptions, meshPorts, rig.failures);
    await rig.#startProxy();
    rig.#lasting = [await openWebSocket(main, rig.failures, rig.done), await openGrpc(main, rig.failures, rig.done)];
    return rig;
  }

  async #startProxy(): Promise<void> {
    const { kind, type, args = [] } = this.#options;
    const config = JSON.stringify(bootstrap(this.#mesh.ads.port, type, {}));
    const before = process.env['HEDDLE_NODE_FLAGS'];
    process.env['HEDDLE_NODE_FLAGS'] = `--inspect=127.0.0.1:${this.#inspectorPort}`;
    const starting = startProxy(kind, config, scratchFolder(), [...DRAIN, ...args]);
    if (before === undefined) delete process.env['HEDDLE_NODE_FLAGS'];
    else process.env['HEDDLE_NODE_FLAGS'] = before;
    this.#proxy = await starting;
  }

  get history(): readonly string[] {
    return this.#mesh.history;
  }

  get refusals(): number {
    return this.#mesh.ads.nacks.length;
  }

  // ─── Load ───────────────────────────────────────────────────────────────────────────────────────────────────────

  startLoad(): void {
    const { main, secure } = this.#ports;
    const { failures, done } = this;
    const { roundS } = this.#options;
    const load = new Load();
    load.repeat(0, wrkLoad(main, roundS, failures, done));
    load.repeat(0, h2Load(main, roundS, failures, done));
    let number = 0;
    for (const from of SIDES) {
      load.repeat(20, async () => {
        await this.#mesh.visit(`main from ${from}`, { port: main, requests: 3, from });
        done.sessions++;
      });
    }
    for (let clients = 0; clients < 2; clients++) {
      load.repeat(10, async () => {
        await this.#mesh.visitOther(number++);
        done.sessions++;
      });
    }
    load.repeat(30, async () => {
      await this.#mesh.visit('secure', { port: secure, requests: 2, ca: ca.pem });
      done.secure++;
    });
    this.#load = load;
  }

  async stopLoad(): Promise<void> {
    await this.#load?.stop();
    this.#load = null;
  }

  // ─── Changes ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Some at once, and then some more. */
  async change(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      const burst = Math.min(left, 1 + (this.#mesh.history.length % BURST));
      await Promise.all(Array.from({ length: burst }, () => this.#mesh.change()));
      left -= burst;
      await sleep(PAUSE_MS);
    }
  }

  // ─── Rest ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** All is as at first, and nobody asks: what the proxy still holds. `most` descriptors are waited for. */
  async rest(most = Number.POSITIVE_INFINITY): Promise<Holding> {
    await this.stopLoad();
    await this.#mesh.reset();
    const isDrained = async (): Promise<boolean> =>
      (await stat(this.#proxy, 'listener_manager.total_listeners_draining')) === 0 &&
      (await stat(this.#proxy, 'listener_manager.total_filter_chains_draining')) === 0;
    await until('old listeners are gone', isDrained, 10_000);
    const descriptors = await this.#steadyDescriptors(most);
    const inside = this.#options.kind === 'heddle' ? await lookInside(this.#inspectorPort) : null;
    return { descriptors, rssBytes: residentBytes(this.#proxy.pid), inside };
  }

  async #steadyDescriptors(most: number): Promise<number> {
    let same = 0;
    let last = -1;
    for (const deadline = performance.now() + 5_000; performance.now() < deadline; await sleep(100)) {
      const now = openDescriptors(this.#proxy.pid);
      same = now === last ? same + 1 : 0;
      last = now;
      if (same >= STEADY && now <= most) break;
    }
    return last;
  }

  /** Of the upstreams: all, over TLS, over HTTP/2. */
  get served(): { readonly requests: number; readonly secure: number; readonly http2: number } {
    const sum = { requests: 0, secure: 0, http2: 0 };
    for (const { counts } of this.#upstreams) {
      sum.requests += counts.requests;
      sum.secure += counts.secure;
      sum.http2 += counts.http2;
    }
    return sum;
  }

  stat(name: string): Promise<number> {
    return stat(this.#proxy, name);
  }

  get output(): string {
    return this.#proxy.output;
  }

  get hasExited(): boolean {
    return this.#proxy.hasExited;
  }

  async stop(): Promise<void> {
    await this.stopLoad();
    await Promise.all(this.#lasting.map((one) => one.stop()));
    await this.#proxy.stop();
    this.#mesh.ads.stop();
    for (const upstream of this.#upstreams) upstream.stop();
  }
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}
