// The process log: Envoy's components, levels and format, changeable while it runs.
import { openSync, writeSync } from 'node:fs';
import { Clock } from '../base/clock.ts';
import { compileLogFormat, type LogFormat } from './log-format.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Envoy's components, in its order; more may be made by asking for them. */
const COMPONENTS = [
  'a2a', 'admin', 'ai_protocol_manager', 'alternate_protocols_cache', 'aws', 'assert', 'backtrace', 'basic_auth',
  'cache_filter', 'client', 'config', 'connection', 'conn_handler', 'compression', 'credential_injector',
  'decompression', 'dns', 'dubbo', 'envoy_bug', 'ext_authz', 'ext_proc', 'rocketmq', 'file', 'filter',
  'forward_proxy', 'geolocation', 'grpc', 'happy_eyeballs', 'hc', 'health_checker', 'http', 'http2', 'hystrix',
  'init', 'io', 'jwt', 'json_rpc', 'kafka', 'key_value_store', 'lua', 'local_rate_limit', 'main', 'matcher', 'mcp',
  'misc', 'mongo', 'multi_connection', 'notification', 'oauth2', 'quic', 'quic_stream', 'pool', 'rate_limit_quota',
  'rbac', 'rds', 'redis', 'router', 'runtime', 'stats', 'secret', 'sse', 'tap', 'testing', 'thrift', 'tracing',
  'upstream', 'udp', 'wasm', 'websocket', 'golang', 'stats_sinks', 'dynamic_modules', 'ip_tagging',
] as const; // biome-ignore format: a table.

/** Envoy's without the place in the source, which means nothing in a bundle. */
export const DEFAULT_LOG_FORMAT = '[%Y-%m-%d %T.%e][%t][%l][%n] %v';

export type LogOptions = {
  /** -l; 'warn' is 'warning'. */
  readonly level?: string;
  /** --component-log-level: 'upstream:debug,config:trace'. */
  readonly components?: string;
  readonly format?: string;
  /** Line breaks and other control characters of messages are written as escapes. */
  readonly formatEscaped?: boolean;
  /** A file instead of standard error. */
  readonly path?: string;
  /** Instead of both; for tests. */
  readonly write?: (line: string) => void;
  readonly clock?: Clock;
  /** Number of the thread among the process's; 0 for the main one. */
  readonly thread?: number;
};

/** One component's log. Guard what costs to build: `if (log.debugEnabled) log.debug(…)`. */
export class Logger {
  readonly component: string;
  readonly #registry: LogRegistry;
  #level = 2;
  traceEnabled = false;
  debugEnabled = false;

  constructor(component: string, registry: LogRegistry, level: number) {
    this.component = component;
    this.#registry = registry;
    this.levelNumber = level;
  }

