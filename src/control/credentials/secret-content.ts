// What a Secret or ConfigMap holds of a certificate, its key and its roots, checked; messages never show its data.
import { Secret } from '../../base/secret.ts';
import { certificateError, trustError } from '../../net/tls/secure-context.ts';
import type { ConfigObject } from '../source/object.ts';
import { CA_SUFFIX } from './credential-name.ts';

export type KeyPair = {
  readonly chain: Buffer;
  readonly key: Secret<Buffer>;
  readonly staple: Buffer | null;
};

export type Roots = { readonly roots: Buffer; readonly revoked: Buffer | null };

/** Any of these objects; `data` has base64 texts of a Secret, texts of a ConfigMap, or holders of either. */
export type SecretObject = Pick<ConfigObject, 'kind' | 'namespace' | 'name' | 'data'>;

/** Keys of generic Secrets, and of those of type kubernetes.io/tls. Source: Istio pilot/pkg/credentials. */
const GENERIC = { cert: 'cert', key: 'key', ca: 'cacert', crl: 'crl' } as const;
const TLS = { cert: 'tls.crt', key: 'tls.key', staple: 'tls.ocsp-staple', ca: 'ca.crt', crl: 'ca.crl' } as const;
const SHOWN_KEYS = 3;

/** A text says what is wrong, beginning with the object's name. */
export function readKeyPair(object: SecretObject): KeyPair | string {
  const data = dataOf(object);
  const where = nameOf(object);
  const fields = data.hasValue(GENERIC.cert, GENERIC.key) ? GENERIC : data.hasValue(TLS.cert, TLS.key) ? TLS : null;
  if (fields === null) return `${where}: ${keyPairProblem(data)}`;
  const chain = data.value(fields.cert) as Buffer;
  const key = data.value(fields.key) as Buffer;
  const names = { chainName: quoted(fields.cert), keyName: quoted(fields.key) };
  const problem = certificateError({ chain, key, password: '', ...names });
  if (problem !== null) return `${where}: ${problem}`;
  return { chain, key: new Secret(key), staple: fields === TLS ? data.value(TLS.staple) : null };
}

/** The roots alone, with the list of revoked certificates. A text says what is wrong. */
export function readRoots(object: SecretObject): Roots | string {
  const data = dataOf(object);
  const where = nameOf(object);
  const fields = data.hasValue(GENERIC.ca) ? GENERIC : data.hasValue(TLS.ca) ? TLS : null;
  if (fields === null) return `${where}: ${rootsProblem(data)}`;
  const [roots, revoked] = [data.value(fields.ca) as Buffer, data.value(fields.crl)];
  const names = { trustedCaName: quoted(fields.ca), crlName: quoted(fields.crl) };
  const problem = trustError({ trustedCa: roots, crl: revoked, ...names });
  return problem === null ? { roots, revoked } : `${where}: ${problem}`;
}

/** Name of the Secret that holds the roots of another: 'NAME-cacert', or NAME itself where there is none. */
export function withoutCaSuffix(name: string): string {
  return name.endsWith(CA_SUFFIX) ? name.slice(0, -CA_SUFFIX.length) : name;
}

// ─── Values ─────────────────────────────────────────────────────────────────────────────────────────────────────────

type Data = {
  readonly keys: readonly string[];
  value(key: string): Buffer | null;
  hasValue(...keys: readonly string[]): boolean;
};

function dataOf({ kind, data }: SecretObject): Data {
  const values = new Map<string, Buffer>();
  const add = (list: unknown, encoding: 'base64' | 'utf8'): void => {
    if (!isRecord(list)) return;
    for (const [key, value] of Object.entries(list)) {
      const text = value instanceof Secret ? (value as Secret).reveal() : value;
      if (typeof text === 'string') values.set(key, Buffer.from(text, encoding));
    }
  };
  add(data['data'], kind === 'Secret' ? 'base64' : 'utf8');
  if (kind === 'Secret') add(data['stringData'], 'utf8');
  else add(data['binaryData'], 'base64');
  const value = (key: string): Buffer | null => values.get(key) ?? null;
  return {
    keys: [...values.keys()].sort(),
    value: (key) => (value(key)?.length ? value(key) : null),
    hasValue: (...keys) => keys.every((key) => (value(key)?.length ?? 0) > 0),
  };
}

function keyPairProblem({ keys }: Data): string {
  for (const { cert, key } of [GENERIC, TLS]) {
    if (keys.includes(cert) && keys.includes(key)) return `found keys "${cert}" and "${key}", but they were empty`;
  }
  const expected = `(${GENERIC.cert} and ${GENERIC.key}) or (${TLS.cert} and ${TLS.key})`;
  return `found secret, but didn't have expected keys ${expected}; found: ${shownKeys(keys)}`;
}

function rootsProblem({ keys }: Data): string {
  for (const { ca } of [GENERIC, TLS]) if (keys.includes(ca)) return `found key "${ca}", but it was empty`;
  return `found secret, but didn't have expected keys ${GENERIC.ca} or ${TLS.ca}; found: ${shownKeys(keys)}`;
}

function shownKeys(keys: readonly string[]): string {
  if (keys.length <= SHOWN_KEYS) return keys.join(', ');
  return `${keys.slice(0, SHOWN_KEYS).join(', ')}, and ${keys.length - SHOWN_KEYS} more...`;
}

function nameOf({ kind, namespace, name }: SecretObject): string {
  return `${kind} ${namespace}/${name}`;
}

function quoted(key: string): string {
  return `"${key}"`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
