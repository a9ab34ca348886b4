// A stream for each type, where a server does not serve all types on one.
import type { XdsChannel, XdsChannelHandler } from './channel.ts';
import { type MuxOptions, type MuxParts, XdsMux } from './mux.ts';
import type { UpdateCounts, XdsListener, XdsSource, XdsSubscription } from './types.ts';

/** A channel for the one type. */
export type Connect = (type: string, handler: XdsChannelHandler) => XdsChannel;

export class XdsStreams implements XdsSource {
  readonly #parts: MuxParts;
  readonly #optionsOf: (type: string) => MuxOptions;
  readonly #connect: Connect;
  readonly #muxes = new Map<string, XdsMux>();

  constructor(parts: MuxParts, optionsOf: (type: string) => MuxOptions, connect: Connect) {
    this.#parts = parts;
    this.#optionsOf = optionsOf;
    this.#connect = connect;
  }

  subscribe(
    type: string,
    isWildcard: boolean,
    initialFetchTimeoutMs: number,
    listener: XdsListener,
    counts: UpdateCounts | null = null,
  ): XdsSubscription {
    let mux = this.#muxes.get(type);
    if (mux === undefined) {
      mux = new XdsMux(this.#parts, this.#optionsOf(type), (handler) => this.#connect(type, handler));
      this.#muxes.set(type, mux);
    }
    const own = mux;
    const subscription = own.subscribe(type, isWildcard, initialFetchTimeoutMs, listener, counts);
    return {
      add: (name, ofName) => subscription.add(name, ofName),
      remove: (name) => subscription.remove(name),
      // The stream is of no other use.
      close: () => {
        if (this.#muxes.get(type) !== own) return;
        this.#muxes.delete(type);
        own.close();
      },
    };
  }

  close(): void {
    for (const mux of this.#muxes.values()) mux.close();
    this.#muxes.clear();
  }
}
