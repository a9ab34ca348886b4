// The mesh of one machine, as the inner process runs it: networks, objects, control plane, proxies, programs.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { MeshReport } from '../../telemetry/mesh-report.ts';
import type { InnerStart, ToInner } from '../launch/messages.ts';
import { logFile, overlayDirectory, removeLocation, stateDirectory } from '../location.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { bindResolver, PodNetworks, writeResolver } from '../network/pods.ts';
import { forwardPort, serveRelay } from '../network/relay.ts';
import { GatewayCa } from './gateway-ca.ts';
import { readBeside, type ReadBeside } from '../objects/beside.ts';
import { GeneratedObjects } from '../objects/generated.ts';
import {
  BRIDGE_ADDRESS,
  type GatewayPlace,
  type HostPort,
  type Placement,
  placeMesh,
  seedOf,
} from '../place/placement.ts';
import { LogFile } from '../process/log-file.ts';
import { Supervised } from '../process/supervised.ts';
import { ControlLink } from './control-link.ts';
import { loadManifest } from './load-manifest.ts';
import { type OuterLink, Spawner } from './spawner.ts';
import { Traffic } from '../traffic/traffic.ts';
import type { Unit } from './unit.ts';
import { makeUnits } from './units.ts';

/** What the mesh says to its user. */
export type Narrator = {
  /** Something happened that wants attention. */
  tell(who: string, text: string): void;
  /** What a workload printed. */
  line(who: string, text: string): void;
  /** Everything is ready for the first time. */
  ready(mesh: Mesh): void;
  report(report: MeshReport): void;
};

const INNER_SOCKET = 'inside.sock';
const OUTER_SOCKET = 'outside.sock';
export const CONTROL_PORT = 15_014;

export class Mesh {
  readonly options: InnerStart;
  readonly spawner: Spawner;
  readonly control = new ControlLink();
  readonly narrator: Narrator;
  readonly #link: OuterLink;
  readonly #logs = new Map<string, LogFile>();
  readonly #opened = new Set<string>();
  #opening: Promise<void> = Promise.resolve();
  /** Of the control plane. */
  #lastWords = '';
  #units: readonly Unit[] = [];
  #controlProcess: Supervised | null = null;
  #networks: PodNetworks | null = null;
  #objects: GeneratedObjects | null = null;
  #traffic: Traffic | null = null;
  #startedMs = Date.now();
  #wasReady = false;
  #isStopping = false;
  #nextForward = 0;
  manifest: Manifest;
  beside: ReadBeside;
  placement: Placement;
  /** Where the page is reached, and ports of gateways that are open on this machine. */
  pagePort = 0;
  readonly openPorts: { readonly gateway: string; readonly port: number; readonly protocol: string }[] = [];

  constructor(options: InnerStart, link: OuterLink, narrator: Narrator) {
    this.options = options;
    this.narrator = narrator;
    this.#link = link;
    this.spawner = new Spawner(link);
    const manifest = loadManifest(options);
    this.beside = readBeside(manifest, overlayDirectory(options.directory));
    this.manifest = this.beside.manifest;
    const free = [...options.freePorts];
    this.placement = placeMesh(this.manifest, {
      capture: options.capture,
      hasLoopbackRange: options.hasLoopbackRange,
      seed: seedOf(options.runtime),
      freePort: () => {
        const port = free.pop();
        if (port === undefined) throw new Error('the mesh is too large: there are no more free ports for it');
        return port;
      },
    });
  }

  get units(): readonly Unit[] {
    return this.#units;
  }

  get state(): string {
    return stateDirectory(this.options.directory);
  }

