// Access-log files: lines collect in memory and leave in large appends, one file object per path for all loggers.
import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import type { Clock, Timer } from '../base/clock.ts';
import type { SharedCells, SharedCounter } from '../base/shared-cells.ts';
import type { ScopeOf, StatSchema, StatStore } from './metrics.ts';

/** Envoy: --file-flush-min-size-kb. So much is written at once, without waiting for the interval. */
const DEFAULT_FLUSH_BYTES = 64 * 1024;
/** Beyond this, while the disk does not keep up, lines are dropped and counted. */
const DEFAULT_MAX_BUFFERED_BYTES = 16 * 1024 * 1024;
/** Envoy: --file-flush-interval-msec. */
const DEFAULT_FLUSH_INTERVAL_MS = 10_000;
/** How long a pipe that takes nothing is left alone. */
const RETRY_MS = 20;
/** How often a synchronous write tries again when a pipe takes nothing. */
const MAX_SYNC_TRIES = 1000;

const FILESYSTEM_STATS = {
  flushed_by_timer: 'counter',
  reopen_failed: 'counter',
  write_buffered: 'counter',
  write_completed: 'counter',
  write_failed: 'counter',
  write_total_buffered: 'gauge',
  // Ours: Envoy's buffer has no limit.
  write_dropped: 'counter',
} as const satisfies StatSchema;

type FileStats = ScopeOf<typeof FILESYSTEM_STATS>;

export type AccessLogFilesOptions = {
  readonly clock: Clock;
  readonly store: StatStore;
  readonly flushIntervalMs?: number;
  readonly flushBytes?: number;
  readonly maxBufferedBytes?: number;
  /** With several workers: who writes to a pipe now. */
  readonly shared?: SharedCells;
};

/** The options that a file needs. */
type Limits = { readonly flushIntervalMs: number; readonly flushBytes: number; readonly maxBufferedBytes: number };

/** The access-log files of a process: one object per path, however many loggers name it. */
export class AccessLogFiles {
  readonly #files = new Map<string, AccessLogFile>();
  readonly #clock: Clock;
  readonly #stats: FileStats;
  readonly #limits: Limits;
  readonly #shared: SharedCells | null;

