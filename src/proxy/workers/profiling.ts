// Profiles of V8 through its inspector, which is loaded when the first one is asked for; each thread has its own.
import type { HeapProfiler, Profiler, Session } from 'node:inspector';

/** CPU samples per second, as in Envoy's profiler. */
const CPU_INTERVAL_US = 10_000;
/** One sampled allocation for so many bytes. */
const HEAP_INTERVAL_BYTES = 64 * 1024;

export type ProfileKind = 'cpu' | 'heap' | 'allocations';

/** A profile in V8's own JSON: .cpuprofile or .heapprofile. */
export type ProfileText = string;

/** What runs in this thread; made with the first profile. */
export class ThreadProfiler {
  readonly #session: Session;
  #isCpuOn = false;
  #heapKind: ProfileKind | null = null;

  private constructor(session: Session) {
    this.#session = session;
  }

  static async open(): Promise<ThreadProfiler> {
    const { Session } = await import('node:inspector');
    const session = new Session();
    session.connect();
    return new ThreadProfiler(session);
  }

  isOn(kind: ProfileKind): boolean {
    return kind === 'cpu' ? this.#isCpuOn : this.#heapKind === kind;
  }

  /** V8 samples its heap once at a time: for one of the two kinds. */
  get heapKind(): ProfileKind | null {
    return this.#heapKind;
  }

  /** Returns why it cannot, or null. */
  start(kind: ProfileKind): string | null {
    if (kind === 'cpu') {
      const error =
        this.#post('Profiler.enable') ??
        this.#post('Profiler.setSamplingInterval', { interval: CPU_INTERVAL_US }) ??
        this.#post('Profiler.start');
      this.#isCpuOn = error === null;
      return error;
    }
    const ofAll = kind === 'allocations';
    const error =
      this.#post('HeapProfiler.enable') ??
      this.#post('HeapProfiler.startSampling', {
        samplingInterval: HEAP_INTERVAL_BYTES,
        includeObjectsCollectedByMajorGC: ofAll,
        includeObjectsCollectedByMinorGC: ofAll,
      });
    if (error === null) this.#heapKind = kind;
    return error;
  }

  /** What there is so far of a heap profile; it goes on. */
  peek(): ProfileText {
    return this.#take('HeapProfiler.getSamplingProfile');
  }

  stop(kind: ProfileKind): ProfileText {
    if (kind === 'cpu') {
      this.#isCpuOn = false;
      return this.#take('Profiler.stop', () => this.#post('Profiler.disable'));
    }
    this.#heapKind = null;
    return this.#take('HeapProfiler.stopSampling', () => this.#post('HeapProfiler.disable'));
  }

  /** The inspector of the own thread answers before it returns. */
  #take(method: string, then: () => void = () => undefined): ProfileText {
    let text = '';
    this.#session.post(method, (error: Error | null, result?: object) => {
      const { profile } = (result ?? {}) as { profile?: HeapProfiler.SamplingHeapProfile | Profiler.Profile };
      text = error === null && profile !== undefined ? JSON.stringify(profile) : '';
    });
    then();
    return text;
  }

  #post(method: string, params: object = {}): string | null {
    let problem: string | null = null;
    this.#session.post(method, params, (error: Error | null) => {
      problem = error === null ? null : error.message;
    });
    return problem;
  }
}
