// Versions of dynamic listeners that were replaced or removed: their connections have the drain time to end.
import { encodeBinary } from '../../proto/binary-encode.ts';
import { decodeBinary } from '../../proto/binary-decode.ts';
import type { Listener } from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';
import type { RecordedResource } from './config-record.ts';
import { LISTENER_TYPE } from './types.ts';

/** Kept at most; of what comes beyond the oldest are forgotten. */
const MAX_LEAVING = 1_000;

type Active = NonNullable<RecordedResource['active']>;
type Leaving = {
  readonly name: string;
  readonly before: Active;
  readonly after: Active | null;
  readonly sinceWallMs: number;
};

export class LeavingListeners {
  /** --drain-time-s */
  drainTimeMs = 600_000;
  readonly #wallMs: () => number;
  /** Oldest first. */
  readonly #leaving: Leaving[] = [];

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** `after` null: it was removed. */
  left(name: string, before: Active, after: Active | null): void {
    this.#forgetGone();
    this.#leaving.push({ name, before, after, sinceWallMs: this.#wallMs() });
    if (this.#leaving.length > MAX_LEAVING) this.#leaving.shift();
  }

  #forgetGone(): void {
    const since = this.#wallMs() - this.drainTimeMs;
    const first = this.#leaving.findIndex(({ sinceWallMs }) => sinceWallMs > since);
    this.#leaving.splice(0, first === -1 ? this.#leaving.length : first);
  }

  /**
   * The oldest that still drains of each name, as Envoy shows it. A version that differs in its chains only was taken
   * on by the same listener.
   */
  draining(): Map<string, Active> {
    this.#forgetGone();
    const draining = new Map<string, Active>();
    for (const { name, before, after } of this.#leaving) {
      if (draining.has(name)) continue;
      if (after === null || withoutChains(before.bytes) !== withoutChains(after.bytes)) draining.set(name, before);
    }
    return draining;
  }
}

function withoutChains(bytes: Uint8Array): string {
  const type = registry.message(LISTENER_TYPE);
  return Buffer.from(listenerWithoutChains((decodeBinary(type as never, bytes) ?? {}) as Listener)).toString('latin1');
}

/** Equal for messages that differ in their chains only. Source: Envoy ListenerMessageUtil::filterChainOnlyChange. */
export function listenerWithoutChains(message: Listener): Uint8Array {
  const { filter_chains: _, default_filter_chain: __, filter_chain_matcher: ___, ...rest } = message;
  return encodeBinary(registry.message(LISTENER_TYPE) as never, rest as never);
}
