// The configuration of the Lua filter: scripts, compiled and loaded.
import type { Logger } from '../../../../telemetry/log.ts';
import type { ConfigDecoder } from '../../../config-decoder.ts';
import type { HttpClient } from '../../../cluster/upstream-client/http-client.ts';
import { type DataSourcePb, readDataSource } from '../../../formatter/data-source.ts';
import { loadScript } from '../../../lua/load-script.ts';
import type { Script } from '../../../lua/script.ts';

export type LuaPb = {
  readonly inline_code?: string;
  readonly source_codes?: Readonly<Record<string, DataSourcePb>>;
  readonly default_source_code?: DataSourcePb;
  readonly stat_prefix?: string;
  readonly clear_route_cache?: { readonly value?: boolean } | boolean;
  readonly filter_context?: Readonly<Record<string, unknown>>;
};

export type LuaPerRoutePb = {
  readonly disabled?: boolean;
  readonly name?: string;
  readonly source_code?: DataSourcePb;
  readonly filter_context?: Readonly<Record<string, unknown>>;
};

export type LuaConfig = {
  /** Null: none but what routes name. */
  readonly script: Script | null;
  readonly scripts: ReadonlyMap<string, Script>;
  readonly statPrefix: string;
  readonly clearsRoute: boolean;
  readonly context: Readonly<Record<string, unknown>>;
  /** Null where only a part is decoded. */
  readonly httpClient: HttpClient | null;
};

export type LuaRouteConfig = {
  readonly isDisabled: boolean;
  /** Of the filter's scripts; '' for none. */
  readonly name: string;
  readonly script: Script | null;
  /** Null: the filter's. */
  readonly context: Readonly<Record<string, unknown>> | null;
};

export function decodeLua(message: LuaPb, d: ConfigDecoder, log: Logger | null): LuaConfig {
  const { inline_code: inline = '', default_source_code: source } = message;
  if (source !== undefined && inline !== '') {
    d.reject('', 'Error: Only one of `inline_code` or `default_source_code` can be set for the Lua filter.');
  }
  const scripts = new Map<string, Script>();
  let script: Script | null = null;
  if (source !== undefined) script = readScript(source, d.at('default_source_code'), log);
  else if (inline !== '') script = loadScript(Buffer.from(inline), d.at('inline_code'), log);
  for (const [name, named] of Object.entries(message.source_codes ?? {})) {
    const loaded = readScript(named, d.at('source_codes', name), log);
    if (loaded !== null) scripts.set(name, loaded);
  }
  const clears = message.clear_route_cache;
  return Object.freeze({
    script,
    scripts,
    statPrefix: message.stat_prefix ?? '',
    clearsRoute: (typeof clears === 'object' ? clears.value : clears) ?? true,
    context: Object.freeze({ ...message.filter_context }),
    httpClient: d.environment.httpClient ?? null,
  });
}

export function decodeLuaRoute(message: LuaPerRoutePb, d: ConfigDecoder, log: Logger | null): LuaRouteConfig {
  const { disabled = false, name = '', source_code: source, filter_context: context } = message;
  const script = disabled || name !== '' || source === undefined ? null : readScript(source, d.at('source_code'), log);
  return Object.freeze({
    isDisabled: disabled,
    name,
    script,
    context: context === undefined ? null : Object.freeze({ ...context }),
  });
}

function readScript(source: DataSourcePb, d: ConfigDecoder, log: Logger | null): Script | null {
  const bytes = readDataSource(source, d);
  return bytes === null ? null : loadScript(bytes, d, log);
}
