// Looks into a running Node process through its inspector: memory after a forced collection, and what keeps it awake.
export type Inside = {
  /** Of JavaScript on all threads, after everything that nobody holds was collected. */
  readonly heapBytes: number;
  /** Buffers and the like, outside of the heaps. */
  readonly externalBytes: number;
  /** How many there are of each kind of handle and request. */
  readonly resources: Readonly<Record<string, number>>;
};

const LOOK = `JSON.stringify({
  memory: process.memoryUsage(),
  resources: process.getActiveResourcesInfo(),
})`;

/** What one thread tells. */
type Seen = { readonly memory: NodeJS.MemoryUsage; readonly resources: readonly string[] };

/** `port` is that of `--inspect`; the connection to it is gone when this resolves. */
export async function lookInside(port: number): Promise<Inside> {
  const inspector = await Inspector.open(port);
  try {
    const workers = await inspector.attachWorkers();
    let heapBytes = 0;
    let externalBytes = 0;
    const resources: Record<string, number> = {};
    for (const thread of [null, ...workers]) {
      // What a finalizer lets go is collected by the next round only.
      for (let round = 0; round < 3; round++) await inspector.call('HeapProfiler.collectGarbage', {}, thread);
      const answer = await inspector.call('Runtime.evaluate', { expression: LOOK, returnByValue: true }, thread);
      const { memory, resources: kinds }: Seen = JSON.parse((answer as Evaluated).result.value);
      heapBytes += memory.heapUsed;
      externalBytes += memory.external + memory.arrayBuffers;
      for (const kind of kinds) resources[kind] = (resources[kind] ?? 0) + 1;
    }
    return { heapBytes, externalBytes, resources };
  } finally {
    inspector.close();
  }
}

type Evaluated = { readonly result: { readonly value: string } };

type Message = {
  readonly id?: number;
  readonly result?: unknown;
  readonly method?: string;
  readonly params?: { readonly sessionId?: string; readonly message?: string };
};

class Inspector {
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (result: unknown) => void>();
  readonly #workers: string[] = [];
  #calls = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#take(JSON.parse(String(data))));
  }

  static async open(port: number): Promise<Inspector> {
    const listed = await fetch(`http://127.0.0.1:${port}/json/list`, { headers: { connection: 'close' } });
    const [target] = (await listed.json()) as readonly { readonly webSocketDebuggerUrl: string }[];
    if (target === undefined) throw new Error('the inspector has no target');
    const socket = new WebSocket(target.webSocketDebuggerUrl);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve());
      socket.addEventListener('error', () => reject(new Error('the inspector refuses')));
    });
    return new Inspector(socket);
  }

  #take({ id, result, method, params = {} }: Message): void {
    const { sessionId, message } = params;
    if (method === 'NodeWorker.attachedToWorker' && sessionId !== undefined) this.#workers.push(sessionId);
    // What a thread answers comes in an envelope; all calls have numbers of their own.
    if (method === 'NodeWorker.receivedMessageFromWorker') this.#take(JSON.parse(message ?? '{}'));
    if (id === undefined) return;
    this.#answers.get(id)?.(result);
    this.#answers.delete(id);
  }

  /** Returns the sessions of all threads but the main one. */
  async attachWorkers(): Promise<readonly string[]> {
    await this.call('NodeWorker.enable', { waitForDebuggerOnStart: false });
    return this.#workers;
  }

  /** `worker` is the session of a thread; null for the main one. */
  call(method: string, params: object, worker: string | null = null): Promise<unknown> {
    const id = ++this.#calls;
    const answer = new Promise<unknown>((resolve) => this.#answers.set(id, resolve));
    const message = JSON.stringify({ id, method, params });
    if (worker === null) this.#socket.send(message);
    else void this.call('NodeWorker.sendMessageToWorker', { sessionId: worker, message });
    return answer;
  }

  close(): void {
    this.#socket.close();
  }
}
