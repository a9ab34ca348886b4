// What a real API server said of documents: the table that tests compare with, and how it is asked.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import type { ApiServer } from './api-server.ts';
import { generateCoreDocuments, generateDocuments } from './documents.ts';
import type { Json } from './seeds.ts';

export type Verdict = {
  readonly object: Json;
  /** What was there before, where the document changes something. */
  readonly before?: Json;
  /** What it said when it refused; null when it accepted. */
  readonly refusal: string | null;
  /** The spec with its defaults, of custom resources that were accepted. */
  readonly spec?: unknown;
};
export type Verdicts = { readonly custom: readonly Verdict[]; readonly core: readonly Verdict[] };

export const VERDICTS_FILE = join(import.meta.dirname, 'testdata/verdicts.json.br');

export function recordedVerdicts(): Verdicts {
  return JSON.parse(brotliDecompressSync(readFileSync(VERDICTS_FILE)).toString()) as Verdicts;
}

/** Objects and what they become; there are few rules on changes. */
const CHANGES: readonly (readonly [before: Json, after: Json])[] = [
  [gatewayClass('a.example/x'), gatewayClass('a.example/x')],
  [gatewayClass('a.example/x'), gatewayClass('a.example/y')],
  [gatewayClass('a.example/x'), gatewayClass('a.example/x', 'told')],
  [gatewayClass('a.example/x'), { ...gatewayClass('a.example/y'), apiVersion: 'gateway.networking.k8s.io/v1beta1' }],
];

function gatewayClass(controllerName: string, description?: string): Json {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GatewayClass',
    metadata: { name: 'changing' },
    spec: { controllerName, ...(description === undefined ? {} : { description }) },
  };
}

/** Asks the server about as many documents as `perSeed` wants of each valid one. */
export async function askAll(server: ApiServer, perSeed: number, seed: number): Promise<Verdicts> {
  const ask = async (object: Json, before?: Json): Promise<Verdict> => {
    const { status, body } = await (before === undefined ? server.create(object) : server.update(before, object));
    const asked = before === undefined ? { object } : { object, before };
    if (status === 201 || status === 200) return { ...asked, refusal: null, spec: body['spec'] };
    if (status !== 400 && status !== 422) throw new Error(`${JSON.stringify(object)}: ${JSON.stringify(body)}`);
    return { ...asked, refusal: String(body['message']) };
  };
  const custom: Verdict[] = [];
  for (const object of generateDocuments(perSeed, seed)) custom.push(await ask(object));
  for (const [before, object] of CHANGES) custom.push(await ask(object, before));
  const core: Verdict[] = [];
  for (const object of generateCoreDocuments(perSeed, seed)) {
    // Every API server has that one already.
    if (object['kind'] === 'Namespace') continue;
    const { spec: _, ...verdict } = await ask(object);
    core.push(verdict);
  }
  return { custom, core };
}
