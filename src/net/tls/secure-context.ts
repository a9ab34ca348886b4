// Makes OpenSSL's context of a TLS configuration: keys, trust, versions, ciphers, tickets. Errors are in Envoy's words.
import {
  constants,
  createHash,
  createPrivateKey,
  hkdfSync,
  type KeyObject,
  randomFillSync,
  X509Certificate,
} from 'node:crypto';
import type * as Tls from 'node:tls';
import { Certificate } from './certificate.ts';
import { pemBlocks } from './pem.ts';

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** A certificate and its key, PEM, the leaf first. */
export type ContextCertificate = {
  readonly chain: Buffer;
  readonly key: Buffer;
  /** '' for none. */
  readonly password: string;
  /** For messages: where they came from; '<inline>' by default. */
  readonly chainName?: string;
  readonly keyName?: string;
};

export type SecureContextOptions = {
  readonly isServer: boolean;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL's cipher string; '' for Envoy's default. Where it names none of TLS 1.3, that has Envoy's three. */
  readonly ciphers: string;
  /** OpenSSL's list ('X25519:P-256'); '' for Envoy's default. */
  readonly curves: string;
  /** OpenSSL's list; '' for Envoy's default. */
  readonly signatureAlgorithms: string;
  /** One of each kind of key takes effect (ECDSA and RSA); OpenSSL picks by what the peer can check. */
  readonly certificates: readonly ContextCertificate[];
  /** PEM; null: nobody is trusted. The runtime's own roots never are. */
  readonly trustedCa: Buffer | null;
  readonly trustedCaName?: string;
  /** PEM; each certificate of a chain must have its list. Null where only the leaf is to be looked up: see verify. */
  readonly crl: Buffer | null;
  readonly crlName?: string;
  /** Sessions are resumed only where this is the same: a digest of everything that decides trust. */
  readonly sessionIdContext: string;
  /** Server: the first encrypts tickets, all decrypt them; 48 or 80 bytes each. Empty: a key that nobody else has. */
  readonly ticketKeys: readonly Buffer[];
  readonly hasTickets: boolean;
  /** Whoever resumes gets a new ticket: clients use one of TLS 1.3 once, and would come back with none. */
  readonly renewsTickets?: boolean;
  /** 0 for OpenSSL's default of 2 hours (TLS 1.3) or 5 minutes. */
  readonly sessionTimeoutS: number;
  readonly prefersClientCiphers: boolean;
};

/** Envoy's, without its groups of equals, which OpenSSL cannot express. */
export const DEFAULT_CIPHERS =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:' +
  'ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384';
export const DEFAULT_CURVES = 'X25519MLKEM768:X25519:P-256';
/** BoringSSL's order of TLS 1.3, where hardware has AES. */
const TLS13_CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
/** BoringSSL's; whoever has a key of another kind signs with that, too. */
const DEFAULT_SIGNATURES = [
  'ecdsa_secp256r1_sha256',
  'rsa_pss_rsae_sha256',
  'rsa_pkcs1_sha256',
  'ecdsa_secp384r1_sha384',
  'rsa_pss_rsae_sha384',
  'rsa_pkcs1_sha384',
  'rsa_pss_rsae_sha512',
  'rsa_pkcs1_sha512',
].join(':');
/** What TLS 1.0 and 1.1 sign with; only where the configuration asks for them. */
const OLD_SIGNATURES = 'rsa_pkcs1_sha1:ecdsa_sha1';

const MIN_RSA_BITS = 2048;
const MAX_SESSION_ID_CONTEXT = 32;
const INLINE = '<inline>';

let loaded: typeof Tls | null = null;

/** Loaded with the first context: a proxy without TLS does without its 2 MB. */
function nodeTls(): typeof Tls {
  loaded ??= process.getBuiltinModule('node:tls');
  return loaded;
}

