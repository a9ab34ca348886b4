// A fake exchange that drives one HTTP filter in a test: what the filter does to it is noted, nothing is sent.
import { Clock, Random } from '../../src/base/clock.ts';
import type { TlsFacts } from '../../src/base/byte-stream.ts';
import { ConfigDecoder } from '../../src/proxy/config-decoder.ts';
import type { DecodeEnvironment } from '../../src/proxy/config-decoder.ts';
import type {
  FilterContext,
  FilterStream,
  FractionalPercent,
  HttpFilter,
  HttpFilterFactory,
  LocalReply,
  RouteView,
  Runtime,
} from '../../src/proxy/http/filter.ts';
import type { FormatEnvironment } from '../../src/proxy/formatter/operator.ts';
import { StreamInfo } from '../../src/proxy/stream-info.ts';
import type { ConnectionInfo } from '../../src/proxy/stream-info.ts';
import { StatStore } from '../../src/telemetry/metrics.ts';
import { headerKey } from '../../src/wire/header-names.ts';
import { Headers } from '../../src/wire/headers.ts';

export const SLOT = 0;

/** Runtime values by key; numbers for fractions are per cent. */
export class FakeRuntime implements Runtime {
  readonly values = new Map<string, number | boolean>();

  number(key: string, fallback: number): number {
    const value = this.values.get(key);
    return typeof value === 'number' ? value : fallback;
  }

  double(key: string, fallback: number): number {
    return this.number(key, fallback);
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.values.get(key);
    return typeof value === 'boolean' ? value : fallback;
  }

  featureEnabled(key: string, fallback: FractionalPercent, random: Pick<Random, 'below'>): boolean {
    const value = this.values.size === 0 ? undefined : this.values.get(key);
    const numerator = typeof value === 'number' ? value : fallback.numerator;
    const denominator = typeof value === 'number' ? 100 : fallback.denominator;
    if (numerator <= 0) return false;
    return numerator >= denominator || random.below(denominator) < numerator;
  }
}

const ENVIRONMENT: DecodeEnvironment & FormatEnvironment = {
  // In tests an Any is the pair that unpacking it would give.
  unpack: (any) => (any as { type: string; message: object } | undefined) ?? null,
  clock: { nowMs: 0, wallMs: 1_700_000_000_000 },
  hostname: 'test',
  variables: {},
};

/** One filter with its configuration, statistics and clock. */
export class FilterHarness {
  readonly stats = new StatStore();
  readonly clock = new Clock({ manual: true });
  readonly random = new Random(1);
  readonly runtime = new FakeRuntime();
  readonly factory: HttpFilterFactory;
  readonly filter: HttpFilter;
  connection: ConnectionInfo = makeConnection();

  constructor(factory: HttpFilterFactory, message: object = {}) {
    this.factory = factory;
    const context: FilterContext = {
      slot: SLOT,
      statPrefix: 'http.test.',
      stats: this.stats,
      scope: this.stats.scope('http.test.', {}),
      clock: this.clock,
      random: this.random,
      runtime: this.runtime,
    };
    const config = decodeOrThrow((d) => factory.decode(message as never, d));
    this.filter = factory.create(config as never, context) ?? {};
  }

  /** Decodes a per-route configuration. */
  route(message: object): unknown {
    return decodeOrThrow((d) => this.factory.decodeRoute?.(message as never, d));
  }

  /** A request through this filter; headers as 'name: value' lines. */
  request(path: string, lines: readonly string[] = [], routeConfigs: readonly unknown[] = []): FakeStream {
    return new FakeStream(this, requestHeaders(path, lines), routeConfigs);
  }

  stat(name: string): number {
    return this.stats.find(name) ?? 0;
  }
}

/** Runs a decoder and throws its reasons, if any. */
export function decodeOrThrow<T>(decode: (d: ConfigDecoder) => T): T {
  const d = new ConfigDecoder(ENVIRONMENT);
  const result = decode(d);
  if (d.reasons.length > 0) throw new Error(d.reasons.map((r) => `${r.path}: ${r.reason}`).join('\n'));
  return result;
}

/** The reasons why a decoder refuses, as 'path: reason'. */
export function reasonsOf(decode: (d: ConfigDecoder) => unknown): string[] {
  const d = new ConfigDecoder(ENVIRONMENT);
  decode(d);
  return d.reasons.map((r) => `${r.path}: ${r.reason}`);
}

export function makeConnection(change: Partial<ConnectionInfo> & { tls?: TlsFacts | null } = {}): ConnectionInfo {
  return {
    id: 1,
    localAddress: { family: 'ipv4', address: '10.0.0.1', port: 8080 },
    remoteAddress: { family: 'ipv4', address: '10.0.0.2', port: 40000 },
    directRemoteAddress: { family: 'ipv4', address: '10.0.0.2', port: 40000 },
    tls: null,
    requestedServerName: '',
    listenerName: 'listener',
    filterChainName: '',
    terminationDetails: '',
    ...change,
  };
}

