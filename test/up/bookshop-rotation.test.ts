// The bookshop with certificates that live for 30 seconds, in explicit mode with Heddle's proxies and in namespaces
// with the real Envoy: steady calls for 70 seconds, and meanwhile all that holds in every mode. Slow by its nature.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkBookshop } from './bookshop-checks.ts';
import { BookshopMesh, type Mode, MODES, REVIEWS_URL, skipOf } from './bookshop-mesh.ts';
import { readPage, skipOfPage } from './bookshop-page.ts';
import { countOf, failuresOf, type RunningCalls } from './mesh-caller.ts';
import { handshake } from './wire.ts';

const STEADY_MS = 70_000;
const LOOK_MS = 4000;
const GONE_MS = 15_000;
/** On a machine that others load. */
const SUITE_MS = 300_000;
const skip = process.platform !== 'linux' && 'only Linux has /proc';

type Running = { readonly mesh: BookshopMesh; readonly steady: Steady };

describe('the bookshop with certificates of 30 s', { skip, timeout: SUITE_MS }, () => {
  const modes = [MODES.explicit, MODES.envoy];
  const running = new Map<Mode, Running>();
  const of = (mode: Mode): Running => running.get(mode) as Running;
  // Both run side by side: most of the time they wait.
  before(async () => {
    for (const mode of modes) {
      if (skipOf(mode) !== false) continue;
      const mesh = await BookshopMesh.start(mode, ['--certificate-life', '30s']);
      running.set(mode, { mesh, steady: new Steady(mesh) });
    }
  });
  after(async () => {
    for (const { mesh } of running.values()) await mesh.dispose();
  });

  for (const mode of modes) {
    describe(mode.name, { skip: skipOf(mode) }, () => {
      checkBookshop(mode, () => of(mode).mesh);

      it('shows its page in Chromium through the HTTPS gateway', { skip: skipOfPage() }, async () => {
        const { text } = await readPage(of(mode).mesh);
        for (const words of [/Silas Marner/, /Dolly/, /from quotes\.example\.com/]) assert.match(text, words);
        assert.doesNotMatch(text, /cannot be had/);
      });
    });
  }

  for (const mode of modes) {
    it(`${mode.name}: rotates certificates under load without a failure`, { skip: skipOf(mode) }, async (t) => {
      const { steady } = of(mode);
      await sleep(Math.max(0, steady.startMs + STEADY_MS - performance.now()));
      const { failures, count, certificates } = await steady.stop();
      t.diagnostic(`${count} calls, ${certificates} certificates of one workload`);
      assert.deepEqual(failures, {});
      assert.ok(count > 2000, `${count} calls`);
      assert.ok(certificates >= 3, `${certificates} certificates`);
    });
  }

  async function killed(mode: Mode, pidIn: (mesh: BookshopMesh) => number): Promise<string> {
    const { mesh } = of(mode);
    mesh.noteProcesses();
    process.kill(pidIn(mesh), 'SIGKILL');
    const gone = await mesh.goneWithin(GONE_MS);
    assert.equal(typeof gone, 'number', String(gone));
    return `gone after ${Math.round(gone as number)} ms`;
  }

  it('leaves nothing behind when its outer process is killed', { skip: skipOf(MODES.explicit) }, async (t) => {
    t.diagnostic(await killed(MODES.explicit, (mesh) => mesh.location.pid));
  });

  it('leaves no Envoy behind when its inner process is killed', { skip: skipOf(MODES.envoy) }, async (t) => {
    t.diagnostic(await killed(MODES.envoy, (mesh) => mesh.pidOf('inner')));
  });
});

/** Calls of workloads and of a customer, and a look at a certificate now and then. */
class Steady {
  readonly startMs = performance.now();
  readonly #calls: readonly RunningCalls[];
  readonly #mesh: BookshopMesh;
  readonly #customer: Promise<void>;
  readonly #failures: Record<string, number> = {};
  readonly #serials = new Set<string>();
  #count = 0;
  #isOver = false;

  constructor(mesh: BookshopMesh) {
    this.#mesh = mesh;
    this.#calls = [
      mesh.caller.keepCalling(REVIEWS_URL, { client: 'http', concurrency: 4, perSecond: 20 }),
      mesh.caller.keepCalling(REVIEWS_URL, { client: 'grpc', concurrency: 2, perSecond: 10 }),
    ];
    this.#customer = this.#goShopping();
  }

  async #goShopping(): Promise<void> {
    let lookMs = 0;
    while (!this.#isOver) {
      if (performance.now() >= lookMs) {
        this.#serials.add((await handshake(this.#mesh, 'reviews-v1-1')).certificate.serialNumber);
        lookMs = performance.now() + LOOK_MS;
      }
      await this.#look();
      await sleep(200);
    }
  }

  /** Everything behind the page, by HTTP and TCP, and the call that leaves the mesh. */
  async #look(): Promise<void> {
    try {
      const answer = await fetch(`${this.#mesh.urls.http}/api/book`, { signal: AbortSignal.timeout(10_000) });
      const parts = (await answer.json()) as Record<string, { problem?: string } | string>;
      for (const [name, part] of Object.entries(parts)) if (typeof part === 'object') this.#note(name, part.problem);
    } catch (error) {
      this.#note('page', `${error}`);
    }
  }

  #note(part: string, problem: string | undefined): void {
    this.#count++;
    if (problem === undefined) return;
    const words = `${part}: ${problem} after ${Math.round((performance.now() - this.startMs) / 1000)} s`;
    this.#failures[words] = (this.#failures[words] ?? 0) + 1;
  }

  async stop(): Promise<{ failures: Record<string, number>; count: number; certificates: number }> {
    this.#isOver = true;
    await this.#customer;
    for (const calls of this.#calls) {
      const outcome = await calls.stop();
      this.#count += countOf(outcome);
      Object.assign(this.#failures, failuresOf(outcome));
    }
    return { failures: this.#failures, count: this.#count, certificates: this.#serials.size };
  }
}
