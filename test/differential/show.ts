// Prints what the real Envoy does in the cases whose name matches the pattern given as first argument.
import type { Observation, SeenMessage } from './case.ts';
import { Side } from './side.ts';
import { allGroups } from './tables.ts';

const OBVIOUS: ReadonlySet<string> = new Set([
  ...['date', 'server', 'x-envoy-upstream-service-time', 'x-backend', 'x-forwarded-proto', 'x-request-id'],
  'x-envoy-expected-rq-timeout-ms',
]);

function showMessage(mark: string, message: SeenMessage): void {
  const headers = Object.entries(message.headers)
    .filter(([name]) => !OBVIOUS.has(name))
    .flatMap(([name, values]) => values.map((value) => `${name}: ${value}`));
  const trailers = Object.keys(message.trailers).length > 0 ? ` trailers ${JSON.stringify(message.trailers)}` : '';
  const end = (message.complete ? '' : ' (incomplete)') + (message.error === undefined ? '' : ` (${message.error})`);
  console.log(`  ${mark} ${message.line} [${headers.join(', ')}] ${JSON.stringify(message.body)}${trailers}${end}`);
}

function show(observation: unknown): void {
  if (typeof observation !== 'object' || observation === null || !('clients' in observation)) {
    console.log(`  ${JSON.stringify(observation)}`);
    return;
  }
  const { clients, datagrams, relay, upstream, log, stats, admin, upstreamFates, upstreamTls, upstreamHttp2 } =
    observation as Observation;
  for (const client of clients) {
    for (const message of client.responses) showMessage('<', message);
    for (const [id, messages] of Object.entries(client.streams ?? {})) {
      for (const message of messages) showMessage(`< ${id}`, message);
    }
    console.log(`  connection: ${client.fate} ${client.timedOut.join(', ')} ${JSON.stringify(client.http2 ?? '')}`);
    if (client.tls !== undefined) console.log(`  tls: ${JSON.stringify(client.tls)}`);
  }
  if (datagrams !== undefined) console.log(`  datagrams: ${JSON.stringify(datagrams)}`);
  if (relay !== undefined) console.log(`  relay: ${JSON.stringify(relay)}`);
  for (const [name, requests] of Object.entries(upstream)) {
    for (const request of requests) showMessage(`> ${name}#${request.connection}`, request);
  }
  if (upstreamFates !== undefined) console.log(`  upstream connections: ${JSON.stringify(upstreamFates)}`);
  if (upstreamTls !== undefined) console.log(`  upstream tls: ${JSON.stringify(upstreamTls)}`);
  if (upstreamHttp2 !== undefined) console.log(`  upstream HTTP/2: ${JSON.stringify(upstreamHttp2)}`);
  for (const line of log) console.log(`  log: ${line}`);
  console.log(`  statistics: ${JSON.stringify(stats)}`);
  if (admin !== undefined) console.log(`  admin: ${JSON.stringify(admin, null, 1)}`);
}

const pattern = new RegExp(process.argv[2] ?? '');
for (const group of allGroups) {
  const cases = group.cases.filter((test) => pattern.test(`${group.name} / ${test.name}`));
  if (cases.length === 0) continue;
  const side = await Side.start('envoy', group);
  try {
    for (const test of cases) {
      console.log(`\n${group.name} / ${test.name}`);
      show(await side.run(test));
    }
  } finally {
    await side.stop();
  }
}
