// What our control plane makes of a captured istiod's input, held against what that istiod sent.
import { loadAll } from 'js-yaml';
import type { Message, MessageType } from '../../src/proto/message-type.ts';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { toJson } from '../../src/proto/json-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { typeUrlName } from '../../src/proto/type-url.ts';
import { MeshState } from '../../src/control/mesh-state.ts';
import { readNode } from '../../src/control/model/node.ts';
import type { ProxyNode } from '../../src/control/model/proxy.ts';
import { MemorySource } from '../../src/control/source/config-source.ts';
import { type ConfigObject, objectKeyOf } from '../../src/control/source/object.ts';
import { type Capture, openCapture } from '../captures/captures.ts';
import { resourceBytes } from '../captures/decode.ts';
import type { EncodedResource } from '../../src/xds/server/resource.ts';
import { captureInput } from './capture-inputs.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** One place where two resources differ; a side that has nothing there is undefined. */
export type Difference = { readonly path: string; readonly theirs: Json | undefined; readonly ours: Json | undefined };

export type Compared = {
  readonly typeUrl: string;
  readonly name: string;
  readonly differences: readonly Difference[];
};

/** Changes every text of the input and of what is expected. */
export type Renaming = (text: string) => string;

const CLUSTER = { cluster: 'Kubernetes', clusterDomain: 'cluster.local', network: '' };

export const SERVED_TYPES = [
  'envoy.config.cluster.v3.Cluster',
  'envoy.config.endpoint.v3.ClusterLoadAssignment',
  'envoy.config.listener.v3.Listener',
  'envoy.config.route.v3.RouteConfiguration',
  'istio.networking.nds.v1.NameTable',
].map((type) => `type.googleapis.com/${type}`);

/** Every resource that either side has, in the order of theirs. */
export function compareCapture(name: string, renamed: Renaming = (text) => text, types = SERVED_TYPES): Compared[] {
  const capture = openCapture(name);
  const state = meshOf(name, renamed);
  const node = nodeOf(capture, renamed);
  const view = state.connect('proxy', { ...node, isProved: true });
  return types.flatMap((typeUrl) => {
    const theirs = new Map(capture.types.get(typeUrl)?.map((one) => [nameOf(typeUrl, renamed(one.name)), one.json]));
    if (theirs.size === 0) return [];
    const ours = new Map<string, Uint8Array>();
    for (const table of view.tables(typeUrl))
      for (const one of table.names()) ours.set(one, (table.get(one) as EncodedResource).body);
    // Of names that are asked for one by one, only what was asked for is compared.
    const isAsked = node.kind === 'grpc' || /ClusterLoadAssignment|RouteConfiguration/.test(typeUrl);
    const names = isAsked ? [...theirs.keys()] : [...new Set([...theirs.keys(), ...ours.keys()])];
    return names.map((resource) => {
      const expected = theirs.get(resource);
      const body = ours.get(resource);
      const left = expected === undefined ? undefined : canonical(JSON.parse(renamed(JSON.stringify(expected))));
      const right = body === undefined ? undefined : decoded(typeUrl, body);
      return { typeUrl, name: resource, differences: differencesOf(left, right) };
    });
  });
}

/** A name table has no name of its own; captures number it. */
function nameOf(typeUrl: string, name: string): string {
  return typeUrl.endsWith('.NameTable') ? '' : name;
}

/** The mesh of a capture's input. */
export function meshOf(name: string, renamed: Renaming = (text) => text): MeshState {
  const { files } = captureInput(name);
  const source = new MemorySource(
    Object.fromEntries(Object.entries(files).map(([path, text]) => [path, renamed(text)])),
  );
  const state = new MeshState(CLUSTER);
  source.onChange((changes) => void state.apply(changes));
  source.start();
  const [error] = source.findings().filter((finding) => finding.severity === 'error');
  if (UNCHECKED.test(name)) state.apply(refusedObjects(source, renamed(files['config.yaml'] ?? '')));
  else if (error !== undefined) throw new Error(`${name}: ${error.file}:${error.line}: ${error.message}`);
  return state;
}

/** That istiod had no API server in front of it, and was given an HTTPRoute that breaks the rules of its CRD. */
const UNCHECKED = /^34-/;

function refusedObjects(source: MemorySource, text: string): Map<string, ConfigObject> {
  const refused = new Map<string, ConfigObject>();
  for (const { apiVersion, kind, metadata, spec } of loadAll(text) as Document[]) {
    const [group = '', version = ''] = apiVersion.split('/');
    const { namespace = '', name } = metadata;
    const key = objectKeyOf(group, kind, namespace, name);
    if (spec === undefined || source.objects().has(key)) continue;
    const own = { group, version, kind, namespace, name, spec };
    const rest = { labels: {}, annotations: {}, creationMs: 0, generation: 0, uid: '', data: {}, status: {} };
    refused.set(key, { ...own, ...rest });
  }
  return refused;
}

type Document = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly namespace?: string; readonly name: string };
  readonly spec?: Record<string, unknown>;
};

export function nodeOf(capture: Pick<Capture, 'name' | 'node'>, renamed: Renaming = (text) => text): ProxyNode {
  const json = JSON.parse(renamed(JSON.stringify(capture.node))) as {
    id: string;
    metadata: Record<string, unknown>;
    locality?: Record<string, string>;
  };
  const { env } = captureInput(capture.name);
  const isStock = env['PILOT_ENABLE_METADATA_EXCHANGE'] === 'false';
  const metadata = isStock ? { ...json.metadata, HEDDLE_PROXY: 'envoy' } : json.metadata;
  const place = json.locality ?? {};
  const locality = { region: place['Region'] ?? place['region'] ?? '', zone: place['Zone'] ?? place['zone'] ?? '' };
  const node = readNode({ id: json.id, metadata, locality });
  if ('error' in node) throw new Error(node.error);
  return node;
}

export function canonical(json: Readonly<Record<string, unknown>>): Json {
  const bytes = resourceBytes(json);
  if (!(bytes instanceof Uint8Array)) throw new Error(`the capture is not what we know: ${bytes.problems[0]?.reason}`);
  return decoded(String(json['@type']), bytes);
}

export function decoded(typeUrl: string, bytes: Uint8Array): Json {
  const type = registry.find(typeUrlName(typeUrl) ?? '') as MessageType<Message>;
  return toJson(type, decodeBinary(type, bytes) as Message) as Json;
}

/** Objects by their fields, lists by place. */
export function differencesOf(theirs: Json | undefined, ours: Json | undefined, path = ''): Difference[] {
  if (theirs === ours) return [];
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    const length = Math.max(theirs.length, ours.length);
    return Array.from({ length }, (_, i) => differencesOf(theirs[i], ours[i], `${path}[${i}]`)).flat();
  }
  if (isObject(theirs) && isObject(ours)) {
    const keys = [...new Set([...Object.keys(theirs), ...Object.keys(ours)])];
    return keys.flatMap((key) => differencesOf(theirs[key], ours[key], path === '' ? key : `${path}.${key}`));
  }
  return [{ path, theirs, ours }];
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