  constructor(options: AccessLogFilesOptions) {
    this.#clock = options.clock;
    this.#shared = options.shared === undefined || options.shared.isLocal ? null : options.shared;
    this.#stats = options.store.scope('filesystem', FILESYSTEM_STATS);
    this.#limits = {
      flushIntervalMs: options.flushIntervalMs ?? DEFAULT_FLUSH_INTERVAL_MS,
      flushBytes: options.flushBytes ?? DEFAULT_FLUSH_BYTES,
      maxBufferedBytes: options.maxBufferedBytes ?? DEFAULT_MAX_BUFFERED_BYTES,
    };
  }

  /** Returns the file of a path, opened for appending; a text says why that is impossible. */
  open(path: string): AccessLogFile | string {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const fd = openForAppend(path);
    if (typeof fd === 'string') return fd;
    // Appends to a file do not mix; those to a pipe do, once it is full.
    const turn = this.#shared === null || fstatSync(fd).isFile() ? null : this.#shared.counter(`access log ${path}`);
    const file = new AccessLogFile(path, fd, this.#clock, this.#stats, this.#limits, turn);
    this.#files.set(path, file);
    return file;
  }

  /** SIGUSR1: what was renamed away is left, the paths are opened anew. */
  reopen(): void {
    for (const file of this.#files.values()) file.reopen();
  }

  /** Writes everything out, then calls `done`. */
  drain(done: () => void): void {
    let open = 1;
    const one = (): void => {
      if (--open === 0) done();
    };
    for (const file of this.#files.values()) {
      open++;
      file.drain(one);
    }
    one();
  }

  /** Writes everything out before it returns; for an exit that cannot wait. An append under way is not waited for. */
  flushSync(): void {
    for (const file of this.#files.values()) file.flushSync();
  }
}

/** One file; lines are strings of bytes (latin1) that bring their own line end. */
export class AccessLogFile {
  readonly path: string;
  readonly #stats: FileStats;
  readonly #limits: Limits;
  readonly #flushTimer: Timer;
  readonly #retryTimer: Timer;
  #fd: number;
  /** Lines since the last append began. Concatenation is lazy in V8; the bytes are copied once, when they leave. */
  #text = '';
  #isTimerArmed = false;
  /** The append under way: what of `#buffer` is still to be written. */
  #buffer = Buffer.allocUnsafeSlow(0);
  #from = 0;
  #to = 0;
  #isWriting = false;
  #isReopening = false;
  /** 1 while a worker writes an append to the end; null where appends do not mix anyway. */
  readonly #turn: SharedCounter | null;
  #hasTurn = false;
  /** Bytes that ever came, and that ever left or were given up. */
  #accepted = 0;
  #settled = 0;
  /** Who waits for which byte to be settled, in order. */
  readonly #waiting: { readonly until: number; readonly done: () => void }[] = [];

  constructor(
    path: string,
    fd: number,
    clock: Clock,
    stats: FileStats,
    limits: Limits,
    turn: SharedCounter | null = null,
  ) {
    this.#turn = turn;
    this.path = path;
    this.#fd = fd;
    this.#stats = stats;
    this.#limits = limits;
    this.#flushTimer = clock.timer(onFlushTimer, this);
    this.#retryTimer = clock.timer(onRetryTimer, this);
  }

  /** Appends a line. Bytes: all its char codes are ≤ 0xff. */
  write(line: string): void {
    const stats = this.#stats;
    if (this.#text.length > this.#limits.maxBufferedBytes) {
      stats.inc(stats.i.write_dropped);
      return;
    }
    this.#text += line;
    this.#accepted += line.length;
    stats.inc(stats.i.write_buffered);
    stats.add(stats.i.write_total_buffered, line.length);
    if (this.#text.length > this.#limits.flushBytes && !this.#isWriting) this.#start();
    else if (!this.#isTimerArmed) this.#armTimer();
  }

  /** Opens the path anew, behind the append under way or else what is buffered now. */
  reopen(): void {
    if (isStandardStream(this.path)) return;
    this.#isReopening = true;
    if (!this.#isWriting) this.#start();
  }

  /** Writes what is buffered now; `done` does not wait for lines that come later. */
  drain(done: () => void): void {
    this.#waiting.push({ until: this.#accepted, done });
    if (!this.#isWriting) this.#start();
  }

  flushSync(): void {
    if (this.#text === '') return;
    const bytes = Buffer.from(this.#text, 'latin1');
    this.#text = '';
    let from = 0;
    for (let tries = 0; from < bytes.length && tries < MAX_SYNC_TRIES; ) {
      try {
        from += writeSync(this.#fd, bytes, from, bytes.length - from);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') break;
        tries++;
      }
    }
    const stats = this.#stats;
    stats.inc(from === bytes.length ? stats.i.write_completed : stats.i.write_failed);
    stats.add(stats.i.write_total_buffered, -bytes.length);
    this.#settled += bytes.length;
  }

  /** The flush interval is over. */
  onTimer(): void {
    this.#isTimerArmed = false;
    this.#stats.inc(this.#stats.i.flushed_by_timer);
    if (!this.#isWriting) this.#start();
  }

  /** Goes on with the append under way. */
  onRetry(): void {
    this.#writeRest();
  }

  #armTimer(): void {
    this.#isTimerArmed = true;
    this.#flushTimer.arm(this.#limits.flushIntervalMs);
  }

  /** Begins an append with all that is buffered; without anything only who waits is told. */
  #start(): void {
    const length = this.#text.length;
    if (length === 0) {
      this.#settle();
      return;
    }
    // A burst may have made the buffer large; it does not stay so.
    const usual = this.#limits.flushBytes + 8192;
    if (this.#buffer.length < length || this.#buffer.length > 8 * usual) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(length, usual));
    }
    this.#buffer.latin1Write(this.#text, 0, length);
    this.#text = '';
    this.#from = 0;
    this.#to = length;
    this.#isWriting = true;
    this.#flushTimer.disarm();
    this.#isTimerArmed = false;
    this.#writeRest();
  }

  #takeTurn(): boolean {
    if (this.#turn === null || this.#hasTurn) return true;
    this.#hasTurn = this.#turn.inc() === 1;
    if (!this.#hasTurn) this.#turn.dec();
    return this.#hasTurn;
  }

  #endTurn(): void {
    if (this.#hasTurn) this.#turn?.dec();
    this.#hasTurn = false;
  }

  #writeRest(): void {
    if (!this.#takeTurn()) {
      this.#retryTimer.arm(RETRY_MS);
      return;
    }
    write(this.#fd, this.#buffer, this.#from, this.#to - this.#from, null, (error, written) => {
      if (error !== null && (error.code === 'EAGAIN' || error.code === 'EINTR')) {
        this.#retryTimer.arm(RETRY_MS);
        return;
      }
      const stats = this.#stats;
      const done = error !== null ? this.#to - this.#from : written;
      this.#from += done;
      this.#settled += done;
      stats.add(stats.i.write_total_buffered, -done);
      if (error !== null) stats.inc(stats.i.write_failed);
      else if (this.#from < this.#to) {
        this.#writeRest();
        return;
      } else stats.inc(stats.i.write_completed);
      this.#isWriting = false;
      this.#endTurn();
      this.#settle();
      if (this.#text.length > this.#limits.flushBytes || this.#waiting.length > 0) this.#start();
      else if (this.#text !== '' && !this.#isTimerArmed) this.#armTimer();
    });
  }

  #settle(): void {
    if (this.#isReopening) {
      this.#isReopening = false;
      const fd = openForAppend(this.path);
      if (typeof fd === 'string') {
        // The old file stays in use: better a line in the wrong place than none.
        this.#stats.inc(this.#stats.i.reopen_failed);
      } else {
        closeSync(this.#fd);
        this.#fd = fd;
      }
    }
    while (this.#waiting.length > 0 && (this.#waiting[0]?.until ?? 0) <= this.#settled) this.#waiting.shift()?.done();
  }
}

function onFlushTimer(file: AccessLogFile): void {
  file.onTimer();
}

function onRetryTimer(file: AccessLogFile): void {
  file.onRetry();
}

function isStandardStream(path: string): boolean {
  return path === '/dev/stdout' || path === '/dev/stderr';
}

/** The standard streams are written where they are: opening their paths anew fails when they are sockets. */
function openForAppend(path: string): number | string {
  if (path === '/dev/stdout') return 1;
  if (path === '/dev/stderr') return 2;
  try {
    return openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o644);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return `unable to open file '${path}': ${(code !== undefined && ERRORS[code]) || (error as Error).message}`;
  }
}
const ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  EACCES: 'Permission denied',
  EISDIR: 'Is a directory',
  ENOTDIR: 'Not a directory',
  EROFS: 'Read-only file system',
  EMFILE: 'Too many open files',
};
