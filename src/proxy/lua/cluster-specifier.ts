// The Lua cluster specifier (envoy.router.cluster_specifier_plugin.lua): a script names the cluster of a request.
import { stringAt } from '../../lua/lib/arguments.ts';
import { numberText } from '../../lua/number-text.ts';
import { Coroutine, LuaError, type LuaValue } from '../../lua/values.ts';
import type { Vm } from '../../lua/vm.ts';
import type { Logger } from '../../telemetry/log.ts';
import { headerKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { Cluster, ClusterManager } from '../cluster/cluster.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { DATA_SOURCE_FIELDS, type DataSourcePb, readDataSource } from '../formatter/data-source.ts';
import { toText } from './text.ts';
import type { ClusterSpecifier } from '../route/cluster-specifier.ts';
import { Handle, type HandleKind, type Owner, type ScriptLogLevel, selfOf } from './handle.ts';
import { loadScript } from './load-script.ts';
import { printable } from './printable.ts';
import { errorText, type Script } from './script.ts';

export const LUA_SPECIFIER = 'envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig';
export const LUA_SPECIFIER_FIELDS = { [LUA_SPECIFIER]: 'source_code default_cluster', ...DATA_SOURCE_FIELDS } as const;

type LuaConfigPb = { readonly source_code?: DataSourcePb; readonly default_cluster?: string };

type Environment = {
  readonly httpClient?: { readonly parts: { readonly clusters: Pick<ClusterManager, 'get'> } };
  readonly scriptLog?: Logger;
};

class RouteHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'route handle',
    methods: {
      headers: (args) => {
        const { owner, headers } = selfOf(args, RouteHandle);
        return new RouteHeadersHandle(owner, headers);
      },
      getCluster: (args) => {
        const { owner, clusters } = selfOf(args, RouteHandle);
        const cluster = clusters?.get(toText(stringAt(args, 1))) ?? null;
        return cluster === null ? [] : [new ClusterHandle(owner, cluster)];
      },
    },
  };

  readonly headers: Headers;
  readonly clusters: Pick<ClusterManager, 'get'> | null;

  constructor(owner: Owner, headers: Headers, clusters: Pick<ClusterManager, 'get'> | null) {
    super(RouteHandle.kind, owner);
    this.headers = headers;
    this.clusters = clusters;
  }
}

/** They can be read, not changed. */
class RouteHeadersHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'headers',
    methods: {
      get: (args, vm) => {
        const { headers } = selfOf(args, RouteHeadersHandle);
        const name = stringAt(args, 1).toLowerCase();
        const value = headers.getAll(headerKey(name === 'host' ? ':authority' : name));
        if (value === undefined) return [];
        vm.allocateString(value.length);
        return [value];
      },
    },
  };

  readonly headers: Headers;

  constructor(owner: Owner, headers: Headers) {
    super(RouteHeadersHandle.kind, owner);
    this.headers = headers;
  }
}

class ClusterHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'cluster',
    methods: {
      numConnections: (args) => selfOf(args, ClusterHandle).cluster.circuitBreaker('DEFAULT').connections.current ?? 0,
      numRequests: (args) => selfOf(args, ClusterHandle).cluster.circuitBreaker('DEFAULT').requests?.current ?? 0,
      numPendingRequests: (args) => selfOf(args, ClusterHandle).cluster.circuitBreaker('DEFAULT').pending?.current ?? 0,
    },
  };

  readonly cluster: Cluster;

  constructor(owner: Owner, cluster: Cluster) {
    super(ClusterHandle.kind, owner);
    this.cluster = cluster;
  }
}

/** One choice: what its handles belong to. */
class Choice implements Owner {
  readonly vm: Vm;
  readonly #log: Logger | null;
  isLive = true;
  readonly epoch = 0;

  constructor(vm: Vm, log: Logger | null) {
    this.vm = vm;
    this.#log = log;
  }

  log(level: ScriptLogLevel, text: string): void {
    this.#log?.write(level, `script log: ${printable(text)}`);
  }
}

class LuaSpecifier implements ClusterSpecifier {
  readonly #script: Script;
  readonly #fallback: string;
  readonly #clusters: Pick<ClusterManager, 'get'> | null;
  readonly #log: Logger | null;

  constructor(script: Script, fallback: string, { httpClient, scriptLog }: Environment) {
    this.#script = script;
    this.#fallback = fallback;
    this.#clusters = httpClient?.parts.clusters ?? null;
    this.#log = scriptLog ?? null;
  }

  choose(headers: Headers): string {
    const script = this.#script;
    const { vm } = script;
    const choice = new Choice(vm, this.#log);
    const handle = new RouteHandle(choice, headers, this.#clusters);
    try {
      return this.#named(choice, script.resume(vm, new Coroutine(script.onRoute), [handle]));
    } catch (e) {
      if (!(e instanceof LuaError)) throw e;
      choice.log('error', `${errorText(e)}, use default cluster`);
      return this.#fallback;
    } finally {
      choice.isLive = false;
    }
  }

  /** The last value counts; a script that yields has chosen what it yields. */
  #named(choice: Choice, results: readonly LuaValue[]): string {
    const value = results.at(-1);
    if (typeof value === 'string') return toText(value);
    if (typeof value === 'number') return numberText(value);
    choice.log('error', 'return value is not string, use default cluster');
    return this.#fallback;
  }
}

/** Null after rejecting it at `d`. */
export function decodeLuaSpecifier(message: LuaConfigPb, d: ConfigDecoder): ClusterSpecifier | null {
  const environment = d.environment as Environment;
  const at = d.at('source_code');
  const source = readDataSource(message.source_code ?? {}, at);
  const script = source === null ? null : loadScript(source, at, environment.scriptLog ?? null);
  if (script === null) return null;
  if (script.onRoute === undefined) {
    at.reject('', 'envoy_on_route() function not found. Lua will not hook cluster specifier.');
    return null;
  }
  return new LuaSpecifier(script, message.default_cluster ?? '', environment);
}
