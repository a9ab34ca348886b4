// What looking at the first bytes of a connection costs: ClientHello, PROXY header, first line, against their budgets.
import { ja3Of, ja4Of } from '../../src/proxy/listener/filters/tls-inspector/fingerprint.ts';
import type { ClientHello } from '../../src/wire/client-hello.ts';
import { ClientHelloReader } from '../../src/wire/client-hello-reader.ts';
import { HttpInspection } from '../../src/wire/http-inspector.ts';
import { readProxyHeader } from '../../src/wire/proxy-protocol.ts';
import { writeProxyHeader } from '../../src/wire/proxy-protocol-writer.ts';
import { clientHello } from '../../test/support/client-hello.ts';
import { capturedHello } from '../../test/support/captured-hello.ts';

const ROUNDS = 7;
const TIMES = 100_000;

const NAME = 'outbound_.80_._.reviews.default.svc.cluster.local';
const ALPN = ['istio-peer-exchange', 'istio'];
const RULES = { allowsV1: true, allowsV2: true, allowsNone: false };
const SOURCE = { family: 'ipv4', address: '203.0.113.7', port: 51_234 } as const;
const DESTINATION = { family: 'ipv4', address: '198.51.100.20', port: 443 } as const;

const real = await capturedHello({ servername: NAME, ALPNProtocols: ALPN, ecdhCurve: 'X25519' });
const postQuantum = await capturedHello({ servername: NAME, ALPNProtocols: ALPN, ecdhCurve: 'X25519MLKEM768:X25519' });
const fragmented = clientHello({ serverName: NAME, alpn: ALPN, recordBytes: 64 });
const hello = helloOf(real);
const line = Buffer.from('PROXY TCP4 203.0.113.7 198.51.100.20 51234 443\r\n');
const binary = writeProxyHeader(SOURCE, DESTINATION, [[2, Buffer.from(NAME)]]);
const request = Buffer.from('GET /productpage?u=normal HTTP/1.1\r\nhost: productpage:9080\r\n\r\n');
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

type Subject = { readonly name: string; readonly budgetNs: number; readonly run: () => unknown };

const subjects: readonly Subject[] = [
  { name: `ClientHello, ${real.length} bytes`, budgetNs: 3000, run: () => helloOf(real) },
  { name: `ClientHello, ${postQuantum.length} bytes`, budgetNs: 3000, run: () => helloOf(postQuantum) },
  { name: 'ClientHello in records of 64 bytes', budgetNs: 5000, run: () => helloOf(fragmented) },
  { name: 'JA3 and JA4 of it', budgetNs: 30_000, run: () => ja3Of(hello) + ja4Of(hello) },
  { name: 'PROXY header, version 1', budgetNs: 3000, run: () => readProxyHeader(line, RULES) },
  { name: 'PROXY header, version 2', budgetNs: 3000, run: () => readProxyHeader(binary, RULES) },
  { name: 'first line of HTTP/1.1', budgetNs: 1000, run: () => new HttpInspection().read(request) },
  { name: 'preface of HTTP/2', budgetNs: 500, run: () => new HttpInspection().read(preface) },
];

function helloOf(bytes: Buffer): ClientHello {
  const reader = new ClientHelloReader();
  reader.read(bytes);
  return reader.hello as ClientHello;
}

/** ns of one call, the least disturbed of some rounds. */
function measure(run: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  let kept: unknown;
  for (let round = 0; round < ROUNDS; round++) {
    const started = process.hrtime.bigint();
    for (let i = 0; i < TIMES; i++) kept = run();
    best = Math.min(best, Number(process.hrtime.bigint() - started) / TIMES);
  }
  if (kept === undefined) throw new Error('the bench measures nothing');
  return best;
}

let failed = false;
for (const { name, budgetNs, run } of subjects) {
  const ns = measure(run);
  if (ns > budgetNs) failed = true;
  const verdict = ns <= budgetNs ? 'met' : 'MISSED';
  console.log(`${name.padEnd(36)} ${ns.toFixed(0).padStart(6)} ns   budget ${budgetNs} ns   ${verdict}`);
}
if (failed) process.exitCode = 1;