  get secondsSinceStart(): number {
    return (Date.now() - this.#startedMs) / 1000;
  }

  /** Throws what cannot be, in words. */
  async start(): Promise<void> {
    const { options } = this;
    await this.#prepareNetworks();
    await this.#writeObjects();
    await this.#startControl();
    this.#units = makeUnits(this);
    for (const unit of this.#units) unit.start();
    await this.control.ready();
    this.pagePort = await this.#forward(options.pagePort, false, { address: '127.0.0.1', port: this.controlPort });
    this.#link.send({ kind: 'up', pagePort: this.pagePort, isReady: false });
    this.#traffic = new Traffic(this);
    this.#traffic.start();
    setTimeout(() => this.#tellWhoIsLate(), options.patienceMs).unref();
    this.changed();
  }

  /** In explicit mode everything is on one network, and the port is anyone's. */
  get controlPort(): number {
    return this.options.capture === 'namespaces' ? CONTROL_PORT : (this.#explicitControlPort ??= this.#freePort());
  }

  #explicitControlPort: number | null = null;

  #freePort(): number {
    return this.options.freePorts[0] as number;
  }

  networkOf(name: string): number | null {
    return this.#networks?.networkOf(name) ?? null;
  }

  get traffic(): Traffic | null {
    return this.#traffic;
  }

  logOf(name: string): LogFile {
    let log = this.#logs.get(name);
    if (log === undefined) {
      log = new LogFile(logFile(this.options.directory, name), (problem) => this.narrator.tell('heddle', problem));
      this.#logs.set(name, log);
    }
    return log;
  }

  /** Somebody's readiness did: endpoints follow. */
  changed(): void {
    if (this.#isStopping) return;
    void this.#openPorts();
    this.#objects?.setReady((name) => this.#units.find(({ facts }) => facts.name === name)?.isReady === true);
    if (this.#wasReady || this.#units.length === 0 || !this.#units.every(({ isReady }) => isReady)) return;
    if (this.pagePort === 0) return;
    this.#wasReady = true;
    void this.#becomeReady();
  }

  async #becomeReady(): Promise<void> {
    await this.#objects?.settled();
    await this.#openPorts();
    this.#link.send({ kind: 'up', pagePort: this.pagePort, isReady: true });
    this.narrator.ready(this);
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#traffic?.stop();
    // First who calls, then who is called; the control plane sees all of them go.
    await Promise.all(this.#units.map((unit) => unit.stop()));
    await this.#controlProcess?.stop();
    for (const log of this.#logs.values()) log.flush();
  }

  /** The outer process is gone: nobody else cleans up. */
  abandon(): void {
    this.spawner.killAll();
    rmSync(this.options.runtime, { recursive: true, force: true });
    removeLocation(this.options.directory);
    process.exit(1);
  }

  async #prepareNetworks(): Promise<void> {
    const { options, placement } = this;
    const egress = placement.gateways.filter(({ kind }) => kind === 'egress');
    if (options.capture !== 'namespaces') return;
    const networks = new PodNetworks(egress.map(({ address }) => address));
    this.#networks = networks;
    for (const { name, address } of placement.workloads) networks.add(name, address, true);
    for (const { name, address, kind } of placement.gateways) {
      if (kind === 'ingress') networks.add(name, address, false);
    }
    for (const namespace of new Set([
      this.manifest.namespace,
      ...placement.workloads.map((place) => place.namespace),
    ])) {
      writeResolver(resolverOf(options, namespace), namespace);
    }
    bindResolver(resolverOf(options, this.manifest.namespace));
    await serveRelay(join(options.runtime, INNER_SOCKET), () => true);
    const outside = join(options.runtime, OUTER_SOCKET);
    const targets: HostPort[] = [];
    for (const gateway of egress) {
      const at = gateway.bind;
      for (const { target } of gateway.ports) {
        targets.push({ address: at, port: target });
        await forwardPort({ address: gateway.address, port: target }, outside, { address: at, port: target });
      }
    }
    this.#link.send({ kind: 'open', targets });
    if (egress.length > 0) {
      await this.#forward(placement.hostDiscovery.port, true, {
        address: BRIDGE_ADDRESS,
        port: placement.discovery.port,
      });
    }
  }

  async #writeObjects(): Promise<void> {
    const { beside, placement, state } = this;
    const authority = await GatewayCa.open(state);
    const certificate = beside.missingCertificates.length === 0 ? null : await authority.issue(this.#gatewayNames());
    this.#objects = new GeneratedObjects(join(state, 'generated'), placement, beside, certificate);
  }

  /** Names that browsers know this machine by. */
  #gatewayNames(): string[] {
    const { name } = this.manifest;
    return ['localhost', `${name}.localhost`, '*.localhost'];
  }

  async #startControl(): Promise<void> {
    const { options, placement, state } = this;
    const { discovery } = placement;
    const tokenFile = join(options.runtime, 'page-token');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(tokenFile, options.token, { mode: 0o600 });
    const directory = join(state, 'control');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const command = [
      ...selfCommand(),
      ...['control', '--config', join(state, 'generated'), '--config-application', options.directory],
      ...['--config-overlay', overlayDirectory(options.directory), '--state-dir', directory],
      ...['--secure-address', `${discovery.address}:${discovery.port}`, '--grpc-address', '127.0.0.1:0'],
      ...['--http-address', `127.0.0.1:${this.controlPort}`, '--page-token-file', tokenFile],
      ...['--assign-addresses', '--parent-fd', '3'],
    ];
    const log = this.logOf('control');
    const start = async (events: Parameters<Spawner['start']>[2]) => {
      const spec = { name: 'control', command, environment: ownEnvironment(), directory: process.cwd(), user: null };
      const program = await this.spawner.start(
        { ...spec, inherits: 'socket' },
        { network: null, isOutside: false },
        events,
      );
      if (program?.socket != null) this.control.attach(program.socket);
      return program;
    };
    this.#controlProcess = new Supervised('control', start, {
      line: (text) => {
        log.line(text);
        this.#lastWords = text;
        this.#tellFinding(text);
      },
      started: () => undefined,
      ended: (how) => this.narrator.tell('control', `the control plane ${how}; traffic goes on meanwhile`),
    });
    await this.#controlProcess.start();
    await Promise.race([this.control.ready(), this.#controlFailed()]);
  }

  async #controlFailed(): Promise<never> {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (this.control.isReady) return new Promise(() => undefined);
      const trouble = this.#controlProcess?.trouble ?? '';
      if (trouble !== '') {
        throw new Error(
          `the control plane cannot be started (it ${trouble}): ${this.#lastWords.replace(/^heddle: /, '')}`,
        );
      }
    }
  }

  /** What is wrong with a file is said where its author looks. */
  #tellFinding(text: string): void {
    const found = /^\[[^\]]*\]\[(warning|error)\]\[[^\]]*\] (.*)$/.exec(text);
    if (found !== null) this.narrator.tell('control', found[2] as string);
  }

  /** Of gateways that are ready, once: before that nobody would answer. */
  #openPorts(): Promise<void> {
    this.#opening = this.#opening.then(() => this.#openMore());
    return this.#opening;
  }

  async #openMore(): Promise<void> {
    const opening = this.placement.gateways.filter(
      ({ name }) => !this.#opened.has(name) && this.#units.some(({ facts, isReady }) => facts.name === name && isReady),
    );
    for (const { name } of opening) this.#opened.add(name);
    for (const gateway of opening) {
      for (const { port, host, protocol } of gateway.spec.ports) {
        if (host === null) continue;
        const opened = await this.#forward(host, false, { address: gateway.address, port: targetOf(gateway, port) });
        if (opened !== host) {
          this.narrator.tell(gateway.name, `port ${host} is taken by another program; ${opened} is used in its place`);
        }
        this.openPorts.push({ gateway: gateway.name, port: opened, protocol });
      }
    }
  }

  /** The port that was opened. */
  #forward(port: number, isExact: boolean, to: HostPort): Promise<number> {
    const id = this.#nextForward++;
    return new Promise((resolve, reject) => {
      this.#link.onMessage((message: ToInner) => {
        if (message.kind !== 'forwarded' || message.id !== id) return;
        if (message.problem !== null && isExact) reject(new Error(`port ${port}: ${message.problem}`));
        else resolve(message.port);
      });
      this.#link.send({ kind: 'forward', id, port, isExact, to });
    });
  }

  #tellWhoIsLate(): void {
    if (this.#wasReady || this.#isStopping) return;
    for (const unit of this.#units) {
      if (!unit.isReady)
        this.narrator.tell(unit.facts.name, `is not ready yet: ${unit.reason()}; see heddle logs ${unit.facts.name}`);
    }
  }
}

function targetOf({ ports }: GatewayPlace, wanted: number): number {
  return ports.find(({ port }) => port === wanted)?.target ?? wanted;
}

/** Where programs of a namespace find whom to ask for names. */
export function resolverOf({ runtime }: InnerStart, namespace: string): string {
  return join(runtime, `resolv-${namespace}.conf`);
}

/** This program again. */
export function selfCommand(): string[] {
  return [process.execPath, ...process.execArgv, process.argv[1] as string];
}

export function ownEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !/^NODE_(?:CHANNEL|UNIQUE)/.test(name),
  );
  return Object.fromEntries(kept) as Record<string, string>;
}
