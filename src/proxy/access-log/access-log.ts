// One access logger: which exchanges it takes, in which format, into which file.
import type { AccessLogFile } from '../../telemetry/access-log-file.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import type { Formatter } from '../formatter/formatter.ts';
import type { AccessLogFilter } from './filters.ts';

/** One configured logger. */
export class AccessLog {
  /** Null takes everything. */
  readonly filter: AccessLogFilter | null;
  readonly #formatter: Formatter;
  readonly #file: AccessLogFile;

  constructor(filter: AccessLogFilter | null, formatter: Formatter, file: AccessLogFile) {
    this.filter = filter;
    this.#formatter = formatter;
    this.#file = file;
  }

  log(ctx: FormatContext): void {
    if (this.filter !== null && !this.filter.matches(ctx)) return;
    this.#file.write(this.#formatter.format(ctx));
  }
}