/** The context, or why there is none, as Envoy says it. Reads no file and no clock. */
export function makeSecureContext(options: SecureContextOptions): Tls.SecureContext | { readonly error: string } {
  const key = certificatesError(options);
  if (key !== null) return { error: key };
  const trust = trustError(options);
  if (trust !== null) return { error: trust };
  const list = cipherList(options);
  if (typeof list !== 'string') return list;
  try {
    const context = nodeTls().createSecureContext({ ...settings(options), ...trustSettings(options), ciphers: list });
    if (options.ticketKeys.length > 0) useTicketKeys(context, options.ticketKeys, options.renewsTickets ?? false);
    const [only, ...others] = options.certificates;
    const leaf = only === undefined || others.length > 0 ? null : firstCertificate(only.chain);
    if (leaf !== null) ONLY_CERTIFICATES.set(context, new Certificate(leaf.raw));
    return context;
  } catch (error) {
    return { error: algorithmError(options) ?? `Failed to make a TLS context: ${textOf(error)}` };
  }
}

/**
 * A client sends a key of its first group, and where that is a hybrid one of the next, too, so that an older server
 * need not ask again. Source: BoringSSL ssl_setup_key_shares; the stars are OpenSSL's (SSL_CTX_set1_groups_list).
 */
function groupList({ curves, isServer }: SecureContextOptions): string {
  const list = curves === '' ? DEFAULT_CURVES : curves;
  const [first = '', second, ...rest] = list.split(':');
  // Decoded parameters have theirs already.
  if (isServer || second === undefined || !first.includes('MLKEM') || list.includes('*')) return list;
  return [`*${first}`, `*${second}`, ...rest].join(':');
}

const ONLY_CERTIFICATES = new WeakMap<Tls.SecureContext, Certificate>();

/** The certificate of a context that has no more than one; null for others. */
export function onlyCertificate(context: Tls.SecureContext): Certificate | null {
  return ONLY_CERTIFICATES.get(context) ?? null;
}

function settings(options: SecureContextOptions): Tls.SecureContextOptions {
  const { sessionTimeoutS, sessionIdContext } = options;
  const used = firstOfEachKind(options.certificates);
  let bits = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION;
  if (!options.prefersClientCiphers) bits |= constants.SSL_OP_CIPHER_SERVER_PREFERENCE;
  // Envoy's default puts AES and ChaCha20 on one level: who has no hardware for AES gets what it names first.
  if (options.ciphers === '' || options.ciphers === DEFAULT_CIPHERS) bits |= constants.SSL_OP_PRIORITIZE_CHACHA;
  if (!options.hasTickets) bits |= constants.SSL_OP_NO_TICKET;
  return {
    minVersion: options.minVersion,
    maxVersion: options.maxVersion,
    secureOptions: bits,
    ecdhCurve: groupList(options),
    sigalgs: signatureList(options),
    ...(used.length === 0
      ? {}
      : {
          cert: used.map((one) => one.chain),
          key: used.map((one) => ({ pem: one.key, passphrase: one.password })),
        }),
    ...(sessionTimeoutS > 0 ? { sessionTimeout: sessionTimeoutS } : {}),
    ...(sessionIdContext === '' ? {} : { sessionIdContext: shortened(sessionIdContext) }),
  };
}

/** OpenSSL holds one certificate for each kind of key, and a later one would replace it. */
function firstOfEachKind(certificates: readonly ContextCertificate[]): ContextCertificate[] {
  const kinds = new Map<string, ContextCertificate>();
  for (const one of certificates) {
    const kind = firstCertificate(one.chain)?.publicKey.asymmetricKeyType ?? '';
    if (!kinds.has(kind)) kinds.set(kind, one);
  }
  return [...kinds.values()];
}

function trustSettings({ trustedCa, crl }: SecureContextOptions): Tls.SecureContextOptions {
  return {
    // Without a list the runtime would take its own roots.
    ca: trustedCa === null ? [] : pemBlocks(trustedCa, 'CERTIFICATE'),
    // Envoy believes in whatever is listed, also where it is not self-signed.
    allowPartialTrustChain: true,
    ...crlSettings(trustedCa, crl),
  };
}

