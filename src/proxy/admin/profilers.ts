// Admin endpoints that profile the running proxy: CPU, live heap, allocations. Source: Envoy ProfilingHandler.
import type { AdminHandler, AdminParam, AdminRequest, AdminResponse, LaterAdminResponse } from './admin-handler.ts';
import { badRequest } from './admin-handler.ts';
import type { Timer } from '../../base/clock.ts';
import type { ThreadAnswer } from '../workers/inquiry.ts';
import type { ProfileKind } from '../workers/profiling.ts';
import type { AdminContext } from './handlers.ts';
import { ProfileFiles } from './profile-files.ts';

/** A profile that nobody ends is ended, because it grows for as long as it is made. */
const LONGEST_PROFILE_MS = 30 * 60_000;
const OK: AdminResponse = { status: 200, body: 'OK\n' };
const USAGE = badRequest('?enable=<y|n>\n');

const Y_OR_N = ['y', 'n'];
const enableParam = (help: string): readonly AdminParam[] => [{ name: 'enable', help, choices: Y_OR_N }];

export function profilerHandlers(context: AdminContext): AdminHandler[] {
  const profilers = new Profilers(context);
  const dump = (): AdminResponse | LaterAdminResponse => profilers.peek();
  return [
    {
      path: '/cpuprofiler',
      help: 'enable/disable the CPU profiler',
      mutates: true,
      params: enableParam('enables the CPU profiler'),
      handle: (request) =>
        switched(
          request,
          () => profilers.startCpu(),
          () => profilers.stopCpu(),
        ),
    },
    {
      path: '/heapprofiler',
      help: 'enable/disable the heap profiler',
      mutates: true,
      params: enableParam('enable/disable the heap profiler'),
      handle: (request) =>
        switched(
          request,
          () => profilers.startHeap(),
          () => profilers.stopHeap(),
        ),
    },
    {
      path: '/allocprofiler',
      help: 'enable/disable the allocation profiler (if supported)',
      mutates: true,
      params: enableParam('enable/disable the allocation profiler'),
      handle: (request) =>
        switched(
          request,
          () => profilers.startAllocations(),
          () => profilers.stopAllocations(),
        ),
    },
    { path: '/heap_dump', help: 'dump current Envoy heap (if supported)', mutates: false, handle: dump },
    { path: '/peak_heap_dump', help: 'dump peak Envoy heap (if supported)', mutates: false, handle: notSupported },
  ];
}

type Answered = AdminResponse | LaterAdminResponse;

function switched({ query }: AdminRequest, on: () => Answered, off: () => Answered): Answered {
  const enable = query.get('enable');
  if (query.size !== 1 || (enable !== 'y' && enable !== 'n')) return USAGE;
  return enable === 'y' ? on() : off();
}

function notSupported(): AdminResponse {
  return { status: 501, body: 'V8 does not keep the peak of its heap: see /heapprofiler\n' };
}

/** What runs; each kind at most once. V8 samples its heap either for live objects or for all allocations. */
class Profilers {
  readonly #context: AdminContext;
  readonly #files: ProfileFiles;
  readonly #running = new Map<ProfileKind, Timer | null>();

  constructor(context: AdminContext) {
    this.#context = context;
    this.#files = new ProfileFiles(context.proxy.config.admin?.profilePath ?? '', context.proxy.engine);
  }

