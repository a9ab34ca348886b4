// Decodes envoy.config.rbac.v3.RBAC into an engine; shared by the HTTP and the network filter.
import { compilePathTemplate } from '../../base/path-template.ts';
import { compileRegex } from '../../base/regex.ts';
import { CidrSet } from '../../base/ip.ts';
import type { Any } from '../../proto/generated/types.d.ts';
import { CEL_CONFIG_FIELDS, type CelConfigPb } from '../cel/dialect.ts';
import { type ExprPb, EXPR_FIELDS, TREE_FIELDS } from '../cel/tree.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import {
  MATCHER_FIELDS,
  decodeCidrs,
  decodeFilterStateMatcher,
  decodeHeaderMatcher,
  decodeMetadataMatcher,
  decodeStringMatcher,
} from '../config/matcher.ts';
import type {
  CidrRangePb,
  FilterStateMatcherPb,
  HeaderMatcherPb,
  MetadataMatcherPb,
  StringMatcherPb,
} from '../config/matcher.ts';
import { decodeCondition } from './condition.ts';
import { PolicyEngine } from './engine.ts';
import type { RbacAction, RbacPolicy } from './engine.ts';
import {
  ALWAYS,
  AuthenticatedRule,
  DynamicMetadataRule,
  FilterStateRule,
  HeaderRule,
  IpRule,
  NEVER,
  Not,
  PortRule,
  RouteMetadataRule,
  ServerNameRule,
  UrlPathRule,
  allOf,
  anyOf,
} from './rules.ts';
import type { AddressKind, Rule } from './rules.ts';
import { decodeUpstreamAddress, UPSTREAM_ADDRESS, UPSTREAM_ADDRESS_FIELDS } from './upstream-address.ts';
import { VALIDATED_CLIENT, VALIDATED_CLIENT_FIELDS, decodeValidatedClient } from './validated-client.ts';
import type { ValidatedClientPb } from './validated-client.ts';

type PathMatcherPb = { path?: StringMatcherPb };
type SourcedMetadataPb = { metadata_matcher?: MetadataMatcherPb; metadata_source?: string };

export type PermissionPb = {
  and_rules?: { rules?: readonly PermissionPb[] };
  or_rules?: { rules?: readonly PermissionPb[] };
  any?: boolean;
  header?: HeaderMatcherPb;
  url_path?: PathMatcherPb;
  destination_ip?: CidrRangePb;
  destination_port?: number;
  destination_port_range?: { start?: number; end?: number };
  metadata?: MetadataMatcherPb;
  not_rule?: PermissionPb;
  requested_server_name?: StringMatcherPb;
  uri_template?: { typed_config?: Any };
  matcher?: { typed_config?: Any };
  sourced_metadata?: SourcedMetadataPb;
};

export type PrincipalPb = {
  and_ids?: { ids?: readonly PrincipalPb[] };
  or_ids?: { ids?: readonly PrincipalPb[] };
  any?: boolean;
  authenticated?: { principal_name?: StringMatcherPb };
  source_ip?: CidrRangePb;
  direct_remote_ip?: CidrRangePb;
  remote_ip?: CidrRangePb;
  header?: HeaderMatcherPb;
  url_path?: PathMatcherPb;
  metadata?: MetadataMatcherPb;
  filter_state?: FilterStateMatcherPb;
  not_id?: PrincipalPb;
  custom?: { typed_config?: Any };
  sourced_metadata?: SourcedMetadataPb;
};

type PolicyPb = {
  permissions?: readonly PermissionPb[];
  principals?: readonly PrincipalPb[];
  condition?: ExprPb;
  checked_condition?: { expr?: ExprPb };
  cel_config?: CelConfigPb;
};

export type RbacPb = {
  action?: RbacAction;
  policies?: Readonly<Record<string, PolicyPb>>;
  audit_logging_options?: object;
};

const PATH_TEMPLATE = 'envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig';

