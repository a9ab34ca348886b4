// The agent beside a proxy: its certificates, its way to the control plane, and what others ask about it.
import { createPrivateKey } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { resolve as resolvePath } from 'node:path';
import { JitteredBackOff } from '../base/back-off.ts';
import type { Clock, Random } from '../base/clock.ts';
import { GrpcChannel } from '../grpc/client/channel.ts';
import { GrpcServer } from '../grpc/server.ts';
import { readToken } from '../identity/bearer-token.ts';
import { CertificateClient, type Signer } from '../identity/certificate-client.ts';
import { readIssuedChain } from '../identity/issued-chain.ts';
import type { Engine } from '../net/engine.ts';
import type { DirectoryWatcher } from '../net/file-watch.ts';
import type { Resolver } from '../net/resolver/resolver.ts';
import { pemBlocks } from '../net/tls/pem.ts';
import { StatStore } from '../telemetry/metrics.ts';
import type { MetricRegistry } from '../telemetry/prometheus.ts';
import { certificateFiles } from './config/environment.ts';
import type { AgentSettings, ServerSettings } from './config/settings.ts';
import { type AgentMetrics, agentMetrics } from './metrics.ts';
import { PROXY_CONFIG_TYPE } from './relay/own-types.ts';
import { AdsRelay } from './relay/relay.ts';
import { authoritySigner } from './secrets/authority-client.ts';
import { sdsMethods } from './secrets/sds-service.ts';
import { CERTIFICATE_NAME, SecretStore } from './secrets/secret-store.ts';
import { listenOn } from './sockets.ts';
import { bundleRoots } from './upstream/trust-bundle.ts';
import { serverTls } from './upstream/server-trust.ts';

export type AgentLog = (level: 'info' | 'warning' | 'error', text: string) => void;

export type AgentParts = {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly resolver: Resolver;
  readonly watcher: DirectoryWatcher;
  readonly registry: MetricRegistry;
  readonly log: AgentLog;
};

/** Between requests to an authority that fail. Source: istio's agent begins at 0.5 s; doubled up to half a minute. */
const BACK_OFF = Object.freeze({ baseMs: 500, maxMs: 30_000 });
const AUTHORITY_IDLE_MS = 5000;
const DEBOUNCE_MS = 100;
/** Debian's place, which istio's images have. */
const SYSTEM_ROOTS = '/etc/ssl/certs/ca-certificates.crt';
/** Istio's: certificates that something else on the machine writes. */
const MOUNTED_DIRECTORY = './var/run/secrets/workload-spiffe-credentials';
const KEY_MODE = 0o600;
const CSR = 'CSR';

export class Agent {
  readonly settings: AgentSettings;
  readonly clock: Clock;
  readonly metrics: AgentMetrics;
  readonly client: CertificateClient;
  readonly relay: AdsRelay;
  readonly sdsSocket: string;
  readonly xdsSocket: string;
  readonly #parts: AgentParts;
  readonly #authority: GrpcChannel;
  readonly #control: GrpcChannel;
  readonly #server: GrpcServer;
  readonly #secrets: SecretStore;

