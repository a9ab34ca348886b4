// The objects that heddle.yaml stands for, as files that the control plane reads; endpoints follow who is ready.
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import type { GatewayCertificate } from '../mesh/gateway-ca.ts';
import type { Placement } from '../place/placement.ts';
import { type Beside, endpointObjects, type Json, lastingObjects, type Pod, podObject, podsOf } from './objects.ts';

/** Changes that come together are written together. */
const GATHER_MS = 20;

/** A write that failed is tried again after this time. */
const AGAIN_MS = 2000;

export class GeneratedObjects {
  readonly #directory: string;
  readonly #onProblem: (problem: string) => void;
  #pods: readonly Pod[] = [];
  #services: readonly { readonly namespace: string; readonly name: string; readonly spec: Json }[] = [];
  #isReady: (name: string) => boolean = () => false;
  #timer: NodeJS.Timeout | null = null;
  #onSettled: (() => void)[] = [];
  readonly #last = new Map<string, string>();
  /** As they were written last. */
  endpoints: readonly Json[] = [];

  /** `onProblem` is told what cannot be written while the mesh runs. */
  constructor(directory: string, onProblem: (problem: string) => void) {
    this.#directory = directory;
    this.#onProblem = onProblem;
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** Throws what cannot be written. */
  set(placement: Placement, beside: Beside, certificate: GatewayCertificate | null): void {
    this.#pods = podsOf(placement);
    const lasting = lastingObjects(placement, beside);
    const own = lasting.filter(({ kind }) => kind === 'Service');
    this.#services = [...own.map(partsOf), ...beside.services()];
    this.#write('objects.yaml', lasting);
    const secrets = certificate === null ? [] : beside.missingCertificates.map((one) => secretOf(one, certificate));
    if (secrets.length > 0 || this.#last.has('certificates.yaml')) this.#write('certificates.yaml', secrets);
    this.#writeEndpoints();
  }

  setReady(isReady: (name: string) => boolean): void {
    this.#isReady = isReady;
    this.#timer ??= setTimeout(() => this.#follow(), GATHER_MS);
  }

  #follow(): void {
    this.#timer = null;
    try {
      this.#writeEndpoints();
    } catch (error) {
      this.#onProblem(`${this.#directory}: ${(error as Error).message}; who is ready is not known meanwhile`);
      this.#timer = setTimeout(() => this.#follow(), AGAIN_MS);
    }
    for (const settled of this.#onSettled.splice(0)) settled();
  }

  /** What is known now has been written. */
  settled(): Promise<void> {
    if (this.#timer === null) return Promise.resolve();
    return new Promise((resolve) => this.#onSettled.push(resolve));
  }

  #writeEndpoints(): void {
    const endpoints = endpointObjects(this.#pods, this.#services, this.#isReady);
    const pods = this.#pods.map((pod) => podObject(pod, this.#isReady(pod.name)));
    this.#write('endpoints.yaml', [...pods, ...endpoints]);
    this.endpoints = endpoints;
  }

  #write(name: string, objects: readonly Json[]): void {
    const text = objects.map((object) => dump(object, { lineWidth: -1, noRefs: true })).join('---\n');
    if (text === this.#last.get(name)) return;
    const path = join(this.#directory, name);
    // The control plane never sees half of it.
    const draft = join(this.#directory, `.${name}`);
    writeFileSync(draft, text, { mode: 0o600 });
    renameSync(draft, path);
    this.#last.set(name, text);
  }
}

function partsOf(object: Json): { readonly namespace: string; readonly name: string; readonly spec: Json } {
  const { namespace, name } = object['metadata'] as { readonly namespace: string; readonly name: string };
  return { namespace, name, spec: object['spec'] as Json };
}

function secretOf(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  certificate: GatewayCertificate,
): Json {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(certificate.chain), 'tls.key': base64(certificate.key) },
  };
}
