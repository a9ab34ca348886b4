// The custom_response filter (envoy.filters.http.custom_response): other answers in place of some that come.
import type { ScopeOf } from '../../../../telemetry/metrics.ts';
import { parseAbsoluteUrl } from '../../../../wire/absolute-url.ts';
import { H } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { HTTP_INPUT_FIELDS, httpInput, type SeenExchange } from '../../../matcher/http-inputs.ts';
import { decodeMatcher, MATCHER_TREE_FIELDS, type MatcherPb } from '../../../matcher/matcher.ts';
import { NO_MATCH, type Step } from '../../../matcher/step.ts';
import { redirectUrl } from '../../../route/redirect.ts';
import type { FilterStateObject } from '../../../stream-info.ts';
import {
  defineHttpFilter,
  type FilterContext,
  type FilterStream,
  type HeadersStatus,
  type HttpFilter,
  type TerminalStream,
} from '../../filter.ts';
import { decodePolicy, type LocalPolicy, type Policy, POLICY_FIELDS, type RedirectPolicy } from './policy.ts';

const TYPE = 'envoy.extensions.filters.http.custom_response.v3.CustomResponse';
/** Of an exchange that asks another route for the answer. Source: Envoy CustomResponseFilterState. */
const STATE_KEY = 'envoy.filters.http.custom_response';

const STATS = { custom_response_redirect_no_route: 'counter', custom_response_invalid_uri: 'counter' } as const;

type CustomResponsePb = { custom_response_matcher?: MatcherPb };

type CustomResponseConfig = {
  readonly step: Step<SeenExchange, null> | null;
  readonly policies: readonly (Policy | null)[];
};

/** What the answer of the other route is for. */
type Redirected = FilterStateObject & { readonly policy: RedirectPolicy; readonly status: number };

function decodeConfig(message: CustomResponsePb, d: ConfigDecoder): CustomResponseConfig {
  const policies: (Policy | null)[] = [];
  if (message.custom_response_matcher === undefined) return Object.freeze({ step: null, policies });
  const step = decodeMatcher<SeenExchange, null>(
    message.custom_response_matcher,
    {
      input: httpInput,
      seen: (exchange) => exchange,
      metadata: ({ info }) => info.dynamicMetadata,
      action: (type, action, at) => policies.push(decodePolicy(type, action, at)) - 1,
    },
    d.at('custom_response_matcher'),
  );
  return Object.freeze({ step, policies: Object.freeze(policies) });
}

class CustomResponse implements HttpFilter {
  readonly #config: CustomResponseConfig;
  readonly #slot: number;
  readonly #stats: ScopeOf<typeof STATS>;

  constructor(config: CustomResponseConfig, context: FilterContext) {
    this.#config = config;
    this.#slot = context.slot;
    this.#stats = context.stats.scope(context.statPrefix, STATS);
  }

