// A thread that asks a proxy again and again while a test keeps its own thread busy, and the upstream that answers.
import { Agent, createServer, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';

export type ProbeReport = {
  readonly answers: number;
  /** Statuses besides 200, and errors. */
  readonly failures: readonly string[];
  readonly slowestMs: number;
};

const PAUSE_MS = 5;
const MOST_FAILURES = 20;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let answers = 0;
let failures: string[] = [];
let slowestMs = 0;

const upstream = createServer((_request, response) => response.end('ok'));
upstream.keepAliveTimeout = 60_000;
upstream.listen(0, '127.0.0.1', () => parentPort?.postMessage((upstream.address() as { port: number }).port));

function ask(port: number): Promise<string> {
  return new Promise((resolve) => {
    const sent = request({ port, host: '127.0.0.1', agent, timeout: 10_000 }, (response) => {
      response.resume();
      response.on('end', () => resolve(String(response.statusCode)));
      response.on('error', (error) => resolve(error.message));
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer in 10 s')));
    sent.on('error', (error) => resolve(error.message));
    sent.end();
  });
}

async function probe(port: number): Promise<void> {
  for (;;) {
    const before = performance.now();
    const answer = await ask(port);
    slowestMs = Math.max(slowestMs, performance.now() - before);
    if (answer === '200') answers++;
    else if (failures.length < MOST_FAILURES) failures.push(answer);
    await sleep(PAUSE_MS);
  }
}

parentPort?.on('message', (message: { readonly port?: number }) => {
  if (message.port !== undefined) {
    void probe(message.port);
    return;
  }
  const report: ProbeReport = { answers, failures, slowestMs };
  parentPort?.postMessage(report);
  answers = 0;
  failures = [];
  slowestMs = 0;
});
