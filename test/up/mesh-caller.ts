// Tells the caller in a mesh (testdata/callers/caller.ts) what to call, over a unix socket, which no network holds up.
import { request } from 'node:http';

export type Order = {
  readonly client: 'fetch' | 'http' | 'grpc' | 'curl' | 'tcp';
  readonly url: string;
  /** Null: until it is stopped. */
  readonly count: number | null;
  readonly concurrency: number;
  readonly perSecond: number | null;
  readonly keepsSamples: boolean;
};

/** When it was sent, when answered (of Date.now), and what came. */
export type Sample = readonly [sentMs: number, answeredMs: number, answer: string];

export type Outcome = {
  /** By what came: the version that answered, or what went wrong. */
  readonly answers: Readonly<Record<string, number>>;
  readonly samples: readonly Sample[];
  readonly seconds: number;
};

export type RunningCalls = { stop(): Promise<Outcome> };

const DEFAULTS = { client: 'http', count: 1, concurrency: 1, perSecond: null, keepsSamples: false } as const;

let next = 0;

export class MeshCaller {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  call(url: string, order: Partial<Order> = {}): Promise<Outcome> {
    return this.#ask(next++, { ...DEFAULTS, url, ...order });
  }

  /** What one call was answered. */
  async once(url: string, client: Order['client'] = 'fetch'): Promise<string> {
    const { answers } = await this.call(url, { client });
    return Object.keys(answers).join(' and ');
  }

  /** Calls until it is stopped. */
  keepCalling(url: string, order: Partial<Order>): RunningCalls {
    const id = next++;
    const outcome = this.#ask(id, { ...DEFAULTS, url, ...order, count: null });
    outcome.catch(() => undefined);
    return {
      stop: async () => {
        await this.#ask(id, null);
        return outcome;
      },
    };
  }

  #ask(id: number, order: Order | null): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.#socketPath, method: 'POST', agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString()) as Outcome));
        response.on('error', reject);
      });
      asked.on('error', reject);
      asked.end(JSON.stringify({ id, order }));
    });
  }
}

/** All that are no versions. */
export function failuresOf({ answers }: Outcome): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(answers).filter(([answer]) => !/^v\d$/.test(answer)));
}

export function countOf({ answers }: Outcome): number {
  return Object.values(answers).reduce((sum, count) => sum + count, 0);
}

export function shareOf(outcome: Outcome, version: string): number {
  return (outcome.answers[version] ?? 0) / countOf(outcome);
}

/** How far a share of so many calls may be from the true one, but in one of some millions of runs. */
export function tolerance(share: number, count: number): number {
  return 5 * Math.sqrt((share * (1 - share)) / count);
}
