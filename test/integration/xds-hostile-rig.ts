// A proxy whose control plane is hostile: requests go through it all the time, and what it costs is measured.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { typeUrlOf } from '../../src/proto/type-url.ts';
import { type AdsServer, resource, type ServedResource } from '../support/ads-server.ts';
import type { AdsStream } from '../support/ads-stream.ts';
import { freePort } from '../support/free-ports.ts';
import { type Attack, HostileXds } from '../support/hostile-xds.ts';
import { type ProbeReport, Prober } from '../support/prober.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { type Json, openDescriptors, scratchFolder, stat, until } from './heddle.ts';
import { answer, bootstrap, CLUSTER, cluster, ENDPOINTS, endpoints, LISTENER, listener, put } from './xds-types-rig.ts';
import { ROUTES, routes } from './xds-types-rig.ts';

export type Form = 'GRPC' | 'DELTA_GRPC';

/** A request may wait so long, whatever the control plane does, on a machine on which other tests run. */
const MAX_WAIT_MS = 3_000;
/** Ticks of /proc: a hundred a second. */
const TICK_MS = 10;

export type Endured = ProbeReport & { readonly name: string; readonly tookMs: number; readonly cpuMs: number };

export class HostileRig {
  readonly form: Form;
  readonly server: HostileXds;
  readonly prober: Prober;
  readonly proxy: ProxyProcess;
  readonly port: number;
  readonly endured: Endured[] = [];
  #version = 0;

  private constructor(form: Form, server: HostileXds, prober: Prober, proxy: ProxyProcess, port: number) {
    this.form = form;
    this.server = server;
    this.prober = prober;
    this.proxy = proxy;
    this.port = port;
  }

  static async start(kind: ProxyKind, form: Form, args: readonly string[] = []): Promise<HostileRig> {
    const server = new HostileXds();
    const prober = new Prober();
    await prober.start();
    const port = await freePort();
    const { ads } = server;
    put(ads, CLUSTER, 'one', cluster('one'));
    put(ads, ENDPOINTS, 'one', endpoints('one', prober.upstreamPort));
    put(ads, LISTENER, 'main', listener('main', port));
    put(ads, ROUTES, 'routes', routes('routes'));
    // Attacks are many: the proxy comes back soon.
    const config = JSON.stringify(bootstrap(await server.start(), form, {})).replace('0.05s', '0.01s');
    const starting = startProxy(kind, config.replace('0.2s', '0.05s'), scratchFolder(), args);
    const proxy = await starting.catch(async (error: Error) => {
      await Promise.all([server.stop(), prober.stop()]);
      throw error;
    });
    const rig = new HostileRig(form, server, prober, proxy, port);
    await until('the first configuration serves', async () => (await answer(port)) === 'none', 60_000);
    prober.ask(port);
    await rig.recovers();
    return rig;
  }

  get ads(): AdsServer {
    return this.server.ads;
  }
  get isDelta(): boolean {
    return this.form === 'DELTA_GRPC';
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    await this.server.stop();
    await this.prober.stop();
  }

