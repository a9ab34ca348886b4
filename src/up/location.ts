// Where a mesh runs that `heddle up` started: how commands find it, and what they need to ask it.
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { isAlive } from '../net/process-identity.ts';

/** `.heddle/up.json`, 0600, for as long as the mesh runs. */
export type MeshLocation = {
  /** Of the process that ends everything when it ends. */
  readonly pid: number;
  /** The directory of heddle.yaml. */
  readonly directory: string;
  /** Pages and API of the control plane as they are reached from outside: http://127.0.0.1:15014. */
  readonly control: string;
  /** Bearer token of that API, and of the page. */
  readonly token: string;
  /** A short path where the sockets are: NAME.admin is the admin interface of that workload's proxy. */
  readonly runtime: string;
  readonly startedMs: number;
  /** Tells that process from a later one of the same number. */
  readonly processStart?: string;
};

const STATE = '.heddle';
const FILE = 'up.json';

export const stateDirectory = (directory: string): string => join(directory, STATE);

/** Objects of `heddle apply`. */
export const overlayDirectory = (directory: string): string => join(directory, STATE, 'objects');

export const logFile = (directory: string, name: string): string => join(directory, STATE, 'logs', `${name}.log`);

/** The mesh in that directory, or null; one whose process is gone counts as none. */
export function meshIn(directory: string): MeshLocation | null {
  let location: MeshLocation;
  try {
    location = JSON.parse(readFileSync(join(directory, STATE, FILE), 'utf8')) as MeshLocation;
  } catch {
    return null;
  }
  return isAlive(location.pid, location.processStart ?? '') ? location : null;
}

/**
 * The mesh that a command means: the one of `directory` if it is given, else that of the working directory or one above
 * it, else the only one that this user runs. A text says why none was found.
 */
export function findMesh(directory: string | null, from = process.cwd()): MeshLocation | string {
  if (directory !== null) {
    return meshIn(resolve(directory)) ?? `no mesh runs in ${directory}: start it with heddle up ${directory}`;
  }
  for (let at = resolve(from); ; at = dirname(at)) {
    const found = meshIn(at);
    if (found !== null) return found;
    if (at === dirname(at)) break;
  }
  const all = runningMeshes();
  const [only] = all;
  if (only === undefined) return 'no mesh runs here: start one with heddle up DIR';
  if (all.length === 1) return only;
  return `${all.length} meshes run; say which with --dir DIR: ${all.map((mesh) => mesh.directory).join(', ')}`;
}

/** Of this user. */
export function runningMeshes(): MeshLocation[] {
  const registry = registryDirectory();
  if (!existsSync(registry)) return [];
  return readdirSync(registry).flatMap((name) => {
    const directory = readFileSync(join(registry, name), 'utf8');
    const found = meshIn(directory);
    if (found === null) rmSync(join(registry, name), { force: true });
    return found === null ? [] : [found];
  });
}

export function writeLocation(location: MeshLocation): void {
  const { directory } = location;
  writeFileSync(join(directory, STATE, FILE), JSON.stringify(location, null, 2), { mode: 0o600 });
  mkdirSync(registryDirectory(), { recursive: true, mode: 0o700 });
  writeFileSync(registryEntry(directory), directory, { mode: 0o600 });
}

export function removeLocation(directory: string): void {
  rmSync(join(directory, STATE, FILE), { force: true });
  rmSync(registryEntry(directory), { force: true });
}

function registryEntry(directory: string): string {
  let real = directory;
  try {
    real = realpathSync(directory);
  } catch {
    // It was deleted while the mesh ran.
  }
  const name = createHash('sha256').update(real).digest('hex').slice(0, 16);
  return join(registryDirectory(), name);
}

function registryDirectory(): string {
  const home = process.env['XDG_RUNTIME_DIR'] ?? join(tmpdir(), `heddle-${process.getuid?.() ?? 0}`);
  return join(home, 'heddle-meshes');
}
