// The mesh of one machine, as the inner process runs it: networks, objects, control plane, proxies, programs.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { MeshReport } from '../../telemetry/mesh-report.ts';
import { FIRST_USER } from '../launch/capability.ts';
import type { InnerStart } from '../launch/messages.ts';
import { logFile, removeLocation, stateDirectory } from '../location.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { PodNetworks } from '../network/pods.ts';
import { GatewayCa, type GatewayCertificate } from './gateway-ca.ts';
import type { ReadBeside } from '../objects/beside.ts';
import { GeneratedObjects } from '../objects/generated.ts';
import { endpointsAreLive } from '../objects/told.ts';
import type { Placement } from '../place/placement.ts';
import { LiveManifest } from '../live/live-manifest.ts';
import { LogFile } from '../process/log-file.ts';
import { HostPorts } from './host-ports.ts';
import { MeshControl } from './mesh-control.ts';
import { addNetworks, prepareNetworks } from './networks.ts';
import { type Plan, Planner } from './plan.ts';
import { type OuterLink, Spawner } from './spawner.ts';
import { Traffic } from '../traffic/traffic.ts';
import type { Unit } from './unit.ts';
import { makeUnits } from './units.ts';

/** What the mesh says to its user. */
export type Narrator = {
  /** Something happened that wants attention: the same words again soon are said once. */
  tell(who: string, text: string): void;
  /** What the user did has this effect: each time. */
  say(who: string, text: string): void;
  /** What a workload printed. */
  line(who: string, text: string): void;
  /** Everything is ready for the first time. */
  ready(mesh: Mesh): void;
  report(report: MeshReport): void;
};

export const CONTROL_PORT = 15_014;

export class Mesh {
  readonly options: InnerStart;
  readonly spawner: Spawner;
  readonly control: MeshControl;
  readonly ports: HostPorts;
  readonly narrator: Narrator;
  readonly #link: OuterLink;
  readonly #logs = new Map<string, LogFile>();
  #units: readonly Unit[] = [];
  #networks: PodNetworks | null = null;
  #objects: GeneratedObjects | null = null;
  #certificate: GatewayCertificate | null = null;
  #traffic: Traffic | null = null;
  #startedMs = Date.now();
  #wasReady = false;
  readonly #users = new Map<string, number>();
  /** Why somebody was told to be late. */
  readonly #late = new Map<string, string>();
  #isStopping = false;
  readonly #planner: Planner;
  readonly #live: LiveManifest;
  plan: Plan;
  /** Where the page is reached on this machine. */
  pagePort = 0;

  constructor(options: InnerStart, link: OuterLink, narrator: Narrator) {
    this.options = options;
    this.narrator = narrator;
    this.#link = link;
    this.spawner = new Spawner(link);
    this.ports = new HostPorts(link);
    this.control = new MeshControl(this);
    this.#planner = new Planner(options);
    this.plan = this.#planner.plan();
    this.#live = new LiveManifest(this);
  }

  get manifest(): Manifest {
    return this.plan.manifest;
  }

  get beside(): ReadBeside {
    return this.plan.beside;
  }

  get placement(): Placement {
    return this.plan.placement;
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
    this.#networks = await prepareNetworks(this);
    await this.#writeObjects();
    const control = this.control.start();
    // They load meanwhile, and wait for their tokens.
    this.#units = makeUnits(this);
    for (const unit of this.#units) unit.start();
    try {
      await control;
    } catch (error) {
      // Whoever waits for a token hears no signal.
      this.spawner.killAll();
      throw error;
    }
    this.pagePort = await this.ports.forward(options.pagePort, false, { address: '127.0.0.1', port: this.controlPort });
    this.#link.send({ kind: 'up', pagePort: this.pagePort, isReady: false });
    this.#traffic = new Traffic(this);
    this.#traffic.start();
    setTimeout(() => this.#tellWhoIsLate(), options.patienceMs).unref();
    this.#live.start();
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

  /** Of the user that a process has for itself. */
  userNumberOf(name: string): number {
    const number = this.#users.get(name) ?? FIRST_USER + this.#users.size;
    this.#users.set(name, number);
    return number;
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

  /** Proxies know who is ready. */
  async endpointsSettled(): Promise<void> {
    await this.#objects?.settled();
    await endpointsAreLive(this.#objects?.endpoints ?? [], this.controlPort, this.options.token);
  }

  /** heddle.yaml as it is now. Throws every mistake, a line each. */
  planAnew(): Plan {
    return this.#planner.plan();
  }

  /** Objects, names and networks follow the plan; units are the caller's. */
  async adopt(plan: Plan): Promise<void> {
    this.plan = plan;
    if (this.#networks !== null) addNetworks(this, this.#networks);
    await this.#writeObjects();
    this.#traffic?.refresh();
  }

  /** Those that the plan has, in its order; `made` in place of what was called so. */
  setUnits(made: readonly Unit[]): void {
    const { workloads, gateways, externals } = this.placement;
    const all = new Map([...this.#units, ...made].map((unit) => [unit.facts.name, unit]));
    this.#units = [...workloads, ...gateways, ...externals].flatMap(({ name }) => all.get(name) ?? []);
    this.#traffic?.refresh();
    this.changed();
  }

  async #becomeReady(): Promise<void> {
    // Who calls as soon as it is told so finds everybody.
    await this.endpointsSettled();
    await this.#openPorts();
    this.#link.send({ kind: 'up', pagePort: this.pagePort, isReady: true });
    this.narrator.ready(this);
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#live.stop();
    this.#traffic?.stop();
    // First who calls, then who is called; the control plane sees all of them go.
    await Promise.all(this.#units.map((unit) => unit.stop()));
    await this.control.stop();
    for (const log of this.#logs.values()) log.flush();
  }

  /** The outer process is gone: nobody else cleans up. */
  abandon(): void {
    this.spawner.killAll();
    rmSync(this.options.runtime, { recursive: true, force: true });
    removeLocation(this.options.directory);
    process.exit(1);
  }

  /** What is made of the plan. Throws what cannot be written. */
  async #writeObjects(): Promise<void> {
    const { beside, placement, state } = this;
    if (beside.missingCertificates.length > 0) {
      this.#certificate ??= await (await GatewayCa.open(state)).issue(this.#gatewayNames());
    }
    this.#objects ??= new GeneratedObjects(join(state, 'generated'), (problem) =>
      this.narrator.tell('heddle', problem),
    );
    this.#objects.set(placement, beside, this.#certificate);
  }

  /** Names that browsers know this machine by. */
  #gatewayNames(): string[] {
    const { name } = this.manifest;
    return ['localhost', `${name}.localhost`, '*.localhost'];
  }

  /** Of gateways that are ready: before that nobody would answer. */
  #openPorts(): Promise<void> {
    const ready = this.placement.gateways.filter(({ name }) =>
      this.#units.some(({ facts, isReady }) => facts.name === name && isReady),
    );
    return this.ports.openGateways(ready, (who, text) => this.narrator.tell(who, text));
  }

  /** Again as long as somebody is late for another reason. */
  #tellWhoIsLate(): void {
    if (this.#wasReady || this.#isStopping) return;
    for (const unit of this.#units) {
      const { name } = unit.facts;
      const reason = unit.reason();
      if (reason === '' || this.#late.get(name) === reason) continue;
      this.#late.set(name, reason);
      this.narrator.tell(name, `is not ready yet: ${reason}; see heddle logs ${name}`);
    }
    setTimeout(() => this.#tellWhoIsLate(), this.options.patienceMs).unref();
  }
}
