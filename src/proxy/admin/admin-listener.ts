// The listener of the admin interface: a listener of its own that no configuration update or drain touches.
import { SANITIZE } from '../http/client-cert-header.ts';
import type { Address } from '../../base/byte-stream.ts';
import type { Clock, Random } from '../../base/clock.ts';
import type { StringMatcher } from '../../base/matcher.ts';
import type { Engine, SocketOption } from '../../net/engine.ts';
import { DEFAULT_HTTP2_OPTIONS } from '../../wire/http2/options.ts';
import type { StatStore } from '../../telemetry/metrics.ts';
import type { AccessLog } from '../access-log/access-log.ts';
import type { HttpFilterFactory, Runtime } from '../http/filter.ts';
import type { HttpConfig } from '../http/http-config.ts';
import { HttpManagerFilter, makeHttpManager } from '../http/http-manager.ts';
import { AddressRegistry } from '../listener/address-registry.ts';
import { ActiveListener } from '../listener/listener.ts';
import type { ListenerConfig } from '../listener/listener-config.ts';
import type { NetworkFilterFactory } from '../network/filter.ts';
import { singleWorker } from '../workers/single.ts';
import { AdminFilter } from './admin-filter.ts';
import type { AdminHandler } from './admin-handler.ts';
import { homePage } from './home-page.ts';

export type AdminConfig = {
  readonly address: Address;
  /** Of a unix socket; 0 leaves it to the process. */
  readonly pipeMode: number;
  readonly accessLogs: readonly AccessLog[];
  readonly socketOptions: readonly SocketOption[];
  readonly ignoresGlobalLimit: boolean;
  /** Empty: all paths. */
  readonly allowPaths: readonly StringMatcher[];
  /** Where profiles are written. */
  readonly profilePath: string;
};

export type AdminListenerContext = {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly stats: StatStore;
  readonly dateText: () => string;
  /** Of all other listeners, for the limit of all together. */
  readonly otherConnections: () => number;
};

/** The admin interface stays up while listeners drain. */
const NEVER_DRAINS = { isDraining: false, shouldDrainClose: () => false };

export class AdminListener {
  readonly #config: ListenerConfig;
  readonly #listener: ActiveListener;
  readonly #registry: AddressRegistry;

  constructor(admin: AdminConfig, handlers: readonly AdminHandler[], context: AdminListenerContext) {
    const seams = singleWorker();
    const { sockets, balancer } = seams;
    this.#config = listenerConfig(admin, connectionManager(admin, handlers));
    this.#registry = new AddressRegistry({ engine: context.engine, sockets, balancer });
    this.#listener = new ActiveListener(
      this.#config,
      {
        ...context,
        seams,
        transports: null,
        drain: NEVER_DRAINS,
        connections: new AllConnections(context.otherConnections),
        thread: 'main_thread',
        listenerFor: () => null,
        isOwnAddress: () => false,
      },
      NEVER_DRAINS,
    );
  }

  /** With the real port. */
  get address(): Address {
    return this.#registry.addressesOf(this.#listener)[0] as Address;
  }

  /** Listens. Returns why it cannot, or null. */
  start(): string | null {
    const problem = this.#registry.bind(this.#listener, this.#config);
    if (problem === null) this.#registry.open();
    return problem;
  }

  stopAccepting(): void {
    this.#registry.release(this.#listener);
  }
}

/** Those of the admin interface count besides all others. */
class AllConnections {
  readonly #others: () => number;
  #own = 0;

  constructor(others: () => number) {
    this.#others = others;
  }

  get active(): number {
    return this.#own + this.#others();
  }

  set active(all: number) {
    this.#own = all - this.#others();
  }
}

function connectionManager(admin: AdminConfig, handlers: readonly AdminHandler[]): NetworkFilterFactory {
  const { allowPaths, address } = admin;
  const filter: HttpFilterFactory = {
    name: 'envoy.filters.http.admin',
    configType: '',
    fields: {},
    isTerminal: true,
    decode: () => null,
    create: (_config, context) =>
      new AdminFilter({ handlers, allowPaths, address, homePage }, context.clock, context.slot),
  };
  const filters = [{ name: filter.name, factory: filter, config: null, disabled: false }];
  const config = { ...ADMIN_HTTP, accessLogs: admin.accessLogs };
  return {
    name: 'envoy.filters.network.http_connection_manager',
    configType: '',
    fields: {},
    isTerminal: true,
    decode: () => null,
    create: (_config, context) => new HttpManagerFilter(makeHttpManager({ config, filters }, context)),
  };
}

