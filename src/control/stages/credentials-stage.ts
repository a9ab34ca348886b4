// Gateways' own credentials as resources: whatever some object names, for the proxies that may have it; and who cannot.
import type { Collection, Memo, Reader } from '../../base/collection.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import { registry } from '../../proto/registry.ts';
import { type EncodedResource, encodedResource } from '../../xds/server/resource.ts';
import { CA_SUFFIX, credentialResource, gatewayCredentialResource } from '../credentials/credential-name.ts';
import { type CredentialSource, findCredential } from '../credentials/credentials.ts';
import { readKeyPair, withoutCaSuffix } from '../credentials/secret-content.ts';
import { type ConfigObject, objectKeyOf } from '../source/object.ts';
import type { GatewayListener } from '../translate/gateway-api/listener.ts';
import { sameResources } from './endpoint-resources-stage.ts';
import type { Inputs } from './inputs.ts';

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';
export const SECRET_TYPE = `type.googleapis.com/${SECRET}`;
const GATEWAY_API = 'gateway.networking.k8s.io';
/** Objects that name credentials, by the fields of Istio's API and of the Gateway API. */
const NAMING_KINDS = ['Gateway', 'DestinationRule', `${GATEWAY_API}:Gateway`, 'ListenerSet', 'BackendTLSPolicy'];
const NAME_FIELDS = ['credentialName', 'credentialNames', 'caCertCredentialName'];
const REFERENCE_FIELDS = ['certificateRefs', 'caCertificateRefs'];

export type CredentialsStage = {
  /** Secrets of a proxy that proved its identity; key: `credentialsKey`. They go to it alone, and into no dump. */
  readonly tables: Memo<readonly EncodedResource[]>;
  /** Why a Secret of a certificate is of no use, by the key of the object. */
  readonly problems: Collection<string>;
};

/** `isGateway`: whether it was decided that the account may have keys; others get roots. */
export function credentialsKey(namespace: string, isGateway: boolean): string {
  return `${namespace}/${isGateway ? 'keys' : 'roots'}`;
}

/** `listeners`: of the Gateway API, whose certificates were looked at already; proxies that play them have those. */
export function credentialsStage(inputs: Inputs, listeners?: Collection<GatewayListener>): CredentialsStage {
  const { graph } = inputs;
  const secrets = inputs.kind('Secret');
  const named = NAMING_KINDS.map((kind) =>
    graph.flatMap<ConfigObject, string>(`credentials of ${kind}`, inputs.kind(kind), (_key, object) =>
      [...namedBy(object)].map((name) => [name, name] as const),
    ),
  );
  const names = graph.union('credentials', ...named);
  const grants = inputs.kind('ReferenceGrant').index('grants by namespace', (_key, { namespace }) => [namespace]);
  const served = listeners?.index('listeners by certificate', (_key, listener) => servedBy(listener));
  const problems = graph.map<ConfigObject, string>('credentials that are broken', secrets, (_key, object) => {
    if (!isOfCertificate(object)) return undefined;
    const pair = readKeyPair(object);
    return typeof pair === 'string' ? pair : undefined;
  });
  const sourceOf = (read: Reader, isGateway: boolean): CredentialSource => ({
    object: (kind, namespace, name) => read.get(inputs.kind(kind), objectKeyOf('', kind, namespace, name)),
    isGranted: (from, to, name) =>
      read.lookup(grants, to).some((grant) => isGrantFor(grant, from, name)) ||
      (served !== undefined && read.lookup(served, `${from} ${gatewayCredentialResource(to, name)}`).length > 0),
    mayHaveKeys: () => (isGateway ? null : 'it is no gateway'),
  });
  const tables = graph.memo<readonly EncodedResource[]>(
    'secrets',
    (key, read) => {
      const [namespace = '', what] = key.split('/');
      const source = sourceOf(read, what === 'keys');
      const identity = { trustDomain: '', namespace, account: '*', workload: null };
      const found: EncodedResource[] = [];
      for (const name of [...read.keys(names)].sort()) {
        const credential = findCredential(source, identity, name);
        if ('reason' in credential) continue;
        const body = encodeBinary(registry.message(SECRET), credential.message as never);
        found.push(encodedResource(SECRET_TYPE, name, body, undefined, credential.from));
      }
      return found;
    },
    sameResources,
  );
  return { tables, problems };
}

/** 'NAMESPACE RESOURCE' for the proxies of that namespace. */
function servedBy({ players, server }: GatewayListener): string[] {
  if (server?.tls == null) return [];
  const { credentials, caCredential } = server.tls;
  return [...credentials, withoutCaSuffix(caCredential)].map((name) => `${players.namespace} ${name}`);
}

/** Resource names, each with that of its roots. */
function* namedBy(object: ConfigObject): Generator<string> {
  for (const name of new Set(namesIn(object.spec, object))) {
    yield name;
    if (!name.endsWith(CA_SUFFIX) && !name.startsWith('configmap://')) yield name + CA_SUFFIX;
  }
}

function* namesIn(value: unknown, object: ConfigObject): Generator<string> {
  if (Array.isArray(value)) {
    for (const one of value) yield* namesIn(one, object);
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [field, one] of Object.entries(value)) {
    if (NAME_FIELDS.includes(field)) yield* credentialNames(one);
    else if (REFERENCE_FIELDS.includes(field)) yield* referenced(one, object);
    else yield* namesIn(one, object);
  }
}

function* credentialNames(value: unknown): Generator<string> {
  for (const name of Array.isArray(value) ? value : [value]) {
    if (typeof name !== 'string' || name === '') continue;
    const resource = credentialResource(name);
    if (resource !== 'default') yield resource;
  }
}

type Reference = { readonly kind?: string; readonly namespace?: string; readonly name?: string };

function* referenced(value: unknown, object: ConfigObject): Generator<string> {
  for (const { kind = 'Secret', namespace, name = '' } of (Array.isArray(value) ? value : []) as Reference[]) {
    if (name === '' || name.includes('://')) continue;
    const where = namespace ?? object.namespace;
    if (kind === 'ConfigMap') yield `configmap://${where}/${name}`;
    else if (kind === 'Secret') yield gatewayCredentialResource(where, name);
  }
}

type GrantSpec = {
  readonly from?: readonly { readonly group?: string; readonly kind?: string; readonly namespace?: string }[];
  readonly to?: readonly { readonly group?: string; readonly kind?: string; readonly name?: string }[];
};

/** A grant stands in the namespace of what it opens. */
function isGrantFor({ spec }: ConfigObject, fromNamespace: string, secretName: string): boolean {
  const { from = [], to = [] } = spec as GrantSpec;
  const isFrom = from.some(
    ({ group, kind, namespace }) => group === GATEWAY_API && kind === 'Gateway' && namespace === fromNamespace,
  );
  const isTo = to.some(
    ({ group = '', kind, name = '' }) => group === '' && kind === 'Secret' && (name === '' || name === secretName),
  );
  return isFrom && isTo;
}

/** By its type, or because it has both halves. */
function isOfCertificate({ data }: ConfigObject): boolean {
  if (data['type'] === 'kubernetes.io/tls') return true;
  const keys = Object.keys((data['data'] ?? {}) as object);
  return ['tls.crt', 'tls.key'].every((key) => keys.includes(key));
}
