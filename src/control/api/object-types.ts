// Objects, their receipts and findings as the API tells them: types alone, for those who read them.
import type { Finding } from '../source/finding.ts';

export type ToldFinding = Finding;

export type ToldRefusal = {
  readonly proxy: string;
  readonly typeUrl: string;
  readonly resource: string;
  readonly field: string;
  readonly message: string;
};

export type ToldStatus = {
  readonly key: string;
  readonly generation: number;
  readonly concerned: number;
  readonly accepted: number;
  readonly live: number;
  readonly waiting: readonly string[];
  readonly refusals: readonly ToldRefusal[];
  readonly effect: string;
  readonly findings: readonly ToldFinding[];
};

export type ListedObject = {
  readonly key: string;
  readonly kind: string;
  readonly apiVersion: string;
  readonly namespace: string;
  readonly name: string;
  readonly file: string;
  readonly line: number;
  /** With `full=1`: apiVersion, kind, metadata and the rest. */
  readonly object?: Readonly<Record<string, unknown>>;
  readonly status: ToldStatus | null;
};

/** One, of /api/v1/object. */
export type WholeObject = ListedObject & { readonly yaml: string };
