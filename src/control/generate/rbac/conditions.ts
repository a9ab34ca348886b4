// Conditions of access rules as permissions (what is asked for) and principals (who asks) of Envoy's RBAC.
import type { Permission, Principal } from '../../../proto/generated/types.d.ts';
import type { AccessCondition } from '../../model/policy.ts';
import { typed } from '../listener/any.ts';
import { cidrRange } from '../listener/outbound/chain.ts';
import {
  anyValue,
  claimMatcher,
  headerMatcher,
  hostMatcher,
  listedHeaderMatcher,
  prefixedMatcher,
  regexMatcher,
  requestPrincipal,
  stringMatcher,
  trustDomainMatcher,
} from './matchers.ts';
import { withAliases } from './trust-domains.ts';

/**
 * How one key is written. `permission` or `principal` gives one value's matcher, null for a value that cannot be one;
 * `permissions` and `principals` give one matcher for all values.
 */
type Writer = {
  readonly isHttpOnly?: boolean;
  readonly permission?: (value: string) => Permission | null;
  readonly principal?: (value: string) => Principal | null;
  readonly permissions?: (values: readonly string[]) => Permission | null;
  readonly principals?: (values: readonly string[]) => Principal | null;
};

const WRITERS: Readonly<Record<string, Writer>> = {
  'request.host': { isHttpOnly: true, permission: (value) => ({ header: hostMatcher(value) }) },
  'request.method': { isHttpOnly: true, permission: (value) => ({ header: headerMatcher(':method', value) }) },
  'request.path': { isHttpOnly: true, permission: pathPermission },
  'destination.port': { permission: portPermission },
  'destination.ip': { permission: (value) => rangeOf(value, (range) => ({ destination_ip: range })) },
  'connection.sni': { permission: (value) => ({ requested_server_name: stringMatcher(value) }) },
  'source.ip': { principal: (value) => rangeOf(value, (range) => ({ direct_remote_ip: range })) },
  'remote.ip': { principal: (value) => rangeOf(value, (range) => ({ remote_ip: range })) },
  'source.namespace': {
    principal: (value) => authenticated(regexMatcher(`.*/ns/${value.replaceAll('*', '.*')}/.*`)),
  },
  'source.serviceAccount': { principal: accountPrincipal },
  'source.trustDomain': { principal: (value) => authenticated(trustDomainMatcher(value)) },
  'source.principal': { principal: (value) => authenticated(prefixedMatcher(value, 'spiffe://')) },
  'request.auth.principal': {
    isHttpOnly: true,
    principals: (values) => {
      const ids = values.map(requestPrincipal);
      const [only] = ids;
      return ids.length === 1 && only !== undefined ? only : { or_ids: { ids } };
    },
  },
  'request.auth.audiences': {
    isHttpOnly: true,
    principals: (values) => ({ metadata: claimMatcher(['aud'], values) }),
  },
  'request.auth.presenter': {
    isHttpOnly: true,
    principals: (values) => ({ metadata: claimMatcher(['azp'], values) }),
  },
};

const HEADERS = 'request.headers[';
const INLINE_HEADERS = 'request.experimental.inline.headers[';
const CLAIMS = 'request.auth.claims[';
const FILTERS = 'experimental.envoy.filters.';

/** Null for keys that nobody knows: a rule with one of them has no meaning. */
function writerOf(key: string): Writer | null {
  if (Object.hasOwn(WRITERS, key)) return WRITERS[key] as Writer;
  if (key.startsWith(HEADERS) && key.endsWith(']')) {
    const name = key.slice(HEADERS.length, -1);
    return name === '' ? null : { isHttpOnly: true, principal: (value) => ({ header: headerMatcher(name, value) }) };
  }
  if (key.startsWith(INLINE_HEADERS) && key.endsWith(']')) {
    const name = key.slice(INLINE_HEADERS.length, -1);
    return name === ''
      ? null
      : { isHttpOnly: true, principal: (value) => ({ header: listedHeaderMatcher(name, value) }) };
  }
  if (key.startsWith(CLAIMS) && key.endsWith(']')) {
    const path = key.slice(CLAIMS.length, -1).split('][');
    return path.includes('')
      ? null
      : { isHttpOnly: true, principals: (values) => ({ metadata: claimMatcher(path, values) }) };
  }
  if (key.startsWith(FILTERS) && key.endsWith(']')) {
    const bracket = key.indexOf('[');
    if (bracket < 0) return null;
    const filter = key.slice('experimental.'.length, bracket);
    const name = key.slice(bracket + 1, -1);
    return { permissions: (values) => metadataPermission(filter, name, values) };
  }
  return null;
}

/** Whether the key says something that rules can ask for. */
export function isKnownKey(key: string): boolean {
  return writerOf(key) !== null;
}

