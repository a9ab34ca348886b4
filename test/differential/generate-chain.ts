// Generates random chains of HTTP filters, connection managers and logs, and random requests to them.
import type { Case, Observation } from './case.ts';
import type { Fields } from './config.ts';
import { any, http, STANDARD_LOG, textLog } from './config.ts';
import type { Generated } from './generate.ts';
import { FORMATS, HEADER_NAMES, headerChanges, hostRewrite, matcher, pathRewrite, retryPolicy } from './generate.ts';
import { type Chain, filterChain, overrides } from './generate-filters.ts';
import { accessFilter, randomLog } from './generate-log.ts';
import {
  type Answer,
  http1Reply,
  http1Request,
  http2Reply,
  http2Request,
  type Message,
  randomAnswer,
  randomRequest,
} from './generate-messages.ts';
import { rateLimits, redirectPolicy } from './generate-routes.ts';
import type { Way } from './http2-of-http1.ts';
import { Random } from './random.ts';
import { unfolded } from './unfolded.ts';

const EARLY = 'envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation';
const STATS = [
  '\\.(buffer|csrf|compressor|decompressor|lua|custom_response|stateful_session|grpc|local_rate_limit)\\b',
  'header_to_metadata',
  '\\.rbac\\.',
  '\\.sticky\\.',
  'http_local_rate_limit',
];

function metadata(random: Random): Fields {
  return random.maybe(0.3, () => ({
    metadata: { filter_metadata: { ns: { k: 'of the route' }, 'envoy.filters.http.lua': { k: 'v' } } },
  }));
}

function target(random: Random, chain: Chain): Fields {
  switch (random.below(8)) {
    case 0: {
      const clusters = [
        { name: 'a', weight: 30, ...overrides(random, chain, 0.2), ...headerChanges(random, 0.2) },
        { name: 'b', weight: 70, ...overrides(random, chain, 0.2), ...headerChanges(random, 0.2) },
      ];
      return { weighted_clusters: { clusters, header_name: 'x-weight' } };
    }
    case 1:
      return { cluster_header: 'x-cluster' };
    case 2:
      return { cluster: random.pick(['empty', 'refused', 'gone']) };
    default:
      return { cluster: random.pick(['a', 'b']) };
  }
}

function route(random: Random, chain: Chain, index: number): Fields {
  const match = matcher(random);
  const around = {
    match,
    name: `r${index}`,
    ...metadata(random),
    ...headerChanges(random, 0.15),
    ...overrides(random, chain, 0.2),
  };
  const kind = random.next();
  if (kind < 0.12) {
    const body = random.maybe(0.7, () => ({ body: { inline_string: 'direct body '.repeat(random.pick([1, 1, 20])) } }));
    return { ...around, direct_response: { status: random.pick([200, 204, 404, 503]), ...body } };
  }
  if (kind < 0.17) return { ...around, redirect: { path_redirect: random.pick(['/p', '/p?z=1']) } };
  return {
    ...around,
    route: {
      ...target(random, chain),
      ...pathRewrite(random, match),
      ...hostRewrite(random),
      ...random.maybe(0.15, () => redirectPolicy(random)),
      ...random.maybe(0.15, () => rateLimits(random)),
      ...random.maybe(0.3, () => ({ retry_policy: retryPolicy(random) })),
    },
  };
}

function localReplies(random: Random): Fields {
  const mapper = (): Fields => ({
    filter: accessFilter(random),
    ...random.maybe(0.4, () => ({ status_code: random.pick([200, 404, 503, 418]) })),
    ...random.maybe(0.5, () => ({ body: { inline_string: 'mapped' } })),
    ...random.maybe(0.3, () => ({
      body_format_override: { text_format_source: { inline_string: '<%LOCAL_REPLY_BODY%> %RESPONSE_CODE%' } },
    })),
    ...random.maybe(0.3, () => ({ headers_to_add: [{ header: { key: 'x-mapped', value: random.pick(FORMATS) } }] })),
  });
  return {
    local_reply_config: {
      ...random.maybe(0.7, () => ({ mappers: random.many(1, 3, mapper) })),
      ...random.maybe(0.4, () => ({
        body_format: random.pick<Fields>([
          { text_format_source: { inline_string: '%RESPONSE_CODE_DETAILS% %LOCAL_REPLY_BODY%' } },
          { json_format: { code: '%RESPONSE_CODE%', body: '%LOCAL_REPLY_BODY%', one: '%REQ(X-ONE)%' } },
          { text_format_source: { inline_string: '%LOCAL_REPLY_BODY%' }, content_type: 'text/odd' },
        ]),
      })),
    },
  };
}

