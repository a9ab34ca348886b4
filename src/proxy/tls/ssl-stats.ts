// Statistics of TLS, by Envoy's names, for listeners and clusters alike.
import type { TlsFacts } from '../../base/byte-stream.ts';
import type { ScopeOf, StatStore } from '../../telemetry/metrics.ts';

/** Under 'listener.ADDRESS.server_ssl_socket_factory.' and 'cluster.NAME.client_ssl_socket_factory.'. */
export const SSL_FACTORY_STATS = {
  ssl_context_update_by_sds: 'counter',
  upstream_context_secrets_not_ready: 'counter',
  downstream_context_secrets_not_ready: 'counter',
} as const;
export type SslFactoryScope = ScopeOf<typeof SSL_FACTORY_STATS>;

/** Under 'listener.ADDRESS.ssl.' and 'cluster.NAME.ssl.'. Source: Envoy "TLS statistics". */
const SSL_STATS = {
  connection_error: 'counter',
  handshake: 'counter',
  session_reused: 'counter',
  no_certificate: 'counter',
  fail_verify_no_cert: 'counter',
  fail_verify_error: 'counter',
  fail_verify_san: 'counter',
  fail_verify_cert_hash: 'counter',
  ocsp_staple_failed: 'counter',
  ocsp_staple_omitted: 'counter',
  ocsp_staple_responses: 'counter',
  ocsp_staple_requests: 'counter',
} as const;

/** Why a peer was refused, as a statistic. */
export type VerifyStat = 'fail_verify_no_cert' | 'fail_verify_error' | 'fail_verify_san' | 'fail_verify_cert_hash';

/** Envoy names a certificate that has no name after the digest of nothing. */
const UNNAMED = 'unnamed_cert_e3b0c442';
const UNNAMED_CA = 'unnamed_ca_cert_e3b0c442';
const NO_CA = 'unnamed_ca_cert';
/** What Envoy shows of a certificate that never ends, because there is none. */
const NEVER_S = 2 ** 63;

export class SslStats {
  readonly #scope: ScopeOf<typeof SSL_STATS>;

  /** `statPrefix`: 'listener.ADDRESS.' or 'cluster.NAME.'. */
  constructor(stats: StatStore, statPrefix: string) {
    this.#scope = stats.scope(`${statPrefix}ssl.`, SSL_STATS);
  }

  /** `curve`: of the key exchange; '' where it is not known. */
  handshake(facts: TlsFacts | null, curve = ''): void {
    const scope = this.#scope;
    scope.inc(scope.i.handshake);
    if (facts === null) return;
    if (facts.isResumed) scope.inc(scope.i.session_reused);
    if (facts.peerCertificate === null) scope.inc(scope.i.no_certificate);
    scope.inc(scope.dynamicCounter(`ciphers.${facts.cipher}`));
    scope.inc(scope.dynamicCounter(`versions.${facts.version}`));
    if (curve !== '') scope.inc(scope.dynamicCounter(`curves.${curve}`));
    const algorithm = signatureOf(facts);
    if (algorithm !== '') scope.inc(scope.dynamicCounter(`sigalgs.${algorithm}`));
  }

  connectionError(): void {
    this.#scope.inc(this.#scope.i.connection_error);
  }

  refused(stat: VerifyStat): void {
    this.#scope.inc(this.#scope.i[stat]);
  }

  /** When a certificate ends; `name` is its secret's, '' for one in the configuration itself. */
  certificate(name: string, validToMs: number): void {
    const cell = this.#scope.dynamicGauge(`certificate.${name || UNNAMED}.expiration_unix_time_seconds`);
    this.#scope.set(cell, Math.floor(validToMs / 1000));
  }

  /** When the trusted certificate ends; null for a validation that trusts nobody in particular. */
  caCertificate(name: string, validToMs: number | null): void {
    const shown = name || (validToMs === null ? NO_CA : UNNAMED_CA);
    const cell = this.#scope.dynamicGauge(`certificate.${shown}.expiration_unix_time_seconds`);
    this.#scope.set(cell, validToMs === null ? NEVER_S : Math.floor(validToMs / 1000));
  }

  /** The cluster or listener is gone. */
  release(): void {
    this.#scope.release();
  }
}

/** Object identifiers of public keys as they stand in a certificate, and what such a key signs a handshake with. */
const SIGNATURES: readonly (readonly [oid: Buffer, algorithm: string, tls13: string])[] = [
  ['06082a8648ce3d030107', 'ecdsa_secp256r1_sha256', 'ecdsa_secp256r1_sha256'],
  ['06092a864886f70d010101', 'rsa_pss_rsae_sha256', 'rsa_pss_rsae_sha256'],
  ['06052b81040022', 'ecdsa_secp256r1_sha256', 'ecdsa_secp384r1_sha384'],
  ['06052b81040023', 'ecdsa_secp256r1_sha256', 'ecdsa_secp521r1_sha512'],
  ['06032b6570', 'ed25519', 'ed25519'],
].map(([oid, ...names]) => [Buffer.from(oid as string, 'hex'), ...(names as [string, string])]);

/**
 * What the peer signed with: the runtime does not tell, but of what both sides offer the first that fits the key is
 * taken, and that is the same everywhere.
 */
function signatureOf({ peerCertificate, version, cipher }: TlsFacts): string {
  const isTls13 = version === 'TLSv1.3';
  if (peerCertificate === null || (!isTls13 && !cipher.startsWith('ECDHE-'))) return '';
  const { raw } = peerCertificate;
  const found = SIGNATURES.find(([oid]) => raw.includes(oid));
  return found === undefined ? '' : found[isTls13 ? 2 : 1];
}
