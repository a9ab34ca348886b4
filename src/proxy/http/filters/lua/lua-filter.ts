// The Lua filter of one chain: runs scripts on requests and responses.
import type { LuaValue } from '../../../../lua/values.ts';
import type { Scope, ScopeOf } from '../../../../telemetry/metrics.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { Logger } from '../../../../telemetry/log.ts';
import type { ClusterManager } from '../../../cluster/cluster.ts';
import { type BufferedResponse, sendRequest } from '../../../cluster/upstream-client/buffered-request.ts';
import type { BodyData, DataStatus, FilterContext, FilterStream, HeadersStatus } from '../../filter.ts';
import type { HttpFilter, TrailersStatus } from '../../filter.ts';
import type { ScriptLogLevel } from '../../../lua/handle.ts';
import type { CallRequest } from './http-call.ts';
import type { LuaConfig, LuaRouteConfig } from './lua-config.ts';
import { printable } from '../../../lua/printable.ts';
import { Run } from './run.ts';
import type { Script } from '../../../lua/script.ts';
import type { ScriptStats } from './stats-handles.ts';

export const LUA_STATS = { errors: 'counter', executions: 'counter' } as const;

/** With this runtime key on, a request or response whose script fails is answered with 500. */
export const FAIL_CLOSED_KEY = 'lua.fail_closed';
export const SCRIPT_ERROR_DETAILS = 'lua_script_error';

/** The runs of one stream. */
class StreamState {
  request: Run | null = null;
  response: Run | null = null;
}

export type LuaParts = { readonly clusters: Pick<ClusterManager, 'get'>; readonly log: Logger | null };

const NO_SCRIPT_STATS = {};

export class LuaFilter implements HttpFilter {
  readonly slot: number;
  readonly name: string;
  readonly clearsRoute: boolean;
  readonly #config: LuaConfig;
  readonly #context: FilterContext;
  readonly #parts: LuaParts;
  readonly #stats: ScopeOf<typeof LUA_STATS>;
  readonly #statPrefix: string;
  #scriptStats: ScriptStats | null = null;

  constructor(config: LuaConfig, context: FilterContext, parts: LuaParts) {
    this.slot = context.slot;
    this.name = context.name ?? 'envoy.filters.http.lua';
    this.clearsRoute = config.clearsRoute;
    this.#config = config;
    this.#context = context;
    this.#parts = parts;
    const own = config.statPrefix === '' ? '' : `${config.statPrefix}.`;
    this.#statPrefix = `${context.statPrefix}lua.${own}`;
    this.#stats = context.stats.scope(this.#statPrefix, LUA_STATS);
  }

  decodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): HeadersStatus {
    const script = this.#scriptOf(stream);
    if (script === null || script.onRequest === undefined) return 'continue';
    const state = this.#newState(stream);
    const run = this.#start(script, script.onRequest, stream, headers, endStream, true);
    state.request = run;
    return run.onHeaders();
  }

  decodeData(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus {
    return this.#state(stream)?.request?.onData(data, endStream) ?? 'continue';
  }

  decodeTrailers(stream: FilterStream, trailers: Headers): TrailersStatus {
    return this.#state(stream)?.request?.onTrailers(trailers) ?? 'continue';
  }

  encodeHeaders(stream: FilterStream, headers: Headers, endStream: boolean): HeadersStatus {
    const script = this.#scriptOf(stream);
    if (script === null || script.onResponse === undefined) return 'continue';
    const state = this.#newState(stream);
    const run = this.#start(script, script.onResponse, stream, headers, endStream, false);
    state.response = run;
    return run.onHeaders();
  }

  encodeData(stream: FilterStream, data: BodyData, endStream: boolean): DataStatus {
    return this.#state(stream)?.response?.onData(data, endStream) ?? 'continue';
  }

  encodeTrailers(stream: FilterStream, trailers: Headers): TrailersStatus {
    return this.#state(stream)?.response?.onTrailers(trailers) ?? 'continue';
  }

  onDestroy(stream: FilterStream): void {
    const state = this.#state(stream);
    state?.request?.destroy();
    state?.response?.destroy();
  }

  #start(
    script: Script,
    fn: LuaValue,
    stream: FilterStream,
    headers: Headers,
    endStream: boolean,
    isRequest: boolean,
  ): Run {
    this.#stats.inc(this.#stats.i.executions);
    return new Run(this, script, fn, stream, { isRequest, headers, endStream });
  }

  #state(stream: FilterStream): StreamState | undefined {
    return stream.slot[this.slot] as StreamState | undefined;
  }

  #newState(stream: FilterStream): StreamState {
    const known = this.#state(stream);
    if (known !== undefined) return known;
    const state = new StreamState();
    stream.slot[this.slot] = state;
    return state;
  }

  /** Source: Envoy Filter::getPerLuaCodeSetup. */
  #scriptOf(stream: FilterStream): Script | null {
    const own = stream.routeConfig(this.slot) as LuaRouteConfig | null;
    if (own === null) return this.#config.script;
    if (own.isDisabled) return null;
    if (own.script !== null) return own.script;
    return own.name === '' ? this.#config.script : (this.#config.scripts.get(own.name) ?? null);
  }

  // ─── What runs ask for ──────────────────────────────────────────────────────────────────────────────────────────

  log(level: ScriptLogLevel, text: string): void {
    this.#parts.log?.write(level, `script log: ${printable(text)}`);
  }

  /** The run is over, and so is that of the other direction. */
  onScriptError(run: Run, text: string): void {
    this.#stats.inc(this.#stats.i.errors);
    this.log('error', text);
    const state = this.#state(run.stream);
    if (state === undefined) return;
    state.request?.destroy();
    state.response?.destroy();
    state.request = null;
    state.response = null;
  }

  /** What happens to the message: it goes on, or is answered in its place. */
  statusAfterError<Stopped, Gone>(run: Run, stopped: Stopped, gone: Gone): Stopped | Gone {
    const { stream } = run;
    if (stream.isDestroyed || !this.#context.runtime.boolean(FAIL_CLOSED_KEY, false)) return gone;
    if (run.canBeAnswered) {
      stream.sendLocalReply({ status: 500, body: 'Internal Server Error', details: SCRIPT_ERROR_DETAILS });
    } else {
      stream.resetStream(SCRIPT_ERROR_DETAILS);
    }
    return stopped;
  }

  hasCluster(name: string): boolean {
    return this.#parts.clusters.get(name) !== null;
  }

  /** `onEnd` hears of the answer, null for a failure; null: nobody waits for it. */
  send(
    { cluster, headers, body, timeoutMs, sendsXff }: CallRequest,
    stream: FilterStream,
    onEnd: ((response: BufferedResponse | null) => void) | null,
  ): { cancel(): void } | null {
    const client = this.#config.httpClient;
    if (client === null) return null;
    const options = { timeoutMs, info: onEnd === null ? null : stream.info, skipsEnvoyHeaders: !sendsXff };
    return sendRequest(client, cluster, headers, body, { ...options, discardsBody: onEnd === null }, (response) =>
      onEnd?.(response),
    );
  }

  contextOf(stream: FilterStream): Readonly<Record<string, unknown>> {
    const own = stream.routeConfig(this.slot) as LuaRouteConfig | null;
    return own?.context ?? this.#config.context;
  }

  scriptStats(): ScriptStats {
    this.#scriptStats ??= {
      scope: this.#context.stats.scope(this.#statPrefix, NO_SCRIPT_STATS) as Scope,
      names: new Set(),
    };
    return this.#scriptStats;
  }
}