export function requestHeaders(path: string, lines: readonly string[] = []): Headers {
  const headers = new Headers();
  const at = path.indexOf(' ');
  headers.method = at < 0 ? 'GET' : path.slice(0, at);
  headers.path = path.slice(at + 1);
  headers.authority = 'example.com';
  headers.scheme = 'http';
  addLines(headers, lines);
  return headers;
}

export function responseHeaders(status = 200, lines: readonly string[] = []): Headers {
  const headers = new Headers();
  headers.status = status;
  addLines(headers, lines);
  return headers;
}

function addLines(headers: Headers, lines: readonly string[]): void {
  for (const line of lines) {
    const colon = line.indexOf(':', 1);
    headers.add(headerKey(line.slice(0, colon)), line.slice(colon + 1).trim());
  }
}

/** The fields of a head as 'name: value' lines, pseudo-headers included. */
export function linesOf(headers: Headers): string[] {
  const lines: string[] = [];
  headers.forEach((name, value) => lines.push(`${name}: ${value}`));
  return lines;
}

export class FakeStream implements FilterStream {
  readonly harness: FilterHarness;
  readonly info: StreamInfo;
  readonly requestHeaders: Headers;
  responseHeaders: Headers | null = null;
  requestTrailers: Headers | null = null;
  responseTrailers: Headers | null = null;
  localReplyBody = '';
  accessLogType = '';
  route: RouteView | null = { name: 'route', virtualHostName: 'host', clusterName: 'up', forward: {}, metadata: null };
  readonly slot: unknown[] = [];
  readonly clock: Clock;
  readonly random: Random;
  isGrpc = false;
  isLocalReply = false;
  isDestroyed = false;
  readonly #routeConfigs: readonly unknown[];

  /** What the filter did. */
  reply: LocalReply | null = null;
  /** Headers that the reply's modifyHeaders made. */
  replyHeaders: Headers | null = null;
  continuedDecoding = 0;
  continuedEncoding = 0;
  injected: { text: string; endStream: boolean; atMs: number }[] = [];
  pauses = 0;
  resumes = 0;
  clearedRoute = 0;
  /** Who waits for a route; null: there is nobody to ask. */
  routeAsked: ((isThere: boolean) => void) | null = null;
  canAskForRoute = false;

  constructor(harness: FilterHarness, headers: Headers, routeConfigs: readonly unknown[]) {
    this.harness = harness;
    this.requestHeaders = headers;
    this.clock = harness.clock;
    this.random = harness.random;
    this.info = new StreamInfo(harness.connection, harness.clock.nowMs, harness.clock.wallMs);
    this.#routeConfigs = routeConfigs;
  }

  decodeHeaders(endStream = true): string {
    return this.harness.filter.decodeHeaders?.(this, this.requestHeaders, endStream) ?? 'continue';
  }

  encodeHeaders(headers = responseHeaders(), endStream = true): Headers {
    this.responseHeaders = headers;
    this.harness.filter.encodeHeaders?.(this, headers, endStream);
    return headers;
  }

  destroy(): void {
    this.isDestroyed = true;
    this.harness.filter.onDestroy?.(this);
  }

  routeConfig(): unknown {
    return this.#routeConfigs.at(-1) ?? null;
  }

  routeConfigs(): readonly unknown[] {
    return this.#routeConfigs;
  }

  continueDecoding(): void {
    this.continuedDecoding++;
  }

  continueEncoding(): void {
    this.continuedEncoding++;
  }

  addDecodedData(): void {}

  addEncodedData(): void {}

  limitBuffer(): void {}

  addDecodedTrailers(): Headers {
    this.requestTrailers ??= new Headers();
    return this.requestTrailers;
  }

  addEncodedTrailers(): Headers {
    this.responseTrailers ??= new Headers();
    return this.responseTrailers;
  }

  takeDecodedData(): Buffer | null {
    return null;
  }

  takeEncodedData(): Buffer | null {
    return null;
  }

  heldEncodedBytes(): number {
    return 0;
  }

  injectEncodedData(_slot: number, data: Buffer, endStream: boolean): void {
    this.injected.push({ text: data.toString('latin1'), endStream, atMs: this.clock.nowMs });
  }

  pauseResponse(): void {
    this.pauses++;
  }

  resumeResponse(): void {
    this.resumes++;
  }

  /** Notes the reply and sends it through the filter's encodeHeaders, as the engine does. */
  sendLocalReply(reply: LocalReply): void {
    this.reply = reply;
    this.info.flags |= reply.flags ?? 0;
    this.info.responseCodeDetails = reply.details;
    const headers = responseHeaders(reply.status);
    reply.modifyHeaders?.(headers);
    this.replyHeaders = this.encodeHeaders(headers, reply.body === '');
  }

  askForRoute(told: (isThere: boolean) => void): (() => void) | null {
    if (!this.canAskForRoute) return null;
    this.routeAsked = told;
    return () => {
      this.routeAsked = null;
    };
  }

  clearRouteCache(): void {
    this.clearedRoute++;
  }

  recreateStream(): boolean {
    return false;
  }

  resetStream(): void {}
}
