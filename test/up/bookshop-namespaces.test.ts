// The bookshop in network namespaces as root: everything that holds in every mode, the split of ten thousand calls, a
// weight that is changed under load, and what happens when something is killed.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { namedObjects } from '../../src/cli/object-names.ts';
import { checkBookshop, eventually } from './bookshop-checks.ts';
import { BookshopMesh, MODES, REVIEWS_URL, skipOf } from './bookshop-mesh.ts';
import { readPage, skipOfPage } from './bookshop-page.ts';
import { countOf, failuresOf, shareOf, tolerance } from './mesh-caller.ts';

/** HEDDLE_UP_CALLS=40000 tells it to a percentage point. */
const MANY = Number(process.env['HEDDLE_UP_CALLS'] ?? 10_000);
/** What it takes is told; this is a limit for machines that others load. */
const LIVE_MS = 3000;
/** On a machine that others load. */
const SUITE_MS = 300_000;
const GONE_MS = 15_000;
/** Workloads have one each, and gateways are proxies too. */
const SIDECARS = 9;
const PROXIES = SIDECARS + 2;

type Workloads = {
  readonly workloads: readonly {
    readonly processes: readonly { readonly name: string; readonly restarts: number }[];
  }[];
};

describe('the bookshop in namespaces as root', { skip: skipOf(MODES.namespaces), timeout: SUITE_MS }, () => {
  let mesh: BookshopMesh;
  before(async () => {
    mesh = await BookshopMesh.start(MODES.namespaces);
  });
  after(async () => mesh?.dispose());

  checkBookshop(MODES.namespaces, () => mesh);

  it('shows its page in Chromium through the HTTPS gateway', { skip: skipOfPage() }, async () => {
    const { text, issuer } = await readPage(mesh);
    assert.match(text, /Silas Marner/);
    assert.match(text, /Dolly/);
    assert.match(text, /from quotes\.example\.com/);
    assert.match(issuer, /gateway/i);
    assert.doesNotMatch(text, /cannot be had/);
  });

  it(`splits ${MANY} calls by 80 to 20`, async (t) => {
    const outcome = await mesh.caller.call(REVIEWS_URL, { count: MANY, concurrency: 24 });
    assert.deepEqual(failuresOf(outcome), {});
    const share = shareOf(outcome, 'v1');
    t.diagnostic(`${(share * 100).toFixed(2)} % of ${countOf(outcome)} in ${outcome.seconds.toFixed(1)} s`);
    assert.ok(Math.abs(share - 0.8) <= tolerance(0.8, MANY), `${share}`);
  });

  /** Milliseconds until all proxies have the weights. */
  async function changeWeights(v1: number, v2: number): Promise<number> {
    const startMs = performance.now();
    mesh.writeWeights(v1, v2);
    const object = namedObjects([mesh.reviewsFile], 'bookshop').find(({ key }) => key.startsWith('VirtualService/'));
    const query = `object=${object?.key}&digest=${object?.digest}&for=live&timeout=30000`;
    type Answer = { isReached: boolean; object: { concerned: number } };
    const ask = (): Promise<Answer> => mesh.api(`/api/v1/wait?${query}`);
    let answer = await ask();
    // Proxies that come back to a new control plane ask for their routes one after the other.
    for (const endMs = startMs + 60_000; answer.object.concerned < SIDECARS && performance.now() < endMs; ) {
      await sleep(20);
      answer = await ask();
    }
    assert.ok(answer.isReached, JSON.stringify(answer));
    assert.equal(answer.object.concerned, SIDECARS);
    return performance.now() - startMs;
  }

  it('has edited weights in all proxies, without a failed request', async (t) => {
    const calls = mesh.caller.keepCalling(REVIEWS_URL, { concurrency: 16, perSecond: 500, keepsSamples: true });
    await sleep(500);
    const liveMs = [await changeWeights(50, 50)];
    const halfFrom = Date.now();
    await sleep(4000);
    const halfTo = Date.now();
    liveMs.push(await changeWeights(100, 0));
    await sleep(300);
    const editMs = Date.now();
    liveMs.push(await changeWeights(0, 100));
    await sleep(300);
    liveMs.push(await changeWeights(40, 60));
    liveMs.push(await changeWeights(80, 20));
    const outcome = await calls.stop();
    assert.deepEqual(failuresOf(outcome), {});
    const half = outcome.samples.filter(([sentMs, answeredMs]) => sentMs > halfFrom && answeredMs < halfTo);
    const share = half.filter(([, , answer]) => answer === 'v1').length / half.length;
    // Of 2000 that are wanted: a busy machine sends fewer, and fewer tell less exactly.
    assert.ok(half.length >= 300, `${half.length} calls`);
    assert.ok(Math.abs(share - 0.5) <= tolerance(0.5, half.length), `${share} of ${half.length}`);
    const first = outcome.samples.find(([sentMs, , answer]) => sentMs >= editMs && answer === 'v2');
    t.diagnostic(`live in all proxies after ${liveMs.map((ms) => Math.round(ms)).join(', ')} ms`);
    t.diagnostic(`first answer by the new weights ${(first?.[0] ?? 0) - editMs} ms after an edit`);
    const median = liveMs.toSorted((a, b) => a - b)[2]!;
    assert.ok(median <= LIVE_MS, `${median} ms`);
  });

  it('tells `heddle wait` the same', async () => {
    mesh.writeWeights(79, 21);
    const waited = await mesh.heddle('wait', '--for', 'live', mesh.reviewsFile);
    assert.equal(waited.code, 0, waited.output);
    assert.match(waited.output, /VirtualService\/bookshop\/reviews: accepted by (\d+), live in \1 of \1 proxies/);
  });

  async function restartsOf(name: string): Promise<number> {
    const { workloads } = await mesh.api<Workloads>('/api/v1/workloads');
    return workloads.flatMap(({ processes }) => processes).find((one) => one.name === name)?.restarts ?? -1;
  }

  /** Kills a process, and waits for the one that takes its place. */
  async function replace(what: Parameters<BookshopMesh['pidOf']>[0]): Promise<number> {
    const killed = mesh.pidOf(what);
    const startMs = performance.now();
    process.kill(killed, 'SIGKILL');
    await eventually(() => {
      try {
        return mesh.pidOf(what) === killed ? null : true;
      } catch {
        return null;
      }
    });
    return performance.now() - startMs;
  }

  it('goes on without a control plane, and starts it again', async (t) => {
    const calls = mesh.caller.keepCalling(REVIEWS_URL, { concurrency: 8, perSecond: 200 });
    const grpc = mesh.caller.keepCalling(REVIEWS_URL, { client: 'grpc', concurrency: 4, perSecond: 100 });
    await sleep(300);
    const startedMs = await replace('control');
    const startMs = performance.now() - startedMs;
    await becomes(PROXIES, () =>
      mesh.api<{ proxies: number }>('/api/v1/status').then(
        (answer) => answer.proxies,
        () => 0,
      ),
    );
    const backMs = performance.now() - startMs;
    t.diagnostic(`started again after ${Math.round(startedMs)} ms, all proxies back after ${Math.round(backMs)} ms`);
    await changeWeights(80, 20);
    for (const outcome of [await calls.stop(), await grpc.stop()]) {
      assert.deepEqual(failuresOf(outcome), {});
      assert.ok(countOf(outcome) > 100);
    }
    const status = await mesh.heddle('status');
    assert.equal(status.code, 0, status.output);
    assert.match(status.output, /\d+ objects, 11 streams of proxies/);
  });

  it('starts a killed proxy again, and who does not need it does not notice', async (t) => {
    const others = mesh.caller.keepCalling(REVIEWS_URL, { client: 'grpc', concurrency: 4, perSecond: 100 });
    const before = await restartsOf('reviews-v1-1');
    const startedMs = await replace({ proxy: 'reviews-v1-1' });
    t.diagnostic(`started again after ${Math.round(startedMs)} ms`);
    await answersAgain('http', 'v1');
    assert.deepEqual(failuresOf(await others.stop()), {});
    await becomes(before + 1, () => restartsOf('reviews-v1-1'));
  });

  it('starts a killed workload again, and who does not need it does not notice', async () => {
    const others = mesh.caller.keepCalling(REVIEWS_URL, { client: 'http', concurrency: 4, perSecond: 100 });
    const before = await restartsOf('ratings-v2-1');
    await replace({ app: 'ratings-v2-1' });
    await answersAgain('grpc', 'v2');
    // reviews v2 asks ratings, and answers without stars when it gets none.
    assert.deepEqual(failuresOf(await others.stop()), {});
    await becomes(before + 1, () => restartsOf('ratings-v2-1'));
  });

  it('starts killed gateways again, of which one is outside of the namespaces', async () => {
    for (const proxy of ['egress', 'ingress']) {
      const before = await restartsOf(proxy);
      await replace({ proxy });
      await becomes(before + 1, () => restartsOf(proxy));
    }
    // The way in, and the way out.
    const quote = async (): Promise<number> => {
      const answer = await fetch(`${mesh.urls.http}/api/book`).catch(() => null);
      if (answer === null || !answer.ok) return 0;
      const book = (await answer.json()) as { quote: { value?: object } };
      return book.quote.value === undefined ? 0 : 1;
    };
    await becomes(1, quote);
  });

  /** Until calls are answered without failures, by that version too. */
  async function answersAgain(client: 'http' | 'grpc', version: string): Promise<void> {
    const endMs = performance.now() + 60_000;
    for (;;) {
      const outcome = await mesh.caller.call(REVIEWS_URL, { client, count: 100, concurrency: 4 });
      if (countOf(outcome) === 100 && Object.keys(failuresOf(outcome)).length === 0 && outcome.answers[version]) return;
      assert.ok(performance.now() < endMs, JSON.stringify(outcome.answers));
      await sleep(100);
    }
  }

  it('leaves nothing behind when its outer process is killed', async (t) => {
    mesh.noteProcesses();
    process.kill(mesh.location.pid, 'SIGKILL');
    const gone = await mesh.goneWithin(GONE_MS);
    assert.equal(typeof gone, 'number', String(gone));
    t.diagnostic(`gone after ${Math.round(gone as number)} ms`);
  });
});

async function becomes(wanted: number, look: () => Promise<number>): Promise<void> {
  const endMs = performance.now() + 60_000;
  let last = await look();
  while (last !== wanted && performance.now() < endMs) {
    await sleep(100);
    last = await look();
  }
  assert.equal(last, wanted);
}
