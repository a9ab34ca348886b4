// TLS configuration at run time, decoded from transport_sockets.tls: what both sides have in common, and secrets.
import type { StringMatcher } from '../../base/matcher.ts';
import type { Cidr } from '../../base/ip.ts';
import type { Secret } from '../../proto/generated/types.d.ts';
import type { ConfigPlace } from '../xds/place.ts';
import type { LiveContexts } from './live-contexts.ts';

/** A certificate with its key, as OpenSSL takes it; checked to fit together when it was decoded. */
export type CertificateSecret = {
  /** PEM, the leaf first; what came as PKCS #12 too. */
  readonly chain: Buffer;
  /** Where the chain came from: a path or '<inline>'. */
  readonly chainName?: string;
  readonly key: Buffer;
  /** '' for none. */
  readonly password: string;
  /** DER of an OCSP response; null for none. */
  readonly ocspStaple: Buffer | null;
  /** Names of the leaf (DNS SANs, else the common name), lower case: which SNI chooses it. */
  readonly serverNames: readonly string[];
  readonly isEcdsa: boolean;
  /** The leaf's times, ms since 1970. */
  readonly validFromMs: number;
  readonly validToMs: number;
  /** Digest of everything above. */
  readonly fingerprint: string;
};

export type SanMatcher = {
  readonly type: 'DNS' | 'URI' | 'EMAIL' | 'IP_ADDRESS' | 'OTHER_NAME';
  readonly matcher: StringMatcher;
  /** OTHER_NAME: the object identifier. */
  readonly oid: string;
};

/** Whom to believe: CertificateValidationContext, complete. */
export type ValidationSecret = {
  /** PEM; null: no chain is checked. Never the runtime's own roots. */
  readonly trustedCa: Buffer | null;
  /** Where it came from: a path or '<inline>'. */
  readonly trustedCaName?: string;
  readonly crl: Buffer | null;
  readonly isCrlForLeafOnly: boolean;
  readonly allowsExpired: boolean;
  readonly sanMatchers: readonly SanMatcher[];
  /** SHA-256 of the leaf, hex. */
  readonly certificateHashes: readonly string[];
  /** SHA-256 of the leaf's public key info, base64. */
  readonly spkiHashes: readonly string[];
  /** ACCEPT_UNTRUSTED: a bad chain is let in, and the peer counts as not verified. */
  readonly acceptsUntrusted: boolean;
  readonly maxVerifyDepth: number | null;
  /** SPIFFE validator: trust domain → CA (PEM); null when it is not used. */
  readonly spiffeTrustDomains: ReadonlyMap<string, Buffer> | null;
  /** Digest of everything that decides trust: session id context and ticket keys belong to it. */
  readonly fingerprint: string;
};

/** Session ticket keys: the first one encrypts, all decrypt. */
export type TicketKeysSecret = { readonly keys: readonly Buffer[]; readonly fingerprint: string };

/** A secret as servers send them: of one kind. */
export type NamedSecret = (
  | { readonly kind: 'certificate'; readonly value: CertificateSecret }
  | { readonly kind: 'validation'; readonly value: ValidationSecret }
  | { readonly kind: 'ticketKeys'; readonly value: TicketKeysSecret }
) & {
  /** What it was decoded of, where that names files, which change alone. */
  readonly message?: Secret;
};

/** A secret that is written into the configuration, or that comes from elsewhere and may change. */
export type SecretRef<T> =
  | { readonly kind: 'inline'; readonly value: T }
  | {
      readonly kind: 'sds';
      readonly name: string;
      readonly source: SecretSource;
      /** Why a secret will not do here (combined with a default that does not fit); null when it will. */
      readonly check?: (value: T) => string | null;
    };

/** Where a named secret comes from. */
export type SecretSource =
  /** A file in form of a DiscoveryResponse (or one Secret); watched through its directory. */
  | { readonly kind: 'file'; readonly path: string; readonly watchedDirectory: string }
  /** A server. */
  | { readonly kind: 'server'; readonly place: ConfigPlace }
  /** static_resources.secrets (no sds_config). */
  | { readonly kind: 'static' };

/** A secret of a context that is there or will be; the owner releases it. */
export type SecretHandle<T> = {
  /** Null until it came for the first time. A broken update leaves the last good one. */
  readonly current: T | null;
  /** Told after each change; not for the first value when that is there already. */
  onChange(listener: () => void): void;
  /**
   * Calls back once, perhaps now: the first fetch is over, well or badly, or took too long. Absent where that is so
   * from the beginning: files are read at once.
   */
  whenSettled?(settled: () => void): void;
  release(): void;
};

/** Finds secrets; one per worker. Statistics under 'SCOPE.ssl_socket_factory.' and 'sds.NAME.' are its users'. */
export type SecretStore = {
  certificate(ref: SecretRef<CertificateSecret>, statPrefix: string): SecretHandle<CertificateSecret>;
  validation(ref: SecretRef<ValidationSecret>, statPrefix: string): SecretHandle<ValidationSecret>;
  ticketKeys(ref: SecretRef<TicketKeysSecret>, statPrefix: string): SecretHandle<TicketKeysSecret>;
  /** The contexts in use; whoever makes one keeps it here. */
  readonly live?: LiveContexts;
};

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** CommonTlsContext. */
export type CommonTlsConfig = {
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL's cipher string for TLS 1.2 and below; '' for Envoy's default. */
  readonly ciphers: string;
  /** OpenSSL's list ('X25519:P-256'); '' for Envoy's default. */
  readonly curves: string;
  readonly signatureAlgorithms: string;
  readonly alpn: readonly string[];
  readonly certificates: readonly SecretRef<CertificateSecret>[];
  /** combined_validation_context: `base` is the default, into which the secret is merged. Null: nothing is verified. */
  readonly validation: {
    readonly ref: SecretRef<ValidationSecret>;
    readonly base: ValidationSecret | null;
  } | null;
  readonly keyLog: {
    readonly path: string;
    readonly local: readonly Cidr[];
    readonly remote: readonly Cidr[];
  } | null;
};

export type DownstreamTlsConfig = {
  readonly common: CommonTlsConfig;
  readonly requiresClientCertificate: boolean;
  readonly requiresSni: boolean;
  /** Null: keys of our own, shared by all workers and kept across updates of the same trust. */
  readonly ticketKeys: SecretRef<TicketKeysSecret> | null;
  readonly sessionTimeoutS: number;
  readonly hasTickets: boolean;
  readonly hasSessionCache: boolean;
  readonly ocspStaplePolicy: 'LENIENT_STAPLING' | 'STRICT_STAPLING' | 'MUST_STAPLE';
  readonly fullScanOnSniMismatch: boolean;
  readonly prefersClientCiphers: boolean;
};

export type UpstreamTlsConfig = {
  readonly common: CommonTlsConfig;
  /** Bytes as configured; '' for none. */
  readonly sni: string;
  readonly usesHostSni: boolean;
  readonly verifiesSniSan: boolean;
  /** Sessions kept per context; 0: none are resumed. */
  readonly maxSessionKeys: number;
  readonly enforcesRsaKeyUsage: boolean;
};