/** Supported fields, for the `fields` of a filter. Audit logs are refused whatever they say. */
export const RBAC_FIELDS = {
  'envoy.config.rbac.v3.RBAC': 'action policies audit_logging_options',
  'envoy.config.rbac.v3.Policy': 'permissions principals condition checked_condition cel_config',
  'envoy.config.rbac.v3.Permission':
    'and_rules or_rules any header url_path destination_ip destination_port destination_port_range metadata not_rule ' +
    'requested_server_name uri_template sourced_metadata matcher',
  'envoy.config.rbac.v3.Permission.Set': 'rules',
  [PATH_TEMPLATE]: 'path_template',
  'envoy.config.rbac.v3.Principal':
    'and_ids or_ids any authenticated source_ip direct_remote_ip remote_ip header url_path metadata filter_state ' +
    'not_id sourced_metadata custom',
  'envoy.config.rbac.v3.Principal.Set': 'ids',
  'envoy.config.rbac.v3.Principal.Authenticated': 'principal_name',
  'envoy.config.rbac.v3.SourcedMetadata': 'metadata_matcher metadata_source',
  'envoy.type.v3.Int32Range': 'start end',
  ...UPSTREAM_ADDRESS_FIELDS,
  ...VALIDATED_CLIENT_FIELDS,
  ...CEL_CONFIG_FIELDS,
  ...EXPR_FIELDS,
  ...TREE_FIELDS,
  ...MATCHER_FIELDS,
} as const;

/** Envoy takes 65536 for the end of a range, and, by its check, for a start. */
const PORT_LIMIT = 65536;

export function decodeRbac(message: RbacPb, d: ConfigDecoder): PolicyEngine {
  if (message.audit_logging_options !== undefined) {
    d.reject('audit_logging_options', 'Envoy has no audit loggers and writes nothing: use an access log');
  }
  const policies: RbacPolicy[] = [];
  for (const [name, policy] of Object.entries(message.policies ?? {})) {
    policies.push(decodePolicy(name, policy, d.at('policies', name)));
  }
  return new PolicyEngine(message.action ?? 'ALLOW', policies);
}

function decodePolicy(name: string, message: PolicyPb, d: ConfigDecoder): RbacPolicy {
  const permissions = (message.permissions ?? []).map((each, i) => decodePermission(each, d.at('permissions', i)));
  const principals = (message.principals ?? []).map((each, i) => decodePrincipal(each, d.at('principals', i)));
  const condition = decodeCondition(message, d);
  return Object.freeze({ name, permission: anyOf(permissions), principal: anyOf(principals), condition });
}

function decodePermission(message: PermissionPb, d: ConfigDecoder): Rule {
  if (message.and_rules !== undefined) return allOf(permissionSet(message.and_rules, d.at('and_rules')));
  if (message.or_rules !== undefined) return anyOf(permissionSet(message.or_rules, d.at('or_rules')));
  if (message.not_rule !== undefined) return new Not(decodePermission(message.not_rule, d.at('not_rule')));
  if (message.destination_ip !== undefined) return ipRule('destination', message.destination_ip, d, 'destination_ip');
  if (message.destination_port !== undefined) {
    return new PortRule(message.destination_port, message.destination_port + 1);
  }
  if (message.destination_port_range !== undefined) {
    return portRange(message.destination_port_range, d.at('destination_port_range'));
  }
  if (message.requested_server_name !== undefined) {
    return new ServerNameRule(decodeStringMatcher(message.requested_server_name, d.at('requested_server_name')));
  }
  if (message.uri_template !== undefined) return decodePathTemplate(message.uri_template, d.at('uri_template'));
  if (message.matcher !== undefined) return decodeMatcher(message.matcher, d.at('matcher').at('typed_config'));
  const rule = decodeCommon(message, d);
  if (rule === null) d.reject('', `not supported: ${kindOf(message)}`);
  return rule ?? NEVER;
}

function decodeMatcher({ typed_config }: { typed_config?: Any }, d: ConfigDecoder): Rule {
  const unpacked = typed_config === undefined ? null : d.environment.unpack(typed_config, d);
  if (unpacked?.type === UPSTREAM_ADDRESS) return decodeUpstreamAddress(unpacked.message, d) ?? NEVER;
  d.reject('', `not supported: only ${UPSTREAM_ADDRESS} is`);
  return NEVER;
}

function decodePathTemplate({ typed_config }: { typed_config?: Any }, above: ConfigDecoder): Rule {
  const d = above.at('typed_config');
  const unpacked = typed_config === undefined ? null : d.environment.unpack(typed_config, d);
  if (unpacked?.type !== PATH_TEMPLATE) {
    d.reject('', `not supported: only ${PATH_TEMPLATE} is`);
    return NEVER;
  }
  const { path_template: text = '' } = unpacked.message as { path_template?: string };
  const template = compilePathTemplate(text);
  const regex = 'error' in template ? template : compileRegex(template.regex);
  if (!('error' in regex)) return new UrlPathRule(regex);
  d.reject('path_template', `is not a valid path template: ${regex.error}`);
  return NEVER;
}

