// A raw object → the object behind the source, or everything for which the API server would refuse it.
import { Secret } from '../../base/secret.ts';
import type { Problem } from '../source/finding.ts';
import { findKind, type Kind, splitApiVersion } from '../source/kinds.ts';
import type { ConfigObject } from '../source/object.ts';
import { checkRules } from './check-rules.ts';
import { coreSchema, nameRuleOf } from './core-kinds.ts';
import { crdSchema } from './crds.ts';
import { applyDefaults } from './defaults.ts';
import { readMesh } from './mesh.ts';
import { checkMeta } from './object-meta.ts';
import { Problems } from './problem.ts';
import { findUnknownFields, validate } from './validate.ts';

type Json = Readonly<Record<string, unknown>>;

export type Validated =
  | { readonly object: ConfigObject; readonly warnings: readonly Problem[] }
  | { readonly errors: readonly Problem[] };

/**
 * `raw` is an object with apiVersion, kind and metadata, as it was written; `old` is what is live under its name, with
 * which rules on changes compare. Null when nothing of Heddle reads that kind.
 * Owns: the result takes over what is in `raw`, and defaults are filled in there.
 */
export function validateObject(raw: Json, old: ConfigObject | null = null): Validated | null {
  const { group, version } = splitApiVersion(String(raw['apiVersion']));
  const kind = findKind(group, String(raw['kind']));
  if (kind === undefined) return null;
  const problems = new Problems(kind.kind === 'Secret');
  checkMeta(raw['metadata'], kind.isNamespaced, nameRuleOf(kind.kind), problems);
  if (!kind.versions.includes(version)) {
    const served = kind.versions.map((one) => (group === '' ? one : `${group}/${one}`)).join(' or ');
    problems.error(['apiVersion'], `there is no ${kind.kind} in ${String(raw['apiVersion'])}`, `write ${served}`);
    return { errors: problems.list };
  }
  const checked =
    kind.schema === 'mesh' ? checkMesh(raw, kind, problems) : checkFields(raw, kind, version, old, problems);
  if (problems.hasErrors) return { errors: problems.list };
  return { object: objectOf(checked, kind, version), warnings: problems.list };
}

function checkMesh(raw: Json, { kind }: Kind, problems: Problems): Json {
  return { ...raw, spec: readMesh(kind, raw['spec'], problems) };
}

function checkFields(raw: Json, kind: Kind, version: string, old: ConfigObject | null, problems: Problems): Json {
  const schema = kind.schema === 'core' ? coreSchema(kind.kind) : crdSchema(kind.group, version, kind.kind);
  if (schema === null) throw new Error(`no schema of ${kind.group}/${version} ${kind.kind}`);
  // What every object has is checked apart, and no schema has to know it.
  const { apiVersion, kind: name, metadata, ...fields } = raw;
  findUnknownFields(fields, schema, [], problems);
  applyDefaults(fields, schema);
  validate(fields, schema, [], problems);
  // Rules count on values of the types that they are written for.
  if (!problems.hasErrors && schema.hasRules) {
    const before = old === null ? undefined : { ...old.data, spec: old.spec, status: old.status };
    checkRules({ apiVersion, kind: name, metadata, ...fields }, before, schema, [], problems);
  }
  if (kind.kind === 'Secret') sealTexts(fields);
  return { ...fields, metadata };
}

/**
 * What a Secret says in clear text is written over what it says in base64, as the API server does; and from here on
 * nothing that prints objects shows it.
 */
function sealTexts(secret: Record<string, unknown>): void {
  const data = { ...mapOf(secret['data']) };
  for (const [name, text] of Object.entries(mapOf(secret['stringData']))) {
    data[name] = Buffer.from(String(text)).toString('base64');
  }
  delete secret['stringData'];
  const sealed = Object.entries(data).map(([name, text]) => [name, new Secret(String(text))]);
  if (sealed.length > 0) secret['data'] = Object.fromEntries(sealed);
}

function objectOf(checked: Json, kind: Kind, version: string): ConfigObject {
  const { metadata: meta, spec, status, apiVersion: _, kind: __, ...data } = checked;
  const metadata = meta as Json;
  const created = metadata['creationTimestamp'];
  const creationMs = typeof created === 'string' ? Date.parse(created) : Number.NaN;
  const { namespace, generation, uid } = metadata;
  return {
    group: kind.group,
    version,
    kind: kind.kind,
    namespace: kind.isNamespaced ? (typeof namespace === 'string' && namespace !== '' ? namespace : 'default') : '',
    name: String(metadata['name']),
    labels: textsOf(metadata['labels']),
    annotations: textsOf(metadata['annotations']),
    creationMs: Number.isNaN(creationMs) ? 0 : creationMs,
    generation: typeof generation === 'number' ? generation : 0,
    uid: typeof uid === 'string' ? uid : '',
    spec: mapOf(spec),
    data,
    status: mapOf(status),
  };
}

function mapOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

const NOTHING: Readonly<Record<string, string>> = {};

/** Checked before: they are texts. */
function textsOf(value: unknown): Readonly<Record<string, string>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, string>) : NOTHING;
}
