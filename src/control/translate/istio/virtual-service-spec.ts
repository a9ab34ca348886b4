// The shape of a VirtualService's spec, as validation lets it through.

export type StringMatchSpec = { exact?: string; prefix?: string; regex?: string };
export type PercentSpec = { value?: number };
export type DestinationSpec = { host?: string; subset?: string; port?: { number?: number } };
export type HeaderOperationsSpec = {
  set?: Record<string, string>;
  add?: Record<string, string>;
  remove?: readonly string[];
};
export type HeadersSpec = { request?: HeaderOperationsSpec; response?: HeaderOperationsSpec };

export type HttpMatchSpec = {
  name?: string;
  uri?: StringMatchSpec;
  scheme?: StringMatchSpec;
  method?: StringMatchSpec;
  authority?: StringMatchSpec;
  headers?: Record<string, StringMatchSpec>;
  withoutHeaders?: Record<string, StringMatchSpec>;
  queryParams?: Record<string, StringMatchSpec>;
  port?: number;
  sourceLabels?: Record<string, string>;
  sourceNamespace?: string;
  gateways?: readonly string[];
  ignoreUriCase?: boolean;
  statPrefix?: string;
};

export type RouteDestinationSpec = { destination?: DestinationSpec; weight?: number; headers?: HeadersSpec };

export type RewriteSpec = {
  uri?: string;
  authority?: string;
  uriRegexRewrite?: { match?: string; rewrite?: string };
};

export type RedirectSpec = {
  uri?: string;
  authority?: string;
  scheme?: string;
  port?: number;
  derivePort?: 'FROM_PROTOCOL_DEFAULT' | 'FROM_REQUEST_PORT';
  redirectCode?: number;
};

export type HttpRouteSpec = {
  name?: string;
  match?: readonly HttpMatchSpec[];
  route?: readonly RouteDestinationSpec[];
  redirect?: RedirectSpec;
  directResponse?: { status?: number; body?: { string?: string; bytes?: string } };
  delegate?: { name?: string; namespace?: string };
  rewrite?: RewriteSpec;
  timeout?: string;
  retries?: Record<string, unknown>;
  fault?: Record<string, unknown>;
  corsPolicy?: Record<string, unknown>;
  mirror?: DestinationSpec;
  mirrorPercent?: number;
  mirrorPercentage?: PercentSpec;
  mirrors?: readonly { destination?: DestinationSpec; percentage?: PercentSpec }[];
  headers?: HeadersSpec;
};

export type L4MatchSpec = {
  sniHosts?: readonly string[];
  destinationSubnets?: readonly string[];
  port?: number;
  sourceLabels?: Record<string, string>;
  sourceNamespace?: string;
  gateways?: readonly string[];
};

export type L4RouteSpec = { match?: readonly L4MatchSpec[]; route?: readonly RouteDestinationSpec[] };

export type VirtualServiceSpec = {
  hosts?: readonly string[];
  gateways?: readonly string[];
  http?: readonly HttpRouteSpec[];
  tls?: readonly L4RouteSpec[];
  tcp?: readonly L4RouteSpec[];
  exportTo?: readonly string[];
};
