// Who may call: the CA of the mesh, the ways to prove an identity to it, and the server's own certificate.
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { Secret } from '../base/secret.ts';
import { Authority, DEFAULT_AUTHORITY } from '../ca/authority.ts';
import type { Authenticator } from '../ca/authenticate/authenticator.ts';
import { JoinTokens } from '../ca/authenticate/join-tokens.ts';
import { peerCertificate } from '../ca/authenticate/peer-certificate.ts';
import { ProcessTokens } from '../ca/authenticate/process-tokens.ts';
import { jwksFile, serviceAccountTokens } from '../ca/authenticate/service-account-tokens.ts';
import { type IssuerSource, selfMade } from '../ca/issuer-source.ts';
import { followPluggedIn } from '../ca/follow-plugged-in.ts';
import { CaMetrics } from '../ca/metrics.ts';
import { istiodNames, ServerCertificate } from '../ca/server-certificate.ts';
import { pluggedDirectory } from '../ca/storage/plugged-in.ts';
import { RootStore } from '../ca/storage/root-store.ts';
import { FileWatch } from '../net/file-watch.ts';
import type { Logger } from '../telemetry/log.ts';
import type { MetricRegistry } from '../telemetry/prometheus.ts';
import type { Mesh } from './model/mesh.ts';
import type { ControlOptions } from './options.ts';

export type IdentityParts = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricRegistry;
  /** Proxies that are connected and have not acknowledged this trust bundle. */
  readonly waitingFor: (bundleVersion: string) => readonly string[];
};

export type MeshIdentity = {
  readonly authority: Authority;
  readonly authenticators: readonly Authenticator[];
  readonly joinTokens: JoinTokens;
  readonly processTokens: ProcessTokens;
  readonly certificate: ServerCertificate;
  close(): void;
};

/** A text says why there is none. */
export async function openIdentity(
  options: ControlOptions,
  mesh: Mesh,
  { clock, log, metrics, waitingFor }: IdentityParts,
): Promise<MeshIdentity | string> {
  const { trustDomain, trustDomainAliases, rootNamespace } = mesh;
  const passphrase = options.passphraseFile === null ? null : readPassphrase(options.passphraseFile);
  const directory = join(options.stateDirectory, 'ca');
  const source: IssuerSource =
    options.caDirectory === null
      ? selfMade(directory, passphrase)
      : {
          kind: 'plugged-in',
          from: pluggedDirectory(options.caDirectory),
          passphrase,
          store: new RootStore(directory, passphrase),
        };
  const authority = await Authority.open({
    ...DEFAULT_AUTHORITY,
    ...{ clock, log, trustDomain, trustDomainAliases, source, waitingFor },
    metrics: new CaMetrics(metrics),
    bundlePath: join(options.stateDirectory, 'root-cert.pem'),
  });
  if (typeof authority === 'string') return authority;
  const names = [...istiodNames(rootNamespace), 'localhost', ...options.serverNames];
  const certificate = await ServerCertificate.make(authority, names);
  if (typeof certificate === 'string') {
    authority.close();
    return certificate;
  }
  const joinTokens = new JoinTokens(join(options.stateDirectory, 'join-tokens'), trustDomain, clock);
  // Tokens that were being used when the last control plane died may have been used.
  joinTokens.sweepClaims();
  const processTokens = new ProcessTokens(trustDomain);
  const authenticators = [peerCertificate(authority, clock), processTokens.authenticator(), joinTokens.authenticator()];
  if (options.tokens !== null) {
    const { issuer, audience, jwksFile: path } = options.tokens;
    const keys = jwksFile(path, clock);
    authenticators.push(serviceAccountTokens({ trustDomain, issuer, audiences: [audience], keys, clock }));
  }
  const unfollow =
    options.caDirectory === null ? null : followPluggedIn(authority, options.caDirectory, new FileWatch());
  if (typeof unfollow === 'string') log.warn(`a new CA in ${options.caDirectory} will not be noticed: ${unfollow}`);
  const close = (): void => {
    if (typeof unfollow === 'function') unfollow();
    certificate.close();
    authority.close();
  };
  return { authority, authenticators, joinTokens, processTokens, certificate, close };
}

function readPassphrase(path: string): Secret {
  return new Secret(readFileSync(path, 'utf8').replace(/\r?\n$/, ''));
}
