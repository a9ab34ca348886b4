// Packs the schemas of the CustomResourceDefinitions of Istio and the Gateway API into one file, a line per version.
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { KINDS } from '../../src/control/source/kinds.ts';

type Schema = Readonly<Record<string, unknown>>;
export type Crd = {
  readonly kind: string;
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string; readonly plural: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
};

/** The experimental channel has all that the standard one has, and accepts what that accepts. */
const GATEWAY_API = 'sigs.k8s.io/gateway-api@v1.6.3';
const GATEWAY_FILES = 'config/crd/experimental/*.yaml';
const ISTIO_FILES = 'kubernetes/customresourcedefinitions.gen.yaml';

/** What says nothing about which documents are valid; what an object's status says is none of its author's business. */
const DROPPED = new Set(['description', 'title', 'example', 'externalDocs', 'deprecated']);
const ANY_OBJECT = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

/** The version of Istio's API is the one that the descriptors come from. */
function istioModule(root: string): string {
  const versions = readFileSync(`${root}scripts/generate/go.mod`, 'utf8');
  return `istio.io/api@${/istio\.io\/api (v\S+)/.exec(versions)?.[1] ?? ''}`;
}

/** The CustomResourceDefinitions of all kinds that the source reads, as they are published. */
export function readCrds(root: string): Crd[] {
  const istio = moduleFolder(istioModule(root));
  const gateway = moduleFolder(GATEWAY_API);
  const files = [
    ...globSync(ISTIO_FILES, { cwd: istio }).map((file) => join(istio, file)),
    ...globSync(GATEWAY_FILES, { cwd: gateway }).map((file) => join(gateway, file)),
  ];
  const documents = files.sort().flatMap((file) => loadAll(readFileSync(file, 'utf8')) as (Crd | null)[]);
  return documents.filter((crd): crd is Crd => {
    if (crd?.kind !== 'CustomResourceDefinition') return false;
    return KINDS.some(({ group, kind }) => group === crd.spec.group && kind === crd.spec.names.kind);
  });
}

/** `root` is the project's folder, with a slash at its end. */
export function writeSchemas(root: string): void {
  const istio = istioModule(root);
  const schemas = new Map<string, string>();
  for (const { spec } of readCrds(root)) {
    for (const { name, schema } of spec.versions) {
      const { properties, ...rest } = schema.openAPIV3Schema as { readonly properties: Schema };
      const whole = { ...rest, properties: { ...properties, status: ANY_OBJECT } };
      schemas.set(`${spec.group}/${name}/${spec.names.kind}`, JSON.stringify(strip(whole)));
    }
  }
  const lines = [`# ${istio} (Apache-2.0), ${GATEWAY_API} experimental channel (Apache-2.0); by scripts/generate.ts`];
  const seen = new Map<string, string>();
  for (const [name, json] of [...schemas].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const same = seen.get(json);
    lines.push(`${name}\t${same === undefined ? json : `=${same}`}`);
    if (same === undefined) seen.set(json, name);
  }
  writeFileSync(`${root}src/control/schema/generated/crds.txt`, `${lines.join('\n')}\n`);
}

const folders = new Map<string, string>();

function moduleFolder(module: string): string {
  const known = folders.get(module);
  if (known !== undefined) return known;
  const output = execFileSync('go', ['mod', 'download', '-json', module], { cwd: tmpdir(), encoding: 'utf8' });
  const { Dir: folder } = JSON.parse(output) as { readonly Dir: string };
  folders.set(module, folder);
  return folder;
}

/** A schema without prose; names of properties are no keywords. */
function strip(schema: unknown, isSchema = true): unknown {
  if (Array.isArray(schema)) return schema.map((one) => strip(one));
  if (typeof schema !== 'object' || schema === null) return schema;
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(schema)) {
    if (isSchema && DROPPED.has(name)) continue;
    if (isSchema && (name === 'default' || name === 'enum')) kept[name] = value;
    else kept[name] = strip(value, !(isSchema && name === 'properties'));
  }
  return kept;
}
