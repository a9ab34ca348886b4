// Tags: parts of a statistic's name that become labels; found when statistics are dumped, never before.
import type { Tag, TaggedName } from './tagged-name.ts';

/** Finds one tag in a name; null when it is not there. */
export type TagRule = {
  readonly tag: string;
  /** First token that names must have; '' for any. Keeps most rules from being tried. */
  readonly prefix: string;
  /** Text that names must have; '' for none. Keeps the rest from being tried. */
  readonly needle: string;
  find(name: string): Found | null;
};
/** What the tag takes away from the name, and its value. */
type Found = { readonly start: number; readonly end: number; readonly value: string };

const ADDRESS = String.raw`(?:(?:\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[[a-fA-F_\d]+\])_\d+)`;
const VALUE = '[^.]+';
const NAME = String.raw`[\w-]+`;
const WITH_NAME = String.raw`(?:listener|cluster)\..*?`;

/** Envoy's default tags with regular expressions: tag, expression, text that must be there, value that is no tag. */
const DEFAULT_REGEXES: readonly (readonly [string, string, string, string?])[] = [
  ['envoy.response_code', String.raw`_rq(_(\d{3}))$`, '_rq_'],
  ['envoy.response_code_class', String.raw`_rq_((\d))xx$`, '_rq_'],
  [
    'envoy.dynamo_partition_id',
    String.raw`^http\.${VALUE}\.dynamodb\.table\.${VALUE}\.capacity\.${VALUE}(\.__partition_id=(\w{7}))$`,
    '.dynamodb.table.',
  ],
  [
    'envoy.dynamo_operation',
    String.raw`^http\.${VALUE}\.dynamodb.(?:operation|table\.${VALUE}\.capacity)(\.(${VALUE}))(?:\.|$)`,
    '.dynamodb.',
  ],
  ['envoy.dynamo_table', String.raw`^http\.${VALUE}\.dynamodb.(?:table|error)\.((${VALUE})\.)`, '.dynamodb.'],
  ['envoy.ssl_cipher', String.raw`^listener\..*?\.ssl\.ciphers(\.(${NAME}))$`, '.ssl.ciphers.'],
  ['envoy.ssl_curve', String.raw`^${WITH_NAME}\.ssl\.curves(\.(${NAME}))$`, '.ssl.curves.'],
  ['envoy.ssl_sigalg', String.raw`^${WITH_NAME}\.ssl\.sigalgs(\.(${NAME}))$`, '.ssl.sigalgs.'],
  ['envoy.ssl_version', String.raw`^${WITH_NAME}\.ssl\.versions(\.(TLSv\d\.\d))$`, '.ssl.versions.'],
  ['envoy.ssl_cipher', String.raw`^cluster\.${VALUE}\.ssl\.ciphers(\.(${NAME}))$`, '.ssl.ciphers.'],
  ['envoy.tls_certificate', String.raw`^${WITH_NAME}\.ssl\.certificate\.((${VALUE})\.).*$`, '.ssl.certificate.'],
  ['envoy.http_conn_manager_prefix', String.raw`^listener\..*?\.http\.((${VALUE})\.)`, '.http.'],
  [
    'envoy.worker_id',
    String.raw`^(?:listener\.(?:${ADDRESS}|${VALUE})|server|listener_manager|thread_local_cluster_manager)\.` +
      String.raw`worker_((\d+)\.)`,
    '.worker_',
  ],
  ['envoy.listener_address', String.raw`^listener\.((${ADDRESS}|${VALUE})\.)`, '', 'admin'],
  [
    'envoy.rbac_policy_name',
    String.raw`^http\.${VALUE}\.rbac\.(?:${VALUE}\.)?policy\.((${VALUE})\.)` +
      '(?:allowed|shadow_allowed|denied|shadow_denied)$',
    '.rbac.',
  ],
  ['envoy.rbac_http_prefix', String.raw`^http\.${VALUE}\.rbac\.((${VALUE})\.).*?`, '.rbac.', 'policy'],
  ['envoy.rds_route_config', String.raw`^http\.${VALUE}\.rds\.(([\w\-./]+)\.)\w+?$`, '.rds.'],
  ['envoy.scoped_rds_config', String.raw`^http\.${VALUE}\.scoped_rds\.(([\w\-.]+)\.)\w+?$`, '.scoped_rds.'],
  ['envoy.proxy_protocol_version', String.raw`^proxy_proto\.((?:${VALUE}\.)?versions\.v(\d)\.)\w+$`, 'proxy_proto.'],
  ['envoy.proxy_protocol_prefix', String.raw`^proxy_proto\.((${VALUE})\.).+$`, '', 'versions'],
  ['envoy.health_check_name', String.raw`^cluster\.${VALUE}\.health_check(\.name\.(${VALUE}))\..+`, '.health_check.'],
  ['envoy.xds_resource_name', String.raw`^sds\.((${VALUE})\.).+`, ''],
];

