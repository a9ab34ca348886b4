// Follows heddle.yaml while the mesh runs: what changed is done, what is wrong with it is told, and the rest stays.
import { FileWatch } from '../../net/file-watch.ts';
import { MANIFEST_FILE } from '../manifest/manifest.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { Plan } from '../mesh/plan.ts';
import { externalProgram, workloadProgram } from '../mesh/programs.ts';
import type { MakeProgram, Unit } from '../mesh/unit.ts';
import { externalUnit, workloadUnit } from '../mesh/units.ts';
import { type Changes, compare } from './changes.ts';

/** An editor writes a file in several steps. */
const GATHER_MS = 150;
/** A replica that is not ready by then does not hold up the next one. */
const LONGEST_WAIT_MS = 15_000;
const LOOK_MS = 50;

export class LiveManifest {
  readonly #mesh: Mesh;
  #close: () => void = () => undefined;
  #timer: NodeJS.Timeout | null = null;
  #last: Promise<void> = Promise.resolve();
  #isOver = false;
  #wasBroken = false;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
  }

  start(): void {
    const seen = (name: string): void => {
      if (name === MANIFEST_FILE) this.#again();
    };
    const listener = { onMoved: seen, onChanged: seen, onGone: seen };
    const watch = new FileWatch().watch(this.#mesh.options.directory, listener);
    if (typeof watch === 'string') this.#tell(`changes of ${MANIFEST_FILE} count with the next heddle up: ${watch}`);
    else this.#close = () => watch.close();
  }

  stop(): void {
    this.#isOver = true;
    this.#close();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #tell(text: string): void {
    this.#mesh.narrator.say('heddle', text);
  }

  #again(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#last = this.#last.then(() => this.#read());
    }, GATHER_MS);
  }

  async #read(): Promise<void> {
    if (this.#isOver) return;
    let plan: Plan;
    try {
      plan = this.#mesh.planAnew();
    } catch (error) {
      this.#wasBroken = true;
      for (const line of (error as Error).message.split('\n')) this.#tell(line);
      this.#tell('the mesh goes on as it was');
      return;
    }
    const changes = compare(this.#mesh.placement, plan.placement);
    for (const { path, reason } of changes.later) this.#tell(`${plan.placeOf(path)}: ${reason}`);
    const { added, removed, renewed, restarted, later } = changes;
    const count = added.length + removed.length + renewed.size + restarted.size + later.length;
    if (count === 0 && this.#wasBroken) this.#tell(`${MANIFEST_FILE} is right again, and nothing of it changed`);
    this.#wasBroken = false;
    try {
      await this.#apply(plan, changes);
    } catch (error) {
      this.#tell(`what changed of ${MANIFEST_FILE} could not be done: ${(error as Error).message}`);
    }
  }

  async #apply(plan: Plan, { added, removed, renewed, restarted, placement }: Changes): Promise<void> {
    const mesh = this.#mesh;
    const going = this.#units([...removed, ...renewed.keys()]);
    for (const name of removed) this.#tell(`${name} is ended: ${MANIFEST_FILE} has it no more`);
    for (const [name, fields] of renewed) this.#tell(`${name} is made anew: its ${fields.join(', ')} changed`);
    for (const unit of going) unit.leave();
    if (going.length > 0) await mesh.endpointsSettled();
    await Promise.all(going.map((unit) => unit.stop()));
    if (this.#isOver) return;
    for (const name of added) this.#tell(`${name} is new`);
    // Namespaces and gateways stay as they were when it started.
    const { namespace, gateways } = mesh.manifest;
    await mesh.adopt({ ...plan, placement, manifest: { ...plan.manifest, namespace, gateways } });
    const made = this.#makeUnits([...added, ...renewed.keys()]);
    mesh.setUnits(made);
    for (const unit of made) unit.start();
    for (const [name, fields] of restarted) await this.#restart(name, fields);
  }

  #units(names: readonly string[]): Unit[] {
    return this.#mesh.units.filter(({ facts }) => names.includes(facts.name));
  }

  #makeUnits(names: readonly string[]): Unit[] {
    const { workloads, externals } = this.#mesh.placement;
    const isNamed = ({ name }: { readonly name: string }): boolean => names.includes(name);
    return [
      ...workloads.filter(isNamed).map((place) => workloadUnit(this.#mesh, place)),
      ...externals.filter(isNamed).map((place) => externalUnit(this.#mesh, place)),
    ];
  }

  /** One after another: while one of several is away the others answer. */
  async #restart(name: string, fields: readonly string[]): Promise<void> {
    const [unit] = this.#units([name]);
    const make = this.#programOf(name);
    if (unit === undefined || make === null || this.#isOver) return;
    this.#tell(`${name} is started again: its ${fields.join(', ')} changed`);
    unit.leave();
    await this.#mesh.endpointsSettled();
    await unit.replace(make);
    const hasOthers = this.#mesh.units.some(
      ({ facts }) => facts.workload === unit.facts.workload && facts.name !== name,
    );
    if (!hasOthers) return;
    const endMs = Date.now() + LONGEST_WAIT_MS;
    while (!unit.isReady && !this.#isOver && Date.now() < endMs) {
      await new Promise((wake) => setTimeout(wake, LOOK_MS));
    }
    await this.#mesh.endpointsSettled();
  }

  #programOf(name: string): MakeProgram | null {
    const { workloads, externals } = this.#mesh.placement;
    const workload = workloads.find((place) => place.name === name);
    if (workload !== undefined) return (events) => workloadProgram(this.#mesh, workload, events);
    const external = externals.find((place) => place.name === name);
    return external === undefined ? null : (events) => externalProgram(this.#mesh, external, events);
  }
}
