// What is to be run: heddle.yaml and what is beside it, with a place for everything; made anew when they change.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PathPart } from '../../control/source/finding.ts';
import { locate } from '../../control/source/yaml.ts';
import type { InnerStart } from '../launch/messages.ts';
import { overlayDirectory } from '../location.ts';
import { type Manifest, MANIFEST_FILE } from '../manifest/manifest.ts';
import { readManifest } from '../manifest/read-manifest.ts';
import { readBeside, type ReadBeside } from '../objects/beside.ts';
import { Given, type Placement, placeMesh, PlaceProblem, seedOf } from '../place/placement.ts';
import { findUser } from './users.ts';

export type Plan = {
  /** Without the groups that are left out, and with what Deployments say. */
  readonly manifest: Manifest;
  readonly beside: ReadBeside;
  readonly placement: Placement;
  /** FILE:LINE:COLUMN of what stands at the path in heddle.yaml. */
  readonly placeOf: (path: readonly PathPart[]) => string;
};

export class Planner {
  readonly #options: InnerStart;
  readonly #free: number[];
  readonly #given = new Given();

  constructor(options: InnerStart) {
    this.#options = options;
    this.#free = [...options.freePorts];
  }

  /** Who was there before keeps addresses and ports. Throws every mistake, a line each. */
  plan(): Plan {
    const { directory, without } = this.#options;
    const file = join(directory, MANIFEST_FILE);
    const text = textOf(file);
    const placeOf = (path: readonly PathPart[]): string => {
      const { line, column } = locate(text, 0, path);
      return `${file}:${line}:${column}`;
    };
    const read = readManifest(text, file);
    if ('errors' in read) throw new Error(read.errors.join('\n'));
    this.#checkUsers(read, placeOf);
    const workloads = read.workloads.filter(({ optional }) => optional === '' || !without.includes(optional));
    const beside = readBeside({ ...read, workloads }, overlayDirectory(directory));
    return { manifest: beside.manifest, beside, placement: this.#place(beside.manifest, placeOf), placeOf };
  }

  #checkUsers({ workloads }: Manifest, placeOf: Plan['placeOf']): void {
    if (!this.#options.hasUsers) return;
    const unknown = workloads.flatMap(({ name, user }) => {
      if (user === null || findUser(user) !== null) return [];
      const place = placeOf(['workloads', name, 'user']);
      return [`${place}: there is no user ${user} on this system: make one, or leave it out`];
    });
    if (unknown.length > 0) throw new Error(unknown.join('\n'));
  }

  #place(manifest: Manifest, placeOf: Plan['placeOf']): Placement {
    const { capture, hasLoopbackRange, runtime } = this.#options;
    const freePort = (): number => {
      const port = this.#free.pop();
      if (port === undefined) throw new Error('the mesh is too large: there are no more free ports for it');
      return port;
    };
    try {
      const parts = { capture, hasLoopbackRange, seed: seedOf(runtime), freePort, given: this.#given };
      return placeMesh(manifest, parts);
    } catch (error) {
      if (error instanceof PlaceProblem) throw new Error(`${placeOf(error.path)}: ${error.message}`);
      throw error;
    }
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(code === 'ENOENT' ? `${file} is gone` : `${file} cannot be read: ${message}`);
  }
}
