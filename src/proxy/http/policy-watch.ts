// Exchanges in progress when access rules change: those that the new rules deny end a little later.
import type { Clock, Timer } from '../../base/clock.ts';
import { POLICY_CHANGED } from '../network/filter.ts';
import { upgradeType } from './admission.ts';
import type { HttpConnection } from './connection-manager.ts';
import type { HttpManager } from './manager.ts';
import { routeSlotsOf } from './route-slots.ts';
import type { HttpStream } from './stream.ts';

/** Short exchanges that were let in come to their own end. */
const GRACE_MS = 500;
/** Exchanges that are judged in one turn: some 2 us each. */
const MOST_AT_ONCE = 1000;

export class PolicyWatch {
  readonly #manager: HttpManager;
  readonly #clock: Clock;
  #timer: Timer | null = null;
  /** Who began after that was judged by the rules of now. */
  #changedMs = 0;
  #unjudged: HttpConnection[] = [];

  constructor(manager: HttpManager) {
    this.#manager = manager;
    this.#clock = manager.clock;
  }

  /** Filters or routes are others than before, or connections came that were let in by others. */
  changed(): void {
    const { config, upgradeChains } = this.#manager;
    const isGuarded =
      config.chain.guards.length > 0 || [...upgradeChains.values()].some(({ guards }) => guards.length > 0);
    if (!isGuarded) return;
    this.#changedMs = this.#clock.nowMs;
    this.#timer ??= this.#clock.timer(judgeMore, this);
    if (!this.#timer.isArmed) this.#timer.arm(GRACE_MS);
  }

  /** For the timer. */
  judgeMore(): void {
    if (this.#unjudged.length === 0) this.#unjudged = [...this.#manager.connections];
    for (let left = MOST_AT_ONCE; left > 0 && this.#unjudged.length > 0; ) {
      const connection = this.#unjudged.pop() as HttpConnection;
      // It may have gone on to another version.
      if (connection.manager === this.#manager) left -= 1 + this.#judge(connection);
    }
    if (this.#unjudged.length > 0) this.#timer?.arm(1);
  }

  #judge(connection: HttpConnection): number {
    let judged = 0;
    for (let stream = connection.streams.first; stream !== null; judged++) {
      const { next }: HttpStream = stream;
      if (stream.hasHead && stream.info.startMs <= this.#changedMs && this.#isDenied(stream)) deny(stream);
      stream = next;
    }
    return judged;
  }

  #isDenied(stream: HttpStream): boolean {
    const { config, upgradeChains } = this.#manager;
    const { connection, info } = stream;
    const requestHeaders = stream.headAsAsked;
    const type = stream.isUpgrade ? upgradeType(requestHeaders) : '';
    const chain = upgradeChains.get(type) ?? config.chain;
    if (chain.guards.length === 0) return false;
    const route = config.routes.current?.match(requestHeaders, connection.matchContext(stream)) ?? null;
    const { disabled, mostSpecific } = routeSlotsOf(chain, route);
    const asked = { info, requestHeaders, route, routeConfig: (slot: number) => mostSpecific[slot] ?? null };
    return chain.guards.some((slot) => disabled?.[slot] !== true && chain.filters[slot]?.denies?.(asked) === true);
  }
}

function deny(stream: HttpStream): void {
  if (stream.isResponseStarted) stream.resetStream(POLICY_CHANGED);
  else stream.sendLocalReply({ status: 403, body: 'RBAC: access denied', details: POLICY_CHANGED });
}

const judgeMore = (watch: PolicyWatch): void => watch.judgeMore();
