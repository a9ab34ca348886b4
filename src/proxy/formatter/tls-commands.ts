// Commands that tell of TLS: what was agreed on, and who showed which certificate.
import type { CertificateFacts, TlsFacts } from '../../base/byte-stream.ts';
import type { StreamInfo } from '../stream-info.ts';
import { type Command, plain, safeText, text } from './operator.ts';
import { formattedTime } from './time-commands.ts';

type Session = (info: StreamInfo) => TlsFacts | null;

const downstream: Session = (info) => info.connection.tls;
const upstream: Session = (info) => info.upstreamTls;
const orNull = (value: string): string | null => (value === '' ? null : value);

const SANS = {
  URI: (one: CertificateFacts) => one.uriSans,
  DNS: (one: CertificateFacts) => one.dnsSans,
  IP: (one: CertificateFacts) => one.ipSans,
  EMAIL: (one: CertificateFacts) => one.emailSans,
  OTHERNAME: (one: CertificateFacts) => one.otherNameSans,
} as const;

/** Commands by name. */
export const TLS_COMMANDS: Readonly<Record<string, Command>> = {
  ...sessionCommands('DOWNSTREAM', downstream),
  ...sessionCommands('UPSTREAM', upstream),

  ...sanCommands('DOWNSTREAM_PEER', downstream, peerOf, ['URI', 'DNS', 'IP', 'EMAIL', 'OTHERNAME']),
  ...sanCommands('DOWNSTREAM_LOCAL', downstream, localOf, ['URI', 'DNS', 'IP', 'EMAIL', 'OTHERNAME']),
  ...sanCommands('UPSTREAM_PEER', upstream, peerOf, ['URI', 'DNS', 'IP']),
  ...sanCommands('UPSTREAM_LOCAL', upstream, localOf, ['URI', 'DNS', 'IP']),

  DOWNSTREAM_PEER_SUBJECT: ofPeer(downstream, (peer) => peer.subject),
  DOWNSTREAM_PEER_ISSUER: ofPeer(downstream, (peer) => peer.issuer),
  DOWNSTREAM_PEER_SERIAL: ofPeer(downstream, (peer) => peer.serialNumber),
  DOWNSTREAM_PEER_FINGERPRINT_256: ofPeer(downstream, (peer) => peer.sha256),
  DOWNSTREAM_PEER_FINGERPRINT_1: ofPeer(downstream, (peer) => peer.sha1),
  DOWNSTREAM_PEER_CERT: ofPeer(downstream, (peer) => urlEncoded(peer.pem)),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256: ofChain((one) => one.sha256),
  DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1: ofChain((one) => one.sha1),
  DOWNSTREAM_PEER_CHAIN_SERIALS: ofChain((one) => one.serialNumber),
  DOWNSTREAM_PEER_ISSUER_SERIAL: ofIssuer((issuer) => issuer.serialNumber),
  DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256: ofIssuer((issuer) => issuer.sha256),
  DOWNSTREAM_LOCAL_SUBJECT: plain(text((ctx) => orNull(localOf(downstream(ctx.info))?.subject ?? ''))),
  UPSTREAM_PEER_SUBJECT: ofPeer(upstream, (peer) => peer.subject),
  UPSTREAM_PEER_ISSUER: ofPeer(upstream, (peer) => peer.issuer),
  UPSTREAM_PEER_CERT: ofPeer(upstream, (peer) => urlEncoded(peer.pem)),
  ...validityCommands('DOWNSTREAM', downstream),
  ...validityCommands('UPSTREAM', upstream),
};

function peerOf(tls: TlsFacts | null): CertificateFacts | null {
  return tls === null ? null : tls.peerCertificate;
}

function localOf(tls: TlsFacts | null): CertificateFacts | null {
  return tls === null ? null : tls.localCertificate;
}

function sessionCommands(side: string, of: Session): Record<string, Command> {
  return {
    [`${side}_TLS_VERSION`]: plain(safeText((ctx) => orNull(of(ctx.info)?.version ?? ''))),
    [`${side}_TLS_CIPHER`]: plain(safeText((ctx) => orNull(of(ctx.info)?.cipher ?? ''))),
    [`${side}_TLS_SESSION_ID`]: plain(safeText((ctx) => orNull(of(ctx.info)?.sessionId ?? ''))),
    [`${side}_TLS_GROUP`]: plain(safeText((ctx) => orNull(of(ctx.info)?.curve ?? ''))),
  };
}

function sanCommands(
  prefix: string,
  of: Session,
  whose: (tls: TlsFacts | null) => CertificateFacts | null,
  kinds: readonly (keyof typeof SANS)[],
): Record<string, Command> {
  return Object.fromEntries(
    kinds.map((kind) => {
      const sans = SANS[kind];
      const get = plain(
        text((ctx) => {
          const certificate = whose(of(ctx.info));
          return certificate === null ? null : orNull(sans(certificate).join(','));
        }),
      );
      return [`${prefix}_${kind}_SAN`, get];
    }),
  );
}

function ofPeer(of: Session, get: (peer: CertificateFacts) => string): Command {
  return plain(
    text((ctx) => {
      const peer = peerOf(of(ctx.info));
      return peer === null ? null : orNull(get(peer));
    }),
  );
}

function ofChain(get: (one: CertificateFacts) => string): Command {
  return ofPeer(downstream, (peer) => peer.chain.map(get).join(','));
}

/** Only of a client that was verified: nobody knows who signed for others. */
function ofIssuer(get: (issuer: CertificateFacts) => string): Command {
  return plain(
    safeText((ctx) => {
      const { tls } = ctx.info.connection;
      const issuer = tls?.isPeerVerified === true ? (tls.peerCertificate?.issuerCertificate ?? null) : null;
      return issuer === null ? null : get(issuer);
    }),
  );
}

/** Start and end of the peer's certificate, in a format as times have them. */
function validityCommands(side: string, of: Session): Record<string, Command> {
  const command = (get: (peer: CertificateFacts) => number): Command => ({
    params: 'optional',
    make: (use) =>
      formattedTime(use, false, (ctx) => {
        const peer = peerOf(of(ctx.info));
        return peer === null ? Number.NaN : get(peer);
      }),
  });
  return {
    [`${side}_PEER_CERT_V_START`]: command((peer) => peer.validFromMs),
    [`${side}_PEER_CERT_V_END`]: command((peer) => peer.validToMs),
  };
}

/** PEM as it stands in a header or a log: spaces, line ends, '+', '/' and '=' are encoded. Source: Envoy, by trial. */
export function urlEncoded(pem: string): string {
  return pem.replace(/[\n +/=]/g, (char) => ENCODED[char] as string);
}
const ENCODED: Readonly<Record<string, string>> = { '\n': '%0A', ' ': '%20', '+': '%2B', '/': '%2F', '=': '%3D' };
