// What the admin interface asks of threads now and then; how it is answered is loaded with the first question.
import type { Core, Decoded } from '../core.ts';
import type { ThreadProfiler } from './profiling.ts';
import type { ProfileKind } from './profiling.ts';

export type Inquiry =
  /** The TLS contexts in use; all workers have the same, so one of them is asked. */
  | { readonly about: 'certificates' }
  /** Every thread: `peek` shows a heap profile that goes on. */
  | { readonly about: 'profile'; readonly profile: ProfileKind; readonly action: 'start' | 'stop' | 'peek' };

/** `text`: JSON, or what went wrong. */
export type ThreadAnswer = { readonly thread: string; readonly isGood: boolean; readonly text: string };

/** Answers for one thread. */
export class Inquiries {
  readonly #core: Core;
  readonly #transports: Decoded['transports'];
  #profiler: ThreadProfiler | null = null;

  constructor(core: Core, transports: Decoded['transports']) {
    this.#core = core;
    this.#transports = transports;
  }

  answer(inquiry: Inquiry, done: (answer: Omit<ThreadAnswer, 'thread'>) => void): void {
    const work = inquiry.about === 'certificates' ? this.#certificates() : this.#profile(inquiry);
    const failed = (error: unknown): void => this.#core.engine.run(() => done({ isGood: false, text: String(error) }));
    work.then((answer) => this.#core.engine.run(() => done(answer)), failed);
  }

  async #certificates(): Promise<Omit<ThreadAnswer, 'thread'>> {
    const { certificatesJson } = await import('../tls/live-contexts.ts');
    const { live } = this.#transports.secrets;
    const { clock } = this.#core;
    const texts: string[] = [];
    let until = clock.update() + SLICE_MS;
    for (const one of certificatesJson(live ?? new Map(), clock.wallMs)) {
      texts.push(JSON.stringify(one));
      if (clock.update() < until) continue;
      await new Promise<void>((resolve) => clock.defer(resolve));
      until = clock.update() + SLICE_MS;
    }
    return { isGood: true, text: `[${texts.join(',')}]` };
  }

  async #profile({ profile, action }: Extract<Inquiry, { about: 'profile' }>): Promise<Omit<ThreadAnswer, 'thread'>> {
    if (this.#profiler === null) {
      const { ThreadProfiler } = await import('./profiling.ts');
      this.#profiler = await ThreadProfiler.open();
    }
    if (action === 'start') {
      const problem = this.#profiler.start(profile);
      return { isGood: problem === null, text: problem ?? '' };
    }
    if (!this.#profiler.isOn(profile)) return { isGood: false, text: `no ${profile} profile is being made` };
    const text = action === 'peek' ? this.#profiler.peek() : this.#profiler.stop(profile);
    return { isGood: text !== '', text: text === '' ? 'the profiler has nothing to tell' : text };
  }
}

const SLICE_MS = 1;
