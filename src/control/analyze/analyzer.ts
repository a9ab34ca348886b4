// One analyzer: what it looks for, and how.
import type { Code } from './codes.ts';
import type { Report } from './message.ts';
import type { World } from './world.ts';

export type Analyzer = {
  /** As Istio calls it, where it has one. */
  readonly name: string;
  readonly description: string;
  readonly codes: readonly Code[];
  /** Only run where one of its codes is asked for by name. */
  readonly isOptional?: true;
  readonly run: (world: World, report: Report) => void;
};
