// The control plane of a mesh, a process of its own: tokens are asked for on a socket that it inherited.
import type { Socket } from 'node:net';

type Answer = { readonly id?: number; readonly token?: string | null; readonly ready?: boolean };

export class ControlLink {
  #socket: Socket | null = null;
  #rest = '';
  #next = 0;
  #isReady = false;
  #onReady: (() => void)[] = [];
  readonly #waiting = new Map<number, (token: string | null) => void>();

  /** A control plane was started anew. */
  attach(socket: Socket): void {
    this.#socket = socket;
    this.#isReady = false;
    this.#rest = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#isReady = false;
      for (const settle of this.#waiting.values()) settle(null);
      this.#waiting.clear();
    });
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  ready(): Promise<void> {
    if (this.#isReady) return Promise.resolve();
    return new Promise((resolve) => this.#onReady.push(resolve));
  }

  /** A token that is good for this account while the process lives; null: ask again. */
  async token(namespace: string, account: string, pid: number | null): Promise<string | null> {
    await this.ready();
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket?.write(`${JSON.stringify({ id, ask: 'token', namespace, account, pid })}\n`);
    });
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const answer = JSON.parse(line) as Answer;
      if (answer.ready === true) {
        this.#isReady = true;
        for (const resolve of this.#onReady.splice(0)) resolve();
      } else if (answer.id !== undefined) {
        this.#waiting.get(answer.id)?.(answer.token ?? null);
        this.#waiting.delete(answer.id);
      }
    }
  }
}
