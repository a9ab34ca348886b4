// What each HTTP filter costs a request when it is configured and lets the request pass, against its budget.
import { FilterHarness, FakeStream, requestHeaders, responseHeaders } from '../test/support/filter-harness.ts';
import type { HttpFilterFactory } from '../src/proxy/http/filter.ts';
import { cors } from '../src/proxy/http/filters/cors.ts';
import { fault } from '../src/proxy/http/filters/fault/fault.ts';
import { headerMutation } from '../src/proxy/http/filters/header-mutation/header-mutation.ts';
import { localRateLimit } from '../src/proxy/http/filters/local-rate-limit/local-rate-limit.ts';
import { rbac } from '../src/proxy/http/filters/rbac.ts';
import type { Headers } from '../src/wire/headers.ts';

const ROUNDS = 7;
const REQUESTS = 200_000;

type Subject = {
  name: string;
  budgetNs: number;
  factory: HttpFilterFactory;
  config: object;
  route?: object;
  path?: string;
  lines?: readonly string[];
};

const LINES = [
  'user-agent: bench/1.0',
  'accept: */*',
  'accept-encoding: gzip',
  'x-forwarded-proto: http',
  'x-request-id: 7b504daf-4d86-48cc-8e66-8b2a7dcef80e',
];
const option = (key: string, value: string, append_action: string) => ({
  append: { header: { key, value }, append_action },
});
const FULL = { default_value: { numerator: 100 } };
const rule = (prefix: string, method: string) => ({
  and_rules: {
    rules: [{ url_path: { path: { prefix } } }, { header: { name: ':method', string_match: { exact: method } } }],
  },
});
const address = { direct_remote_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } };
const policies = {
  admin: { permissions: [rule('/admin', 'POST')], principals: [address] },
  api: { permissions: [rule('/api', 'PUT')], principals: [address] },
  web: { permissions: [rule('/', 'GET')], principals: [address] },
};
const REMOTE_ADDRESS = { policies, action: 'ALLOW' };

const subjects: Subject[] = [
  {
    name: 'cors, no origin',
    budgetNs: 50,
    factory: cors,
    config: {},
    route: { allow_origin_string_match: [{ exact: 'http://a.com' }], allow_methods: 'GET' },
  },
  {
    name: 'fault, 0 %',
    budgetNs: 50,
    factory: fault,
    config: {
      abort: { http_status: 503, percentage: { numerator: 0 } },
      delay: { fixed_delay: { seconds: 1, nanos: 0 }, percentage: { numerator: 0 } },
    },
  },
  {
    name: 'local_ratelimit',
    budgetNs: 100,
    factory: localRateLimit,
    config: {
      stat_prefix: 'rl',
      filter_enabled: FULL,
      filter_enforced: FULL,
      token_bucket: { max_tokens: 1e9, tokens_per_fill: 1e9, fill_interval: { seconds: 1, nanos: 0 } },
    },
  },
  {
    name: 'header_mutation, 3 operations',
    budgetNs: 150,
    factory: headerMutation,
    config: {
      mutations: {
        request_mutations: [option('x-added', 'yes', 'OVERWRITE_IF_EXISTS_OR_ADD'), { remove: 'x-gone' }],
        response_mutations: [option('x-served-by', 'heddle', 'APPEND_IF_EXISTS_OR_ADD')],
      },
    },
  },
  { name: 'rbac, 3 policies', budgetNs: 300, factory: rbac, config: { rules: REMOTE_ADDRESS }, path: '/index.html' },
];

/** ns of one pass, the least disturbed of some rounds; without a filter: what the bench itself costs. */
function measure(harness: FilterHarness, subject: Subject, withFilter: boolean): number {
  const levels = subject.route === undefined ? [] : [harness.route(subject.route)];
  const filter = withFilter ? harness.filter : {};
  const prototype = requestHeaders(subject.path ?? '/', [...LINES, ...(subject.lines ?? [])]);
  const response = responseHeaders(200, ['content-type: text/plain', 'x-envoy-upstream-service-time: 1']);
  const stream = new FakeStream(harness, prototype, levels);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const started = process.hrtime.bigint();
    for (let i = 0; i < REQUESTS; i++) {
      const request: Headers = stream.requestHeaders;
      const requestLength = request.kv.length;
      const responseLength = response.kv.length;
      stream.slot[0] = undefined;
      stream.info.dynamicMetadata = null;
      filter.decodeHeaders?.(stream, request, true);
      filter.encodeHeaders?.(stream, response, false);
      filter.onDestroy?.(stream);
      request.kv.length = requestLength;
      response.kv.length = responseLength;
    }
    best = Math.min(best, Number(process.hrtime.bigint() - started) / REQUESTS);
  }
  return best;
}

let failed = false;
for (const subject of subjects) {
  const harness = new FilterHarness(subject.factory, subject.config);
  const ownNs = measure(harness, subject, false);
  const ns = measure(harness, subject, true) - ownNs;
  const verdict = ns <= subject.budgetNs ? 'met' : 'MISSED';
  if (ns > subject.budgetNs) failed = true;
  console.log(
    `${subject.name.padEnd(32)} ${ns.toFixed(0).padStart(5)} ns   budget ${subject.budgetNs} ns   ${verdict}`,
  );
}
if (failed) process.exitCode = 1;
