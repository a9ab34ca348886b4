// What a real istiod sent to proxies of many kinds: opens the packed captures (pack.ts made them).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

type Json = Readonly<Record<string, unknown>>;

/** Each distinct resource is there once; captures and traces name its place in the list. */
export type Packed = {
  readonly resources: readonly Json[];
  readonly captures: readonly PackedCapture[];
  /** 'delta' and 'sotw'. */
  readonly traces: Readonly<Record<string, readonly PackedStep[]>>;
};
export type PackedCapture = {
  readonly name: string;
  readonly node: Json;
  readonly types: Readonly<Record<string, readonly (readonly [name: string, place: number])[]>>;
};
export type PackedStep = {
  readonly ms: number;
  readonly dir: 'req' | 'resp';
  readonly message: Json;
  readonly resources?: readonly ({ readonly place: number } & Json)[];
};

/** `json` is the resource's Any in proto-JSON; captures that hold the same resource share the object. */
export type CapturedResource = { readonly name: string; readonly json: Json };
export type Capture = {
  /** 'SCENARIO/ROLE' */
  readonly name: string;
  readonly node: Json;
  /** By type URL, in the order in which they came. */
  readonly types: ReadonlyMap<string, readonly CapturedResource[]>;
};
/** A request or response of a recorded stream; `resources` are as in DiscoveryResponse or DeltaDiscoveryResponse. */
export type TraceStep = { readonly ms: number; readonly dir: 'req' | 'resp'; readonly message: Json };

export type Captures = {
  readonly captures: readonly Capture[];
  /** One client that sees seven changes of its mesh. */
  readonly traces: { readonly delta: readonly TraceStep[]; readonly sotw: readonly TraceStep[] };
};

let opened: Captures | null = null;

export function openCaptures(): Captures {
  opened ??= open();
  return opened;
}

/** The capture 'SCENARIO/ROLE'. */
export function openCapture(name: string): Capture {
  const capture = openCaptures().captures.find((candidate) => candidate.name === name);
  if (capture === undefined) throw new Error(`there is no capture ${name}`);
  return capture;
}

function open(): Captures {
  const bytes = brotliDecompressSync(readFileSync(join(import.meta.dirname, 'captures.json.br')));
  const { resources, captures, traces } = JSON.parse(bytes.toString()) as Packed;
  const at = (place: number): Json => resources[place] as Json;
  const steps = (form: string): TraceStep[] => (traces[form] ?? []).map((step) => openStep(step, form, at));
  return {
    captures: captures.map(({ name, node, types }) => ({
      name,
      node,
      types: new Map(
        Object.entries(types).map(([type, list]) => [type, list.map(([own, i]) => ({ name: own, json: at(i) }))]),
      ),
    })),
    traces: { delta: steps('delta'), sotw: steps('sotw') },
  };
}

function openStep({ ms, dir, message, resources }: PackedStep, form: string, at: (place: number) => Json): TraceStep {
  if (resources === undefined) return { ms, dir, message };
  const whole = resources.map(({ place, ...more }) =>
    form === 'delta' ? { ...more, resource: at(place) } : at(place),
  );
  return { ms, dir, message: { ...message, resources: whole } };
}