/** Envoy takes revocation lists from the file of trusted CAs, too. */
function crlSettings(trustedCa: Buffer | null, crl: Buffer | null): Tls.SecureContextOptions {
  const lists = [...pemBlocks(trustedCa, 'X509 CRL'), ...pemBlocks(crl, 'X509 CRL')];
  return lists.length === 0 ? {} : { crl: lists };
}

// ─── Own certificates ───────────────────────────────────────────────────────────────────────────────────────────────

function certificatesError({ certificates, isServer }: SecureContextOptions): string | null {
  if (isServer && certificates.length === 0) return 'No TLS certificates found for server context';
  for (const one of certificates) {
    const error = certificateError(one);
    if (error !== null) return error;
  }
  return null;
}

/** Null when the chain reads well, its key is of a size that Envoy takes, and the private key belongs to it. */
export function certificateError(one: ContextCertificate): string | null {
  const { chainName = INLINE, keyName = INLINE } = one;
  const failed = `Failed to load certificate chain from ${chainName}`;
  if (one.chain.length === 0)
    return `Failed to load incomplete certificate from ${chainName}: certificate chain not set`;
  const leaf = firstCertificate(one.chain);
  if (leaf === null) return failed;
  const size = publicKeyError(leaf);
  if (size !== null) return size === '' ? failed : `${failed}, ${size}`;
  if (one.key.length === 0) return `Failed to load incomplete private key from path: ${keyName}`;
  const key = readKey(one);
  const cause = typeof key === 'string' ? key : fitError(leaf, key);
  return cause === null ? null : `Failed to load private key from ${keyName}, Cause: error:${cause}`;
}

/** Of chains that read well: each is looked at several times before it is in a context. */
const LEAVES = new WeakMap<Buffer, X509Certificate>();

function firstCertificate(chain: Buffer): X509Certificate | null {
  let leaf = LEAVES.get(chain) ?? null;
  if (leaf !== null) return leaf;
  try {
    for (const block of pemBlocks(chain, 'CERTIFICATE')) {
      const found = new X509Certificate(block);
      leaf ??= found;
    }
  } catch {
    return null;
  }
  if (leaf !== null) LEAVES.set(chain, leaf);
  return leaf;
}

const EC_CURVES = ['prime256v1', 'secp384r1', 'secp521r1'];

function publicKeyError(leaf: X509Certificate): string | null {
  let key: KeyObject;
  try {
    key = leaf.publicKey;
  } catch {
    return '';
  }
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return modulusLength >= MIN_RSA_BITS ? null : 'only RSA certificates with 2048-bit or larger keys are supported';
    case 'ec':
      return EC_CURVES.includes(namedCurve) ? null : '';
    case 'ed25519':
      return null;
    default:
      return '';
  }
}

function readKey({ key, password }: ContextCertificate): KeyObject | string {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key.toString('latin1'))) {
    return '0900006e:PEM routines:OPENSSL_internal:NO_START_LINE';
  }
  try {
    return createPrivateKey(password === '' ? { key } : { key, passphrase: password });
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ERR_MISSING_PASSPHRASE' || code === 'ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED')
      return '09000068:PEM routines:OPENSSL_internal:BAD_PASSWORD_READ';
    if (code === 'ERR_OSSL_BAD_DECRYPT') return '1e000065:Cipher functions:OPENSSL_internal:BAD_DECRYPT';
    return '0900000c:PEM routines:OPENSSL_internal:ASN1_LIB';
  }
}

function fitError(leaf: X509Certificate, key: KeyObject): string | null {
  if (key.asymmetricKeyType !== leaf.publicKey.asymmetricKeyType) {
    return '0b000073:X.509 certificate routines:OPENSSL_internal:KEY_TYPE_MISMATCH';
  }
  if (leaf.checkPrivateKey(key)) return null;
  return '0b000074:X.509 certificate routines:OPENSSL_internal:KEY_VALUES_MISMATCH';
}