function earlyMutation(random: Random): Fields {
  const mutation = random.pick<Fields>([
    { append: { header: { key: 'x-one', value: 'early' }, append_action: 'ADD_IF_ABSENT' } },
    { append: { header: { key: 'x-early', value: random.pick(FORMATS) } } },
    { remove: random.pick(HEADER_NAMES) },
  ]);
  return { early_header_mutation_extensions: [{ name: 'early', typed_config: any(EARLY, { mutations: [mutation] }) }] };
}

function addresses(random: Random): Fields {
  const port = random.pick<Fields>([{}, {}, { strip_any_host_port: true }, { strip_matching_host_port: true }]);
  const slashes = ['KEEP_UNCHANGED', 'REJECT_REQUEST', 'UNESCAPE_AND_REDIRECT', 'UNESCAPE_AND_FORWARD'];
  return {
    ...port,
    ...random.maybe(0.35, () => ({ normalize_path: random.chance(0.8) })),
    ...random.maybe(0.3, () => ({ merge_slashes: true })),
    ...random.maybe(0.3, () => ({ path_with_escaped_slashes_action: random.pick(slashes) })),
    ...random.maybe(0.2, () => ({ strip_trailing_host_dot: true })),
    ...random.maybe(0.3, () => ({ use_remote_address: true })),
    ...random.maybe(0.25, () => ({ xff_num_trusted_hops: random.pick([1, 2]) })),
    ...random.maybe(0.2, () => ({ skip_xff_append: true })),
    ...random.maybe(0.15, () => ({ append_x_forwarded_port: true })),
  };
}

function connectionManager(random: Random): Fields {
  return {
    ...addresses(random),
    ...random.maybe(0.2, () => ({ server_header_transformation: random.pick(['APPEND_IF_ABSENT', 'PASS_THROUGH']) })),
    ...random.maybe(0.2, () => ({ server_name: 'own' })),
    ...random.maybe(0.2, () => ({ via: 'gen' })),
    ...random.maybe(0.2, () => ({ generate_request_id: false })),
    ...random.maybe(0.15, () => ({ preserve_external_request_id: true })),
    ...random.maybe(0.15, () => ({ always_set_request_id_in_response: true })),
    ...random.maybe(0.2, () => ({
      scheme_header_transformation: random.pick<Fields>([{ scheme_to_overwrite: 'https' }, { match_upstream: true }]),
    })),
    ...random.maybe(0.2, () => earlyMutation(random)),
    ...random.maybe(0.2, () => ({
      proxy_status_config: { remove_details: random.chance(0.3), set_recommended_response_code: random.chance(0.4) },
    })),
    ...random.maybe(0.4, () => localReplies(random)),
    ...random.maybe(0.15, () => ({ add_user_agent: true })),
    ...random.maybe(0.15, () => ({ stream_error_on_invalid_http_message: true })),
    ...random.maybe(0.2, () => ({
      common_http_protocol_options: {
        headers_with_underscores_action: random.pick(['REJECT_REQUEST', 'DROP_HEADER']),
      },
    })),
    http_protocol_options: { enable_trailers: random.chance(0.7), allow_chunked_length: random.chance(0.1) },
  };
}

function virtualHosts(random: Random, chain: Chain): Fields[] {
  const host = (name: string, domains: readonly string[]): Fields => ({
    name,
    domains,
    ...metadata(random),
    ...headerChanges(random, 0.15),
    ...overrides(random, chain, 0.12),
    ...random.maybe(0.2, () => rateLimits(random)),
    ...random.maybe(0.2, () => ({ include_request_attempt_count: true, include_attempt_count_in_response: true })),
    ...random.maybe(0.1, () => ({ retry_policy: retryPolicy(random) })),
    routes: [...random.many(1, 4, (index) => route(random, chain, index)), ...catchAll(random)],
  });
  const all = host('v0', ['*']);
  return random.chance(0.5) ? [all] : [all, host('v1', ['one.example', '*.wild.example'])];
}

/** So that most requests arrive somewhere. */
function catchAll(random: Random): Fields[] {
  return random.chance(0.85) ? [{ match: { prefix: '/' }, name: 'rest', route: { cluster: 'a' } }] : [];
}

/** Requests on one connection; one that may be answered before its body was read comes last. */
function inTurn(random: Random, most: number): Message[] {
  const requests: Message[] = [];
  while (requests.length < most) {
    const request = randomRequest(random);
    requests.push(request);
    if (request.body !== null) break;
  }
  return requests;
}

/** `127.0.0.1:` and a port in base64, alone and as cookies carry it. */
const SESSION = /(MTI3LjAuMC4xO[\w+/]{5,8}|Cg[\w+/]xMjcuMC4wLjE6[\w+/]{5,8})={0,2}/g;
const UNFOLDED_BYTES = /total_compressed_bytes$/;
/** See intended.ts: Envoy dials before the connection of the answer that redirects is free. */
const DIALLED = /^cluster\.\w+\.upstream_(cx_total|cx_http1_total|rq_pending_total)$/;
/** How much of a body had been read when it was found too large. */
const TOO_LARGE = /^(HTTP.* details=request_payload_too_large .*)rx=\d+/;

