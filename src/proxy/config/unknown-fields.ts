// Fields that no descriptor knows, in what servers send: let through as in Envoy, but not where access is decided.
import type { Message, MessageType } from '../../proto/message-type.ts';
import type { Problem, Report } from '../../proto/report.ts';
import { walk } from '../../proto/walk.ts';
import type { Reason } from '../config-decoder.ts';
import type { JudgeUnknown } from '../xds/judge-unknown.ts';
import { isWithin } from './support.ts';

/**
 * What decides on access: to take such a message without all that it says could let somebody in. Names of messages, and
 * of packages (with a dot at their end). Envoy makes no difference.
 */
const GUARDS: readonly string[] = [
  'envoy.config.rbac.v3.',
  'envoy.extensions.rbac.',
  ...['http', 'network'].flatMap((room) =>
    ['rbac', 'ext_authz', 'ratelimit', 'wasm', 'jwt_authn'].map(
      (name) => `envoy.extensions.filters.${room}.${name}.v3.`,
    ),
  ),
  'envoy.extensions.filters.listener.proxy_protocol.v3.',
  ...[
    'CertificateValidationContext',
    'CommonTlsContext',
    'DownstreamTlsContext',
    'SPIFFECertValidatorConfig',
    'UpstreamTlsContext',
  ].map((name) => `envoy.extensions.transport_sockets.tls.v3.${name}`),
  // What chooses: a rule, a chain, a route.
  'envoy.config.common.matcher.v3.',
  'envoy.config.core.v3.CidrRange',
  'envoy.config.listener.v3.FilterChainMatch',
  'envoy.config.listener.v3.ListenerFilterChainMatchPredicate',
  'envoy.config.route.v3.HeaderMatcher',
  'envoy.config.route.v3.QueryParameterMatcher',
  'envoy.config.route.v3.RouteMatch',
  'envoy.extensions.matching.',
  'envoy.type.matcher.v3.',
  'xds.type.matcher.v3.',
];

/** Descriptions that are remembered, so that each is told of once. */
const MAX_DESCRIPTIONS = 1000;

export type UnknownFieldsParts = {
  /** --reject-unknown-dynamic-fields and --ignore-unknown-dynamic-fields; else they are counted and logged. */
  readonly policy: 'reject' | 'ignore' | 'warn';
  /** A field that was not met before. */
  readonly tell: (text: string) => void;
};

export class UnknownFields {
  readonly #parts: UnknownFieldsParts;
  readonly #described = new Set<string>();

  constructor(parts: UnknownFieldsParts) {
    this.#parts = parts;
  }

  readonly judge: JudgeUnknown = (type, message, report, name) => {
    const unknown = report.problems.filter(({ kind }) => kind === 'unknown-field');
    if (unknown.length === 0) return [];
    if (this.#parts.policy === 'reject') return unknown.map(reasonOf);
    const refused = this.#refused(type, message, unknown, report);
    if (refused.length > 0 || this.#parts.policy === 'ignore') return refused;
    for (const { path, reason } of unknown) {
      if (this.#described.has(reason) || this.#described.size >= MAX_DESCRIPTIONS) continue;
      this.#described.add(reason);
      this.#parts.tell(`Unknown field: ${reason} (${name}${path === '' ? '' : `: ${path}`})`);
    }
    return [];
  };

  /** One that tells of nothing. */
  silent(): UnknownFields {
    return new UnknownFields({ ...this.#parts, tell: () => {} });
  }

  #refused(type: MessageType, message: object, unknown: readonly Problem[], report: Report): Reason[] {
    // Those beyond its limit might be anywhere.
    if (report.dropped > 0) return [{ path: '', reason: `more than ${unknown.length} unknown fields` }];
    const guards: { readonly path: string; readonly name: string }[] = [];
    walk(type, message as Message, ({ fullName }, _, path) => {
      if (!isGuard(fullName)) return undefined;
      guards.push({ path, name: fullName });
      return false;
    });
    return unknown.flatMap(({ path, reason }) => {
      // The report cut what ends so: nobody can tell where it is.
      const isCut = path.endsWith('…');
      const guard = guards.find((one) => isCut || one.path === '' || isWithin(path, one.path));
      if (guard === undefined) return [];
      return [{ path, reason: `${reason}, and all of a ${guard.name} must be known: it decides on access` }];
    });
  }
}

function isGuard(fullName: string): boolean {
  return GUARDS.some((name) => fullName === name || fullName.startsWith(name.endsWith('.') ? name : `${name}.`));
}

function reasonOf({ path, reason }: Problem): Reason {
  return { path, reason };
}