  constructor(settings: AgentSettings, parts: AgentParts) {
    this.settings = settings;
    this.#parts = parts;
    this.clock = parts.clock;
    const { engine, registry, log } = parts;
    this.metrics = agentMetrics(registry);
    this.sdsSocket = resolvePath(settings.udsDirectory, 'socket');
    this.xdsSocket = resolvePath(settings.configDirectory, 'XDS');
    this.#authority = this.#channel(settings.authority, AUTHORITY_IDLE_MS, this.#hasAuthorityToken());
    this.#control = this.#channel(settings.discovery, Number.POSITIVE_INFINITY, settings.tokenPath !== '');
    this.client = this.#makeClient();
    this.#secrets = new SecretStore({
      ...{ clock: parts.clock, watcher: parts.watcher, client: this.client, debounceMs: DEBOUNCE_MS },
      ...{ systemRootsPath: SYSTEM_ROOTS, mounted: mountedFiles(), log },
    });
    const { metrics } = this;
    const token = (): string | { readonly error: string } => readToken(settings.tokenPath);
    this.relay = new AdsRelay({ channel: this.#control, token, clusterId: settings.clusterId, metrics, log });
    this.relay.follow({ type: PROXY_CONFIG_TYPE, take: (message) => this.#takeProxyConfig(message) });
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
    engine.run(() => {
      this.#adoptProvisioned();
      if (mountedFiles() === null) this.client.start();
    });
    return null;
  }

  stop(): void {
    this.#parts.engine.run(() => {
      this.#server.stop();
      this.client.close();
      this.#secrets.close();
      this.#authority.close();
      this.#control.close();
    });
  }

  /** Writes the proxy's bootstrap; returns its path. */
  writeBootstrap(bootstrap: object): string {
    mkdirSync(this.settings.configDirectory, { recursive: true, mode: 0o700 });
    const path = resolvePath(this.settings.configDirectory, 'envoy-rev.json');
    writeFileSync(path, JSON.stringify(bootstrap, null, 2));
    return path;
  }

  // ─── The way to the control plane ───────────────────────────────────────────────────────────────────────────────

  #channel(server: ServerSettings, idleMs: number, hasToken: boolean): GrpcChannel {
    const { engine, resolver } = this.#parts;
    const rootPath = server.rootPath === 'SYSTEM' ? SYSTEM_ROOTS : server.rootPath;
    const tls = serverTls({
      ...{ san: server.san, rootPath },
      identity: () => this.client.current,
      withoutIdentity: hasToken ? '' : 'there is no certificate yet',
    });
    return new GrpcChannel({ engine, resolver }, { target: server.address, tls, idleMs });
  }

  #hasAuthorityToken(): boolean {
    return this.settings.tokenPath !== '' || this.settings.joinTokenPath !== '';
  }

  #makeClient(): CertificateClient {
    const { clock, random, log } = this.#parts;
    const { certificate, identity } = this.settings;
    const signer = authoritySigner(this.#authority, { token: () => this.#authorityToken() }, this.settings.clusterId);
    const client = new CertificateClient(
      {
        ...{ clock, random, sign: this.#counted(signer), log },
        // Shown under pilot-agent's names instead.
        stats: new StatStore(),
        backOff: new JitteredBackOff(BACK_OFF, random),
      },
      identity,
      certificate.ttlS,
      { key: certificate.key, renewFrom: certificate.renewFrom, renewTo: certificate.renewTo },
    );
    client.onChange(() => this.#keep());
    const { certificateExpiry } = this.metrics;
    const leftS = (): number => (client.validToMs === 0 ? 0 : (client.validToMs - clock.wallMs) / 1000);
    certificateExpiry.cell(CERTIFICATE_NAME).from(leftS);
    return client;
  }

  /** A join token is good once: after that the certificate speaks for the workload. */
  #authorityToken(): string | { readonly error: string } {
    const { tokenPath, joinTokenPath } = this.settings;
    if (tokenPath !== '') return readToken(tokenPath);
    return this.client.validToMs > this.#parts.clock.wallMs ? '' : readToken(joinTokenPath);
  }

  #counted(sign: Signer): Signer {
    const { outgoingRequests, failedRequests } = this.metrics;
    return (request, validityS, done) => {
      outgoingRequests.cell(CSR).add();
      return sign(request, validityS, (result) => {
        if ('error' in result) failedRequests.cell(CSR).add();
        done(result);
      });
    };
  }

  /** The mesh's roots as the control plane tells them. */
  #takeProxyConfig(message: unknown): string | null {
    const { ca_certificates_pem: texts = [] } = message as { readonly ca_certificates_pem?: readonly string[] };
    const roots = bundleRoots(texts);
    if (typeof roots === 'string') return roots;
    this.client.setTrustBundle(roots);
    return null;
  }

  // ─── What outlives the agent, where that is asked for ───────────────────────────────────────────────────────────

  #adoptProvisioned(): void {
    const { provisionedDirectory: directory } = this.settings.certificate;
    if (directory === '') return;
    const files = certificateFiles(directory);
    try {
      const key = createPrivateKey(readFileSync(files.key));
      const parts = [...pemBlocks(readFileSync(files.chain), 'CERTIFICATE'), readFileSync(files.roots, 'latin1')];
      const issued = readIssuedChain(parts, key, this.#parts.clock.wallMs);
      if (typeof issued !== 'string') this.client.adopt(issued, key);
      else this.#parts.log('warning', `the certificate in ${directory} is of no use: ${issued}`);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      // What a broken key is made of is nobody's business.
      const why = code === 'ENOENT' || code === 'EACCES' ? message : 'its files cannot be read';
      this.#parts.log('warning', `no certificate in ${directory}: ${why}`);
    }
  }

  #keep(): void {
    const { outputDirectory } = this.settings.certificate;
    const { current } = this.client;
    if (outputDirectory === '' || current === null) return;
    const files = certificateFiles(outputDirectory);
    try {
      mkdirSync(outputDirectory, { recursive: true, mode: 0o700 });
      for (const [path, text] of [
        [files.key, current.key],
        [files.chain, current.chain],
        [files.roots, current.roots],
      ] as const) {
        // Whoever reads sees the old file or the new one.
        writeFileSync(`${path}.new`, text, { mode: KEY_MODE });
        renameSync(`${path}.new`, path);
      }
    } catch (error) {
      this.#parts.log('warning', `OUTPUT_CERTS: ${(error as Error).message}`);
    }
  }
}

/** Requests of a proxy name everything that it wants to know. */
const MAX_PROXY_MESSAGE_BYTES = 64 * 1024 * 1024;

function mountedFiles(): { readonly chain: string; readonly key: string; readonly roots: string } | null {
  const files = certificateFiles(MOUNTED_DIRECTORY);
  try {
    for (const path of Object.values(files)) readFileSync(path);
    return files;
  } catch {
    return null;
  }
}
