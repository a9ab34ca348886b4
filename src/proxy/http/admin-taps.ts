// Taps that the admin interface attaches by config_id while a client listens; one such object in each thread.

/** Bytes of traces that a thread has sent and nobody has taken: a client that reads slowly loses traces, not memory. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024;

/** Where pieces of traces go. */
export type TraceSink = {
  /** `onLost` is called when the piece finds no room, or cannot be written. */
  write(piece: Buffer, onLost: () => void): void;
};

/** A filter that can be tapped. */
export type TapTarget = {
  /** `config`: envoy.config.tap.v3.TapConfig. Returns why it cannot be attached, or null. */
  attach(config: object, sink: TraceSink): string | null;
  detach(): void;
};

/** Pieces on their way to the admin interface, as many as it takes. */
export class TraceLink implements TraceSink {
  readonly #send: (piece: Buffer) => void;
  #waitingBytes = 0;
  #isClosed = false;

  constructor(send: (piece: Buffer) => void) {
    this.#send = send;
  }

  write(piece: Buffer, onLost: () => void): void {
    // Whoever listened has gone.
    if (this.#isClosed) return;
    if (this.#waitingBytes > 0 && this.#waitingBytes + piece.length > MOST_WAITING_BYTES) {
      onLost();
      return;
    }
    this.#waitingBytes += piece.length;
    this.#send(piece);
  }

  /** So much is no longer on its way. */
  taken(bytes: number): void {
    this.#waitingBytes = Math.max(0, this.#waitingBytes - bytes);
  }

  close(): void {
    this.#isClosed = true;
  }
}

type Attached = { readonly configId: string; readonly config: object; readonly link: TraceLink };

export class AdminTaps {
  /** A configuration has named an id: from then on the admin interface has /tap. */
  isUsed = false;
  readonly #targets = new Map<string, Set<TapTarget>>();
  #attached: Attached | null = null;

  /** Returns what takes it back. */
  register(configId: string, target: TapTarget): () => void {
    let targets = this.#targets.get(configId);
    if (targets === undefined) {
      targets = new Set();
      this.#targets.set(configId, targets);
    }
    targets.add(target);
    if (this.#attached?.configId === configId) target.attach(this.#attached.config, this.#attached.link);
    return () => {
      targets.delete(target);
      if (targets.size === 0 && this.#targets.get(configId) === targets) this.#targets.delete(configId);
    };
  }

  has(configId: string): boolean {
    return this.#targets.has(configId);
  }

  /** For all targets of that id, those of later too. Returns why not, or null. */
  attach(configId: string, config: object, link: TraceLink): string | null {
    this.detach();
    for (const target of this.#targets.get(configId) ?? []) {
      const problem = target.attach(config, link);
      if (problem === null) continue;
      for (const one of this.#targets.get(configId) ?? []) one.detach();
      return problem;
    }
    this.#attached = { configId, config, link };
    return null;
  }

  detach(): void {
    if (this.#attached === null) return;
    const { configId, link } = this.#attached;
    this.#attached = null;
    link.close();
    for (const target of this.#targets.get(configId) ?? []) target.detach();
  }

  /** Of what was sent over the link that is attached. */
  taken(bytes: number): void {
    this.#attached?.link.taken(bytes);
  }
}
