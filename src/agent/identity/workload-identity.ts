// The workload's certificate: asked for over a channel to the authority, renewed, and kept where that is asked for.
import { createPrivateKey } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { JitteredBackOff } from '../../base/back-off.ts';
import type { Clock, Random } from '../../base/clock.ts';
import { GrpcChannel } from '../../grpc/client/channel.ts';
import { readToken, tokenSource } from '../../identity/bearer-token.ts';
import { CertificateClient, type Signer } from '../../identity/certificate-client.ts';
import { readIssuedChain } from '../../identity/issued-chain.ts';
import type { Engine } from '../../net/engine.ts';
import { descriptorOf, readInherited } from '../../net/inherited.ts';
import type { Resolver } from '../../net/resolver/resolver.ts';
import { pemBlocks } from '../../net/tls/pem.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import { certificateFiles } from '../config/environment.ts';
import type { AgentSettings, ServerSettings } from '../config/settings.ts';
import type { AgentMetrics } from '../metrics.ts';
import { authoritySigner } from '../secrets/authority-client.ts';
import { CERTIFICATE_NAME } from '../../identity/secret-store.ts';
import { serverTls } from '../upstream/server-trust.ts';

export type AgentLog = (level: 'info' | 'warning' | 'error', text: string) => void;

export type IdentityParts = {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly resolver: Resolver;
  readonly metrics: AgentMetrics;
  readonly log: AgentLog;
};

/** Between requests to an authority that fail. Source: istio's agent begins at 0.5 s; doubled up to half a minute. */
const BACK_OFF = Object.freeze({ baseMs: 500, maxMs: 30_000 });
const AUTHORITY_IDLE_MS = 5000;
/** Debian's place, which istio's images have. */
export const SYSTEM_ROOTS = '/etc/ssl/certs/ca-certificates.crt';
const DIRECTORY_MODE = 0o700;
const KEY_MODE = 0o600;
/** As pilot-agent labels what it counts. */
const CSR = 'CSR';

/** Null: the path is that of a file. */
function inheritedBytes(path: string): Buffer | { readonly error: string } | null {
  const fd = descriptorOf(path);
  return fd === null ? null : readInherited(fd);
}

export class WorkloadIdentity {
  readonly client: CertificateClient;
  readonly #settings: AgentSettings;
  readonly #parts: IdentityParts;
  readonly #authority: GrpcChannel;
  readonly #channels: GrpcChannel[] = [];
  readonly #joinToken: () => string | { readonly error: string };

  constructor(settings: AgentSettings, parts: IdentityParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#joinToken = tokenSource(settings.joinTokenPath, inheritedBytes);
    const hasToken = settings.tokenPath !== '' || settings.joinTokenPath !== '';
    this.#authority = this.channel(settings.authority, hasToken, AUTHORITY_IDLE_MS);
    this.client = this.#makeClient();
    this.client.onChange(() => this.#changed());
  }

  /** Servers see the new certificate with the next call; those that are open go on. */
  #changed(): void {
    this.#keep();
    for (const channel of this.#channels) channel.renew();
  }

  /** In a turn. What is left of an earlier life serves until there is another. */
  start(): void {
    this.#adoptProvisioned();
    this.client.start();
  }

  close(): void {
    this.client.close();
    this.#authority.close();
  }

  /** Calls back, perhaps at once, when there is a certificate; what it returns gives the question up. */
  whenThere(callback: () => void): () => void {
    const { client } = this;
    if (client.current !== null) {
      callback();
      return () => {};
    }
    const listener = (): void => {
      client.removeListener(listener);
      callback();
    };
    client.onChange(listener);
    return () => client.removeListener(listener);
  }

  /** To a server of the control plane, as the workload; `hasToken`: without a certificate, too. */
  channel(server: ServerSettings, hasToken: boolean, idleMs = Number.POSITIVE_INFINITY): GrpcChannel {
    const { engine, resolver } = this.#parts;
    const tls = serverTls({
      ...{ san: server.san, rootPath: server.rootPath === 'SYSTEM' ? SYSTEM_ROOTS : server.rootPath },
      identity: () => this.client.current,
      withoutIdentity: hasToken ? '' : 'there is no certificate yet',
    });
    const channel = new GrpcChannel({ engine, resolver }, { target: server.address, tls, idleMs });
    this.#channels.push(channel);
    return channel;
  }

  #makeClient(): CertificateClient {
    const { clock, random, log, metrics } = this.#parts;
    const { certificate, identity, clusterId } = this.#settings;
    const signer = authoritySigner(this.#authority, { token: () => this.#token() }, clusterId);
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
    const leftS = (): number => (client.validToMs === 0 ? 0 : (client.validToMs - clock.wallMs) / 1000);
    metrics.certificateExpiry.cell(CERTIFICATE_NAME).from(leftS);
    return client;
  }

  /** A join token may be good only once: after that the certificate speaks for the workload. */
  #token(): string | { readonly error: string } {
    const { tokenPath } = this.#settings;
    if (tokenPath !== '') return readToken(tokenPath);
    return this.client.validToMs > this.#parts.clock.wallMs ? '' : this.#joinToken();
  }

  #counted(sign: Signer): Signer {
    const { outgoingRequests, failedRequests } = this.#parts.metrics;
    return (request, validityS, done) => {
      outgoingRequests.cell(CSR).add();
      return sign(request, validityS, (result) => {
        if ('error' in result) failedRequests.cell(CSR).add();
        done(result);
      });
    };
  }

  // ─── What outlives the agent, where that is asked for ───────────────────────────────────────────────────────────

  #adoptProvisioned(): void {
    const { provisionedDirectory: directory } = this.#settings.certificate;
    if (directory === '') return;
    const { log, clock } = this.#parts;
    const files = certificateFiles(directory);
    try {
      const key = createPrivateKey(readFileSync(files.key));
      const parts = [...pemBlocks(readFileSync(files.chain), 'CERTIFICATE'), readFileSync(files.roots, 'latin1')];
      const issued = readIssuedChain(parts, key, clock.wallMs);
      if (typeof issued === 'string') log('warning', `the certificate in ${directory} is of no use: ${issued}`);
      else this.client.adopt(issued, key);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      // What a broken key is made of is nobody's business.
      const why = code === 'ENOENT' || code === 'EACCES' ? message : 'its files cannot be read';
      log('warning', `no certificate in ${directory}: ${why}`);
    }
  }

  #keep(): void {
    const { outputDirectory: directory } = this.#settings.certificate;
    const { current } = this.client;
    if (directory === '' || current === null) return;
    const files = certificateFiles(directory);
    const texts = [
      [files.key, current.key],
      [files.chain, current.chain],
      [files.roots, current.roots],
    ] as const;
    try {
      mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
      for (const [path, text] of texts) {
        // Whoever reads sees the old file or the new one.
        writeFileSync(`${path}.new`, text, { mode: KEY_MODE });
        renameSync(`${path}.new`, path);
      }
    } catch (error) {
      this.#parts.log('warning', `OUTPUT_CERTS: ${(error as Error).message}`);
    }
  }
}
