// A TLS connection as scripts see it.
import type { CertificateFacts, TlsFacts } from '../../../../base/byte-stream.ts';
import type { LuaValue } from '../../../../lua/values.ts';
import type { Vm } from '../../../../lua/vm.ts';
import { cipherId, commonName, organizations } from './certificate-text.ts';
import { urlEncoded } from '../../../formatter/tls-commands.ts';
import { Handle, type HandleKind, type Owner, selfOf } from '../../../lua/handle.ts';

export class TlsHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'SSL connection',
    methods: {
      peerCertificatePresented: (args) => selfOf(args, TlsHandle).tls.peerCertificate !== null,
      peerCertificateValidated: (args) => {
        const { tls } = selfOf(args, TlsHandle);
        return tls.peerCertificate !== null && tls.isPeerVerified && !tls.isResumed;
      },
      uriSanLocalCertificate: list((tls) => tls.localCertificate?.uriSans),
      uriSanPeerCertificate: list((tls) => tls.peerCertificate?.uriSans),
      dnsSansLocalCertificate: list((tls) => tls.localCertificate?.dnsSans),
      dnsSansPeerCertificate: list((tls) => tls.peerCertificate?.dnsSans),
      sha256PeerCertificateDigest: ofPeer((peer) => peer.sha256),
      serialNumberPeerCertificate: ofPeer((peer) => peer.serialNumber),
      sha256PeerCertificateIssuerDigest: ofIssuer((issuer) => issuer.sha256),
      serialNumberPeerCertificateIssuer: ofIssuer((issuer) => issuer.serialNumber),
      issuerPeerCertificate: ofPeer((peer) => peer.issuer),
      subjectPeerCertificate: ofPeer((peer) => peer.subject),
      parsedSubjectPeerCertificate: (args) => {
        const { tls, owner } = selfOf(args, TlsHandle);
        return [tls.peerCertificate === null ? undefined : new NameHandle(owner, tls.peerCertificate.subject)];
      },
      subjectLocalCertificate: text((tls) => tls.localCertificate?.subject ?? ''),
      urlEncodedPemEncodedPeerCertificate: ofPeer((peer) => urlEncoded(peer.pem)),
      urlEncodedPemEncodedPeerCertificateChain: ofPeer((peer) => urlEncoded(peer.chainPem)),
      validFromPeerCertificate: (args) => seconds(selfOf(args, TlsHandle).tls.peerCertificate?.validFromMs),
      expirationPeerCertificate: (args) => seconds(selfOf(args, TlsHandle).tls.peerCertificate?.validToMs),
      sessionId: text((tls) => tls.sessionId),
      ciphersuiteId: text((tls) => cipherId(tls.cipher)),
      ciphersuiteString: text((tls) => tls.cipher),
      tlsVersion: text((tls) => tls.version),
    },
  };

  readonly tls: TlsFacts;

  constructor(owner: Owner, tls: TlsFacts) {
    super(TlsHandle.kind, owner);
    this.tls = tls;
  }
}

/** The subject of a certificate, taken apart. */
class NameHandle extends Handle {
  static readonly kind: HandleKind = {
    name: 'parsed name',
    methods: {
      commonName: (args) => commonName(selfOf(args, NameHandle).subject),
      organizationName: (args, vm) => tableOfTexts(vm, organizations(selfOf(args, NameHandle).subject)),
    },
  };

  readonly subject: string;

  constructor(owner: Owner, subject: string) {
    super(NameHandle.kind, owner);
    this.subject = subject;
  }
}

function text(get: (tls: TlsFacts) => string) {
  return (args: LuaValue[], vm: Vm): LuaValue => {
    const value = get(selfOf(args, TlsHandle).tls);
    vm.allocateString(value.length);
    return value;
  };
}

function ofPeer(get: (peer: CertificateFacts) => string) {
  return text(({ peerCertificate }) => (peerCertificate === null ? '' : get(peerCertificate)));
}

/** Only of a peer that was verified: nobody knows who signed for others. */
function ofIssuer(get: (issuer: CertificateFacts) => string) {
  return text(({ isPeerVerified, peerCertificate }) => {
    const issuer = isPeerVerified ? (peerCertificate?.issuerCertificate ?? null) : null;
    return issuer === null ? '' : get(issuer);
  });
}

function list(get: (tls: TlsFacts) => readonly string[] | undefined) {
  return (args: LuaValue[], vm: Vm): LuaValue => tableOfTexts(vm, get(selfOf(args, TlsHandle).tls) ?? []);
}

function tableOfTexts(vm: Vm, texts: readonly string[]): LuaValue {
  const table = vm.newTable();
  vm.fill(table, 1, texts);
  return table;
}

function seconds(ms: number | undefined): number {
  return ms === undefined ? 0 : Math.floor(ms / 1000);
}