function listenerConfig(admin: AdminConfig, manager: NetworkFilterFactory): ListenerConfig {
  const chain = {
    name: '',
    fingerprint: '',
    metadata: null,
    transport: null,
    transportTimeoutMs: 0,
    filters: [{ name: manager.name, factory: manager, config: null }],
  };
  return {
    name: 'admin',
    fingerprint: '',
    internal: null,
    addresses: [
      { address: admin.address, ipv4Compat: false, pipeMode: admin.pipeMode, socketOptions: admin.socketOptions },
    ],
    bindToPort: true,
    handsOff: false,
    reusePort: false,
    backlog: 0,
    bufferLimitBytes: 1024 * 1024,
    statPrefix: 'admin',
    ignoreGlobalConnectionLimit: admin.ignoresGlobalLimit,
    accessLogs: [],
    listenerFilters: [],
    listenerFiltersTimeoutMs: 0,
    continueOnListenerFiltersTimeout: false,
    chains: [{ match: null, chain }],
    defaultChain: null,
    chainMatcher: null,
    isExactBalance: false,
    drainsOnModifyOnly: true,
    metadata: null,
    trafficDirection: 'UNSPECIFIED',
    udp: null,
  };
}

/** The admin listener's connection manager: Envoy's defaults, no routes. */
const ADMIN_HTTP: Omit<HttpConfig, 'chain'> = {
  statPrefix: 'admin',
  serverName: 'envoy',
  serverHeaderTransformation: 'OVERWRITE',
  schemeOverwrite: '',
  schemeMatchesUpstream: false,
  useRemoteAddress: true,
  xffNumTrustedHops: 0,
  skipXffAppend: false,
  appendXForwardedPort: false,
  representIpv4AsMapped: false,
  localAddress: '127.0.0.1',
  earlyHeaders: null,
  addressDetections: [],
  schemeByPort: null,
  isInternalAddress: () => false,
  via: '',
  clientCert: SANITIZE,
  userAgent: '',
  nodeId: '',
  generateRequestId: false,
  preserveExternalRequestId: false,
  alwaysSetRequestIdInResponse: false,
  tracing: null,
  streamIdleTimeoutMs: 300_000,
  requestTimeoutMs: 0,
  requestHeadersTimeoutMs: 0,
  drainTimeoutMs: 100,
  drainJitterPercent: 0,
  durationJitterPercent: 0,
  endsWithNextExchange: false,
  flushTimeoutMs: 300_000,
  recordsRouteResolution: false,
  delayedCloseTimeoutMs: 1000,
  idleTimeoutMs: 3_600_000,
  maxConnectionDurationMs: 0,
  maxStreamDurationMs: 0,
  maxRequestsPerConnection: 0,
  headersWithUnderscores: 'ALLOW',
  streamErrorOnInvalidHttpMessage: false,
  http1: {
    maxHeadBytes: 60 * 1024,
    maxHeaders: 100,
    allowChunkedLength: false,
    keepSpelling: false,
    allowCustomMethods: false,
    enableTrailers: false,
    acceptHttp10: true,
    defaultHostForHttp10: '',
    allowAbsoluteUrl: true,
    refusesPlainHttps: false,
    spelling: 'lower',
  },
  codecType: 'AUTO',
  http2: { wire: DEFAULT_HTTP2_OPTIONS, keepalive: null },
  normalizePath: true,
  mergeSlashes: true,
  escapedSlashes: 'KEEP_UNCHANGED',
  stripMatchingHostPort: false,
  stripAnyHostPort: false,
  stripTrailingHostDot: false,
  proxy100Continue: false,
  upgrades: new Map(),
  accessLogs: [],
  localReply: null,
  logStages: { start: false, tunnel: false, intervalMs: 0 },
  proxyStatus: null,
  routes: { current: null },
  bufferLimitBytes: 1024 * 1024,
};