  startCpu(): Answered {
    const failed: AdminResponse = { status: 500, body: 'failure to start the profiler' };
    if (this.#running.has('cpu')) return failed;
    return this.#startToFile('cpu', OK, failed);
  }

  stopCpu(): Answered {
    // Envoy does not mind that none runs.
    if (!this.#running.has('cpu')) return OK;
    return this.#stopToFile('cpu', () => OK);
  }

  startHeap(): Answered {
    if (this.#running.has('heap')) return badRequest('Fail to start heap profiler: already started');
    if (this.#running.has('allocations'))
      return badRequest('Fail to start heap profiler: the allocation profiler runs');
    const failed: AdminResponse = { status: 500, body: 'Fail to start the heap profiler' };
    return this.#startToFile('heap', { status: 200, body: 'Starting heap profiler' }, failed);
  }

  stopHeap(): Answered {
    if (!this.#running.has('heap')) return badRequest('Fail to stop heap profiler: not started');
    return this.#stopToFile('heap', (path) => ({
      status: 200,
      body: `Heap profiler stopped and data written to ${path}`,
    }));
  }

  startAllocations(): Answered {
    if (this.#running.has('allocations')) return badRequest('Allocation profiler has already started');
    if (this.#running.has('heap')) return badRequest('The heap profiler runs: end it first');
    return this.#start('allocations', OK, { status: 500, body: 'failure to start the profiler' });
  }

  stopAllocations(): Answered {
    if (!this.#running.has('allocations')) return badRequest('Allocation profiler is not started');
    return {
      later: (answer) =>
        this.#stop('allocations', (answers) => answer(answers === null ? nothingCame() : shown(answers))),
    };
  }

  /** The heap profile so far, of whichever kind. */
  peek(): Answered {
    const profile = this.#running.has('allocations') ? 'allocations' : 'heap';
    if (!this.#running.has(profile)) {
      const what = 'The heap is not sampled: POST /heapprofiler?enable=y, and ask again after a while\n';
      return { status: 501, body: what };
    }
    const { crew } = this.#context.proxy;
    return {
      later: (answer) =>
        crew.inquire({ about: 'profile', profile, action: 'peek' }, (answers) => answer(shown(answers))),
    };
  }

  /** A profile that could not be written is not begun. */
  #startToFile(profile: ProfileKind, started: AdminResponse, failed: AdminResponse): Answered {
    this.#running.set(profile, null);
    return {
      later: (answer) => {
        this.#files.check((problem) => {
          if (problem === null) {
            this.#running.delete(profile);
            this.#start(profile, started, failed).later(answer);
            return;
          }
          this.#running.delete(profile);
          this.#warn(`no ${profile} profile is made: ${problem}`);
          answer(failed);
        });
      },
    };
  }

  #start(profile: ProfileKind, started: AdminResponse, failed: AdminResponse): LaterAdminResponse {
    const { crew, clock } = this.#context.proxy;
    this.#running.set(profile, null);
    return {
      later: (answer) =>
        crew.inquire({ about: 'profile', profile, action: 'start' }, (answers) => {
          const bad = answers.find(({ isGood }) => !isGood);
          if (bad === undefined && answers.length > 0) {
            const timer = clock.timer(() => this.#timeIsUp(profile), null);
            timer.arm(LONGEST_PROFILE_MS);
            this.#running.set(profile, timer);
            answer(started);
            return;
          }
          this.#warn(`no ${profile} profile is made: ${bad?.text ?? 'no thread answered in time'}`);
          this.#running.delete(profile);
          crew.inquire({ about: 'profile', profile, action: 'stop' }, () => answer(failed));
        }),
    };
  }

  #stop(profile: ProfileKind, done: (answers: readonly ThreadAnswer[] | null) => void): void {
    this.#running.get(profile)?.disarm();
    this.#running.delete(profile);
    this.#context.proxy.crew.inquire({ about: 'profile', profile, action: 'stop' }, (answers) => {
      const good = answers.filter(({ isGood }) => isGood);
      done(good.length === 0 ? null : good);
    });
  }

  #stopToFile(profile: ProfileKind, stopped: (path: string) => AdminResponse): LaterAdminResponse {
    return {
      later: (answer) =>
        this.#stop(profile, (answers) => {
          if (answers === null) {
            answer(nothingCame());
            return;
          }
          this.#files.write(answers, (problem) => {
            if (problem === null) {
              answer(stopped(this.#files.path));
              return;
            }
            this.#warn(`the ${profile} profile is lost: ${problem}`);
            answer({ status: 500, body: `The profile cannot be written: ${problem}\n` });
          });
        }),
    };
  }

  #timeIsUp(profile: ProfileKind): void {
    this.#warn(`the ${profile} profile is ended after ${LONGEST_PROFILE_MS / 60_000} minutes`);
    const ended = profile === 'allocations' ? this.stopAllocations() : this.#stopToFile(profile, () => OK);
    if ('later' in ended) ended.later(() => undefined);
  }

  #warn(text: string): void {
    this.#context.proxy.parts.logs.logger('admin').warn(text);
  }
}

function nothingCame(): AdminResponse {
  return { status: 500, body: 'No thread had a profile\n' };
}

/** One profile as it is; those of several threads by their names. */
function shown(answers: readonly ThreadAnswer[]): AdminResponse {
  const [first] = answers;
  if (first === undefined || answers.some(({ isGood }) => !isGood)) return nothingCame();
  const headers = { 'content-disposition': 'attachment; filename="heddle.heapprofile"' };
  const contentType = 'application/json';
  if (answers.length === 1) return { status: 200, contentType, headers, body: chunks(first.text) };
  const bodies = function* (): Generator<string> {
    let before = '{';
    for (const { thread, text } of answers) {
      yield `${before}\n${JSON.stringify(thread || 'main')}: `;
      yield* chunks(text);
      before = ',';
    }
    yield '\n}\n';
  };
  return { status: 200, contentType, headers, body: bodies() };
}

const CHUNK_CHARS = 64 * 1024;

function* chunks(text: string): Generator<string> {
  for (let at = 0; at < text.length; at += CHUNK_CHARS) yield text.slice(at, at + CHUNK_CHARS);
}