  get level(): LogLevel {
    return LOG_LEVELS[this.#level] as LogLevel;
  }

  get levelNumber(): number {
    return this.#level;
  }

  set levelNumber(level: number) {
    this.#level = level;
    this.traceEnabled = level <= 0;
    this.debugEnabled = level <= 1;
  }

  /** For those who are told of the level. */
  write(level: LogLevel, message: string): void {
    const number = LOG_LEVELS.indexOf(level);
    if (this.#level <= number) this.#registry.emit(number, this.component, message);
  }

  trace(message: string): void {
    if (this.#level <= 0) this.#registry.emit(0, this.component, message);
  }

  debug(message: string): void {
    if (this.#level <= 1) this.#registry.emit(1, this.component, message);
  }

  info(message: string): void {
    if (this.#level <= 2) this.#registry.emit(2, this.component, message);
  }

  warn(message: string): void {
    if (this.#level <= 3) this.#registry.emit(3, this.component, message);
  }

  error(message: string): void {
    if (this.#level <= 4) this.#registry.emit(4, this.component, message);
  }

  critical(message: string): void {
    if (this.#level <= 5) this.#registry.emit(5, this.component, message);
  }
}

/** All loggers of a process, their levels and where they write. */
export class LogRegistry {
  readonly #loggers = new Map<string, Logger>();
  readonly #format: LogFormat;
  readonly #isEscaped: boolean;
  /** Of the kernel's thread it would be another number; this one tells threads of one process apart as well. */
  readonly #threadId: number;
  readonly #clock: Clock;
  #write: (line: string) => void;
  readonly #path: string;
  /** Of loggers that are still to be made. */
  #level: number;

  /** What it was opened with, for the log of another thread. */
  readonly settings: Omit<LogOptions, 'write' | 'clock'>;

  private constructor(options: LogOptions, level: number, format: LogFormat, write: (line: string) => void) {
    const { write: _write, clock: _clock, ...settings } = options;
    this.settings = settings;
    this.#level = level;
    this.#format = format;
    this.#threadId = process.pid + (options.thread ?? 0);
    this.#isEscaped = options.formatEscaped === true;
    this.#clock = options.clock ?? new Clock();
    this.#write = write;
    this.#path = options.path ?? '';
    for (const component of COMPONENTS) this.logger(component);
  }

  /** Opens the log; a text says what is wrong with the options. */
  static open(options: LogOptions = {}): LogRegistry | string {
    const level = levelNumber(options.level || 'info');
    if (level < 0) return `error: invalid log level specified '${options.level}'`;
    const write = options.write ?? openOutput(options.path ?? '');
    if (typeof write === 'string') return write;
    const format = compileLogFormat(options.format || DEFAULT_LOG_FORMAT);
    const registry = new LogRegistry(options, level, format, write);
    for (const pair of (options.components ?? '').split(',')) {
      if (pair === '') continue;
      const [name = '', text] = pair.split(':');
      if (text === undefined) return `error: component log level not correctly specified '${pair}'`;
      const own = levelNumber(text);
      if (own < 0) return `error: invalid log level specified '${text}'`;
      const logger = registry.#loggers.get(name);
      if (logger === undefined) return `error: invalid component specified '${name}'`;
      logger.levelNumber = own;
    }
    return registry;
  }

  /** Returns the component's logger, which is one for all who ask. */
  logger(component: string): Logger {
    let logger = this.#loggers.get(component);
    if (logger === undefined) {
      logger = new Logger(component, this, this.#level);
      this.#loggers.set(component, logger);
    }
    return logger;
  }

  setAll(level: LogLevel): void {
    this.#level = LOG_LEVELS.indexOf(level);
    for (const logger of this.#loggers.values()) logger.levelNumber = this.#level;
  }

  /** Serves /logging: changes levels as the query says and shows them all. */
  change(query: URLSearchParams): { readonly status: 200 | 400; readonly body: string } {
    const error = this.#apply(query);
    const head = error === null ? '' : `error: ${error}\n\n${USAGE}`;
    let body = `${head}active loggers:\n`;
    for (const logger of this.#loggers.values()) body += `  ${logger.component}: ${logger.level}\n`;
    return { status: error === null ? 200 : 400, body: `${body}\n` };
  }

  /** SIGUSR1 with --log-path. */
  reopen(): void {
    if (this.#path === '') return;
    const write = openOutput(this.#path);
    if (typeof write !== 'string') this.#write = write;
  }

  /** For Logger. */
  emit(level: number, component: string, message: string): void {
    this.#clock.update();
    const text = this.#isEscaped ? escapeControls(message) : message;
    const name = LOG_LEVELS[level] as LogLevel;
    const where = { wallMs: this.#clock.wallMs, level: name, component, threadId: this.#threadId };
    this.#write(`${this.#format(text, where)}\n`);
  }

  #apply(query: URLSearchParams): string | null {
    const pairs = [...query].filter(([, value]) => value !== '');
    if (pairs.length > 1) return 'invalid number of parameters';
    const [pair] = pairs;
    if (pair === undefined) return null;
    const [name, value] = pair;
    if (name === 'level') {
      const level = adminLevelNumber(value);
      if (level < 0) return 'unknown logger level';
      this.setAll(LOG_LEVELS[level] as LogLevel);
      return null;
    }
    if (name === 'group') return 'group parameter requires fine-grain logging to be enabled';
    const wanted = name === 'paths' ? value.split(',') : [`${name}:${value}`];
    const changes: (readonly [Logger, number])[] = [];
    for (const change of wanted) {
      const [component = '', text = ''] = change.split(':');
      if (component === '' || text === '') return 'empty logger name or empty logger level';
      const level = adminLevelNumber(text);
      if (level < 0) return 'unknown logger level';
      const logger = this.#loggers.get(component);
      if (logger === undefined) return 'unknown logger name';
      changes.push([logger, level]);
    }
    for (const [logger, level] of changes) logger.levelNumber = level;
    return null;
  }
}

const USAGE = `usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
usage: /logging?group=<group_name>:<level> (change group of loggers)
levels: ${LOG_LEVELS.join(' ')} 
`;

/** Of options; the admin interface does not know 'warn', as Envoy's. */
function levelNumber(text: string): number {
  return adminLevelNumber(text === 'warn' ? 'warning' : text);
}

function adminLevelNumber(text: string): number {
  return LOG_LEVELS.indexOf(text as LogLevel);
}

function openOutput(path: string): ((line: string) => void) | string {
  if (path === '') return (line) => writeAll(2, line);
  try {
    const fd = openSync(path, 'a', 0o644);
    return (line) => writeAll(fd, line);
  } catch (error) {
    return `error: failed to open log-file '${path}'. e.what(): ${(error as Error).message}`;
  }
}

/** A full pipe loses the rest of the line: the proxy does not wait for its log's reader. */
function writeAll(fd: number, line: string): void {
  const bytes = Buffer.from(line);
  try {
    for (let from = 0; from < bytes.length; ) from += writeSync(fd, bytes, from);
  } catch {
    // There is no place left to say so.
  }
}

function escapeControls(text: string): string {
  return text.replace(/[\0-\x1f\x7f]/g, (char) => {
    const known = CONTROLS[char];
    return known ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
const CONTROLS: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
