// Requests through a proxy all the time, from a thread of their own: what a test does not hold up.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ProbeReport } from './prober-thread.ts';

export type { ProbeReport } from './prober-thread.ts';

export class Prober {
  readonly #worker = new Worker(new URL('./prober-thread.ts', import.meta.url));
  /** Of the upstream that answers 200. */
  upstreamPort = 0;

  async start(): Promise<void> {
    [this.upstreamPort] = (await once(this.#worker, 'message')) as [number];
  }

  /** Asks this port from now on. */
  ask(port: number): void {
    this.#worker.postMessage({ port });
  }

  /** How it went since the last call. */
  async take(): Promise<ProbeReport> {
    const answer = once(this.#worker, 'message');
    this.#worker.postMessage({});
    return (await answer)[0] as ProbeReport;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
