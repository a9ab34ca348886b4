// The control plane: objects → mesh state → pushes, and the doors through which proxies and people come.
import type { Address } from '../base/byte-stream.ts';
import { Clock, Random } from '../base/clock.ts';
import { enableLinearRegex } from '../base/regex.ts';
import { DEFAULT_AUTHORITY } from '../ca/authority.ts';
import { createCertificate } from '../ca/certificate-service.ts';
import { GrpcServer } from '../grpc/server.ts';
import type { AnyServerMethod } from '../grpc/service.ts';
import { createEngine, type Engine, isListenError } from '../net/engine.ts';
import { FileWatch } from '../net/file-watch.ts';
import type { HttpServer } from '../net/http-server.ts';
import type { Node } from '../proto/generated/types.d.ts';
import type { Logger, LogRegistry } from '../telemetry/log.ts';
import { MetricRegistry } from '../telemetry/prometheus.ts';
import { XdsServer } from '../xds/server/server.ts';
import type { XdsStream } from '../xds/server/stream.ts';
import { Admission, type Caller } from './admission.ts';
import { readPageToken } from './api/access.ts';
import type { ApiContext } from './api/context.ts';
import { ParentChannel } from './parent-channel.ts';
import { startApi } from './api/server.ts';
import { FindingLog } from './finding-log.ts';
import { type MeshIdentity, openIdentity } from './identity.ts';
import { MeshState } from './mesh-state.ts';
import { meshMetrics } from './metrics.ts';
import type { ControlOptions, HostPort } from './options.ts';
import { PushObserver } from './push/push-observer.ts';
import { Receipts } from './push/receipts.ts';
import { ConfigSource } from './source/config-source.ts';
import { caProblem, listenProblem, startProblem } from './start-checks.ts';
import { StatusBook } from './status.ts';
import { LiveMesh } from './telemetry/live.ts';
import { TrustBundleTable } from './trust-bundle.ts';
import { Updates } from './updates.ts';

export type RunningControl = {
  readonly state: MeshState;
  readonly source: ConfigSource;
  readonly updates: Updates;
  readonly xds: XdsServer<Caller>;
  readonly receipts: Receipts;
  readonly identity: MeshIdentity;
  /** Where it listens; ports that were 0 are filled in. */
  readonly addresses: { readonly plain: HostPort; readonly secure: HostPort; readonly http: HostPort };
  stop(): Promise<void>;
};

export type ControlParts = { readonly logs: LogRegistry; readonly version: string };

const DRAIN_GRACE_MS = 5000;
/** A proxy that comes back tells all versions it has, 100 bytes each. */
const MAX_REQUEST_BYTES = 32 * 1024 * 1024;
/** A proxy that is gone without a word is noticed so soon. Source: istio, pkg/keepalive/options.go. */
const KEEPALIVE = Object.freeze({ keepaliveMs: 30_000, keepaliveTimeoutMs: 10_000 });

/** Starts everything in order; a text says what failed, and then nothing is left. */
export async function startControl(options: ControlOptions, parts: ControlParts): Promise<RunningControl | string> {
  const problem = startProblem(options);
  if (problem !== null) return problem;
  const clock = new Clock();
  const random = new Random();
  const log = parts.logs.logger('main');
  const engine = makeEngine(clock, log);
  const metrics = new MetricRegistry();
  const { state, source, updates } = openMesh(options, clock, log);
  const counts = meshMetrics(metrics, state, source, parts.version);
  counts.counted(source.objects());
  source.onChange((changes) => counts.counted(changes));
  const trust = new TrustBundleTable(clock);
  // Nobody is connected before the server is there.
  let streams = (): Iterable<XdsStream> => [];
  const waitingFor = (): readonly string[] => trust.waitingFor(streams(), DEFAULT_AUTHORITY.maxLifeMs);
  const identity = await openIdentity(options, state.mesh, { clock, log, metrics, waitingFor });
  if (typeof identity === 'string') {
    source.stop();
    return caProblem(options, identity);
  }
  const { authenticators, authority } = identity;
  const admission = new Admission({ state, authenticators, trustsLoopback: options.trustsLoopback, trust, log, clock });
  const { xds, receipts, observer } = openServer(clock, metrics, log, admission, parts.version);
  streams = () => xds.streams;
  trust.follow(authority, () => xds.push());
  updates.attach({ xds, receipts, observer });
  const status = new StatusBook({ clock, state, source, receipts, updates });
  const findings = new FindingLog(log);
  findings.update(status.findings());
  updates.onSettled = () => findings.update(status.findings());

  const methods = [...xds.methods(), createCertificate({ authority, authenticators, log })];
  const doors = [
    openDoor(engine, random, options.plain, methods, null),
    openDoor(engine, random, options.secure, methods, identity),
  ];
  const close = (): void => {
    for (const door of doors) if (!('error' in door)) door.server.stop();
    xds.close();
    updates.stop();
    source.stop();
    identity.close();
  };
  const context = {
    ...{ state, source, updates, xds, receipts, status, identity, metrics, clock },
    version: parts.version,
  };
  const failed = doors.find((door) => 'error' in door);
  const http = failed === undefined ? await openPages(options, context) : failed;
  if ('error' in http) {
    close();
    return http.error;
  }
  const [plain, secure] = doors as [Door, Door];
  openParentChannel(options, identity, secure.at.port, http.port);
  return {
    ...{ state, source, updates, xds, receipts, identity },
    addresses: { plain: plain.at, secure: secure.at, http: { host: http.host, port: http.port } },
    async stop() {
      http.close();
      // Streams never end by themselves.
      xds.close();
      await Promise.all(
        [plain, secure].map(({ server }) => new Promise<void>((over) => server.drain(DRAIN_GRACE_MS, over))),
      );
      close();
    },
  };
}