/** Envoy's default tags by tokens: '*' is one token, '$' the tag's value, '**' any number of tokens. */
const DEFAULT_PATTERNS: readonly (readonly [string, string])[] = [
  ['envoy.mongo_callsite', 'mongo.*.collection.*.callsite.$.query.**'],
  ['envoy.mongo_collection', 'mongo.*.collection.$.**.query.*'],
  ['envoy.mongo_cmd', 'mongo.*.cmd.$.**'],
  ['envoy.grpc_bridge_method', 'cluster.*.grpc.*.$.**'],
  ['envoy.http_user_agent', 'http.*.user_agent.$.**'],
  ['envoy.virtual_cluster', 'vhost.*.vcluster.$.**'],
  ['envoy.fault_downstream_cluster', 'http.*.fault.$.**'],
  ['envoy.grpc_bridge_service', 'cluster.*.grpc.$.**'],
  ['envoy.tcp_prefix', 'tcp.$.**'],
  ['envoy.udp_prefix', 'udp.$.**'],
  ['envoy.clientssl_prefix', 'auth.clientssl.$.**'],
  ['envoy.ratelimit_prefix', 'ratelimit.$.**'],
  ['envoy.cluster_name', 'cluster.$.**'],
  ['envoy.ext_authz_prefix', 'cluster.*.ext_authz.$.**'],
  ['envoy.ext_authz_prefix', 'http.*.ext_authz.$.**'],
  ['envoy.http_conn_manager_prefix', 'http.$.**'],
  ['envoy.virtual_host', 'vhost.$.**'],
  ['envoy.mongo_prefix', 'mongo.$.**'],
  ['envoy.route', 'vhost.*.route.$.**'],
  ['envoy.thrift_prefix', 'thrift.$.**'],
  ['envoy.redis_prefix', 'redis.$.**'],
  ['envoy.local_http_ratelimit_prefix', '$.http_local_rate_limit.**'],
  ['envoy.local_network_ratelimit_prefix', 'local_rate_limit.$.**'],
  ['envoy.local_listener_ratelimit_prefix', 'listener_local_ratelimit.$.**'],
  ['envoy.dns_filter_prefix', 'dns_filter.$.**'],
  ['envoy.connection_limit_prefix', 'connection_limit.$.**'],
  ['envoy.rbac_prefix', '$.rbac.**'],
  ['envoy.google_grpc_client_prefix', 'grpc.$.**'],
];

/** Envoy's default rules, or those of one tag; empty when Envoy has no such tag. */
export function defaultTagRules(tag?: string): TagRule[] {
  const rules: TagRule[] = [];
  for (const [name, regex, needle, notValue] of DEFAULT_REGEXES) {
    if (tag === undefined || tag === name) rules.push(regexRule(name, new RegExp(regex, 'd'), needle, notValue));
  }
  for (const [name, pattern] of DEFAULT_PATTERNS) {
    if (tag === undefined || tag === name) rules.push(patternRule(name, pattern));
  }
  return rules;
}

/** The first group is taken from the name, the second (or else the first) is the value. */
export function regexRule(tag: string, regex: RegExp, needle = '', notValue?: string): TagRule {
  return {
    tag,
    prefix: regexPrefix(regex.source),
    needle,
    find(name) {
      const match = regex.exec(name);
      const group = match?.indices?.[1];
      if (match === null || group === undefined) return null;
      const value = match[2] ?? match[1] ?? '';
      return value === notValue ? null : { start: group[0], end: group[1], value };
    },
  };
}

/** A tag that every statistic has. */
export function fixedRule(tag: string, value: string): TagRule {
  const found: Found = { start: 0, end: 0, value };
  return { tag, prefix: '', needle: '', find: () => found };
}

/** The literal first token of an anchored expression. */
function regexPrefix(source: string): string {
  return /^\^([a-zA-Z0-9_]+)(?:\\\.|\(\?=\\\.\))/.exec(source)?.[1] ?? '';
}

