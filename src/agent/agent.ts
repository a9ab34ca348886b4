// What serves a proxy beside it: secrets, and its way to the control plane.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve as resolvePath } from 'node:path';
import type { GrpcChannel } from '../grpc/client/channel.ts';
import { GrpcServer } from '../grpc/server.ts';
import { readToken } from '../identity/bearer-token.ts';
import type { DnsService } from '../proxy/dns/start-dns.ts';
import type { DirectoryWatcher } from '../net/file-watch.ts';
import { decodeBinary } from '../proto/binary-decode.ts';
import { toJson } from '../proto/json-encode.ts';
import { registry } from '../proto/registry.ts';
import type { MetricRegistry } from '../telemetry/prometheus.ts';
import { certificateFiles } from './config/environment.ts';
import { agentDns } from './dns.ts';
import type { AgentSettings } from './config/settings.ts';
import { type IdentityParts, SYSTEM_ROOTS, WorkloadIdentity } from './identity/workload-identity.ts';
import { type AgentMetrics, agentMetrics } from './metrics.ts';
import { NAME_TABLE_TYPE } from './relay/own-types.ts';
import { AdsRelay } from './relay/relay.ts';
import { sdsMethods } from './secrets/sds-service.ts';
import { SecretStore } from '../identity/secret-store.ts';
import { PROXY_CONFIG_TYPE } from '../identity/trust-bundle.ts';
import { listenOn } from './sockets.ts';

export type AgentParts = Omit<IdentityParts, 'metrics'> & {
  readonly watcher: DirectoryWatcher;
  readonly registry: MetricRegistry;
};

/** Requests of a proxy name everything that it wants to know. */
const MAX_PROXY_MESSAGE_BYTES = 64 * 1024 * 1024;
/** Istio's: certificates that something else on the machine writes. */
const MOUNTED_DIRECTORY = './var/run/secrets/workload-spiffe-credentials';
const DIRECTORY_MODE = 0o700;

export class Agent {
  readonly metrics: AgentMetrics;
  readonly relay: AdsRelay;
  /** Null: applications ask elsewhere. */
  readonly dns: DnsService | null;
  readonly sdsSocket: string;
  readonly xdsSocket: string;
  readonly #settings: AgentSettings;
  readonly #parts: AgentParts;
  readonly #identity: WorkloadIdentity;
  readonly #control: GrpcChannel;
  readonly #server: GrpcServer;
  readonly #secrets: SecretStore;
  readonly #mounted = mountedFiles();
  #table: Buffer | null = null;

  constructor(settings: AgentSettings, parts: AgentParts) {
    this.#settings = settings;
    this.#parts = parts;
    const { engine, clock, watcher, registry, log } = parts;
    const metrics = agentMetrics(registry);
    this.metrics = metrics;
    this.sdsSocket = resolvePath(settings.udsDirectory, 'socket');
    this.xdsSocket = resolvePath(settings.configDirectory, 'XDS');
    this.#identity = new WorkloadIdentity(settings, { ...parts, metrics });
    const { client } = this.#identity;
    this.#control = this.#identity.channel(settings.discovery, settings.tokenPath !== '');
    const { clusterId, tokenPath } = settings;
    const token = (): string | { readonly error: string } => readToken(tokenPath);
    // Without a token only a certificate says who asks.
    const whenAble = (start: () => void): (() => void) => {
      if (tokenPath === '') return this.#identity.whenThere(start);
      start();
      return () => {};
    };
    this.relay = new AdsRelay({ channel: this.#control, token, clusterId, whenAble, metrics, log });
    this.dns = agentDns(settings, parts);
    this.#followOwnTypes();
    const files = { clock, watcher, log, systemRootsPath: SYSTEM_ROOTS, mounted: this.#mounted };
    this.#secrets = new SecretStore({ client, files });
    this.#server = new GrpcServer({ engine, random: parts.random }, { maxMessageBytes: MAX_PROXY_MESSAGE_BYTES });
    this.#server.add(...this.relay.methods(), ...sdsMethods({ store: this.#secrets, log }));
  }

  /** Serves the proxy; a text says why not. */
  async start(): Promise<string | null> {
    const { engine } = this.#parts;
    for (const path of [this.sdsSocket, this.xdsSocket]) {
      const listener = await listenOn(engine, this.#server, path);
      if (typeof listener === 'string') return listener;
    }
    let problem: string | null = null;
    engine.run(() => {
      problem = this.dns?.start() ?? null;
      if (this.#mounted === null) this.#identity.start();
    });
    return problem;
  }

  stop(): void {
    this.#parts.engine.run(() => {
      this.#server.stop();
      this.dns?.close();
      this.#identity.close();
      this.#secrets.close();
      this.#control.close();
    });
  }

  /** Writes the proxy's bootstrap; returns its path. */
  writeBootstrap(bootstrap: object): string {
    const { configDirectory } = this.#settings;
    mkdirSync(configDirectory, { recursive: true, mode: DIRECTORY_MODE });
    const path = resolvePath(configDirectory, 'envoy-rev.json');
    writeFileSync(path, JSON.stringify(bootstrap, null, 2));
    return path;
  }

  #followOwnTypes(): void {
    this.relay.follow({ type: PROXY_CONFIG_TYPE, take: (bytes, done) => done(this.#secrets.takeProxyConfig(bytes)) });
    const { dns } = this;
    if (dns === null) return;
    this.relay.follow({
      type: NAME_TABLE_TYPE,
      take: (bytes, done) => {
        this.#table = bytes;
        dns.takeTable(bytes, done);
      },
    });
  }

  /** The last one that came, as JSON; null without one. */
  get nameTable(): object | null {
    const type = registry.message(NAME_TABLE_TYPE);
    const message = this.#table === null ? undefined : decodeBinary(type, this.#table);
    return message === undefined ? null : (toJson(type, message as never) as object);
  }
}

function mountedFiles(): { readonly chain: string; readonly key: string; readonly roots: string } | null {
  const files = certificateFiles(MOUNTED_DIRECTORY);
  try {
    for (const path of Object.values(files)) readFileSync(path);
    return files;
  } catch {
    return null;
  }
}