// ─── Trust ──────────────────────────────────────────────────────────────────────────────────────────────────────────

type TrustSource = Pick<SecureContextOptions, 'trustedCa' | 'trustedCaName' | 'crl' | 'crlName'>;

/** Null when the trusted certificates and the lists of revoked ones read well. */
export function trustError({ trustedCa, trustedCaName = INLINE, crl, crlName = INLINE }: TrustSource): string | null {
  if (trustedCa !== null && !hasGoodCertificates(trustedCa)) {
    return `Failed to load trusted CA certificates from ${trustedCaName}`;
  }
  if (crl === null) return null;
  if (trustedCa === null) return `Failed to load CRL from ${crlName} without trusted CA`;
  // Envoy takes a file without any list, and refuses every peer from then on: better to hear it at once.
  const lists = pemBlocks(crl, 'X509 CRL');
  if (lists.length === 0) return `Failed to load CRL from ${crlName}`;
  try {
    nodeTls().createSecureContext({ ca: [], crl: lists });
    return null;
  } catch {
    return `Failed to load CRL from ${crlName}`;
  }
}

/** Texts that read well: in a mesh thousands of clusters trust one of them. */
const GOOD_TRUST = new WeakSet<Buffer>();

function hasGoodCertificates(trustedCa: Buffer): boolean {
  if (GOOD_TRUST.has(trustedCa)) return true;
  const blocks = pemBlocks(trustedCa, 'CERTIFICATE');
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch {
    return false;
  }
  if (blocks.length === 0) return false;
  GOOD_TRUST.add(trustedCa);
  return true;
}

// ─── Algorithms ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** TLS 1.3's suites in front, in the one list that the runtime takes. */
function cipherList({ ciphers, minVersion }: SecureContextOptions): string | { readonly error: string } {
  const list = ciphers === '' ? DEFAULT_CIPHERS : ciphers;
  // Level 1 refuses SHA-1 and RSA below 1024 bits; TLS 1.0 and 1.1 exist at level 0 only.
  const level = isOld(minVersion) ? '@SECLEVEL=0' : '@SECLEVEL=1';
  const names = list.split(':');
  const suites = names.filter((name) => TLS13_CIPHERS.split(':').includes(name));
  const older = names.filter((name) => !suites.includes(name));
  const rejected = older.filter((name) => !isCipher(name, level));
  if (rejected.length === 0) {
    const newer = suites.length === 0 ? TLS13_CIPHERS : suites.join(':');
    // The runtime wants older ones even where TLS 1.3 is the only version.
    return `${newer}:${older.length === 0 ? DEFAULT_CIPHERS : older.join(':')}:${level}`;
  }
  return {
    error:
      `Failed to initialize cipher suites ${list}. ` +
      `The following ciphers were rejected when tried individually: ${rejected.join(', ')}`,
  };
}

/** Names that OpenSSL took; those of the default it has at each level. */
const KNOWN_CIPHERS = new Set(DEFAULT_CIPHERS.split(':'));
const MAX_KNOWN_CIPHERS = 1000;

function isCipher(name: string, level: string): boolean {
  // Exclusions and orders make no list of their own.
  if (/^[!+@-]/.test(name)) return true;
  // These are no names of ciphers, but keywords that let all of them in, or none.
  if (name.startsWith('TLS_')) return false;
  const tried = `${name}:${level}`;
  if (KNOWN_CIPHERS.has(name) || KNOWN_CIPHERS.has(tried)) return true;
  try {
    nodeTls().createSecureContext({ ca: [], ciphers: tried });
    if (KNOWN_CIPHERS.size < MAX_KNOWN_CIPHERS) KNOWN_CIPHERS.add(tried);
    return true;
  } catch {
    return false;
  }
}

