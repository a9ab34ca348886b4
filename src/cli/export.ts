// `heddle export`: every object of a mesh as plain YAML, for kubectl or any other program.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { ObjectSource } from '../control/source/config-source.ts';
import { isMap, type Json, type RawDocument, readChunk, splitChunks } from '../control/source/read-documents.ts';
import { locate } from '../control/source/yaml.ts';
import { MANIFEST_FILE } from '../up/manifest/manifest.ts';
import { meshIn } from '../up/location.ts';
import { manifestObjects } from './analyze/manifest-objects.ts';
import { defineCommand } from './command/command.ts';
import type { CommandSpec } from './command/spec.ts';
import { findControl, MESH_OPTIONS } from './control-client.ts';
import { keyOfRaw, yamlOf } from './objects/documents.ts';
import { listObjects } from './objects/get.ts';
import { NAMED_KINDS } from './objects/kinds.ts';
import { generatedDirectory, isIn, meshDirectory, readMeshFiles } from './objects/mesh-files.ts';

const SPEC = {
  verb: 'export',
  about: `Prints every object of a mesh as plain YAML: what was made of heddle.yaml, the YAML beside it, and what was
applied. Settings of the mesh become the ConfigMap that istiod reads. Works while no mesh runs, too, with --dir.`,
  options: {
    generated: { type: 'boolean', help: 'only what was made of heddle.yaml' },
    'without-secrets': { type: 'boolean', help: 'leave out Secrets, keys of gateways among them' },
    ...MESH_OPTIONS,
  },
  examples: [
    ['heddle export | kubectl apply -f -', 'the whole mesh into a cluster'],
    ['heddle export --generated --dir examples/bookshop', 'what heddle.yaml stands for'],
  ],
} as const satisfies CommandSpec;

export type ExportedObject = {
  readonly object: Json;
  /** 'mesh/reviews.yaml:12', '' where nobody knows. */
  readonly place: string;
  readonly isGenerated: boolean;
};

export const exportAll = defineCommand(SPEC, async ({ values }) => {
  // Where only a URL is known, there are no files to look at.
  const isRemote = values.control !== undefined && values.dir === undefined && findControl(values).mesh === null;
  const all = isRemote ? await askedObjects(values) : await exportObjects(meshDirectory(values));
  const isSecret = ({ object }: ExportedObject): boolean => object['kind'] === 'Secret';
  const meant = all.filter(
    (one) => (!values.generated || one.isGenerated) && !(values['without-secrets'] && isSecret(one)),
  );
  const secrets = meant.filter(isSecret).length;
  if (secrets > 0) {
    process.stderr.write(
      `heddle: ${secrets} of these are Secrets, with what is in them; --without-secrets omits them\n`,
    );
  }
  for (const { object, place } of meant) {
    process.stdout.write(`---\n${place === '' ? '' : `# ${place}\n`}${yamlOf(object)}`);
  }
});

/** What a directory says, whether its mesh runs or not. */
export async function exportObjects(directory: string): Promise<readonly ExportedObject[]> {
  const source = readMeshFiles(directory);
  const made = meshIn(directory) === null ? manifestObjects(directory, source.objects()) : '';
  const unmade = splitChunks(made).map(({ text }) => JSON.parse(text.replace(/^---/, '')) as Json);
  const files = new Set([...source.objects().keys()].flatMap((key) => source.positionOf(key)?.file ?? []));
  const own = generatedDirectory(directory);
  const written = [...files].flatMap((file) =>
    objectsIn(file, source).map(({ object, line }) => ({
      object,
      place: `${relative(directory, file)}:${line}`,
      isGenerated: isIn(own, file),
    })),
  );
  return [...unmade.map((object) => ({ object, place: MANIFEST_FILE, isGenerated: true })), ...written];
}

/** Those of its documents that count, as they were written. */
function objectsIn(file: string, source: ObjectSource): { readonly object: Json; readonly line: number }[] {
  return splitChunks(readFileSync(file, 'utf8')).flatMap(({ text, linesBefore }) =>
    readChunk(text, file).documents.flatMap((document) => {
      const line = linesBefore + locate(text, document.index, document.prefix).line;
      const at = source.positionOf(keyOfRaw(document.value));
      if (at?.file !== file || at.line !== line) return [];
      const object = exported(document);
      return object === null ? [] : [{ object, line }];
    }),
  );
}

/** Settings of the mesh are no object of Kubernetes, unless they stand in their ConfigMap, which is exported itself. */
function exported({ value, prefix, isBareSpec }: RawDocument): Json | null {
  const field = { MeshConfig: 'mesh', MeshNetworks: 'meshNetworks' }[String(value['kind'])];
  if (field === undefined || !String(value['apiVersion']).startsWith('mesh.istio.io/')) return value;
  if (isBareSpec === true && prefix[0] === 'data') return null;
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio', namespace: 'istio-system' },
    data: { [field]: yamlOf(value['spec']) },
  };
}

async function askedObjects(values: { readonly control: string | undefined }): Promise<readonly ExportedObject[]> {
  const listed = await listObjects(values, { kinds: NAMED_KINDS, isFull: true });
  const secrets = listed.filter(({ kind }) => kind === 'Secret').length;
  if (secrets > 0) process.stderr.write(`heddle: ${secrets} Secrets are left out: nobody is told what is in them\n`);
  return listed.flatMap(({ kind, object, file, line }) => {
    if (kind === 'Secret' || object === undefined || !isMap(object)) return [];
    const raw = exported({ value: object, index: 0, prefix: [] });
    const place = file === '' ? '' : `${file}:${line}`;
    return raw === null ? [] : [{ object: raw, place, isGenerated: file.includes('/.heddle/generated/') }];
  });
}