  decodeHeaders(stream: FilterStream): HeadersStatus {
    stream.slot[this.#slot] = true;
    return 'continue';
  }

  encodeHeaders(stream: FilterStream, headers: Headers): HeadersStatus {
    const redirected = stream.info.filterState?.get(STATE_KEY) as Redirected | undefined;
    if (redirected !== undefined) {
      finish(redirected, stream, headers);
      return 'continue';
    }
    const policy = this.#policyFor(stream, headers);
    if (policy === null) return 'continue';
    if (policy.kind === 'redirect') return this.#redirect(policy, stream, headers);
    respond(policy, stream, headers);
    return 'stop';
  }

  /** The most specific level that has something to say of the response. */
  #policyFor(stream: FilterStream, headers: Headers): Policy | null {
    const levels = stream.routeConfigs(this.#slot) as readonly CustomResponseConfig[];
    for (let i = levels.length - 1; i >= 0; i--) {
      const policy = find(levels[i] as CustomResponseConfig, stream, headers);
      if (policy !== null) return policy;
    }
    return find(this.#config, stream, headers);
  }

  #redirect(policy: RedirectPolicy, stream: FilterStream, response: Headers): HeadersStatus {
    // A reply that was made before the request came here has no request to send elsewhere.
    if (stream.slot[this.#slot] === undefined) return 'continue';
    const { requestHeaders: request } = stream;
    const url = parseAbsoluteUrl(policy.redirect === null ? policy.uri : redirectUrl(request, policy.redirect));
    if (url === null) {
      this.#stats.inc(this.#stats.i.custom_response_invalid_uri);
      return 'continue';
    }
    const { scheme, authority, path } = request;
    const fragment = url.path.indexOf('#');
    request.scheme = url.scheme;
    request.authority = url.hostAndPort;
    request.path = fragment < 0 ? url.path : url.path.slice(0, fragment);
    stream.clearRouteCache();
    policy.requestHeaders?.apply(request, stream);
    if (stream.route !== null) return goElsewhere(policy, stream as TerminalStream, response) ? 'stop' : 'continue';
    this.#stats.inc(this.#stats.i.custom_response_redirect_no_route);
    request.scheme = scheme;
    request.authority = authority;
    request.path = path;
    return 'continue';
  }
}

function find({ step, policies }: CustomResponseConfig, stream: FilterStream, headers: Headers): Policy | null {
  if (step === null) return null;
  view.info = stream.info;
  view.responseHeaders = headers;
  view.isLocalReply = stream.isLocalReply;
  const found = step(view, null);
  return found > NO_MATCH ? (policies[found] ?? null) : null;
}

/** Only the response can be looked at; one object, filled for each. */
const view: { -readonly [Key in keyof SeenExchange]: SeenExchange[Key] } = {
  info: null as never,
  ...{ requestHeaders: null, requestTrailers: null, responseHeaders: null, responseTrailers: null },
  isLocalReply: false,
};

function respond(policy: LocalPolicy, stream: FilterStream, headers: Headers): void {
  const { info, requestHeaders, requestTrailers, responseTrailers, accessLogType } = stream;
  const status = policy.status ?? headers.status;
  let body = policy.body ?? '';
  if (policy.format !== null) {
    const context = {
      info,
      requestHeaders,
      responseHeaders: headers,
      requestTrailers,
      responseTrailers,
      accessLogType,
    };
    const own = stream.isLocalReply ? stream.localReplyBody : '';
    body = policy.format.format({ ...context, localReplyBody: policy.body ?? own });
  }
  const details = policy.details ?? info.responseCodeDetails ?? '';
  stream.sendLocalReply({
    status,
    body,
    details,
    modifyHeaders: (response) => policy.responseHeaders?.apply(response, stream),
  });
}

/**
 * The answer is to be that of the route that the request has now. False: the request cannot start over, as it is not
 * here yet; it is logged as it would have gone on, as in Envoy.
 */
function goElsewhere(policy: RedirectPolicy, stream: TerminalStream, response: Headers): boolean {
  const { requestHeaders: request, info } = stream;
  const state: Redirected = {
    ...{ value: '', typed: null, isReadOnly: true, lifeSpan: 'request', isOpaque: true },
    ...{ policy, status: response.status },
  };
  info.filterState ??= new Map();
  info.filterState.set(STATE_KEY, state);
  request.method = 'GET';
  request.remove(H['content-length']);
  return stream.redirect(response, []);
}

/** Whatever the other route's answer is: its status is the policy's, or the one that was to be replaced. */
function finish({ policy, status }: Redirected, stream: FilterStream, headers: Headers): void {
  policy.responseHeaders?.apply(headers, stream);
  headers.status = policy.status ?? status;
  stream.info.responseCode = headers.status;
}

export const customResponse = defineHttpFilter<
  CustomResponseConfig,
  CustomResponseConfig,
  CustomResponsePb,
  CustomResponsePb
>({
  name: 'envoy.filters.http.custom_response',
  configType: TYPE,
  fields: { [TYPE]: 'custom_response_matcher', ...MATCHER_TREE_FIELDS, ...HTTP_INPUT_FIELDS, ...POLICY_FIELDS },
  decode: decodeConfig,
  decodeRoute: decodeConfig,
  create: (config, context) => new CustomResponse(config, context),
});