/** Asked where OpenSSL refused the whole: it does not say of what. */
function algorithmError(options: SecureContextOptions): string | null {
  const { curves, signatureAlgorithms } = options;
  if (curves !== '' && !isAccepted({ ecdhCurve: curves })) return `Failed to initialize ECDH curves ${curves}`;
  if (signatureAlgorithms !== '' && !isAccepted({ sigalgs: signatureAlgorithms })) {
    return `Failed to initialize TLS signature algorithms ${signatureAlgorithms}`;
  }
  return null;
}

function isAccepted(part: Tls.SecureContextOptions): boolean {
  try {
    nodeTls().createSecureContext({ ca: [], ...part });
    return true;
  } catch {
    return false;
  }
}

/** One list says what is accepted and what one's own key may sign with; BoringSSL has two. */
function signatureList({ signatureAlgorithms, minVersion, certificates }: SecureContextOptions): string {
  if (signatureAlgorithms !== '') return signatureAlgorithms;
  const lists = [DEFAULT_SIGNATURES];
  for (const { chain } of certificates) {
    const key = firstCertificate(chain)?.publicKey;
    if (key?.asymmetricKeyType === 'ed25519') lists.push('ed25519');
    if (key?.asymmetricKeyDetails?.namedCurve === 'secp521r1') lists.push('ecdsa_secp521r1_sha512');
  }
  if (isOld(minVersion)) lists.push(OLD_SIGNATURES);
  return [...new Set(lists)].join(':');
}

function isOld(version: TlsVersion): boolean {
  return version === 'TLSv1' || version === 'TLSv1.1';
}

// ─── Sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** A context of a session has 32 bytes at most. */
function shortened(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, MAX_SESSION_ID_CONTEXT);
}

type TicketKeys = { readonly name: Buffer; readonly hmac: Buffer; readonly aes: Buffer };
type NativeContext = {
  setTicketKeys(keys: Buffer): void;
  enableTicketKeyCallback?(): void;
  onticketkeycallback?: (name: Buffer, iv: Buffer, isNew: boolean) => unknown[];
};

/** What the runtime returns to OpenSSL: no such key; this one; this one, and a new ticket is due. */
const UNKNOWN_KEY = 0;
const GOOD_KEY = 1;
const RENEW = 2;

function useTicketKeys(context: Tls.SecureContext, keys: readonly Buffer[], renews: boolean): void {
  const native = context.context as NativeContext;
  const parts = keys.map(ticketKeyParts);
  const first = parts[0] as TicketKeys;
  const isSimple = keys.length === 1 && !renews;
  if (isSimple || native.enableTicketKeyCallback === undefined) {
    native.setTicketKeys(Buffer.concat([first.name, first.hmac, first.aes]));
    return;
  }
  native.enableTicketKeyCallback();
  native.onticketkeycallback = (name, iv, isNew) => {
    if (isNew) return [GOOD_KEY, first.hmac, first.aes, first.name, randomFillSync(Buffer.alloc(iv.length))];
    const found = parts.find((one) => one.name.equals(name));
    if (found === undefined) return [UNKNOWN_KEY, first.hmac, first.aes];
    return [renews || found !== first ? RENEW : GOOD_KEY, found.hmac, found.aes];
  };
}

const PART_BYTES = 16;

/**
 * Name, HMAC key and AES key, 16 bytes each. Envoy's keys of 80 bytes have 32 of both secrets, which this runtime's
 * tickets cannot use: they are condensed, so tickets pass between workers and instances, but not between Envoy and us.
 */
function ticketKeyParts(key: Buffer): TicketKeys {
  const secret = key.subarray(PART_BYTES);
  const made = secret.length === 2 * PART_BYTES ? secret : Buffer.from(hkdfSync('sha256', secret, '', 'tickets', 32));
  return {
    name: key.subarray(0, PART_BYTES),
    hmac: made.subarray(0, PART_BYTES),
    aes: made.subarray(PART_BYTES, 2 * PART_BYTES),
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
