// Text formats: access-log lines, header values and local replies with %COMMANDS%.
import type { ConfigDecoder } from '../config-decoder.ts';
import type { FormatContext } from './format-context.ts';
import type { Formatter } from './formatter.ts';
import type { Operator } from './operator.ts';
import { type FormatOptions, parseFormat } from './parse-format.ts';

export type { Formatter } from './formatter.ts';

/** Envoy's default access-log line. */
export const DEFAULT_ACCESS_LOG_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/** Compiles a text format; reasons why it cannot be go to `d`. */
export function compileFormat(format: string, d: ConfigDecoder, options: FormatOptions = {}): Formatter {
  const pieces = parseFormat(format, d, options);
  const missing = options.omitEmptyValues === true ? '' : '-';
  const [first, second] = pieces;
  if (first === undefined) return new LiteralFormatter('');
  if (second === undefined) {
    return typeof first === 'string' ? new LiteralFormatter(first) : new SingleFormatter(first, missing);
  }
  return new TextFormatter(pieces, missing);
}

class LiteralFormatter implements Formatter {
  readonly literal: string;

  constructor(literal: string) {
    this.literal = literal;
  }

  format(): string {
    return this.literal;
  }
}

class SingleFormatter implements Formatter {
  readonly literal = null;
  readonly #get: Operator['get'];
  readonly #missing: string;

  constructor(operator: Operator, missing: string) {
    this.#get = operator.get;
    this.#missing = missing;
  }

  format(ctx: FormatContext): string {
    const value = this.#get(ctx);
    return typeof value === 'string' ? value : value === null ? this.#missing : String(value);
  }
}

class TextFormatter implements Formatter {
  readonly literal = null;
  readonly #head: string;
  readonly #gets: readonly Operator['get'][];
  /** What follows each operator. */
  readonly #tails: readonly string[];
  readonly #missing: string;

  constructor(pieces: readonly (string | Operator)[], missing: string) {
    const gets: Operator['get'][] = [];
    const tails: string[] = [];
    let head = '';
    for (const piece of pieces) {
      if (typeof piece !== 'string') {
        gets.push(piece.get);
        tails.push('');
      } else if (gets.length === 0) {
        head = piece;
      } else {
        tails[tails.length - 1] = piece;
      }
    }
    this.#head = head;
    this.#gets = gets;
    this.#tails = tails;
    this.#missing = missing;
  }

  format(ctx: FormatContext): string {
    const gets = this.#gets;
    const tails = this.#tails;
    let text = this.#head;
    for (let i = 0; i < gets.length; i++) {
      const value = (gets[i] as Operator['get'])(ctx);
      text += value === null ? this.#missing : value;
      text += tails[i] as string;
    }
    return text;
  }
}