function decodePrincipal(message: PrincipalPb, d: ConfigDecoder): Rule {
  if (message.and_ids !== undefined) return allOf(principalSet(message.and_ids, d.at('and_ids')));
  if (message.or_ids !== undefined) return anyOf(principalSet(message.or_ids, d.at('or_ids')));
  if (message.not_id !== undefined) return new Not(decodePrincipal(message.not_id, d.at('not_id')));
  if (message.authenticated !== undefined) {
    const name = message.authenticated.principal_name;
    const at = d.at('authenticated').at('principal_name');
    return new AuthenticatedRule(name === undefined ? null : decodeStringMatcher(name, at));
  }
  if (message.custom !== undefined) return decodeCustom(message.custom, d.at('custom').at('typed_config'));
  if (message.source_ip !== undefined) return ipRule('source', message.source_ip, d, 'source_ip');
  if (message.direct_remote_ip !== undefined) {
    return ipRule('direct-remote', message.direct_remote_ip, d, 'direct_remote_ip');
  }
  if (message.remote_ip !== undefined) return ipRule('remote', message.remote_ip, d, 'remote_ip');
  if (message.filter_state !== undefined) {
    return new FilterStateRule(decodeFilterStateMatcher(message.filter_state, d.at('filter_state')));
  }
  const rule = decodeCommon(message, d);
  if (rule === null) d.reject('', `not supported: ${kindOf(message)}`);
  return rule ?? NEVER;
}

function decodeCustom({ typed_config }: NonNullable<PrincipalPb['custom']>, d: ConfigDecoder): Rule {
  const unpacked = typed_config === undefined ? null : d.environment.unpack(typed_config, d);
  if (unpacked?.type === VALIDATED_CLIENT) return decodeValidatedClient(unpacked.message as ValidatedClientPb, d);
  d.reject('', `not supported: only ${VALIDATED_CLIENT} is`);
  return NEVER;
}

/** What permissions and principals have in common; null when it is none of that. */
function decodeCommon(message: PermissionPb & PrincipalPb, d: ConfigDecoder): Rule | null {
  if (message.any !== undefined) {
    if (!message.any) d.reject('any', 'must be true');
    return ALWAYS;
  }
  if (message.header !== undefined) return new HeaderRule(decodeHeaderMatcher(message.header, d.at('header')));
  if (message.url_path !== undefined) {
    return new UrlPathRule(decodeStringMatcher(message.url_path.path, d.at('url_path').at('path')));
  }
  if (message.metadata !== undefined) {
    return new DynamicMetadataRule(decodeMetadataMatcher(message.metadata, d.at('metadata')));
  }
  if (message.sourced_metadata === undefined) return null;
  const { metadata_matcher: matcher = {}, metadata_source: source } = message.sourced_metadata;
  const decoded = decodeMetadataMatcher(matcher, d.at('sourced_metadata').at('metadata_matcher'));
  return source === 'ROUTE' ? new RouteMetadataRule(decoded) : new DynamicMetadataRule(decoded);
}

function permissionSet(message: { rules?: readonly PermissionPb[] }, d: ConfigDecoder): Rule[] {
  return (message.rules ?? []).map((each, i) => decodePermission(each, d.at('rules', i)));
}

function principalSet(message: { ids?: readonly PrincipalPb[] }, d: ConfigDecoder): Rule[] {
  return (message.ids ?? []).map((each, i) => decodePrincipal(each, d.at('ids', i)));
}

function ipRule(kind: AddressKind, message: CidrRangePb, d: ConfigDecoder, field: string): Rule {
  return new IpRule(kind, new CidrSet(decodeCidrs([message], d, field)));
}

function portRange(message: { start?: number; end?: number }, d: ConfigDecoder): Rule {
  const { start = 0, end = 0 } = message;
  if (start < 0 || start > PORT_LIMIT) d.reject('start', `${start} is out of bounds`);
  if (end < 0 || end > PORT_LIMIT) d.reject('end', `${end} is out of bounds`);
  if (start >= end) d.reject('', `start ${start} must be less than end ${end}`);
  return new PortRule(start, end);
}

function kindOf(message: object): string {
  return Object.keys(message)[0] ?? 'empty rule';
}
