// What formats cost: log lines in text and JSON of exchanges that differ, and expressions, each with its budget.
import { compileJsonFormat } from '../../src/proxy/formatter/json-formatter.ts';
import { type Exchange, exampleDecoder, exampleExchange } from '../../src/proxy/formatter/test-exchange.ts';
import { compileFormat } from '../../src/proxy/formatter/text-formatter.ts';
import { headerKey } from '../../src/wire/header-names.ts';

const ROUNDS = 7;
const CALLS = 200_000;
/** A power of two. */
const EXCHANGES = 256;

/** The line of Istio's proxies, and what else is often asked for. */
const FIELDS_25 = {
  start_time: '%START_TIME%', method: '%REQ(:METHOD)%', path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%', response_code: '%RESPONSE_CODE%', response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%', bytes_received: '%BYTES_RECEIVED%', bytes_sent: '%BYTES_SENT%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%', duration: '%DURATION%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%', route_name: '%ROUTE_NAME%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%', x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%', request_id: '%REQ(X-REQUEST-ID)%', authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%', upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%', downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%', requested_server_name: '%REQUESTED_SERVER_NAME%',
  attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
}; // biome-ignore format: a table.

let sink = 0;
let failures = 0;

function exchange(i: number): Exchange {
  const made = exampleExchange();
  const { info, requestHeaders, responseHeaders } = made;
  if (requestHeaders !== null) {
    requestHeaders.path = `/api/v1/items/${i * 7919}?page=${i}`;
    requestHeaders.set(headerKey('user-agent'), `Mozilla/5.0 (X11; Linux x86_64; rv:${i % 9}.0) Gecko/20100101`);
    requestHeaders.set(headerKey('x-request-id'), `73f00da5-8f4a-4fa1-8abf-70cd37e7${(4096 + i).toString(16)}`);
    requestHeaders.set(headerKey('x-forwarded-for'), `10.0.0.${i}`);
  }
  responseHeaders?.set(headerKey('x-envoy-upstream-service-time'), String(i % 50));
  Object.assign(info, { responseCode: 200, flags: 0, responseCodeDetails: 'via_upstream', routeName: 'default' });
  Object.assign(info, { startWallMs: info.startWallMs + i * 0.37, bytesSent: i * 100 });
  Object.assign(info.connection, { remoteAddress: { family: 'ipv4', address: `10.0.${i}.7`, port: 40_000 + i } });
  info.remoteAddress = info.connection.remoteAddress;
  return made;
}

/** CPU time of this thread, ns: what others do on the machine counts less. */
function cpuNs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) * 1000;
}

function measure(name: string, budgetNs: number, format: { format(ctx: Exchange): string }): void {
  const exchanges = Array.from({ length: EXCHANGES }, (_, i) => exchange(i));
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = cpuNs();
    for (let i = 0; i < CALLS; i++) {
      // Reading a character makes V8 put the pieces together, as writing them does.
      sink += format.format(exchanges[i & (EXCHANGES - 1)] as Exchange).charCodeAt(1);
    }
    best = Math.min(best, (cpuNs() - start) / CALLS);
  }
  if (best > budgetNs) failures++;
  console.log(`${name}: ${best.toFixed(0)} ns CPU (budget ${budgetNs}) ${best <= budgetNs ? 'ok' : 'OVER'}`);
}

const d = exampleDecoder();
measure('JSON line of 25 fields', 3000, compileJsonFormat(FIELDS_25, d));
measure('JSON line of 25 fields, empty ones omitted', 4000, compileJsonFormat(FIELDS_25, d, { omitEmptyValues: true }));
const expressions = {
  'expression, one header compared': "request.headers['x-forwarded-for'] == '10.0.0.1' ? 'a' : 'b'",
  'expression, a path and a code': "request.url_path.startsWith('/api') && response.code >= 200 && response.code < 300",
  'expression, an error': "request.headers['none'] == 'x' || request.nope",
  'expression, a pattern': "request.path.matches('^/api/v[0-9]+/items/')",
};
for (const [name, text] of Object.entries(expressions)) measure(name, 500, compileFormat(`%CEL(${text})%`, d));
if (sink === 0 || d.reasons.length > 0) failures++;
process.exitCode = failures > 0 ? 1 : 0;