function patternRule(tag: string, pattern: string): TagRule {
  const parts = pattern.split('.');
  const [first = ''] = parts;
  const prefix = first === '$' ? '' : first;
  const inner = parts.slice(1).find((part) => /^\w/.test(part));
  if (prefix !== '' && pattern === `${prefix}.$.**`) return secondTokenRule(tag, prefix);
  return {
    tag,
    prefix,
    needle: inner === undefined ? '' : `.${inner}.`,
    find(name) {
      const tokens = name.split('.');
      const index = matchTokens(parts, tokens);
      if (index < 0) return null;
      let start = 0;
      for (let i = 0; i < index; i++) start += (tokens[i] as string).length + 1;
      return { start, end: start + (tokens[index] as string).length + 1, value: tokens[index] as string };
    },
  };
}

/** The most frequent pattern, 'cluster.$.**', without taking the name apart. */
function secondTokenRule(tag: string, prefix: string): TagRule {
  const start = prefix.length + 1;
  return {
    tag,
    prefix,
    needle: '',
    find(name) {
      const dot = name.indexOf('.', start);
      return dot < 0 ? null : { start, end: dot + 1, value: name.slice(start, dot) };
    },
  };
}

/** Returns the index of the token at '$', or -1. */
function matchTokens(parts: readonly string[], tokens: readonly string[]): number {
  let captured = -1;
  let token = 0;
  for (let i = 0; i < parts.length; i++, token++) {
    const want = parts[i] as string;
    if (want === '**') {
      if (i === parts.length - 1) return token < tokens.length ? captured : -1;
      for (let skip = token; skip < tokens.length; skip++) {
        if (matchTail(parts, i + 1, tokens, skip)) return captured;
      }
      return -1;
    }
    if (token >= tokens.length) return -1;
    if (want === '$') captured = token;
    else if (want !== '*' && want !== tokens[token]) return -1;
  }
  return token === tokens.length ? captured : -1;
}

function matchTail(parts: readonly string[], part: number, tokens: readonly string[], at: number): boolean {
  if (tokens.length - at !== parts.length - part) return false;
  for (let i = part, token = at; i < parts.length; i++, token++) {
    if (parts[i] !== '*' && parts[i] !== tokens[token]) return false;
  }
  return true;
}

/** Rules that are tried together, in order. */
class RuleGroup {
  readonly #all: TagRule[] = [];
  readonly #withoutNeedle: TagRule[] = [];
  #needles: RegExp | null = null;

  add(rule: TagRule): void {
    this.#all.push(rule);
    if (rule.needle === '') this.#withoutNeedle.push(rule);
    const needles = this.#all.map(({ needle }) => needle.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).filter(Boolean);
    this.#needles = needles.length === 0 ? null : new RegExp(needles.join('|'));
  }

  apply(name: string, tags: Tag[], cuts: Found[]): void {
    const mayHaveNeedle = this.#needles?.test(name) === true;
    for (const rule of mayHaveNeedle ? this.#all : this.#withoutNeedle) {
      if (rule.needle !== '' && !name.includes(rule.needle)) continue;
      const found = rule.find(name);
      if (found === null) continue;
      // The first rule that gives a tag wins.
      let isNew = true;
      for (const tag of tags) if (tag.name === rule.tag) isNew = false;
      if (!isNew) continue;
      tags.push({ name: rule.tag, value: found.value });
      if (found.end > found.start) cuts.push(found);
    }
  }
}

/** All rules of a process, sorted so that a name meets only those that may fit. */
export class TagExtractor {
  readonly #anywhere = new RuleGroup();
  readonly #byPrefix = new Map<string, RuleGroup>();

  constructor(rules: readonly TagRule[]) {
    for (const rule of rules) {
      let group: RuleGroup | undefined = this.#anywhere;
      if (rule.prefix !== '') {
        group = this.#byPrefix.get(rule.prefix) ?? new RuleGroup();
        this.#byPrefix.set(rule.prefix, group);
      }
      group.add(rule);
    }
  }

  extract(name: string): TaggedName {
    const tags: Tag[] = [];
    const cuts: Found[] = [];
    this.#anywhere.apply(name, tags, cuts);
    const dot = name.indexOf('.');
    this.#byPrefix.get(dot < 0 ? name : name.slice(0, dot))?.apply(name, tags, cuts);
    return { name: cuts.length === 0 ? name : cut(name, cuts), tags };
  }
}

function cut(name: string, cuts: Found[]): string {
  if (cuts.length > 1) cuts.sort((a, b) => a.start - b.start);
  let text = '';
  let from = 0;
  for (const { start, end } of cuts) {
    if (start > from) text += name.slice(from, start);
    if (end > from) from = end;
  }
  return text + name.slice(from);
}
