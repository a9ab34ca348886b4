// What is wrong with a message: every problem with its exact field path, collected instead of thrown.

export type ProblemKind =
  | 'unknown-field'
  | 'unknown-type'
  | 'wrong-type'
  | 'duplicate'
  | 'oneof'
  | 'malformed'
  | 'limit'
  | 'invalid';

/** `path` is in proto field names, e.g. `static_resources.listeners[0].name`; '' is the message itself. */
export interface Problem {
  readonly path: string;
  readonly reason: string;
  readonly kind: ProblemKind;
}

/** Problems kept per report; later ones are only counted, so that hostile input cannot fill memory. */
export const MAX_PROBLEMS = 256;

/** Longer paths (made of the keys of a hostile message) are cut. */
const MAX_PATH_LENGTH = 1000;

/** Collects problems; a problem that is reported twice with the same path and reason is kept once. */
export class Report {
  readonly problems: Problem[] = [];
  /** Problems beyond MAX_PROBLEMS. */
  dropped = 0;

  #seen: Set<string> | null = null;

  add(path: string, kind: ProblemKind, reason: string): void {
    if (this.problems.length >= MAX_PROBLEMS) {
      this.dropped++;
      return;
    }
    this.#seen ??= new Set();
    const shown = path.length > MAX_PATH_LENGTH ? `${path.slice(0, MAX_PATH_LENGTH)}…` : path;
    const key = `${shown}\n${reason}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.problems.push({ path: shown, reason, kind });
  }

  get isEmpty(): boolean {
    return this.problems.length === 0;
  }

  /** True when nothing but fields unknown to the descriptors was found: such a message may still be used. */
  get onlyUnknownFields(): boolean {
    return this.problems.every((problem) => problem.kind === 'unknown-field');
  }

  /** One line per problem: `path: reason`. */
  toString(): string {
    const lines = this.problems.map((problem) =>
      problem.path === '' ? problem.reason : `${problem.path}: ${problem.reason}`,
    );
    if (this.dropped > 0) lines.push(`and ${this.dropped} more`);
    return lines.join('\n');
  }
}

/** Joins a path and a field name. */
export function joinPath(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** Path of an entry of a map: `metadata["key"]`. */
export function keyPath(path: string, key: string): string {
  return `${path}[${JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key)}]`;
}
