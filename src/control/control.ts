// The control plane: objects → mesh state → pushes, and the doors through which proxies and people come.
import { chmodSync, mkdirSync } from 'node:fs';
import type { Address } from '../base/byte-stream.ts';
import { Clock, Random } from '../base/clock.ts';
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
import { startApi } from './api/server.ts';
import { FindingLog } from './finding-log.ts';
import { type MeshIdentity, openIdentity } from './identity.ts';
import { MeshState } from './mesh-state.ts';
import type { ControlOptions, HostPort } from './options.ts';
import { PushObserver } from './push/push-observer.ts';
import { Receipts } from './push/receipts.ts';
import { ConfigSource } from './source/config-source.ts';
import { StatusBook } from './status.ts';
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

/** Starts everything in order; a text says what failed, and then nothing is left. */
export async function startControl(options: ControlOptions, parts: ControlParts): Promise<RunningControl | string> {
  const clock = new Clock();
  const random = new Random();
  const log = parts.logs.logger('main');
  const engine = makeEngine(clock, log);
  const metrics = new MetricRegistry();
  mkdirSync(options.stateDirectory, { recursive: true, mode: 0o700 });
  chmodSync(options.stateDirectory, 0o700);

  const { cluster, clusterDomain, network } = options;
  const state = new MeshState({ cluster, clusterDomain, network });
  const source = new ConfigSource(options.config, { clock, watcher: new FileWatch(), clusterDomain });
  const updates = new Updates({ clock, state, log });
  source.onChange((changes) => updates.changed(changes));
  const watchProblem = source.start();
  if (watchProblem !== null) log.warn(`changes of ${options.config} will not be noticed: ${watchProblem}`);
  // What is there at the start is in place before anybody is served.
  updates.flush();

  const trust = new TrustBundleTable(clock);
  // Nobody is connected before the server is there.
  let streams = (): Iterable<XdsStream> => [];
  const identity = await openIdentity(options, state.mesh, {
    clock,
    log,
    metrics,
    waitingFor: () => trust.waitingFor(streams(), DEFAULT_AUTHORITY.maxLifeMs),
  });
  if (typeof identity === 'string') return identity;

  const { authenticators } = identity;
  const admission = new Admission({ state, authenticators, trustsLoopback: options.trustsLoopback, trust, log });
  const receipts: Receipts = new Receipts({ clock, streams: () => xds.streams });
  const observer = new PushObserver({
    registry: metrics,
    progressed: () => receipts.progressed(),
    warn: (text) => log.warn(text),
    versionOf: (stream) => versionOf(stream.node),
  });
  const xds = new XdsServer<Caller>({
    ...{ clock, observer, identifier: `heddle-${parts.version}` },
    authenticate: (call) => admission.authenticate(call),
    admit: (caller, node) => admission.admit(caller, node),
  });
  streams = () => xds.streams;
  trust.follow(identity.authority, () => xds.push());
  updates.attach({ xds, receipts, observer });
  const service = createCertificate({ authority: identity.authority, authenticators, log });
  const plain = openDoor(engine, random, options.plain, [...xds.methods(), service], null);
  const secure = openDoor(engine, random, options.secure, [...xds.methods(), service], identity);
  const close = (): void => {
    for (const door of [plain, secure]) if (!('error' in door)) door.server.stop();
    xds.close();
    updates.stop();
    source.stop();
    identity.close();
  };
  const failed = [plain, secure].find((door) => 'error' in door);
  if (failed !== undefined && 'error' in failed) {
    close();
    return failed.error;
  }
  const status = new StatusBook({ state, source, receipts, updates });
  const findings = new FindingLog(log);
  findings.update(status.findings());
  updates.onSettled = () => findings.update(status.findings());
  let http: HttpServer;
  try {
    http = await startApi(options.http, {
      ...{ state, source, updates, xds, receipts, status, identity, metrics, clock },
      version: parts.version,
    });
  } catch (error) {
    close();
    return `--http-address: ${(error as Error).message}`;
  }
  const doors = [plain, secure] as readonly Door[];
  return {
    ...{ state, source, updates, xds, receipts, identity },
    addresses: {
      plain: (doors[0] as Door).at,
      secure: (doors[1] as Door).at,
      http: { host: http.host, port: http.port },
    },
    async stop() {
      http.close();
      await Promise.all(doors.map(({ server }) => new Promise<void>((over) => server.drain(DRAIN_GRACE_MS, over))));
      close();
    },
  };
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
  const server = new GrpcServer({ engine, random }, { tls });
  server.add(...methods);
  const host = at.host === 'localhost' ? '127.0.0.1' : at.host;
  const address: Address = { family: host.includes(':') ? 'ipv6' : 'ipv4', address: host, port: at.port } as Address;
  const listener = server.listen(address);
  if (isListenError(listener)) {
    const flag = identity === null ? '--grpc-address' : '--secure-address';
    return { error: `${flag} ${at.host}:${at.port}: ${listener.errno}` };
  }
  const bound = listener.address;
  return { server, at: { host: at.host, port: 'port' in bound ? bound.port : at.port } };
}

function makeEngine(clock: Clock, log: Logger): Engine {
  const onBug = (error: unknown, where: string): void =>
    log.error(`bug in ${where}: ${error instanceof Error ? error.stack : String(error)}`);
  const engine = createEngine({ clock, onBug });
  clock.wrap = (run) => engine.run(run);
  clock.onError = (error) => onBug(error, 'timer');
  return engine;
}
