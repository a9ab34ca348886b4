// A route's way to an upstream cluster.
import type { HeaderKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ClusterSpecifier } from './cluster-specifier.ts';
import { combinedHash, type HashPolicy, type SetCookie } from './hash-policy.ts';
import type { ConnectConfig, ForwardAction, MatchContext, MirrorPolicy, RetryPolicy } from './route.ts';

export type ForwardSettings = Omit<ForwardAction, 'clusterName' | 'specifier' | 'hash' | 'hash64'>;

/** Which cluster of a mirror: a name, or the header that has it. */
export type ClusterChoice = { readonly name: string; readonly header: HeaderKey | null };

export class Forward implements ForwardAction {
  readonly clusterNotFoundCode: number;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number | undefined;
  readonly hasStreamDuration: boolean;
  readonly maxStreamDurationMs: number | undefined;
  readonly grpcTimeoutHeaderMaxMs: number | undefined;
  readonly grpcTimeoutHeaderOffsetMs: number;
  readonly maxGrpcTimeoutMs: number | undefined;
  readonly grpcTimeoutOffsetMs: number;
  readonly flushTimeoutMs: number | undefined;
  readonly priority: 'DEFAULT' | 'HIGH';
  readonly retry: RetryPolicy | null;
  readonly mirrors: readonly MirrorPolicy[];
  readonly autoHostRewrite: boolean;
  readonly appendXForwardedHost: boolean;
  readonly upgrades: ReadonlyMap<string, boolean>;
  readonly redirects: ForwardAction['redirects'];
  readonly hedges: boolean;
  readonly connect: ConnectConfig | null;
  readonly metadataMatch: Readonly<Record<string, unknown>> | null;
  readonly clusterName: string;
  readonly specifier: ClusterSpecifier | null;
  readonly #hashPolicies: readonly HashPolicy[];

  constructor(
    settings: ForwardSettings,
    clusterName: string,
    specifier: ClusterSpecifier | null,
    hashPolicies: readonly HashPolicy[],
  ) {
    this.clusterNotFoundCode = settings.clusterNotFoundCode;
    this.timeoutMs = settings.timeoutMs;
    this.idleTimeoutMs = settings.idleTimeoutMs;
    this.hasStreamDuration = settings.hasStreamDuration;
    this.maxStreamDurationMs = settings.maxStreamDurationMs;
    this.grpcTimeoutHeaderMaxMs = settings.grpcTimeoutHeaderMaxMs;
    this.grpcTimeoutHeaderOffsetMs = settings.grpcTimeoutHeaderOffsetMs;
    this.maxGrpcTimeoutMs = settings.maxGrpcTimeoutMs;
    this.grpcTimeoutOffsetMs = settings.grpcTimeoutOffsetMs;
    this.flushTimeoutMs = settings.flushTimeoutMs;
    this.priority = settings.priority;
    this.retry = settings.retry;
    this.mirrors = settings.mirrors;
    this.autoHostRewrite = settings.autoHostRewrite;
    this.appendXForwardedHost = settings.appendXForwardedHost;
    this.upgrades = settings.upgrades;
    this.redirects = settings.redirects;
    this.hedges = settings.hedges;
    this.connect = settings.connect;
    this.metadataMatch = settings.metadataMatch;
    this.clusterName = clusterName;
    this.specifier = specifier;
    this.#hashPolicies = hashPolicies;
  }

  hash(headers: Headers, context: MatchContext): number | null {
    if (this.#hashPolicies.length === 0) return null;
    const hash = this.hash64(headers, context);
    return hash === null ? null : Number(hash >> 11n);
  }

  hash64(headers: Headers, context: MatchContext, setCookie?: SetCookie): bigint | null {
    if (this.#hashPolicies.length === 0) return null;
    return combinedHash(this.#hashPolicies, headers, context, setCookie);
  }
}

/** One mirror of a request; a class, so that all have one shape. */
export class Mirror implements MirrorPolicy {
  readonly fraction: MirrorPolicy['fraction'];
  readonly runtimeKey: string;
  readonly disableShadowHostSuffix: boolean;
  readonly hostRewriteLiteral: string;
  readonly mutations: MirrorPolicy['mutations'];
  readonly #cluster: ClusterChoice;

  constructor(settings: Omit<MirrorPolicy, 'clusterName'>, cluster: ClusterChoice) {
    this.fraction = settings.fraction;
    this.runtimeKey = settings.runtimeKey;
    this.disableShadowHostSuffix = settings.disableShadowHostSuffix;
    this.hostRewriteLiteral = settings.hostRewriteLiteral;
    this.mutations = settings.mutations;
    this.#cluster = cluster;
  }

  clusterName(headers: Headers): string {
    const { header } = this.#cluster;
    return header === null ? this.#cluster.name : (headers.get(header) ?? '');
  }
}
