// What a control plane is started with.
import type { ConfigRoot } from './source/config-source.ts';

export type HostPort = { readonly host: string; readonly port: number };

export type ControlOptions = {
  /** Where the objects are, in the order in which they are read. */
  readonly config: readonly ConfigRoot[];
  /** Plain text, loopback only. */
  readonly plain: HostPort;
  readonly secure: HostPort;
  readonly http: HostPort;
  /** With the token that the API and the live page ask for; null: no live page, and the API is open to this machine. */
  readonly pageTokenFile: string | null;
  /** Keys, tokens and roots; 0700. */
  readonly stateDirectory: string;
  /** Istio's cacerts layout; null: the CA makes its own root. */
  readonly caDirectory: string | null;
  readonly passphraseFile: string | null;
  readonly cluster: string;
  readonly clusterDomain: string;
  readonly network: string;
  /** A Gateway selects proxies of its own namespace only. */
  readonly scopesGateways: boolean;
  /** Services that say no clusterIP get one. */
  readonly assignsAddresses: boolean;
  readonly serverNames: readonly string[];
  readonly tokens: { readonly issuer: string; readonly jwksFile: string; readonly audience: string } | null;
  /** Nodes on the plain-text port are believed without a credential. */
  readonly trustsLoopback: boolean;
  /** A descriptor of the process that started this one: it asks for tokens there, and all ends when it does. */
  readonly parentFd: number | null;
};
