// Proves an identity by the certificate of mutual TLS, checked against the mesh's roots of this moment.
import { X509Certificate } from 'node:crypto';
import type { CertificateFacts } from '../../base/byte-stream.ts';
import type { Clock } from '../../base/clock.ts';
import { parseSpiffeId } from '../../base/spiffe.ts';
import { chainProblem, readTrust, type Trust } from '../../net/tls/chain.ts';
import { chainReason } from '../../net/tls/wording.ts';
import type { Authority } from '../authority.ts';
import type { Authenticator, Verdict } from './authenticator.ts';

const NAME = 'client certificate';

/** The connection may be older than a certificate's life or a root's trust, so each call is judged anew. */
export function peerCertificate(authority: Authority, clock: Clock): Authenticator {
  let version = '';
  let trust: Trust = { anchors: [], lists: [] };
  return {
    name: NAME,
    authenticate({ tls }): Verdict {
      const peer = tls?.peerCertificate ?? null;
      if (peer === null) return { reason: tls === null ? 'the connection is plain text' : 'none was shown' };
      const { bundle } = authority;
      if (bundle.version !== version) {
        trust = readTrust(Buffer.from(bundle.pem), null);
        version = bundle.version;
      }
      clock.update();
      const problem = peerProblem(peer, trust, clock.wallMs);
      return problem === null ? identityOf(peer, authority) : { reason: problem };
    },
  };
}

function peerProblem(peer: CertificateFacts, trust: Trust, nowMs: number): string | null {
  const rules = { purpose: 'client', nowMs, ignoresTimes: false, maxDepth: null } as const;
  try {
    const chain = peer.chain.map(({ raw }) => new X509Certificate(raw));
    const problem = chainProblem(chain, trust, { ...rules, ignoresConstraints: false, revocation: 'none' });
    return problem === null ? null : chainReason(problem);
  } catch {
    return 'its chain cannot be read';
  }
}

/** Exactly one URI: with a second one, whoever reads the other is fooled (SPIFFE X509-SVID §2). */
function identityOf({ uriSans }: CertificateFacts, authority: Authority): Verdict {
  const [uri, ...others] = uriSans;
  if (uri === undefined) return { reason: 'it has no URI among its alternative names' };
  if (others.length > 0) return { reason: `it has ${uriSans.length} URIs among its alternative names` };
  const account = parseSpiffeId(uri);
  if (account === null) return { reason: `${JSON.stringify(uri)} is no account of a mesh` };
  if (!authority.isOwnDomain(account.trustDomain)) {
    return { reason: `its trust domain ${account.trustDomain} is not the mesh's, nor an alias of it` };
  }
  const { trustDomain } = authority.options;
  return { identity: { ...account, trustDomain, workload: null }, by: NAME, settle: null };
}
