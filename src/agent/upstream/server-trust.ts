// How the agent and a server of the control plane prove to each other who they are.
import { readFileSync } from 'node:fs';
import type { SecureContext } from 'node:tls';
import { parseIp } from '../../base/ip.ts';
import type { ChannelTls } from '../../grpc/client/options.ts';
import type { IssuedIdentity } from '../../identity/certificate-client.ts';
import { makeSecureContext } from '../../net/tls/secure-context.ts';
import type { SessionFacts } from '../../net/tls/session-facts.ts';

export type ServerTrust = {
  /** The name that the server's certificate must have. */
  readonly san: string;
  /** PEM; read at each dial. */
  readonly rootPath: string;
  /** What the authority signed: shown to the server, and its roots are believed in, too. Null before there is one. */
  readonly identity: () => IssuedIdentity | null;
  /** Why there must be no connection without an identity; '' where a token will do. */
  readonly withoutIdentity: string;
};

export function serverTls(trust: ServerTrust): ChannelTls {
  let made: { readonly roots: string; readonly chain: string; readonly context: SecureContext } | null = null;
  return {
    // RFC 6066 §3: addresses are no server names.
    serverName: parseIp(trust.san) === null ? trust.san : '',
    verify: (facts) => serverProblem(facts, trust.san),
    context: () => {
      const identity = trust.identity();
      if (identity === null && trust.withoutIdentity !== '') return trust.withoutIdentity;
      const roots = trustedRoots(trust.rootPath, identity);
      if (typeof roots !== 'string') return roots.error;
      const chain = identity?.chain ?? '';
      if (made !== null && made.roots === roots && made.chain === chain) return made.context;
      const context = clientContext(roots, identity);
      if ('error' in context) return context.error;
      made = { roots, chain, context };
      return context;
    },
  };
}

/** A file that is not there is no failure once the authority has told its roots. */
function trustedRoots(path: string, identity: IssuedIdentity | null): string | { readonly error: string } {
  try {
    return `${readFileSync(path, 'latin1').trimEnd()}\n${identity?.roots ?? ''}`;
  } catch (error) {
    return identity?.roots ?? { error: `the roots of the control plane cannot be read: ${(error as Error).message}` };
  }
}

function clientContext(roots: string, identity: IssuedIdentity | null): SecureContext | { readonly error: string } {
  return makeSecureContext({
    isServer: false,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: '',
    curves: '',
    signatureAlgorithms: '',
    certificates:
      identity === null
        ? []
        : [{ chain: Buffer.from(identity.chain, 'latin1'), key: Buffer.from(identity.key, 'latin1'), password: '' }],
    trustedCa: Buffer.from(roots, 'latin1'),
    trustedCaName: 'the roots of the control plane',
    crl: null,
    sessionIdContext: '',
    ticketKeys: [],
    hasTickets: false,
    sessionTimeoutS: 0,
    prefersClientCiphers: false,
  });
}

function serverProblem(facts: SessionFacts, san: string): string | null {
  const certificate = facts.peerCertificate;
  if (certificate === null) return 'the server shows no certificate';
  if (facts.chainError !== '') return `the certificate of the server is not believed: ${facts.chainError}`;
  const { x509 } = certificate;
  const isNamed =
    parseIp(san) === null ? x509.checkHost(san, { subject: 'never' }) !== undefined : x509.checkIP(san) !== undefined;
  if (isNamed) return null;
  const names = certificate.names.allSans.join(', ') || certificate.subject;
  return `the certificate of the server is not for ${san}, but for ${names}`;
}
