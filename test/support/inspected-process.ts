// Looks into a running Node process through its inspector: memory after a forced collection, and what keeps it awake.
export type Inside = {
  /** Of JavaScript, after everything that nobody holds was collected. */
  readonly heapBytes: number;
  /** Buffers and the like, outside of the heap. */
  readonly externalBytes: number;
  /** How many there are of each kind of handle and request. */
  readonly resources: Readonly<Record<string, number>>;
};

const LOOK = `JSON.stringify({
  memory: process.memoryUsage(),
  resources: process.getActiveResourcesInfo(),
})`;

/** `port` is that of `--inspect`; the connection to it is gone when this resolves. */
export async function lookInside(port: number): Promise<Inside> {
  const inspector = await Inspector.open(port);
  try {
    // What a finalizer lets go is collected by the next round only.
    for (let round = 0; round < 3; round++) await inspector.call('HeapProfiler.collectGarbage');
    const answer = await inspector.call('Runtime.evaluate', { expression: LOOK, returnByValue: true });
    const { result } = answer as { readonly result: { readonly value: string } };
    type Seen = { readonly memory: NodeJS.MemoryUsage; readonly resources: readonly string[] };
    const { memory, resources }: Seen = JSON.parse(result.value);
    const counts: Record<string, number> = {};
    for (const kind of resources) counts[kind] = (counts[kind] ?? 0) + 1;
    return { heapBytes: memory.heapUsed, externalBytes: memory.external + memory.arrayBuffers, resources: counts };
  } finally {
    inspector.close();
  }
}

class Inspector {
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (result: unknown) => void>();
  #calls = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const { id, result }: { readonly id?: number; readonly result?: unknown } = JSON.parse(String(data));
      if (id === undefined) return;
      this.#answers.get(id)?.(result);
      this.#answers.delete(id);
    });
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

  call(method: string, params: object = {}): Promise<unknown> {
    const id = ++this.#calls;
    const answer = new Promise<unknown>((resolve) => this.#answers.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params }));
    return answer;
  }

  close(): void {
    this.#socket.close();
  }
}
