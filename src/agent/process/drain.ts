// Ends a proxy in order: nothing new is taken, and what is in progress has its time.
import type { Clock } from '../../base/clock.ts';
import type { DrainSettings } from '../config/settings.ts';
import type { AskProxy } from '../status/readiness.ts';

export type DrainParts = {
  readonly clock: Clock;
  readonly ask: AskProxy;
  readonly log: (level: 'info' | 'warning', text: string) => void;
  /** Of the proxy's listeners for the agent's sake: statistics and readiness. */
  readonly ownPorts: readonly number[];
  /** It ended meanwhile. */
  readonly isOver: () => boolean;
};

/** Between questions whether connections are left. */
const CONNECTIONS_POLL_MS = 1000;
const ACTIVE_CONNECTIONS = /^listener\.(.+)\.downstream_cx_active: (\d+)$/gm;

/**
 * Resolves when the proxy may be ended. `isSidecar`: what the workload itself still wants to say goes out until then.
 * Source: istio pkg/envoy, Agent.terminate.
 */
export async function drainProxy(parts: DrainParts, drain: DrainSettings, isSidecar: boolean): Promise<void> {
  const { ask, log } = parts;
  const which = isSidecar ? 'inboundonly&graceful' : 'graceful';
  const answer = await ask('POST', `/drain_listeners?${which}&skip_exit`);
  if ('error' in answer) log('warning', `the proxy was not asked to drain: ${answer.error}`);
  if (!drain.exitsOnZeroConnections) {
    log('info', `draining for ${drain.terminationMs} ms`);
    await wait(parts, drain.terminationMs);
    return;
  }
  // As long as it takes; who asked for the end has a limit of their own.
  await wait(parts, drain.minimumMs);
  while (!parts.isOver()) {
    const stats = await ask('GET', '/stats?usedonly&filter=downstream_cx_active$');
    if ('error' in stats) return;
    const active = activeConnections(stats.body.toString('latin1'), parts.ownPorts);
    log('info', `${active} connections are active`);
    if (active === 0) return;
    await wait(parts, CONNECTIONS_POLL_MS);
  }
}

function wait({ clock, isOver }: DrainParts, ms: number): Promise<void> {
  return new Promise((resolve) => {
    // Nobody but turns of the event loop keeps the clock up to date.
    clock.update();
    if (isOver()) resolve();
    else clock.timer(resolve as () => void, null).arm(ms);
  });
}

/** Those of listeners; the ones of probes and of administration do not count. */
export function activeConnections(stats: string, ownPorts: readonly number[]): number {
  let active = 0;
  for (const [, listener = '', count] of stats.matchAll(ACTIVE_CONNECTIONS)) {
    const port = Number(/_(\d+)$/.exec(listener)?.[1]);
    // Also counted by worker.
    const isOther = /^admin(?:\.|$)|(?:^|\.)(?:worker_\d+|main_thread)$/.test(listener);
    if (!isOther && !ownPorts.includes(port)) active += Number(count);
  }
  return active;
}
