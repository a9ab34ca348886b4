// The JSON API of status: how far each object came, waiting for it, and a stream of what happens.
import type { EventStream, HttpReply } from '../../net/http-server.ts';
import { objectDigest } from '../source/digest.ts';
import { type ApiContext, json, type Page } from './context.ts';

const DEFAULT_WAIT_MS = 30_000;
const MAX_WAIT_MS = 600_000;
/** How often it is looked whether a file was read. */
const READ_LOOK_MS = 10;
/** Questions that look so often, at once: who asked may be gone long since. */
const MAX_READERS = 256;
let readers = 0;
/** What a stream of events tells of between events, so that dead ones are noticed. */
const HEARTBEAT_MS = 15_000;

export const STATUS_PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ['/api/v1/status', statusPage],
  ['/api/v1/wait', waitPage],
  ['/api/v1/events', (_request, context) => ({ events: (stream) => follow(stream, context) })],
  ['/api/v1/findings', (_request, { status }) => json({ findings: status.findings() })],
  ['/api/v1/pushes', (_request, { updates }) => json({ pushes: updates.records })],
]);

/** `?object=KIND/NAMESPACE/NAME`, or all. */
async function statusPage({ query }: Parameters<Page>[0], { status, xds }: ApiContext): Promise<HttpReply> {
  const key = query.get('object');
  if (key === null) await status.tryAll();
  if (key === null) return json({ proxies: xds.streams.size, objects: status.all(), findings: status.findings() });
  const report = status.of(key);
  return report === null ? json({ error: `there is no object ${key}` }, 404) : json(report);
}

/**
 * `?object=KEY&for=accepted|live&timeout=MS&digest=D`: answers when it is so, was refused, or the time is over. With a
 * digest it first waits until the object that was read says just that: a file may have been written this moment.
 */
async function waitPage({ query }: Parameters<Page>[0], context: ApiContext): Promise<HttpReply> {
  const key = query.get('object') ?? '';
  const goal = query.get('for') ?? 'live';
  const timeoutMs = Math.min(Number(query.get('timeout') ?? DEFAULT_WAIT_MS), MAX_WAIT_MS);
  if (goal !== 'live' && goal !== 'accepted') return json({ error: `for=${goal}: expected live or accepted` }, 400);
  if (!(timeoutMs >= 0)) return json({ error: 'timeout: expected milliseconds' }, 400);
  const startMs = context.clock.update();
  const digest = query.get('digest');
  if (digest !== null && readers >= MAX_READERS) return json({ error: 'too many wait already' }, 503);
  if (digest !== null && !(await isRead(context, key, digest, timeoutMs))) {
    const findings = context.status.findings().filter((finding) => finding.key === key);
    return json({ isReached: false, goal, object: context.status.of(key), isRead: false, findings });
  }
  if (context.status.of(key) === null) return json({ error: `there is no object ${key}` }, 404);
  const leftMs = Math.max(0, timeoutMs - (context.clock.update() - startMs));
  return new Promise((resolve) => {
    context.receipts.waitFor(key, goal, leftMs, ({ isReached }) =>
      resolve(json({ isReached, goal, object: context.status.of(key) })),
    );
  });
}

/** Waits until the object says what the digest is of, and has been settled. */
function isRead(
  { source, updates, clock }: ApiContext,
  key: string,
  digest: string,
  timeoutMs: number,
): Promise<boolean> {
  const isSo = (): boolean => {
    const object = source.objects().get(key);
    return object !== undefined && objectDigest(object) === digest && !updates.isPending(key);
  };
  readers++;
  return new Promise((resolve) => {
    const endMs = clock.update() + timeoutMs;
    const timer = clock.timer(() => {
      const isThere = isSo();
      if (!isThere && clock.nowMs < endMs) {
        timer.arm(READ_LOOK_MS);
        return;
      }
      readers--;
      resolve(isThere);
    }, null);
    timer.arm(0);
  });
}

function follow(stream: EventStream, { receipts, clock, updates, xds }: ApiContext): void {
  stream.send('hello', { proxies: xds.streams.size, pushes: updates.records.length });
  const end = receipts.subscribe((status) => void stream.send('status', status));
  const timer = clock.timer(() => {
    stream.send('alive', { proxies: xds.streams.size });
    timer.arm(HEARTBEAT_MS);
  }, null);
  timer.arm(HEARTBEAT_MS);
  stream.onClose(() => {
    timer.disarm();
    end();
  });
}