  /** Serves again, and what it says then comes through. */
  async recovers(): Promise<void> {
    if (this.server.attack !== null) this.server.become(null);
    const version = String(++this.#version);
    const header = { header: { key: 'x-version', value: version } };
    put(this.ads, ROUTES, 'routes', routes('routes', { response_headers_to_add: [header] }));
    let last = '';
    const isThere = async (): Promise<boolean> => {
      last = await answer(this.port);
      return last === version;
    };
    await until('a new version of the routes', isThere, 60_000).catch((error: Error) => {
      const { output } = this.proxy;
      throw new Error(`${error.message}: ${last}; ${this.ads.show(8)}\n${output.slice(-2_000)}`);
    });
  }

  /** Runs an attack: what served goes on, and once it is over the proxy follows its control plane again. */
  async endure(name: string, act: () => Promise<void>): Promise<void> {
    await this.prober.take();
    const cpu = this.cpuMs();
    const from = performance.now();
    try {
      await act();
      await this.recovers();
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
    const report = await this.prober.take();
    this.endured.push({ ...report, name, tookMs: performance.now() - from, cpuMs: this.cpuMs() - cpu });
    assert.deepEqual(report.failures, [], name);
    const load = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
    assert.ok(report.slowestMs <= MAX_WAIT_MS * load, `${name}: a request waited ${report.slowestMs.toFixed(0)} ms`);
    assert.ok(!this.proxy.hasExited, name);
    assert.doesNotMatch(this.proxy.output, /bug in /, name);
  }

  /** The control plane is this until `calls` more calls have come, and for a while. */
  async become(attack: Attack, calls = 2, whileMs = 0): Promise<void> {
    const before = this.server.callCount + this.server.connectionCount;
    this.server.become(attack);
    const count = (): number => this.server.callCount + this.server.connectionCount - before;
    await until(`${calls} calls`, () => count() >= calls);
    await sleep(whileMs);
  }

  /** Sends this as it is, on the stream that stands. */
  say(message: object | Uint8Array): void {
    for (const stream of this.ads.streams) {
      if (message instanceof Uint8Array) stream.sendBytes(message);
      else stream.sendMessage(message as Parameters<AdsStream['sendMessage']>[0]);
    }
  }

  /** A response with resources by name, in the form of the stream. */
  response(type: string, resources: readonly (readonly [string, ServedResource])[], more: object = {}): object {
    const type_url = typeUrlOf(type);
    const anyOf = ({ typeUrl, bytes }: ServedResource): object => ({ type_url: typeUrl, value: bytes });
    const list = resources.map(([name, served]) =>
      this.isDelta ? { name, version: 'v', resource: anyOf(served) } : anyOf(served),
    );
    return { type_url, nonce: 'own', resources: list, ...(this.isDelta ? {} : { version_info: 'v' }), ...more };
  }

  /** Waits for a refusal that says so; it is of this attack. */
  async refused(text: RegExp): Promise<string> {
    const find = (): string | undefined =>
      this.ads.nacks.find(({ error }) => text.test(error ?? ''))?.error ?? undefined;
    await until(`a refusal with ${text}`, () => find() !== undefined).catch((error: Error) => {
      const all = this.ads.nacks.slice(-5).map((nack) => nack.error?.slice(0, 300));
      throw new Error(`${error.message}: ${all.join('\n')}\n${this.ads.show(5)}`);
    });
    return find() ?? '';
  }

  stat(name: string): Promise<number> {
    return stat(this.proxy, name);
  }

  /** All reasons that /config_dump has. */
  async errorStates(): Promise<string[]> {
    const { body } = await this.proxy.admin('/config_dump?include_eds');
    const found: string[] = [];
    JSON.parse(body, (key, value: unknown) => {
      if (key === 'error_state') found.push(String((value as { details?: string }).details));
      return value;
    });
    return found;
  }

  // ─── What it costs ──────────────────────────────────────────────────────────────────────────────────────────────

  cpuMs(): number {
    const fields = readFileSync(`/proc/${this.proxy.pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  }

  get residentMb(): number {
    const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.proxy.pid}/status`, 'latin1'));
    return Number(line?.[1]) / 1024;
  }

  get descriptors(): number {
    return openDescriptors(this.proxy.pid);
  }

  show(): string {
    const lines = this.endured.map(({ name, tookMs, cpuMs, slowestMs }) => {
      return `${tookMs.toFixed(0)} ms, ${cpuMs} ms CPU, slowest answer ${slowestMs.toFixed(0)} ms: ${name}`;
    });
    return [`${this.form}: ${this.residentMb.toFixed(0)} MB, ${this.descriptors} descriptors`, ...lines].join('\n  ');
  }
}

/** Bytes in the place of a resource. */
export function raw(type: string, bytes: Uint8Array | string, typeUrl = typeUrlOf(type)): ServedResource {
  const value = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
  return resource(type, value, { typeUrl });
}

export type Named = readonly [name: string, served: ServedResource];

export function bytesOf(type: string, json: Json): Uint8Array {
  const report = new Report();
  const message = fromJson(registry.message(type), json, report);
  assert.deepEqual(report.problems, []);
  return encodeBinary(registry.message(type), message);
}

export function good(type: string, name: string, json: Json): Named {
  return [name, resource(type, bytesOf(type, json))];
}