/**
 * What can be compared: whether a client that goes on writing hears of a close by a reset is chance, sessions name
 * ports, and what one compressor packs is larger than what the other does.
 */
function viewOf(listener: Fields): (observation: Observation) => unknown {
  const text = JSON.stringify(listener);
  const isPacked = text.includes('compressor.v3.Compressor');
  const redirects = /internal_redirect_policy|RedirectPolicy/.test(text);
  const isLeftOut = (name: string): boolean =>
    (isPacked && UNFOLDED_BYTES.test(name)) || (redirects && DIALLED.test(name));
  return (observation) => {
    const { clients, stats, log, ...rest } = unfolded(observation) as Observation;
    const seen = {
      ...rest,
      log: log.map((line) => line.replace(TOO_LARGE, '$1rx=<n>')),
      stats: Object.fromEntries(Object.entries(stats).filter(([name]) => !isLeftOut(name))),
      clients: clients.map(({ fate: _, ...client }) => client),
    };
    return JSON.parse(JSON.stringify(seen).replace(SESSION, '<session>'));
  };
}

function toCase(name: string, requests: readonly Message[], answers: readonly Answer[], way: Way): Partial<Case> {
  const isHead = requests[0]?.start.startsWith('HEAD ') === true;
  const bare = answers.map((answer) => (isHead && typeof answer !== 'string' ? withoutBody(answer) : answer));
  const replies = bare.map(http1Reply);
  const http2 = { replies: [], http2: { replies: answers.map((answer) => http2Reply(answer, isHead)) } };
  const upstream = way.endsWith('h2') ? { a: http2, b: http2 } : { a: replies, b: replies };
  if (way.startsWith('h2')) return { name, upstream, http2: http2Request(requests[0]!) };
  const texts = requests.map(http1Request);
  const send = texts.length === 1 ? texts[0]! : texts.flatMap((text, n) => [text, { read: n + 1 }]);
  return { name, upstream, send };
}

/** An answer to HEAD. */
function withoutBody(answer: Message): Message {
  const { headers, body } = answer;
  if (body === null) return answer;
  const length = ['content-length', String(body.join('').length)] as const;
  return { ...answer, headers: [...headers, length], body: null, trailers: [] };
}

/** One listener called `cSEED` with its requests. */
export function generateChain(seed: number, requestCount: number, way: Way = 'h1 to h1', perConnection = 1): Generated {
  const random = new Random(seed ^ 0x5bd1e995);
  const name = `c${seed}`;
  const only = process.env['HEDDLE_DIFF_FILTERS']?.split(',');
  const chain = filterChain(random, only);
  const packs = JSON.stringify(chain.filters).includes('compression');
  const listener = http({
    name,
    virtualHosts: virtualHosts(random, chain),
    routeConfig: {
      validate_clusters: false,
      ...headerChanges(random, 0.1),
      ...random.maybe(0.2, () => ({ most_specific_header_mutations_wins: true })),
    },
    filters: chain.filters,
    router: {
      ...random.maybe(0.2, () => ({ suppress_envoy_headers: true })),
      ...random.maybe(0.2, () => ({ suppress_grpc_request_failure_code_stats: true })),
      ...random.maybe(0.2, () => ({ respect_expected_rq_timeout: true })),
      ...random.maybe(0.15, () => ({ strict_check_headers: ['x-envoy-max-retries', 'x-envoy-retry-on'] })),
    },
    hcm: connectionManager(random),
    log: [
      textLog(packs ? STANDARD_LOG.replace('rx=%BYTES_RECEIVED% tx=%BYTES_SENT% ', '') : STANDARD_LOG),
      ...random.many(1, 2, () => randomLog(random, !packs)),
    ],
  });
  const view = viewOf(listener);
  const cases: Case[] = [];
  for (let made = 0; made < requestCount; ) {
    const requests = inTurn(random, perConnection);
    // Whether an answer is one to HEAD must be known beforehand.
    const isMixed = requests.length > 1;
    const turn = isMixed ? requests.filter(({ start }) => !start.startsWith('HEAD ')) : requests;
    const answers = random.many(0, 3 * turn.length, () => randomAnswer(random));
    made += requests.length;
    if (turn.length === 0) continue;
    const said = toCase(`seed ${seed} request ${made} ${turn[0]!.start.split(' ')[0]}`, turn, answers, way);
    cases.push({ ...said, name: said.name!, to: name, stats: STATS, probeMs: 2, timeoutMs: 3000, view });
  }
  return { seed, way, listener, cases };
}