/** Whoever started this asks for its children's tokens, and everything ends with it. */
function openParentChannel({ parentFd }: ControlOptions, identity: MeshIdentity, secure: number, http: number): void {
  if (parentFd === null) return;
  const channel = new ParentChannel(parentFd, identity.processTokens, () => process.exit(0));
  channel.tell({ ready: true, secure, http });
}

/** The objects, and what they make; what is there at the start is in place before anybody is served. */
function openMesh(
  options: ControlOptions,
  clock: Clock,
  log: Logger,
): Pick<RunningControl, 'state' | 'source' | 'updates'> {
  const { cluster, clusterDomain, network, scopesGateways, assignsAddresses } = options;
  const state = new MeshState({ cluster, clusterDomain, network, scopesGateways, assignsAddresses });
  const source = new ConfigSource(options.config, { clock, watcher: new FileWatch(), clusterDomain });
  const updates = new Updates({ clock, state, log });
  source.onChange((changes) => updates.changed(changes));
  const problem = source.start();
  if (problem !== null) log.warn(`changes of the configuration will not be noticed: ${problem}`);
  updates.flush();
  return { state, source, updates };
}

function openServer(clock: Clock, registry: MetricRegistry, log: Logger, admission: Admission, version: string) {
  const receipts: Receipts = new Receipts({ clock, streams: () => xds.streams });
  const observer = new PushObserver({
    registry,
    progressed: () => receipts.progressed(),
    warn: (text) => log.warn(text),
    versionOf: (stream) => versionOf(stream.node),
  });
  const xds: XdsServer<Caller> = new XdsServer<Caller>({
    ...{ clock, observer, identifier: `heddle-${version}` },
    authenticate: (call) => admission.authenticate(call),
    admit: (caller, node) => admission.admit(caller, node),
  });
  return { xds, receipts, observer };
}

async function openPages(
  { http: at, pageTokenFile }: ControlOptions,
  context: Omit<ApiContext, 'token' | 'live'>,
): Promise<HttpServer | { readonly error: string }> {
  const token = pageTokenFile === null ? null : readPageToken(pageTokenFile);
  if (typeof token === 'string') return { error: token };
  const live = token === null ? null : new LiveMesh(context);
  try {
    return await startApi(at, { ...context, token, live });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return { error: listenProblem('--http-address', at, code) };
  }
}

/** As istiod counts its proxies. */
function versionOf({ metadata }: Node): string {
  const said = metadata as Readonly<Record<string, unknown>> | undefined;
  return String(said?.['HEDDLE_VERSION'] ?? said?.['ISTIO_VERSION'] ?? 'unknown');
}

type Door = { readonly server: GrpcServer; readonly at: HostPort };

/** Listens for gRPC; with an identity over TLS. */
function openDoor(
  engine: Engine,
  random: Random,
  at: HostPort,
  methods: readonly AnyServerMethod[],
  identity: MeshIdentity | null,
): Door | { readonly error: string } {
  const tls = identity === null ? null : identity.certificate.tls();
  const server = new GrpcServer({ engine, random }, { ...KEEPALIVE, maxMessageBytes: MAX_REQUEST_BYTES, tls });
  server.add(...methods);
  const host = at.host === 'localhost' ? '127.0.0.1' : at.host;
  const address: Address = { family: host.includes(':') ? 'ipv6' : 'ipv4', address: host, port: at.port } as Address;
  const listener = server.listen(address);
  if (isListenError(listener)) {
    const flag = identity === null ? '--grpc-address' : '--secure-address';
    return { error: listenProblem(flag, at, listener.errno) };
  }
  const bound = listener.address;
  return { server, at: { host: at.host, port: 'port' in bound ? bound.port : at.port } };
}

function makeEngine(clock: Clock, log: Logger): Engine {
  // Patterns come from whoever writes objects.
  enableLinearRegex();
  const onBug = (error: unknown, where: string): void =>
    log.error(`bug in ${where}: ${error instanceof Error ? error.stack : String(error)}`);
  const engine = createEngine({ clock, onBug });
  clock.wrap = (run) => engine.run(run);
  clock.onError = (error) => onBug(error, 'timer');
  return engine;
}
