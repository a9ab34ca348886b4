// The shape of the Gateway API's routes, as validation lets them through.

export type ParentRef = {
  group?: string;
  kind?: string;
  namespace?: string;
  name?: string;
  sectionName?: string;
  port?: number;
};

export type BackendRef = {
  group?: string;
  kind?: string;
  namespace?: string;
  name?: string;
  port?: number;
  weight?: number;
};

export type HeaderModifier = {
  set?: readonly { name: string; value: string }[];
  add?: readonly { name: string; value: string }[];
  remove?: readonly string[];
};

export type PathModifier = {
  type?: 'ReplaceFullPath' | 'ReplacePrefixMatch';
  replaceFullPath?: string;
  replacePrefixMatch?: string;
};

export type RouteFilter = {
  type?: string;
  requestHeaderModifier?: HeaderModifier;
  responseHeaderModifier?: HeaderModifier;
  requestRedirect?: { scheme?: string; hostname?: string; port?: number; statusCode?: number; path?: PathModifier };
  urlRewrite?: { hostname?: string; path?: PathModifier };
  requestMirror?: {
    backendRef?: BackendRef;
    percent?: number;
    fraction?: { numerator?: number; denominator?: number };
  };
  cors?: {
    allowOrigins?: readonly string[];
    allowMethods?: readonly string[];
    allowHeaders?: readonly string[];
    exposeHeaders?: readonly string[];
    allowCredentials?: boolean;
    maxAge?: number;
  };
};

export type NamedValueMatch = { type?: 'Exact' | 'RegularExpression'; name: string; value?: string };

export type HttpRouteMatch = {
  path?: { type?: 'Exact' | 'PathPrefix' | 'RegularExpression'; value?: string };
  method?: string;
  headers?: readonly NamedValueMatch[];
  queryParams?: readonly NamedValueMatch[];
};

export type GrpcRouteMatch = {
  method?: { type?: 'Exact' | 'RegularExpression'; service?: string; method?: string };
  headers?: readonly NamedValueMatch[];
};

export type FilteredBackendRef = BackendRef & { filters?: readonly RouteFilter[] };

export type HttpRouteRule = {
  name?: string;
  matches?: readonly HttpRouteMatch[];
  filters?: readonly RouteFilter[];
  backendRefs?: readonly FilteredBackendRef[];
  timeouts?: { request?: string; backendRequest?: string };
  retry?: { codes?: readonly number[]; attempts?: number; backoff?: string };
  sessionPersistence?: unknown;
};

export type GrpcRouteRule = {
  name?: string;
  matches?: readonly GrpcRouteMatch[];
  filters?: readonly RouteFilter[];
  backendRefs?: readonly FilteredBackendRef[];
  sessionPersistence?: unknown;
};

export type L4RouteRule = { name?: string; backendRefs?: readonly BackendRef[] };

export type RouteSpec<Rule> = {
  parentRefs?: readonly ParentRef[];
  hostnames?: readonly string[];
  rules?: readonly Rule[];
};
