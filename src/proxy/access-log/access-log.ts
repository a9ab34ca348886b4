// One access logger: which exchanges it takes, and where what it says of them goes.
import type { AccessLogFile } from '../../telemetry/access-log-file.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import type { Formatter } from '../formatter/formatter.ts';
import type { AccessLogFilter } from './filters.ts';

/** Where a logger's entries go. */
export type LogSink = { log(ctx: FormatContext): void };

/** One configured logger. */
export class AccessLog {
  /** Null takes everything. */
  readonly filter: AccessLogFilter | null;
  readonly #sink: LogSink;

  constructor(filter: AccessLogFilter | null, sink: LogSink) {
    this.filter = filter;
    this.#sink = sink;
  }

  log(ctx: FormatContext): void {
    if (this.filter === null || this.filter.matches(ctx)) this.#sink.log(ctx);
  }
}

/** A line for each exchange. */
export class FileSink implements LogSink {
  readonly #formatter: Formatter;
  readonly #file: AccessLogFile;

  constructor(formatter: Formatter, file: AccessLogFile) {
    this.#formatter = formatter;
    this.#file = file;
  }

  log(ctx: FormatContext): void {
    this.#file.write(this.#formatter.format(ctx));
  }
}
