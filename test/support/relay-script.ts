// Scripts for relays: one list of steps leads the clients of a proxy and the servers behind it, in one order.
import { setTimeout as sleep } from 'node:timers/promises';
import { type PeerRecord, TcpPeer } from './tcp-peer.ts';

/**
 * Who acts: 'c', 'c2', … are clients, 'u', 'u2', … the connections that servers accepted, in their order; a step with
 * one waits until it is there.
 */
export type RelayStep =
  | readonly [client: string, action: 'connect', listener?: string]
  | readonly [who: string, action: 'send', text: string]
  /** So many bytes of a pattern. */
  | readonly [who: string, action: 'fill', bytes: number]
  | readonly [who: string, action: 'fin' | 'reset' | 'close' | 'pause' | 'resume']
  /** Waits until so many bytes arrived in all. */
  | readonly [who: string, action: 'gets', bytes: number]
  | readonly [who: string, action: 'sees', what: 'fin' | 'reset' | 'end']
  | readonly [who: 'wait', ms: number]
  /** A request to the proxy's admin interface: 'POST /healthcheck/fail'. */
  | readonly [who: 'admin', request: string];

export type RelayRecord = { peers: Record<string, PeerRecord & { server?: string }>; missed: string[] };

export type RelayOptions = {
  readonly timeoutMs: number;
  readonly portOf: (listener: string | undefined) => number;
  /** Connections accepted so far, in order. */
  readonly accepted: () => readonly TcpPeer[];
  readonly admin: (request: string) => Promise<unknown>;
};

/** How long connections are watched before they are said to stand; and between the closes that end a script. */
const QUIET_MS = 60;
const CLOSE_MS = 25;
const POLL_MS = 2;

export async function runRelay(steps: readonly RelayStep[], options: RelayOptions): Promise<RelayRecord> {
  const clients = new Map<string, TcpPeer>();
  const missed: string[] = [];
  const find = (who: string): TcpPeer | undefined =>
    who.startsWith('c') ? clients.get(who) : options.accepted()[Number(who.slice(1) || '1') - 1];
  for (const step of steps) {
    const [who, action, value] = step;
    if (who === 'wait') await sleep(action as number);
    else if (who === 'admin') await options.admin(action as string);
    else if (action === 'connect') {
      const client = TcpPeer.connect(options.portOf(value as string | undefined));
      clients.set(who, client);
      await client.until(() => client.isConnected || client.isOver, options.timeoutMs);
    } else {
      let peer = find(who);
      for (let waitedMs = 0; peer === undefined && waitedMs < options.timeoutMs; waitedMs += POLL_MS) {
        await sleep(POLL_MS);
        peer = find(who);
      }
      if (peer === undefined || !(await perform(peer, step, options.timeoutMs))) missed.push(step.join(' '));
    }
  }
  await sleep(QUIET_MS);
  const peers: RelayRecord['peers'] = {};
  for (const [name, client] of clients) peers[name] = client.record();
  for (const [i, peer] of options.accepted().entries()) {
    peers[i === 0 ? 'u' : `u${i + 1}`] = { ...peer.record(), server: peer.server };
  }
  for (const group of [[...clients.values()], options.accepted()]) {
    for (const peer of group) peer.close();
    await sleep(CLOSE_MS);
  }
  return { peers, missed };
}

/** Returns whether what the step waits for came. */
async function perform(peer: TcpPeer, step: RelayStep, timeoutMs: number): Promise<boolean> {
  const [, action, value] = step;
  if (action === 'send') peer.send(value as string);
  else if (action === 'fill') peer.send(pattern(value as number));
  else if (action === 'fin') peer.fin();
  else if (action === 'reset') peer.reset();
  else if (action === 'close') peer.close();
  else if (action === 'pause') peer.pause();
  else if (action === 'resume') peer.resume();
  else if (action === 'gets') return peer.until(() => peer.receivedBytes >= (value as number), timeoutMs);
  else if (action === 'sees') {
    const isSeen = (): boolean => (value === 'fin' ? peer.hasFin : value === 'reset' ? peer.hasReset : peer.isOver);
    return peer.until(isSeen, timeoutMs);
  }
  return true;
}

function pattern(bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  for (let i = 0; i < bytes; i++) buffer[i] = 33 + (i % 89);
  return buffer;
}
