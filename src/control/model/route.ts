// Rules of routing, in the order in which they are asked; nobody who reads them knows which API they were written in.
import type { Origin } from './origin.ts';

export type StringMatch =
  | { readonly kind: 'exact' | 'prefix' | 'suffix' | 'regex' | 'contains'; readonly value: string }
  | { readonly kind: 'present' };

export type NamedMatch = { readonly name: string; readonly match: StringMatch; readonly isInverted: boolean };

export type PathMatch =
  | { readonly kind: 'exact' | 'prefix' | 'regex'; readonly value: string }
  /** Whole segments: '/a' takes '/a' and '/a/b' (the Gateway API's PathPrefix). */
  | { readonly kind: 'segments'; readonly value: string }
  | { readonly kind: 'template'; readonly value: string };

export type HttpMatch = {
  readonly name: string;
  readonly path: PathMatch | null;
  readonly ignoreCase: boolean;
  readonly method: StringMatch | null;
  readonly scheme: StringMatch | null;
  readonly authority: StringMatch | null;
  readonly headers: readonly NamedMatch[];
  readonly queryParams: readonly NamedMatch[];
  /** Only for callers with these labels, of this namespace; empty for all. */
  readonly sourceLabels: Readonly<Record<string, string>>;
  readonly sourceNamespace: string;
  /** Port of the service or gateway; 0 for all. */
  readonly port: number;
  /** Parents (gateway keys, 'mesh') for which it holds; empty for all parents of the set. */
  readonly parents: readonly string[];
  readonly statPrefix: string;
  /** A gRPC method match adds its condition to path; noted for names. */
  readonly isGrpc: boolean;
};

export type HeaderChanges = {
  readonly set: readonly (readonly [string, string])[];
  readonly add: readonly (readonly [string, string])[];
  readonly remove: readonly string[];
};

export type HeaderRules = { readonly request: HeaderChanges; readonly response: HeaderChanges };

/** Where requests go. An unresolved one answers 500 for its share. */
export type Destination = {
  /** Fully qualified host of the service; '' if unresolved. */
  readonly host: string;
  readonly subset: string;
  /** 0: the port by which the request came, or the only one that the service has. */
  readonly port: number;
  /** Why it cannot be used; null if it can. Translation says so also in the object's status. */
  readonly unresolved: string | null;
};

export type WeightedBackend = {
  readonly destination: Destination;
  readonly weight: number;
  readonly headers: HeaderRules | null;
  /** Filters of this backend alone (Gateway API). */
  readonly filters: BackendFilters | null;
};

export type BackendFilters = { readonly mirrors: readonly Mirror[]; readonly redirect: Redirect | null };

export type Fraction = { readonly numerator: number; readonly denominator: 'HUNDRED' | 'TEN_THOUSAND' | 'MILLION' };

export type Mirror = { readonly destination: Destination; readonly fraction: Fraction };

export type Rewrite = {
  readonly authority: string;
  /** Replaces the prefix or the whole path; null leaves it. */
  readonly path: { readonly kind: 'prefix' | 'full'; readonly value: string } | null;
  readonly regex: { readonly match: string; readonly rewrite: string } | null;
};

export type Redirect = {
  readonly scheme: string;
  readonly authority: string;
  readonly path: { readonly kind: 'prefix' | 'full'; readonly value: string } | null;
  readonly port: number | 'FROM_REQUEST_PORT' | 'FROM_PROTOCOL_DEFAULT' | null;
  readonly code: number;
};

export type DirectResponse = {
  readonly status: number;
  readonly body: { readonly text: string } | { readonly bytes: string } | null;
};

/** The shape of Istio's HTTPRetry: camelCase, durations as text. */
export type RetryRule = Readonly<Record<string, unknown>>;

export type HttpRule = {
  readonly origin: Origin;
  /** The rule's own name, '' without: it becomes the Envoy route's name. */
  readonly name: string;
  /** None: takes everything. Each becomes a route, in this order. */
  readonly matches: readonly HttpMatch[];
  readonly action:
    | { readonly kind: 'forward'; readonly backends: readonly WeightedBackend[] }
    | { readonly kind: 'redirect'; readonly redirect: Redirect }
    | { readonly kind: 'direct'; readonly response: DirectResponse };
  readonly rewrite: Rewrite | null;
  readonly headers: HeaderRules | null;
  /** ms; null: none set. 0 disables. */
  readonly timeoutMs: number | null;
  readonly backendTimeoutMs: number | null;
  readonly retries: RetryRule | null;
  /** Shapes of Istio's HTTPFaultInjection and CorsPolicy. */
  readonly fault: Readonly<Record<string, unknown>> | null;
  readonly cors: Readonly<Record<string, unknown>> | null;
  readonly mirrors: readonly Mirror[];
  /** What a proxy answers that does not know the cluster. */
  readonly notFoundStatus: 500 | 503;
};

export type TlsMatch = {
  readonly sniHosts: readonly string[];
  readonly destinationSubnets: readonly string[];
  readonly port: number;
  readonly sourceLabels: Readonly<Record<string, string>>;
  readonly sourceNamespace: string;
  readonly parents: readonly string[];
};

/** A rule for TLS that is passed through (by SNI), or for plain TCP (`sniHosts` empty). */
export type L4Rule = {
  readonly origin: Origin;
  readonly isTls: boolean;
  readonly matches: readonly TlsMatch[];
  readonly backends: readonly WeightedBackend[];
};

/** The rules of one object for its hosts and parents. */
export type RouteSet = {
  /** Key of the object ('VirtualService/bookinfo/reviews'). */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /** What metadata shows: '/apis/networking.istio.io/v1/namespaces/…'. */
  readonly reference: string;
  readonly creationMs: number;
  /** Fully qualified, lower case, '*' and '*.suffix' allowed. */
  readonly hosts: readonly string[];
  /** 'mesh', or keys of gateways 'NAMESPACE/NAME'. */
  readonly parents: readonly string[];
  readonly exportTo: ReadonlySet<string>;
  readonly http: readonly HttpRule[];
  readonly l4: readonly L4Rule[];
  /** Gateway API routes on mesh services: hosts are services' own, ports only these (empty: all). */
  readonly ports: readonly number[];
  /** Holds only for services of its own or the caller's namespace, and wildcards only for themselves (Gateway API). */
  readonly isStrict: boolean;
};