/** Whether the condition is about requests, which a listener of bytes does not see. */
export function isHttpOnly(condition: AccessCondition): boolean {
  return writerOf(condition.key)?.isHttpOnly === true;
}

export function isPermission(condition: AccessCondition): boolean {
  const writer = writerOf(condition.key);
  return writer?.permission !== undefined || writer?.permissions !== undefined;
}

/**
 * Matchers that must all hold; null when a value cannot be written. `skipsBad` leaves such values, and what TCP cannot
 * see, out: rules that forbid then forbid more; rules that allow must not be written like that.
 */
export function permissionsOf(
  condition: AccessCondition,
  isTcp: boolean,
  skipsBad: boolean,
): readonly Permission[] | null {
  const writer = writerOf(condition.key) ?? {};
  const group = (values: readonly string[]): Permission | null | undefined => {
    if (values.length === 0) return undefined;
    if (isTcp && writer.isHttpOnly === true) return skipsBad ? undefined : null;
    if (writer.permissions !== undefined) return writer.permissions(values);
    const rules = written(values, writer.permission, skipsBad);
    return rules === null || rules.length > 0 ? rules && { or_rules: { rules } } : undefined;
  };
  return both(group(condition.values), group(condition.notValues), (rule) => ({ not_rule: rule }));
}

/** As `permissionsOf`, for who asks. */
export function principalsOf(
  condition: AccessCondition,
  isTcp: boolean,
  skipsBad: boolean,
  trustDomains: readonly string[],
): readonly Principal[] | null {
  const writer = writerOf(condition.key) ?? {};
  const group = (plain: readonly string[]): Principal | null | undefined => {
    if (plain.length === 0) return undefined;
    if (isTcp && writer.isHttpOnly === true) return skipsBad ? undefined : null;
    const values = withAll(condition.key, plain, trustDomains);
    if (writer.principals !== undefined) return writer.principals(values);
    const ids = written(values, writer.principal, skipsBad);
    return ids === null || ids.length > 0 ? ids && { or_ids: { ids } } : undefined;
  };
  return both(group(condition.values), group(condition.notValues), (id) => ({ not_id: id }));
}

/** What is said of one trust domain of the mesh holds for all of them. */
function withAll(key: string, values: readonly string[], trustDomains: readonly string[]): readonly string[] {
  if (key === 'source.principal') return withAliases(values, trustDomains);
  if (key !== 'source.trustDomain') return values;
  return [...new Set(values.flatMap((value) => (trustDomains.includes(value) ? trustDomains : [value])))];
}

function written<T>(
  values: readonly string[],
  write: ((value: string) => T | null) | undefined,
  skipsBad: boolean,
): T[] | null {
  const matchers: T[] = [];
  for (const value of values) {
    const matcher = write?.(value) ?? null;
    if (matcher !== null) matchers.push(matcher);
    else if (!skipsBad) return null;
  }
  return matchers;
}

function both<T>(
  positive: T | null | undefined,
  negative: T | null | undefined,
  not: (matcher: T) => T,
): readonly T[] | null {
  if (positive === null || negative === null) return null;
  const all: T[] = [];
  if (positive !== undefined) all.push(positive);
  if (negative !== undefined) all.push(not(negative));
  return all;
}

function authenticated(principal_name: ReturnType<typeof stringMatcher>): Principal {
  return { authenticated: { principal_name } };
}

/** 'NAMESPACE/ACCOUNT', in any trust domain. */
function accountPrincipal(value: string): Principal | null {
  const [namespace, account, ...rest] = value.split('/');
  if (namespace === undefined || account === undefined || rest.length > 0) return null;
  return authenticated(regexMatcher(`spiffe://.+/ns/${namespace}/(.+/|)sa/${account}(/.+)?`));
}

function pathPermission(value: string): Permission {
  if (!value.includes('{*}') && !value.includes('{**}')) return { url_path: { path: stringMatcher(value) } };
  const path_template = value.replaceAll('{*}', '*').replaceAll('{**}', '**');
  return {
    uri_template: {
      name: 'uri-template',
      typed_config: typed('envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig', { path_template }),
    },
  };
}

function portPermission(value: string): Permission | null {
  const port = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  return port <= 65535 ? { destination_port: port } : null;
}

function rangeOf<T>(value: string, make: (range: NonNullable<ReturnType<typeof cidrRange>>) => T): T | null {
  const range = cidrRange(value);
  return range === null ? null : make(range);
}

/** A value in brackets is one of a list. */
function metadataPermission(filter: string, key: string, values: readonly string[]): Permission {
  const matchers = values.map((value) => {
    const isList = value.startsWith('[') && value.endsWith(']');
    const string_match = stringMatcher(isList ? value.slice(1, -1) : value);
    return isList ? { list_match: { one_of: { string_match } } } : { string_match };
  });
  return { metadata: { filter, path: [{ key }], value: anyValue(matchers) } };
}
