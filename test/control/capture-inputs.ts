// What the istiods behind test/captures were given: Kubernetes objects, Istio objects, mesh configuration, variables.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { loadAll } from 'js-yaml';

export type PackedInputs = {
  /** The objects that all scenarios share. */
  readonly base: string;
  readonly scenarios: Readonly<
    Record<string, { readonly files: Readonly<Record<string, string>>; readonly env: Readonly<Record<string, string>> }>
  >;
};

export type CaptureInput = {
  /** 'base.yaml', 'config.yaml', 'mesh.yaml': what a directory of configuration holds. */
  readonly files: Record<string, string>;
  /** Environment variables of that istiod. */
  readonly env: Readonly<Record<string, string>>;
  /** Documents that were applied one after the other while a client watched (only of the trace); '' otherwise. */
  readonly steps: string;
};

let opened: PackedInputs | null = null;

function open(): PackedInputs {
  const bytes = brotliDecompressSync(readFileSync(join(import.meta.dirname, 'testdata/capture-inputs.json.br')));
  opened ??= JSON.parse(bytes.toString()) as PackedInputs;
  return opened;
}

/** Names of the scenarios, '01-plain-sidecar' and so on. */
export function captureInputNames(): string[] {
  return Object.keys(open().scenarios);
}

/** The input of a scenario; `name` may also be that of a capture, 'SCENARIO/ROLE'. */
export function captureInput(name: string): CaptureInput {
  const { base, scenarios } = open();
  const scenario = scenarios[name.split('/')[0] ?? ''];
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
  const { 'steps.yaml': steps = '', ...files } = scenario.files;
  const own = new Set(identities(files['config.yaml'] ?? ''));
  const shared = base.split(/^---$/m).filter((text) => !identities(text).some((identity) => own.has(identity)));
  return { files: { 'base.yaml': shared.join('---'), ...files }, env: scenario.env, steps };
}

/** What was applied later replaced what was there. */
function identities(text: string): string[] {
  return loadAll(text).map((document) => {
    const { kind = '', metadata } = (document ?? {}) as { kind?: string; metadata?: Record<string, unknown> };
    return `${kind}/${metadata?.['namespace'] ?? ''}/${metadata?.['name'] ?? ''}`;
  });
}
